// npm run fuzz -- [--seed N] [--inputs N | --seconds S] [--input FILE] [target…]
// npm run fuzz -- memory [--seconds S] [word…]
import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join, relative } from "node:path"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { fuzzCost } from "./cost/fuzz.ts"
import { measureMemory } from "./memory/measure.ts"
import { fuzzNative } from "./native.ts"
import { totals } from "./pair.ts"
import { describeFinding, type Finding, nameOf, runInput, runTarget } from "./run.ts"
import type { Target } from "./target.ts"
import { TARGETS } from "./targets.ts"

const root = fileURLToPath(new URL("../../../", import.meta.url))
const NATIVE = "native"
const COST = "cost"
const MEMORY = "memory"

const NUMBERS = { seed: "a whole number", inputs: "a whole number above 0", seconds: "a number above 0" }

try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  console.error(`error: ${(error as Error).message}`)
  process.exitCode = 2
}

async function main(args: string[]): Promise<number> {
  const options = {
    seed: { type: "string" },
    inputs: { type: "string" },
    seconds: { type: "string" },
    input: { type: "string" },
  } as const
  const { values, positionals } = parseArgs({ args, allowPositionals: true, options })
  const seed = number("seed", values.seed, 0) ?? Date.now() >>> 0
  const inputs = number("inputs", values.inputs, 1)
  const seconds = number("seconds", values.seconds, 0)
  // Words after it choose what is run.
  if (positionals[0] === MEMORY) return (await measureMemory(positionals.slice(1), seconds)) === 0 ? 0 : 1
  const names = [...TARGETS.map(({ name }) => name), COST, NATIVE]
  for (const name of positionals)
    if (!names.includes(name)) throw new Error(`there is no target "${name}"; there are: ${names.join(", ")}`)
  const chosen = TARGETS.filter(({ name }) => positionals.length === 0 || positionals.includes(name))
  const isNative = positionals.length === 0 || positionals.includes(NATIVE)
  if (values.input !== undefined) return replay(chosen, values.input)
  // Only by its name, and first: what ran before is counted less closely.
  const isCosted = positionals.includes(COST)
  let found = isCosted ? await fuzzCost({ seed, inputs, seconds }) : 0
  for (const target of chosen) {
    const startMs = performance.now()
    const bounds = {
      seed,
      inputs: inputs ?? (seconds === undefined ? target.inputs : Infinity),
      seconds: seconds ?? Infinity,
    }
    const result = await runTarget(target, bounds)
    const took = ((performance.now() - startMs) / 1_000).toFixed(1)
    console.log(
      `${target.name}: ${result.inputs} inputs in ${took} s, seed ${seed}${target.name === "pair" ? `; ${injected()}` : ""}`,
    )
    if (result.finding === undefined) continue
    found++
    console.error(describeFinding(result.finding, keep(result.finding)))
  }
  if (isNative) found += fuzzNative(root, { seed, inputs, seconds })
  return found === 0 ? 0 : 1
}

async function replay(chosen: readonly Target[], file: string): Promise<number> {
  const input = new Uint8Array(readFileSync(file))
  let found = 0
  for (const target of chosen) {
    const error = await runInput(target, input)
    console.log(`${target.name}: ${error === undefined ? "nothing found" : "FOUND"} with ${file}`)
    if (error === undefined) continue
    found++
    console.error(describeFinding({ target: target.name, seed: undefined, input, error }, file))
  }
  return found === 0 ? 0 : 1
}

/** Saves the input; returns the path. */
function keep(finding: Finding): string {
  const folder = join(root, ".cache/fuzz")
  mkdirSync(folder, { recursive: true })
  const file = join(folder, nameOf(finding))
  writeFileSync(file, finding.input)
  return relative(process.cwd(), file)
}

function injected(): string {
  return `${totals.injected} datagrams put before the endpoints, ${totals.drops} drops, ${totals.accepted} messages accepted, ${totals.keyed} pairs with keys`
}

function number(name: keyof typeof NUMBERS, text: string | undefined, least: number): number | undefined {
  if (text === undefined) return undefined
  const value = Number(text)
  if (name === "seconds" ? value > least : Number.isInteger(value) && value >= least) return value
  throw new RangeError(`--${name} must be ${NUMBERS[name]}, not "${text}"`)
}
