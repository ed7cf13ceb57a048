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

/** The list of a feedback, from the highest counter down to the `lowest` that it reaches, up to the end of the packet. */
export function decodeMissing(body: Reader, highest: number, lowest: number): Range[] {
  const ranges: Range[] = []
  let edge = highest + 1
  while (body.left > 0) {
    const skip = decodeShort(body)
    if (ranges.length === 64) refuse("ranges")
    if (skip < 1) refuse("ranges")
    const to = edge - skip
    // A range has at least one counter.
    if (to - 1 < lowest) refuse("ranges")
    const from = to - decodeShort(body) - 1
    if (from < lowest) refuse("ranges")
    ranges.push({ from, to })
    edge = from
  }
  return ranges
}

/** §4, as a length: 1 to 3 bytes of 7 bits, lowest first, in the shortest form. */
function decodeShort(body: Reader): number {
  let value = 0
  for (let index = 0; index < 3; index++) {
    body.need(1, "truncated")
    const byte = body.u8()
    value += (byte % 128) * 128 ** index
    if (byte < 128) {
      if (byte === 0 && index > 0) refuse("ranges")
      return value
    }
  }
  return refuse("ranges")
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
