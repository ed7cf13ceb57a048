/**
 * `feedback`: what a receiver reports of the datagrams of an association, and how it proves that (PROTOCOL.md §3, §8).
 *
 * @module
 */

import type { DatagramDropReason } from "./drop-reason.ts"
import { NUMBER_MAX, readNumber, writeNumber } from "./numbers.ts"
import { createRangeList, type RangeList, RANGES_MAX } from "./ranges.ts"
import { ZERO } from "./double.ts"

/** Bytes of the body of a `feedback` before its ranges. */
export const FEEDBACK_BYTES = 34
/** The most counters below the highest one that a proof covers. */
export const REACH_MAX = 65_535

const PROOF = 28
const REACH = 32
/** A byte of a skip or a more is followed by another one while this bit is set. */
const MORE = 0x80
const VALUE_BITS = 7

/** What a receiver reports about an association, reused from packet to packet. */
export interface Feedback {
  /** The highest counter received; 0: none. */
  counter: number
  /** Microseconds from its arrival to this packet; if longer, the largest value of a u32. */
  holdUs: number
  /** All datagrams received in the association. */
  datagrams: number
  /** All datagrams that came marked "congestion experienced" (ECN); 0 where the transport can't tell marks. */
  congestion: number
  /** All datagrams that came ECN-capable and unmarked, as ECT(0); 0 where the transport can't tell. */
  ect0: number
  /**
   * 32 bits, signed or not: bit i is the XOR of the nonces of the datagrams received whose counters are i modulo 32, of
   * those that it covers.
   */
  proof: number
  /** The proof covers the counters from `counter - reach` to `counter`: 0 to {@link REACH_MAX}, below `counter`. */
  reach: number
  /** Counters of these that were not received: ranges `[from, to)` as in other lists, but the newest first. */
  readonly missing: RangeList
}

/** A feedback of zeros, to read into. */
export function createFeedback(): Feedback {
  return {
    counter: ZERO,
    holdUs: ZERO,
    datagrams: ZERO,
    congestion: ZERO,
    ect0: ZERO,
    proof: ZERO,
    reach: ZERO,
    missing: createRangeList(),
  }
}

/** Bytes of a skip or a more, 0 to {@link REACH_MAX}: 1 to 3. */
function valueBytes(value: number): number {
  return value < 1 << VALUE_BITS ? 1 : value < 1 << (2 * VALUE_BITS) ? 2 : 3
}

/** Bytes that a missing range takes in a `feedback`: so many counters came above it, and so many are in it. */
export function missingRangeBytes(above: number, counters: number): number {
  return valueBytes(above) + valueBytes(counters - 1)
}

function writeValue(view: DataView, offset: number, value: number): number {
  for (; value >= MORE; value >>>= VALUE_BITS) view.setUint8(offset++, MORE | (value & (MORE - 1)))
  view.setUint8(offset, value)
  return offset + 1
}

/** Writes the body of a `feedback`; returns the offset after it. */
export function writeFeedback(view: DataView, body: number, feedback: Feedback): number {
  const { counter, missing } = feedback
  writeNumber(view, body, counter)
  view.setUint32(body + 6, feedback.holdUs, true)
  writeNumber(view, body + 10, feedback.datagrams)
  writeNumber(view, body + 16, feedback.congestion)
  writeNumber(view, body + 22, feedback.ect0)
  view.setInt32(body + PROOF, feedback.proof, true)
  view.setUint16(body + REACH, feedback.reach, true)
  let offset = body + FEEDBACK_BYTES
  let edge = counter + 1
  for (let i = 0; i < missing.count; i++) {
    const from = missing.edges[2 * i]!
    const to = missing.edges[2 * i + 1]!
    offset = writeValue(view, offset, edge - to)
    offset = writeValue(view, offset, to - from - 1)
    edge = from
  }
  return offset
}

/** Reads the checked body `[body, end)` into `feedback`. */
export function readFeedback(view: DataView, body: number, end: number, feedback: Feedback): void {
  const counter = readNumber(view, body)
  feedback.counter = counter
  feedback.holdUs = view.getUint32(body + 6, true)
  feedback.datagrams = readNumber(view, body + 10)
  feedback.congestion = readNumber(view, body + 16)
  feedback.ect0 = readNumber(view, body + 22)
  feedback.proof = view.getUint32(body + PROOF, true)
  feedback.reach = view.getUint16(body + REACH, true)
  const { missing } = feedback
  let count = 0
  let edge = counter + 1
  let value = 0
  let shift = 0
  // Skip and more in turn.
  let isMore = false
  for (let offset = body + FEEDBACK_BYTES; offset < end; offset++) {
    const byte = view.getUint8(offset)
    value |= (byte & (MORE - 1)) << shift
    shift += VALUE_BITS
    if (byte >= MORE) continue
    if (isMore) {
      missing.edges[2 * count + 1] = edge
      missing.edges[2 * count++] = edge -= value + 1
    } else edge -= value
    isMore = !isMore
    value = shift = 0
  }
  missing.count = count
}

/** Why `[body, end)` is no `feedback`, or `undefined` if it is one. Its ranges are checked too. */
export function checkFeedback(view: DataView, body: number, end: number): DatagramDropReason | undefined {
  if (end - body < FEEDBACK_BYTES) return "truncated"
  for (const field of [0, 10, 16, 22]) if (readNumber(view, body + field) > NUMBER_MAX) return "number"
  const reach = view.getUint16(body + REACH, true)
  if (reach >= Math.max(1, readNumber(view, body))) return "value"
  return checkMissing(view, body + FEEDBACK_BYTES, end, reach)
}

/** The ranges up to the end of the packet. */
function checkMissing(view: DataView, offset: number, end: number, reach: number): DatagramDropReason | undefined {
  let values = 0
  // Counters that came or are missing, from the highest down: the first one came.
  let counters = 0
  while (offset < end) {
    const first = offset
    let value = 0
    let byte = MORE
    for (let shift = 0; byte >= MORE; shift += VALUE_BITS) {
      if (offset === end) return "truncated"
      byte = view.getUint8(offset++)
      if (byte >= MORE && shift === 2 * VALUE_BITS) return "ranges"
      value |= (byte & (MORE - 1)) << shift
    }
    if (byte === 0 && offset > first + 1) return "ranges"
    const isSkip = values++ % 2 === 0
    if (values > 2 * RANGES_MAX) return "ranges"
    if (isSkip && value === 0) return "ranges"
    counters += isSkip ? value : value + 1
    if (counters > (isSkip ? reach : reach + 1)) return "ranges"
  }
  return values % 2 === 0 ? undefined : "truncated"
}
