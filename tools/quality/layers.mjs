// The architecture as a check: arrows between packages, and purity. Fails when it has looked at nothing.
import { dirname } from "node:path"
import { fileURLToPath } from "node:url"
import { checkArrows } from "./arrows.mjs"
import { checkPurity } from "./purity.mjs"

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
const arrows = await checkArrows(root)
const purity = checkPurity(root)
const violations = [...arrows.violations, ...purity.violations]
for (const violation of violations) console.error(violation)
if (arrows.modules === 0) violations.push(console.error("error: no module was cruised"))
if (purity.files === 0) violations.push(console.error("error: no pure source was read"))
console.log(`layers: ${arrows.modules} modules cruised, ${purity.files} pure sources read, ${violations.length} violations`)
process.exitCode = violations.length === 0 ? 0 : 1
