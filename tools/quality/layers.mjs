// The architecture as a check: arrows between packages and between the rooms of one, and purity. Prints the rooms by
// floor, with the number of imports between them. Fails if it found nothing to check. With --write it updates the
// drawings in the documents.
import { dirname } from "node:path"
import { fileURLToPath } from "node:url"
import { checkArrows } from "./arrows.mjs"
import { KNOWN } from "./architecture.mjs"
import { checkDrawings } from "./floors.mjs"
import { checkPurity } from "./purity.mjs"

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
const arrows = await checkArrows(root)
const purity = checkPurity(root)
const violations = [
  ...arrows.violations,
  ...purity.violations,
  ...checkDrawings(root, arrows.drawings, process.argv.includes("--write")),
]
for (const [name, { counted }] of Object.entries(arrows.drawings))
  console.log(`@x/${name}\n${counted.replaceAll(/^/gm, "  ")}`)
for (const violation of violations) console.error(violation)
if (arrows.modules === 0) violations.push(console.error("error: no module was cruised"))
if (purity.files === 0) violations.push(console.error("error: no pure source was read"))
console.log(
  `layers: ${arrows.modules} modules cruised, ${purity.files} pure sources read, ${violations.length} violations, ${KNOWN.length} known`,
)
process.exitCode = violations.length === 0 ? 0 : 1
