// The reference of the packages as pages, in .cache/docs, and as a check: fails if one of their names is not
// documented.
import { join } from "node:path"
import { writeSummary } from "../summary.mjs"
import { root } from "./pack.mjs"
import { makeReference } from "./reference.mjs"

const out = join(root, ".cache/docs")
const { names, problems } = await makeReference(root, out)
for (const problem of problems) console.error(problem)
if (names === 0) problems.push("no name was found")
console.log(`docs: ${names} names, ${problems.length} problems; the pages are in ${out}`)
writeSummary({ passed: Math.max(0, names - problems.length), failed: problems.length, skipped: [] })
process.exitCode = problems.length === 0 ? 0 : 1
