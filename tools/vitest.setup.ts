import fc from "fast-check"

const { FC_SEED: seed, FC_RUNS: runs } = process.env

fc.configureGlobal({
  ...(seed === undefined ? {} : { seed: whole("FC_SEED", seed) }),
  ...(runs === undefined ? {} : { numRuns: whole("FC_RUNS", runs) }),
})

function whole(name: string, text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value)) throw new RangeError(`${name} must be a whole number, not "${text}"`)
  return value
}
