/** The number of runs of a property: its usual number, or the one in `FC_RUNS`. */
export function runs(usual: number): number {
  const text = process.env["FC_RUNS"]
  if (text === undefined) return usual
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < 1)
    throw new RangeError(`FC_RUNS must be a whole number from 1, not "${text}"`)
  return value
}
