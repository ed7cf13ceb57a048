// Whether the simulator finds anything: plants known bugs in a copy of the repository, one at a time, and simulates seeds
// until one fails. With words as arguments: only those whose name holds one of them. A bug that no seed shows is a failure
// of the simulator.
import { spawnSync } from "node:child_process"
import { cpSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { join, relative } from "node:path"
import { Sources } from "../defects/index.mjs"
import { root, writeSummary } from "../summary.mjs"

const SEEDS = 2_000
const VIRTUAL_MINUTES = 1.8
const TIMEOUT_MS = 600_000

const words = process.argv.slice(2)
const all = JSON.parse(readFileSync(join(root, "tools/simulator/plants.json"), "utf8"))
const plants = all.filter(({ name }) => words.length === 0 || words.some((word) => name.includes(word)))
if (plants.length === 0) {
  console.error(`error: none of the ${all.length} bugs has a name that holds ${words.join(" or ")}`)
  process.exit(1)
}

const copy = join(root, ".cache/plants")
rmSync(copy, { recursive: true, force: true })
mkdirSync(copy, { recursive: true })
for (const name of ["packages", "tools", "package.json", "tsconfig.base.json"])
  cpSync(join(root, name), join(copy, name), { recursive: true, verbatimSymlinks: true })
symlinkSync(join(root, "node_modules"), join(copy, "node_modules"), "junction")
// What a planted bug leaves unused is no matter.
const base = join(copy, "tsconfig.base.json")
writeFileSync(base, readFileSync(base, "utf8").replace(/"(noUnused\w+)": true/g, '"$1": false'))

const sources = new Sources(copy)
let failed = 0
for (const plant of plants) {
  const problem = sources.problem(plant)
  const found = problem === undefined ? simulateWith(plant) : `NOT PLANTED: ${problem}`
  if (!found.startsWith("found")) failed++
  console.log(`${found}\n  ${plant.name}`)
}
rmSync(copy, { recursive: true, force: true })
writeSummary({ passed: plants.length - failed, failed, skipped: [] })
process.exit(failed === 0 ? 0 : 1)

function simulateWith(plant) {
  const [[path, broken]] = sources.plant([plant])
  const whole = readFileSync(path, "utf8")
  writeFileSync(path, broken)
  const found = simulate()
  writeFileSync(path, whole)
  return `${found} (${relative(copy, path)})`
}

function simulate() {
  const compiled = spawnSync("tsc", ["-b", "tools/simulator"], { cwd: copy, encoding: "utf8" })
  if (compiled.status !== 0) return `NOT PLANTED: ${compiled.stdout.split("\n")[0]}`
  const args = ["--seeds", SEEDS, "--virtual-minutes", VIRTUAL_MINUTES, "--twice", 0, "--stop"].map(String)
  const { status, stdout } = spawnSync(process.execPath, [join(copy, "tools/simulator/dist/main.js"), ...args], {
    cwd: copy,
    encoding: "utf8",
    timeout: TIMEOUT_MS,
    killSignal: "SIGKILL",
  })
  const line = stdout.split("\n").find((text) => text.includes("FAILED"))
  if (status === 0 || line === undefined) return `NOT FOUND in ${SEEDS} seeds`
  return `found: ${line.slice(0, 160)}`
}
