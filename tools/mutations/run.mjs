// Breaks named lines of the protocol, one at a time, in a copy of the repository, and runs the tests that are to notice. A
// line that can be broken unnoticed is a failure. With words as arguments: only the lines whose name holds one of them.
import { spawnSync } from "node:child_process"
import { cpSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { join, relative } from "node:path"
import { Sources } from "../defects/index.mjs"
import { root, writeSummary } from "../summary.mjs"

/** For each file or folder of tests: one that never ends has noticed. */
const TIMEOUT_MS = 180_000

const words = process.argv.slice(2)
const all = JSON.parse(readFileSync(join(root, "tools/mutations/lines.json"), "utf8"))
const lines = all.filter(({ name }) => words.length === 0 || words.some((word) => name.includes(word)))
if (lines.length === 0) {
  console.error(`error: none of the ${all.length} lines has a name that holds ${words.join(" or ")}`)
  process.exit(1)
}

const copy = join(root, ".cache/mutations")
rmSync(copy, { recursive: true, force: true })
mkdirSync(copy, { recursive: true })
for (const name of ["packages", "tools", "package.json", "README.md", "tsconfig.base.json"])
  cpSync(join(root, name), join(copy, name), { recursive: true, verbatimSymlinks: true })
symlinkSync(join(root, "node_modules"), join(copy, "node_modules"), "junction")

// What fails as it is would notice nothing.
const paths = [...new Set(lines.flatMap(({ tests }) => tests))]
console.log(`as it is: ${paths.length} files and folders of tests`)
if (!passes(paths)) {
  console.error("error: the tests fail with nothing broken, or take longer than they may; npm test says which")
  process.exit(1)
}

const sources = new Sources(copy)
let failed = 0
for (const line of lines) {
  const problem = sources.problem(line)
  const verdict = problem === undefined ? judge(line) : `NOT FOUND: ${problem}`
  if (!verdict.startsWith("noticed")) failed++
  console.log(`${verdict}  ${line.name}`)
}
rmSync(copy, { recursive: true, force: true })
writeSummary({ passed: lines.length - failed, failed, skipped: [] })
process.exit(failed === 0 ? 0 : 1)

function judge(line) {
  const [[path, broken]] = sources.plant([line])
  const whole = readFileSync(path, "utf8")
  writeFileSync(path, broken)
  const isNoticed = !passes(line.tests)
  writeFileSync(path, whole)
  return `${isNoticed ? "noticed " : "SURVIVED"}  ${relative(copy, path)}:`
}

function passes(tests) {
  const options = ["run", "--root", copy, "--config", join(copy, "tools/vitest.config.ts"), "--bail", "1", "--reporter", "dot"]
  const timeout = TIMEOUT_MS * tests.length
  const { status } = spawnSync("vitest", [...options, ...tests], { cwd: copy, stdio: "ignore", timeout, killSignal: "SIGKILL" })
  return status === 0
}
