/** `npm run bench`: workload after workload, in each round every library once, so that a change of the machine's mood meets all of them. */

import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import Table from "cli-table3"
import { Command, InvalidArgumentError } from "commander"
import { machine, median, round, spread } from "./numbers.ts"
import { MissingError, type Outcome, run } from "./run.ts"
import { GOALS, type Workload, WORKLOADS } from "./workloads.ts"

interface Options {
  readonly quick?: boolean
  readonly rounds: number
  readonly seconds: number
  readonly datagramBytes: number
  readonly only?: string
  readonly json?: boolean
  readonly again?: boolean
}

/** Outcomes by library, one for each round. */
type Outcomes = Record<string, Outcome[]>

const RESULTS = fileURLToPath(new URL("../../../.cache/bench/", import.meta.url))
const WARM_MS = 600

const options = new Command("bench")
  .description("This library beside its peers: two processes over loopback, interleaved rounds, every message checked.")
  .option("--quick", "W1 to W4 against TCP and udx, three short rounds")
  .option("--rounds <number>", "rounds of each workload", whole, 5)
  .option("--seconds <number>", "how long each run is measured", Number, 1.5)
  .option(
    "--datagram-bytes <number>",
    "datagrams of this library: 65,000 is about what loopback allows, 1,400 what a network does",
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
const all: Record<string, Outcomes> = {}
for (const workload of workloads) {
  all[workload.name] = await measure(workload)
  if (options.json !== true) show(workload, all[workload.name]!)
}
if (options.json === true) console.log(JSON.stringify({ machine: machine(), rounds, runMs, outcomes: all }))
else showGoals()

/** What was measured before is taken from there: a long bench can be taken up again, workload by workload. */
async function measure(workload: Workload): Promise<Outcomes> {
  mkdirSync(RESULTS, { recursive: true })
  const file = `${RESULTS}${workload.name}-${options.datagramBytes}-${rounds}-${runMs}.json`
  if (options.again !== true && options.quick !== true) {
    try {
      return JSON.parse(readFileSync(file, "utf8")) as Outcomes
    } catch {
      // Not there yet.
    }
  }
  const libraries = workload.libraries.filter((name) => options.quick !== true || ["x", "tcp", "udx"].includes(name))
  const missing = new Set<string>()
  const outcomes: Outcomes = Object.fromEntries(libraries.map((name) => [name, []]))
  for (let round = 0; round < rounds; round++) {
    for (const library of libraries.filter((name) => !missing.has(name))) {
      const job = { ...workload.job, rounds: options.quick === true ? 5_000 : workload.job.rounds, library, warmMs: WARM_MS, runMs }
      try {
        outcomes[library]!.push(await run({ ...job, datagramBytes: options.datagramBytes }, workload.cpus))
      } catch (error) {
        if (!(error instanceof MissingError)) throw error
        missing.add(library)
        delete outcomes[library]
        console.error(`${library} is left out: ${error.message}`)
      }
    }
  }
  writeFileSync(file, JSON.stringify(outcomes))
  return outcomes
}

function show({ name, title, job }: Workload, outcomes: Outcomes): void {
  const isRate = job.kind === "flat-out"
  const head = isRate
    ? ["messages/s", "Gbit/s", "least to most", "CPU µs/message", "MiB"]
    : ["p50 µs", "p99 µs", "p99.9 µs", "p99 least to most", "MiB"]
  const table = new Table({ head: [`${name} ${title}`, ...head], style: { head: [], border: [] } })
  for (const [library, list] of Object.entries(outcomes)) {
    const of = (key: keyof Outcome): number[] => list.map((outcome) => Number(outcome[key] ?? Number.NaN))
    const cells = isRate
      ? [
          round(median(of("perSecond")), 0),
          round(median(of("gbitPerSecond")), 2),
          spread(of("perSecond"), 0),
          round(median(of("cpuUs")), 3),
        ]
      : [round(median(of("p50Us")), 1), round(median(of("p99Us")), 1), round(median(of("p999Us")), 1), spread(of("p99Us"), 1)]
    table.push([library, ...cells, round(median(of("rssMiB")), 0)])
  }
  console.log(table.toString())
  for (const [library, [first]] of Object.entries(outcomes)) console.log(`  ${library}: ${first?.settings}`)
}

function showGoals(): void {
  console.log(`\nGoals, ${machine()}, ${rounds} rounds of ${runMs} ms, datagrams of ${options.datagramBytes} B:`)
  for (const { workload, against, measure: key, ratio } of GOALS) {
    const outcomes = all[workload]
    const ours = outcomes?.["x"] ?? outcomes?.["x-dgram"]
    const theirs = outcomes?.[against]
    if (ours === undefined || theirs === undefined) continue
    const is = median(ours.map((it) => it[key] ?? Number.NaN)) / median(theirs.map((it) => it[key] ?? Number.NaN))
    const isMet = key === "perSecond" ? is >= ratio : is <= ratio
    console.log(
      `${isMet ? "met   " : "missed"} ${workload.padEnd(8)} ${key.padEnd(9)} ${is.toFixed(2)} x ${against} (goal: ${key === "perSecond" ? "at least" : "at most"} ${ratio})`,
    )
  }
}

function whole(text: string): number {
  const value = Number(text)
  if (Number.isInteger(value) && value > 0) return value
  throw new InvalidArgumentError("a whole number above 0")
}
