import fc from "fast-check"
import { runs } from "./runs.ts"

const { FC_SEED: seed, FC_RUNS } = process.env

fc.configureGlobal({
  ...(seed === undefined ? {} : { seed: whole("FC_SEED", seed) }),
  // Those that say no number of their own.
  ...(FC_RUNS === undefined ? {} : { numRuns: runs(1) }),
})

function whole(name: string, text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value)) throw new RangeError(`${name} must be a whole number, not "${text}"`)
  return value
}
