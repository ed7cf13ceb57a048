/**
 * Divides a rate among those that send at it: who uses less than an equal part keeps a little more than it uses, and
 * the others have equal parts of the rest (max-min fairness).
 *
 * @module
 */

/** What one of them had, used, and may have at most; bytes a second. */
export interface RateClaim {
  readonly hadBytesPerSecond: number
  readonly usedBytesPerSecond: number
  readonly mostBytesPerSecond: number
}

/** Who uses this part of what it has wants more. */
const HUNGRY_PART = 0.8
/** Who wants no more may use this many times as much as it does. */
const SLACK = 1.5
/** The part of the rate that is kept for those that use nothing, to begin with. */
const IDLE_PART = 0.1

/** The rates of all of them, in their order; together no more than `bytesPerSecond`. */
export function divideRate(bytesPerSecond: number, claims: readonly RateClaim[]): number[] {
  const leastBytesPerSecond = (IDLE_PART * bytesPerSecond) / claims.length
  const wants = claims.map(({ hadBytesPerSecond: had, usedBytesPerSecond: used, mostBytesPerSecond: most }) =>
    Math.min(most, used >= HUNGRY_PART * Math.min(had, most) ? Infinity : Math.max(leastBytesPerSecond, SLACK * used)),
  )
  const rates = wants.map(() => 0)
  const order = wants.map((_, i) => i).toSorted((a, b) => wants[a]! - wants[b]!)
  let left = bytesPerSecond
  order.forEach((i, done) => (left -= rates[i] = Math.min(wants[i]!, left / (order.length - done))))
  // What nobody wants is there for whoever begins.
  const open = order.filter((i) => rates[i]! < claims[i]!.mostBytesPerSecond)
  for (const i of open) rates[i] = Math.min(claims[i]!.mostBytesPerSecond, rates[i]! + left / open.length)
  return rates.map(Math.floor)
}
