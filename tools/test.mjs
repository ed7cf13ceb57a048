// Runs all tests, names each skip with its reason, and ends with "N passed, N failed, N skipped". A skip without a
// reason on this machine is a failure: tools/allowed-skips.json says which tests may be skipped, and what the machine
// must lack for that.
import { spawnSync } from "node:child_process"
import { existsSync, readFileSync, rmSync } from "node:fs"
import { join } from "node:path"
import { judgeSkips, root, writeSummary } from "./summary.mjs"

const args = process.argv.slice(2)
const file = join(root, ".cache/test.json")
rmSync(file, { force: true })
const vitest = spawnSync("vitest", ["run", "--root", root, "--config", "tools/vitest.config.ts", ...args], {
  cwd: root,
  stdio: "inherit",
  env: { ...process.env, X_TEST_SUMMARY: file },
})
if (vitest.error) console.error(`error: vitest could not be started: ${vitest.error.message}`)
if (!existsSync(file)) process.exit(vitest.status || 1)

const report = JSON.parse(readFileSync(file, "utf8"))
// With a filter vitest counts the tests left out as skipped, so only a whole run is judged.
const { allowed, refused } = args.length === 0 ? judgeSkips(report.skipped) : { allowed: [], refused: [] }
for (const { name, reason } of allowed) console.log(`skipped: ${name}: ${reason}`)
for (const { name, reason } of refused) console.log(`failed: ${name} was skipped: ${reason}`)

const failed = report.failed + refused.length
const ranNone = report.passed + failed === 0
if (ranNone) console.error("error: no test ran")
const ok = vitest.status === 0 && failed === 0 && !ranNone
// If vitest fails a run for another reason than its tests (an `only`, say), that is one more failure.
const summary = {
  passed: report.passed,
  failed: ok || failed > 0 ? failed : 1,
  skipped: args.length === 0 ? allowed : report.skipped,
}
writeSummary(summary)
process.exit(ok ? 0 : 1)
