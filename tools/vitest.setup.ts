import fc from "fast-check"
import { expect } from "vitest"
import { runs } from "./testkit/src/runs.ts"

const { FC_SEED: seed, FC_RUNS } = process.env

fc.configureGlobal({
  ...(seed === undefined ? {} : { seed: whole("FC_SEED", seed) }),
  // For properties without a number of runs of their own.
  ...(FC_RUNS === undefined ? {} : { numRuns: runs(1) }),
})

// Element by element, as `toEqual` compares by default, took a third of the time of all tests.
expect.addEqualityTesters([
  function areSameBytes(a: unknown, b: unknown): boolean | undefined {
    if (!(a instanceof Uint8Array && b instanceof Uint8Array) || a.constructor !== b.constructor) return undefined
    return Buffer.compare(a, b) === 0
  },
])

function whole(name: string, text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value)) throw new RangeError(`${name} must be a whole number, not "${text}"`)
  return value
}
