/**
 * `npm run bench`: workload after workload. Each round runs every row once, so that a change of the machine's speed
 * affects all of them.
 */

import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { Command, InvalidArgumentError } from "commander"
import { congestionControlOf } from "./libraries.ts"
import { networkLacks } from "./network.ts"
import { machine } from "./numbers.ts"
import { type Outcomes, show, showCeiling, showGoals } from "./report.ts"
import { type Job, MissingError, run } from "./run.ts"
import { versionOfSources } from "./version.ts"
import { type Workload, WORKLOADS } from "./workloads.ts"

interface Options {
  readonly quick?: boolean
  readonly rounds: number
  readonly seconds: number
  readonly warmSeconds?: number
  readonly datagramBytes: number
  readonly only?: string
  readonly json?: boolean
  readonly again?: boolean
}

/** The results of a workload, its rows at that time, and the version of the sources. */
interface Kept {
  readonly jobs: string
  readonly version: string
  readonly outcomes: Outcomes
}

const version = versionOfSources()
const RESULTS = fileURLToPath(new URL("../../../.cache/bench/", import.meta.url))
const WARM_MS = 1_000
/**
 * V8 compiles a library's hot functions for this long after the first message, in four threads of each process, which
 * on two CPUs adds milliseconds to p99.
 */
const LATENCY_WARM_MS = 3_000
/** Until all peers have had their first message and all late messages have come. */
const CROWD_WARM_MS = 2_500
const QUICK = ["x-default", "x", "helper", "tcp", "udx"]

const options = new Command("bench")
  .description("This library beside its peers: two processes over loopback, interleaved rounds, every message checked.")
  .option("--quick", "W1 to W4 against TCP and udx, three short rounds")
  .option("--rounds <number>", "rounds of each workload", whole, 5)
  .option("--seconds <number>", "how long each run is measured", Number, 1.5)
  .option(
    "--warm-seconds <number>",
    "how long each run goes on before it is measured; default: 1, for latencies 3, for many peers 2.5",
    Number,
  )
  .option(
    "--datagram-bytes <number>",
    "datagrams of this library where the workload names no size and runs it by more than its defaults",
    whole,
    65_000,
  )
  .option("--only <names>", "workloads whose name begins with one of these, by commas")
  .option("--again", "measures anew what was measured before")
  .option("--json", "one JSON object in the end")
  .parse()
  .opts<Options>()

const rounds = options.quick === true ? 3 : options.rounds
const runMs = options.quick === true ? 500 : options.seconds * 1_000
const names = options.only?.split(",") ?? (options.quick === true ? ["W1", "W2", "W3", "W4"] : [""])
const workloads = WORKLOADS.filter(({ name }) => names.some((begin) => name.startsWith(begin)))
const unknown = names.filter((begin) => !WORKLOADS.some(({ name }) => name.startsWith(begin)))
if (unknown.length > 0) {
  console.error(
    `error: no workload begins with ${unknown.join(" or ")}; there are ${WORKLOADS.map(({ name }) => name).join(", ")}`,
  )
  process.exit(2)
}
const all: Record<string, Outcomes> = {}
for (const workload of workloads) {
  const lacks = workload.rows[0]!.job.lossPercent === undefined ? undefined : networkLacks()
  if (lacks !== undefined) {
    console.error(`${workload.name} is left out: ${lacks}`)
    continue
  }
  all[workload.name] = await measure(workload)
  if (options.json !== true) show(workload, all[workload.name]!)
}
if (options.json === true) console.log(JSON.stringify({ machine: machine(), rounds, runMs, outcomes: all }))
else {
  console.log(`\nGoals, ${machine()}, ${rounds} rounds of ${runMs} ms:`)
  showGoals(all)
  showCeiling(all)
}

/** Earlier results for the same sources are reused, so a long bench can be resumed, workload by workload. */
async function measure(workload: Workload): Promise<Outcomes> {
  mkdirSync(RESULTS, { recursive: true })
  const file = `${RESULTS}${workload.name}-${options.datagramBytes}-${rounds}-${runMs}${options.warmSeconds === undefined ? "" : `-${options.warmSeconds}`}.json`
  const rows = workload.rows.filter(
    ({ job }) => (options.quick !== true || QUICK.includes(job.library)) && isPossible(job.library),
  )
  const jobs = JSON.stringify(rows)
  const kept = options.again === true || options.quick === true ? undefined : readKept(file)
  if (kept !== undefined && kept.jobs === jobs && kept.version === version) {
    console.error(`${workload.name}: as measured before, of the same sources (${version}); --again measures anew`)
    return kept.outcomes
  }
  const outcomes: Outcomes = Object.fromEntries(rows.map(({ name }) => [name, []]))
  const missing = new Set<string>()
  for (let round = 0; round < rounds; round++) {
    for (const { name, job } of rows.filter((row) => !missing.has(row.name))) {
      const timed = {
        datagramBytes: options.datagramBytes,
        ...job,
        rounds: options.quick === true ? 5_000 : job.rounds,
        runMs,
        warmMs: warmMsOf(job.kind),
      }
      try {
        outcomes[name]!.push(await run(timed, workload.cpus))
      } catch (error) {
        if (!(error instanceof MissingError)) throw error
        missing.add(name)
        delete outcomes[name]
        console.error(`${name} is left out: ${error.message}`)
      }
    }
  }
  if (version !== undefined && options.quick !== true)
    writeFileSync(file, JSON.stringify({ jobs, version, outcomes } satisfies Kept))
  return outcomes
}

function readKept(file: string): Kept | undefined {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as Kept
  } catch {
    // It doesn't exist yet.
    return undefined
  }
}

function warmMsOf(kind: Job["kind"]): number {
  if (options.warmSeconds !== undefined) return options.warmSeconds * 1_000
  if (kind === "crowd") return CROWD_WARM_MS
  return kind === "latency" || kind === "echo" ? LATENCY_WARM_MS : WARM_MS
}

/** Linux may lack a congestion control. */
function isPossible(library: string): boolean {
  const control = congestionControlOf(library)
  const lacks = control === undefined ? undefined : networkLacks(control)
  if (lacks !== undefined) console.error(`${library} is left out: ${lacks}`)
  return lacks === undefined
}

function whole(text: string): number {
  const value = Number(text)
  if (Number.isInteger(value) && value > 0) return value
  throw new InvalidArgumentError("a whole number above 0")
}
