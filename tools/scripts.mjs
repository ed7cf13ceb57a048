// Runs the examples or the benches of the packages, or those whose path contains one of the given words. Compiles them
// beside each other under .cache, where they find the built packages by name, and runs each in its own process.
import { spawnSync } from "node:child_process"
import { existsSync, readdirSync, rmSync, symlinkSync } from "node:fs"
import { join } from "node:path"
import { root, writeSummary } from "./summary.mjs"

const KINDS = {
  examples: { ends: ".ts", flags: [], timeoutMs: 120_000, stdio: ["ignore", "inherit", "inherit"] },
  // A young generation large enough for a whole run shows whether anything is allocated (the minimum is capped at the
  // maximum, 16 MiB by default). The memory reducer would collect by the clock, needed or not.
  bench: {
    ends: ".bench.ts",
    flags: ["--expose-gc", "--min-semi-space-size=128", "--max-semi-space-size=128", "--no-memory-reducer"],
    timeoutMs: 900_000,
    stdio: "inherit",
  },
}

/** How a script ends that can't be run on this machine, as examples/bridges/server.ts says: it has shown nothing. */
const SKIPPED = 77

const [kind, ...words] = process.argv.slice(2)
const { ends, flags, timeoutMs, stdio } = KINDS[kind]
const scripts = packageNames().flatMap((name) => scriptsOf(`packages/${name}/${kind}`))
const chosen = scripts.filter((script) => words.length === 0 || words.some((word) => script.includes(word)))
if (chosen.length === 0) {
  console.error(
    scripts.length === 0
      ? `error: there are no packages/*/${kind}/*${ends} yet`
      : `error: none of ${scripts.join(", ")} holds ${words.join(" or ")}`,
  )
  process.exit(1)
}

const out = join(root, ".cache/scripts")
rmSync(out, { recursive: true, force: true })
const compiled = spawnSync("tsc", ["-p", join(root, "tools/tsconfig.scripts.json")], { cwd: root, stdio: "inherit" })
if (compiled.status !== 0) process.exit(1)
// Scripts may import whatever their package may.
for (const name of packageNames()) {
  const modules = join(root, "packages", name, "node_modules")
  if (existsSync(modules) && existsSync(join(out, name)))
    symlinkSync(modules, join(out, name, "node_modules"), "junction")
}

const skipped = []
let failed = 0
for (const script of chosen) {
  console.log(`\n${kind === "bench" ? "bench" : "example"}: ${script}`)
  const file = join(out, script.slice("packages/".length).replace(/\.ts$/, ".js"))
  const result = spawnSync(process.execPath, [...flags, file], { cwd: root, stdio, timeout: timeoutMs })
  if (result.status === 0) continue
  if (result.status === SKIPPED) {
    skipped.push({ name: script, reason: "what it needs isn't on this machine, as it says above" })
    continue
  }
  failed++
  console.error(
    `error: ${script} ${result.signal === null ? `ended with ${result.status}` : `was ended by ${result.signal} (limit ${timeoutMs} ms)`}`,
  )
}
console.log()
for (const { name, reason } of skipped) console.log(`skipped: ${name}: ${reason}`)
writeSummary({ passed: chosen.length - failed - skipped.length, failed, skipped })
process.exit(failed === 0 ? 0 : 1)

function packageNames() {
  return readdirSync(join(root, "packages")).toSorted()
}

/** The scripts are the files of the folder itself; code that they share is in folders below. */
function scriptsOf(folder) {
  if (!existsSync(join(root, folder))) return []
  return readdirSync(join(root, folder))
    .filter((name) => name.endsWith(ends))
    .toSorted()
    .map((name) => `${folder}/${name}`)
}
