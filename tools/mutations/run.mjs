// Breaks named lines of the protocol, one at a time, in a copy of the repository, and runs the tests that should
// notice. A line that can be broken unnoticed is a failure. With words as arguments: only the lines whose name contains
// one of them.
import { join } from "node:path"
import { Copy, defectsOf } from "../defects/copy.mjs"
import { runGroup } from "../defects/run-group.mjs"
import { writeSummary } from "../summary.mjs"

/** For each file or folder of tests. Tests that never end count as having noticed. */
const TIMEOUT_MS = 180_000

const lines = defectsOf("tools/mutations/lines.json", process.argv.slice(2))
const copy = new Copy("mutations", ["README.md"])

// Tests that fail on the unbroken sources would show nothing.
const paths = [...new Set(lines.flatMap(({ tests }) => tests))]
console.log(`as it is: ${paths.length} files and folders of tests`)
if (!(await passes(paths))) {
  console.error("error: the tests fail with nothing broken, or take longer than they may; npm test says which")
  process.exit(1)
}

let failed = 0
for (const line of lines) {
  const problem = copy.problem(line)
  const verdict = problem === undefined ? await copy.with(line, (file) => judge(line, file)) : `NOT FOUND  ${problem}`
  if (!verdict.startsWith("noticed")) failed++
  console.log(`${verdict}: ${line.name}`)
}
copy.remove()
writeSummary({ passed: lines.length - failed, failed, skipped: [] })
process.exit(failed === 0 ? 0 : 1)

async function judge({ tests }, file) {
  return `${(await passes(tests)) ? "SURVIVED" : "noticed "}  ${file}`
}

async function passes(tests) {
  const options = [
    "run",
    "--root",
    copy.path,
    "--config",
    join(copy.path, "tools/vitest.config.ts"),
    "--bail",
    "1",
    "--reporter",
    "dot",
  ]
  const timeoutMs = TIMEOUT_MS * tests.length
  const { status } = await runGroup("vitest", [...options, ...tests], { cwd: copy.path, timeoutMs })
  return status === 0
}
