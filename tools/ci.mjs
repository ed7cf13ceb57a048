// Everything that CI checks, in order. Each step runs to its end, so that one failure doesn't hide the next. Ends with
// the sum of all tests and checks.
import { spawnSync } from "node:child_process"
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs"
import { join } from "node:path"
import { line, root } from "./summary.mjs"

const STEPS = [
  "test",
  "lint",
  "format:check",
  "typecheck",
  "layers",
  "docs",
  "packages",
  "consumers",
  "matrix",
  "bundles",
  "examples",
  "simulate",
]

const ARGUMENTS = {
  // This Node, and of the pinned runtimes only those that aren't Node: the four pinned Nodes are a download of 300 MB.
  matrix: ["here", "bun", "deno"],
  // 500 worlds, 12.5 simulated hours.
  simulate: ["--seeds", "500", "--virtual-minutes", "1.5"],
}

const folder = join(root, ".cache/ci")
rmSync(folder, { recursive: true, force: true })
mkdirSync(folder, { recursive: true })
const total = { passed: 0, failed: 0, skipped: [] }
const rows = []
for (const step of STEPS) {
  console.log(`\n=== ${step}`)
  const file = join(folder, `${step.replace(":", "-")}.json`)
  const startedMs = performance.now()
  const { status, signal, error } = spawnSync("npm", ["run", "--silent", step, "--", ...(ARGUMENTS[step] ?? [])], {
    cwd: root,
    stdio: ["ignore", "inherit", "inherit"],
    env: { ...process.env, X_SUMMARY: file, NO_COLOR: "1", FORCE_COLOR: undefined },
  })
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1)
  const summary = summaryOf(status === 0, file)
  total.passed += summary.passed
  total.failed += summary.failed
  total.skipped.push(...summary.skipped)
  const why = error?.message ?? (signal === null ? `exit code ${status}` : `ended by ${signal}`)
  rows.push(
    `${status === 0 ? "ok  " : "FAIL"} ${step.padEnd(13)}${seconds.padStart(6)} s  ${status === 0 ? line(summary) : `${line(summary)} (${why})`}`,
  )
}

console.log(`\n=== all\n${rows.join("\n")}`)
for (const { name, reason } of total.skipped) console.log(`skipped: ${name}: ${reason}`)
console.log(line(total))
process.exit(total.failed === 0 ? 0 : 1)

/**
 * A step that hands no numbers over counts as one check. A failed step counts at least one failure, whatever it counted
 * itself.
 */
function summaryOf(ok, file) {
  const own = existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : { passed: ok ? 1 : 0, failed: 0, skipped: [] }
  return ok ? own : { ...own, failed: Math.max(own.failed, 1) }
}
