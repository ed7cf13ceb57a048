/** Runs targets on inputs from a seed, or on one given input, until there is a finding. */
import { createHash } from "node:crypto"
import { Random } from "@x/transport/simulated"
import type { Target } from "./target.ts"

export interface Finding {
  readonly target: string
  /** The seed of this input alone; `undefined` for a given input. */
  readonly seed: number | undefined
  readonly input: Uint8Array
  readonly error: unknown
}

export interface Bounds {
  readonly seed: number
  readonly inputs: number
  readonly seconds: number
}

/** Inputs between two checks of the memory, and how much more may be held than at the first check. */
const MEMORY_INPUTS = 500
const MEMORY_GROWTH_BYTES = 1_024 * 1_048_576

/** One input. An unhandled rejection is a finding too. */
export async function runInput(target: Target, input: Uint8Array): Promise<unknown> {
  let failure: unknown
  const onRejection = (error: unknown): void => void (failure ??= error ?? new Error("rejected without a reason"))
  process.on("unhandledRejection", onRejection)
  try {
    const running = target.run(input)
    if (running !== undefined) {
      await running
      // Unhandled rejections are reported at the end of a turn.
      await new Promise((resolve) => setImmediate(resolve))
    }
  } catch (error) {
    failure ??= error ?? new Error("threw nothing")
  } finally {
    process.off("unhandledRejection", onRejection)
  }
  return failure
}

/** Input `i` depends only on seed + i, so that each can be reproduced without those before it. */
export async function runTarget(
  target: Target,
  { seed, inputs, seconds }: Bounds,
): Promise<{ inputs: number; finding?: Finding }> {
  const endMs = performance.now() + seconds * 1_000
  const heldAtFirst = held()
  for (let i = 0; i < inputs; i++) {
    if (performance.now() >= endMs) return { inputs: i }
    const seedOfInput = (seed + i) >>> 0
    let input: Uint8Array
    try {
      input = target.make(new Random(seedOfInput, target.name))
    } catch (error) {
      return { inputs: i + 1, finding: { target: target.name, seed: seedOfInput, input: new Uint8Array(0), error } }
    }
    const error =
      (await runInput(target, input)) ??
      (i % MEMORY_INPUTS === MEMORY_INPUTS - 1 ? memoryError(heldAtFirst) : undefined)
    if (error !== undefined) return { inputs: i + 1, finding: { target: target.name, seed: seedOfInput, input, error } }
  }
  return { inputs }
}

function held(): number {
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

function memoryError(heldAtFirst: number): Error | undefined {
  const grown = held() - heldAtFirst
  return grown <= MEMORY_GROWTH_BYTES ? undefined : new Error(`${grown} bytes more are held than at first`)
}

/** The name under which an input is kept, from its bytes. */
export function nameOf({ target, input }: Pick<Finding, "target" | "input">): string {
  return `${target}-${createHash("sha256").update(input).digest("hex").slice(0, 12)}.bin`
}

export function describeFinding({ target, seed, error, input }: Finding, file: string): string {
  const what = error instanceof Error ? (error.stack ?? error.message) : String(error)
  const replays = [
    ...(seed === undefined ? [] : [`npm run fuzz -- ${target} --seed ${seed} --inputs 1`]),
    ...(input.length === 0 ? [] : [`npm run fuzz -- ${target} --input ${file}`]),
  ]
  return `FOUND by ${target}${seed === undefined ? "" : `, seed ${seed}`}: ${what}\nreplay: ${replays.join("\n    or: ")}`
}
