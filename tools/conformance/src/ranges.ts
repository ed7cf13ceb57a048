// §3, Ranges.
import type { GoneRange, Range } from "./datagram.ts"
import { isNumber } from "./numbers.ts"
import { type Reader, refuse } from "./reader.ts"

export const RANGE_BYTES: number = 2 + 2
export const GONE_RANGE_BYTES: number = 2 + 2 + 6

/** O17: at most 64 in a list. */
export function checkCount(count: number): void {
  if (count > 64) refuse("ranges")
}

/**
 * A list of a status. `firstSkipMin` is 1 for received and 0 for missing; without a skip later ranges wouldn't be
 * maximal.
 */
export function decodeRanges(body: Reader, count: number, cumulative: number, firstSkipMin: number): Range[] {
  const ranges: Range[] = []
  let edge = cumulative
  for (let index = 0; index < count; index++) {
    const skip = body.u16()
    const more = body.u16()
    if (skip < (index === 0 ? firstSkipMin : 1)) refuse("ranges")
    const from = edge + skip
    const to = from + more + 1
    if (to > cumulative + 65_536) refuse("ranges")
    ranges.push({ from, to })
    edge = to
  }
  return ranges
}

/** No packet is in both lists. */
export function checkDisjoint(received: Range[], missing: Range[]): void {
  for (const one of received) {
    for (const other of missing) {
      if (one.from < other.to && other.from < one.to) refuse("ranges")
    }
  }
}

/** The list of a sync: counted from the low edge, each with a skip, all at or below `high`. */
export function decodeGone(body: Reader, count: number, low: number, high: number, begunBelowLow: number): GoneRange[] {
  const ranges: GoneRange[] = []
  let edge = low
  let begunBefore = begunBelowLow
  for (let index = 0; index < count; index++) {
    const skip = body.u16()
    const more = body.u16()
    if (skip < 1) refuse("ranges")
    const from = edge + skip
    const to = from + more + 1
    if (to > high) refuse("ranges")
    const begun = body.u48()
    if (!isNumber(begun)) refuse("number")
    // The count never falls.
    if (begun < begunBefore) refuse("ranges")
    ranges.push({ from, to, begun })
    edge = to
    begunBefore = begun
  }
  return ranges
}
