/**
 * `npm run simulate:long`: many seeds, which take a while, in blocks. Finished blocks are kept with the version of the
 * sources, so the same call resumes where it was interrupted. Prints the totals of all blocks, as in RESULTS.md.
 */

import { execFileSync, spawnSync } from "node:child_process"
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { availableParallelism } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { Command, InvalidArgumentError } from "commander"
import { simulateAll } from "./pool.ts"
import { addResult, addSummary, createSummary, describeSummary, type Summary } from "./summary.ts"

const ROOT = fileURLToPath(new URL("../../../", import.meta.url))
/** Ten million datagrams. */
const SCALE = 100
const SEED_TIMEOUT_MS = 300_000

interface Block {
  readonly from: number
  readonly seeds: number
  readonly failures: readonly string[]
  readonly summary: Summary
}

const options = new Command("simulate:long")
  .description("Many seeds, in blocks that are kept: the same call goes on where it was interrupted.")
  .option("--from <seed>", "the first seed", whole, 1)
  .option("--seeds <number>", "how many in all", whole, 10_000)
  .option("--virtual-minutes <minutes>", "how long faults go on for each seed", Number, 1.8)
  .option("--block <number>", "seeds in a block", whole, 250)
  .option("--jobs <number>", "processes at a time", whole, availableParallelism())
  .parse()
  .opts<{ from: number; seeds: number; virtualMinutes: number; block: number; jobs: number }>()

const { from, seeds, virtualMinutes, block } = options
const version = versionOfSources()
const folder = join(ROOT, ".cache/simulate-long", `${version}-${virtualMinutes}m`)
mkdirSync(folder, { recursive: true })

for (let at = from; at < from + seeds; at += block) await runBlock(at, Math.min(block, from + seeds - at))
report()
attackLonger()

async function runBlock(first: number, count: number): Promise<void> {
  const file = join(folder, `${String(first).padStart(9, "0")}-${count}.json`)
  if (existsSync(file)) return
  const summary = createSummary()
  const failures: string[] = []
  const all = Array.from({ length: count }, (_, i) => ({ seed: first + i, virtualMs: virtualMinutes * 60_000 }))
  await simulateAll(all, { jobs: options.jobs, seedTimeoutMs: SEED_TIMEOUT_MS }, ({ result, wallMs }) => {
    addResult(summary, result, wallMs)
    if (result.failure !== undefined)
      failures.push(`seed ${result.seed}: ${result.failure.invariant}: ${result.failure.detail}`)
  })
  writeFileSync(file, JSON.stringify({ from: first, seeds: count, failures, summary } satisfies Block))
  console.log(`seeds ${first} to ${first + count - 1}: ${failures.length} failures`)
  for (const failure of failures) console.log(`  ${failure}`)
}

function report(): void {
  const summary = createSummary()
  const blocks = readdirSync(folder)
    .toSorted()
    .map((name) => JSON.parse(readFileSync(join(folder, name), "utf8")) as Block)
  for (const it of blocks) addSummary(summary, it.summary)
  console.log(
    `\nversion ${version}, ${virtualMinutes} virtual minutes of faults a seed, seeds ${describeRanges(blocks)}`,
  )
  for (const line of describeSummary(summary)) console.log(line)
  for (const { failures } of blocks) for (const failure of failures) console.log(failure)
  process.exitCode = summary.failures === 0 ? 0 : 1
}

/** Small tests at a larger scale: forged joins, and nonces of the profiles with keys. */
function attackLonger(): void {
  const files = ["join", "protection"].map((name) => `packages/endpoint/test/catalogue/${name}.test.ts`)
  const args = ["run", "--root", ROOT, "--config", "tools/vitest.config.ts", ...files]
  const { status } = spawnSync("vitest", [...args, "-t", "F21|F44|no key and nonce"], {
    ...{ cwd: ROOT, stdio: "inherit", env: { ...process.env, X_SCALE: String(SCALE) } },
  })
  if (status !== 0) process.exitCode = 1
}

function describeRanges(blocks: readonly Block[]): string {
  const ranges: { from: number; to: number }[] = []
  for (const { from: first, seeds: count } of blocks) {
    const last = ranges.at(-1)
    if (last !== undefined && last.to + 1 === first) last.to = first + count - 1
    else ranges.push({ from: first, to: first + count - 1 })
  }
  return ranges.map(({ from: first, to }) => `${first} to ${to}`).join(", ")
}

/**
 * The version of the simulated sources and of the simulator. With uncommitted changes it couldn't be told later what
 * was run.
 */
function versionOfSources(): string {
  const paths = [
    "packages/wire/src",
    "packages/stream/src",
    "packages/fragment/src",
    "packages/endpoint/src",
    "packages/transport/src",
    "packages/rpc/src",
    "packages/topics/src",
  ]
  const git = (...args: string[]): string => execFileSync("git", args, { cwd: ROOT, encoding: "utf8" }).trim()
  const watched = [...paths, "tools/simulator/src"]
  if (git("status", "--porcelain", "--", ...watched) !== "") {
    console.error(
      "error: the sources have changes that are not committed; commit them, so that the result says of what it is",
    )
    process.exit(1)
  }
  return git("log", "-1", "--format=%h", "--", ...watched)
}

function whole(text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < 0) throw new InvalidArgumentError("it must be a whole number, 0 or more.")
  return value
}
