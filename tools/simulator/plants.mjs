// Checks that the simulator finds bugs: plants known bugs in a copy of the repository, one at a time, and simulates
// seeds until one fails. With words as arguments: only the bugs whose name contains one of them. A bug that no seed
// shows is a failure of the simulator.
import { spawnSync } from "node:child_process"
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Copy, defectsOf } from "../defects/copy.mjs"
import { runGroup } from "../defects/run-group.mjs"
import { root, writeSummary } from "../summary.mjs"

const SEEDS = 2_000
const VIRTUAL_MINUTES = 1.8
const TIMEOUT_MS = 600_000

const plants = defectsOf("tools/simulator/plants.json", process.argv.slice(2))
const copy = new Copy("plants")
// A planted bug may leave code unused.
const base = join(copy.path, "tsconfig.base.json")
writeFileSync(base, readFileSync(base, "utf8").replace(/"(noUnused\w+)": true/g, '"$1": false'))

let failed = 0
for (const plant of plants) {
  const problem = copy.problem(plant)
  const found =
    problem === undefined
      ? await copy.with(plant, async (file) => `${await simulate()} (${file})`)
      : `NOT PLANTED: ${problem}`
  if (!found.startsWith("found")) failed++
  console.log(`${found}\n  ${plant.name}`)
}
copy.remove()
writeSummary({ passed: plants.length - failed, failed, skipped: [] })
process.exit(failed === 0 ? 0 : 1)

async function simulate() {
  const compiled = spawnSync("tsc", ["-b", "tools/simulator"], { cwd: copy.path, encoding: "utf8" })
  if (compiled.status !== 0) return `NOT PLANTED: ${compiled.stdout.split("\n")[0]}`
  for (const name of ["wire", "stream", "fragment", "transport", "endpoint", "rpc", "topics"]) {
    const cwd = join(copy.path, "packages", name)
    const bundled = spawnSync(process.execPath, [join(root, "tools/bundle.mjs")], { cwd, encoding: "utf8" })
    if (bundled.status !== 0) return `NOT PLANTED: ${bundled.stderr.split("\n")[0]}`
  }
  const args = ["--seeds", SEEDS, "--virtual-minutes", VIRTUAL_MINUTES, "--twice", 0, "--stop"].map(String)
  const program = join(copy.path, "tools/simulator/dist/main.js")
  const { status, stdout } = await runGroup(process.execPath, [program, ...args], {
    cwd: copy.path,
    timeoutMs: TIMEOUT_MS,
  })
  const line = stdout.split("\n").find((text) => text.includes("FAILED"))
  // On a busy machine the time may be over long before the seeds are.
  if (status === null && line === undefined) return `NOT FOUND: ${TIMEOUT_MS / 1_000} s were over before ${SEEDS} seeds`
  if (status === 0 || line === undefined) return `NOT FOUND in ${SEEDS} seeds`
  return `found: ${line.slice(0, 160)}`
}
