/** `npm run simulate`: seeds, each a world of its own, in as many processes as there are cores. */

import { availableParallelism } from "node:os"
import { writeFileSync } from "node:fs"
import { PRESETS, type PresetName } from "@x/transport/simulated"
import { Command, InvalidArgumentError, Option } from "commander"
import { simulateAll } from "./pool.ts"
import { drawScenario } from "./scenario.ts"
import { simulate, type SimulationResult } from "./simulation.ts"
import { addResult, createSummary, describeSummary } from "./summary.ts"

interface Options {
  readonly seeds: number
  readonly from: number
  readonly virtualMinutes: number
  readonly seed?: number
  readonly preset?: PresetName
  readonly jobs: number
  readonly twice: number
  readonly json?: boolean
  readonly stop?: boolean
}

/** For one seed: more than any takes. */
const SEED_TIMEOUT_MS = 300_000
const RECORD_LINES = 40

const options = new Command("simulate")
  .description(
    "Whole endpoints on a simulated network, with faults drawn from a seed and invariants checked after every step.",
  )
  .option("--seeds <number>", "how many seeds", whole, 200)
  .option("--from <seed>", "the first of them", whole, 1)
  .option("--virtual-minutes <minutes>", "how long faults go on for each seed, in virtual time", minutes, 30)
  .option("--seed <seed>", "this one alone, with its scenario and the last of what happened", whole)
  .addOption(
    new Option("--preset <name>", "links as they are found instead of drawn ones").choices(Object.keys(PRESETS)),
  )
  .option("--jobs <number>", "processes at a time", whole, availableParallelism())
  .option(
    "--twice <number>",
    "every so many seeds one is run twice, to see that it gives the same run; 0: none",
    whole,
    50,
  )
  .option("--stop", "end at the first failure")
  .option("--json", "one JSON object a seed, and the summary last")
  .parse()
  .opts<Options>()

const virtualMs = options.virtualMinutes * 60_000
if (options.seed === undefined) await many()
else await one(options.seed)

async function one(seed: number): Promise<void> {
  const scenario = drawScenario(seed, options.preset)
  const result = await simulate({ seed, virtualMs, preset: options.preset, recordLines: RECORD_LINES })
  if (options.json === true) return console.log(JSON.stringify({ ...result, scenario }))
  console.log(JSON.stringify(scenario, undefined, 2))
  for (const line of result.record) console.log(line)
  console.log(describe(result))
  process.exitCode = result.failure === undefined ? 0 : 1
}

async function many(): Promise<void> {
  const { from, seeds, preset, twice } = options
  const summary = createSummary()
  const hashes = new Map<number, string>()
  function* all(): Generator<{ seed: number; virtualMs: number; preset: PresetName | undefined }> {
    for (let seed = from; seed < from + seeds; seed++) {
      if (options.stop === true && summary.failures > 0) return
      yield { seed, virtualMs, preset }
      if (twice > 0 && (seed - from) % twice === 0) yield { seed, virtualMs, preset }
    }
  }
  await simulateAll(all(), { jobs: options.jobs, seedTimeoutMs: SEED_TIMEOUT_MS }, ({ result, wallMs }) => {
    const before = hashes.get(result.seed)
    hashes.set(result.seed, result.traceHash)
    if (before !== undefined) {
      if (before === result.traceHash) return
      summary.failures++
      return console.log(`seed ${result.seed} gave two runs: ${before} and ${result.traceHash}`)
    }
    addResult(summary, result, wallMs)
    if (options.json === true) console.log(JSON.stringify({ ...result, record: undefined }))
    else if (result.failure !== undefined) console.log(describe(result))
  })
  if (options.json === true) console.log(JSON.stringify(summary))
  else for (const line of describeSummary(summary)) console.log(line)
  writeChecks(summary.failures, summary.seeds)
  process.exitCode = summary.failures === 0 ? 0 : 1
}

function describe({ seed, failure, traceHash, nodes, datagrams, delivered }: SimulationResult): string {
  if (failure === undefined)
    return `seed ${seed}: ${nodes} nodes, ${datagrams} datagrams, ${delivered} messages delivered; trace ${traceHash}`
  const preset = options.preset === undefined ? "" : ` --preset ${options.preset}`
  return [
    `seed ${seed} FAILED at ${failure.atMs.toFixed(3)} ms: ${failure.invariant}: ${failure.detail}`,
    `  replay: npm run simulate -- --seed ${seed} --virtual-minutes ${options.virtualMinutes}${preset}`,
  ].join("\n")
}

/** For the sum of all tests and checks: this counts as one. */
function writeChecks(failures: number, seeds: number): void {
  const file = process.env["X_SUMMARY"]
  if (file === undefined) return
  const failed = failures > 0 || seeds === 0 ? 1 : 0
  writeFileSync(file, JSON.stringify({ passed: 1 - failed, failed, skipped: [] }))
}

function whole(text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < 0) throw new InvalidArgumentError("it must be a whole number, 0 or more.")
  return value
}

function minutes(text: string): number {
  const value = Number(text)
  if (!(value > 0 && value <= 1_440)) throw new InvalidArgumentError("it must be above 0 and at most 1,440.")
  return value
}
