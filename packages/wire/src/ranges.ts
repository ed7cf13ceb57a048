/**
 * Lists of ranges of packet numbers in a status or sync (PROTOCOL.md §3, "Ranges"). In memory a list is one flat array
 * `[from, to, from, to, …]` of half-open ranges, ascending: it is reused from status to status, without allocation. For the
 * same reason functions take more than five parameters where they need them.
 *
 * @module
 */

import type { DatagramDropReason } from "./drop-reason.ts"
import { NUMBER_BYTES, NUMBER_MAX, readNumber, writeNumber } from "./numbers.ts"

/** The most ranges in one list. */
export const RANGES_MAX = 64
/** The most packets between the cumulative edge and the newest packet, for any pair of peers. */
export const SPREAD_MAX = 65_536
/** Bytes of a range: skip and more. */
export const RANGE_BYTES = 4
/** Bytes of a gone range: skip, more, messages begun. */
export const GONE_RANGE_BYTES: number = RANGE_BYTES + NUMBER_BYTES

/** A reusable list of ranges. */
export interface RangeList {
  /** Ranges held. */
  count: number
  /** `[from, to)` of range i at 2i and 2i + 1; capacity {@link RANGES_MAX} ranges. */
  readonly edges: Float64Array
}

/** An empty list of {@link RANGES_MAX} ranges. */
export function createRangeList(): RangeList {
  return { count: 0, edges: new Float64Array(2 * RANGES_MAX) }
}

/**
 * Writes a list, counted from `base`; returns the offset after it. The caller makes sure that the ranges are maximal
 * and within the spread.
 */
export function writeRanges(view: DataView, offset: number, base: number, list: RangeList): number {
  let edge = base
  for (let i = 0; i < list.count; i++, offset += RANGE_BYTES) {
    const from = list.edges[2 * i]!
    const to = list.edges[2 * i + 1]!
    view.setUint16(offset, from - edge, true)
    view.setUint16(offset + 2, to - from - 1, true)
    edge = to
  }
  return offset
}

/** Reads `count` checked ranges into `list`; returns the offset after them. */
export function readRanges(view: DataView, offset: number, base: number, count: number, list: RangeList): number {
  let edge = base
  for (let i = 0; i < count; i++, offset += RANGE_BYTES) {
    const from = edge + view.getUint16(offset, true)
    edge = from + view.getUint16(offset + 2, true) + 1
    list.edges[2 * i] = from
    list.edges[2 * i + 1] = edge
  }
  list.count = count
  return offset
}

/**
 * Whether `count` ranges are maximal and end at most `bound` packets after their base. The first one skips at least
 * `firstSkipMin`.
 */
export function checkRanges(
  view: DataView,
  offset: number,
  count: number,
  firstSkipMin: number,
  bound: number,
): DatagramDropReason | undefined {
  let reach = 0
  for (let i = 0; i < count; i++, offset += RANGE_BYTES) {
    const skip = view.getUint16(offset, true)
    if (skip < (i === 0 ? firstSkipMin : 1)) return "ranges"
    reach += skip + view.getUint16(offset + 2, true) + 1
    if (reach > bound) return "ranges"
  }
  return undefined
}

/** Whether two checked lists counted from the same base have no packet in common. */
export function areDisjoint(view: DataView, offsetA: number, countA: number, offsetB: number, countB: number): boolean {
  const endA = offsetA + countA * RANGE_BYTES
  const endB = offsetB + countB * RANGE_BYTES
  let edgeA = 0
  let edgeB = 0
  while (offsetA < endA && offsetB < endB) {
    const fromA = edgeA + view.getUint16(offsetA, true)
    const toA = fromA + view.getUint16(offsetA + 2, true) + 1
    const fromB = edgeB + view.getUint16(offsetB, true)
    const toB = fromB + view.getUint16(offsetB + 2, true) + 1
    if (fromA < toB && fromB < toA) return false
    if (toA <= fromB) {
      edgeA = toA
      offsetA += RANGE_BYTES
    } else {
      edgeB = toB
      offsetB += RANGE_BYTES
    }
  }
  return true
}

/** A reusable list of gone ranges, which a sender won't send (again), with the messages begun below each upper edge. */
export interface GoneList extends RangeList {
  /** Messages begun on the stream below the upper edge of range i, at i. */
  readonly begun: Float64Array
}

/** An empty list of {@link RANGES_MAX} gone ranges. */
export function createGoneList(): GoneList {
  return { count: 0, edges: new Float64Array(2 * RANGES_MAX), begun: new Float64Array(RANGES_MAX) }
}

export function writeGoneRanges(view: DataView, offset: number, low: number, list: GoneList): number {
  let edge = low
  for (let i = 0; i < list.count; i++, offset += GONE_RANGE_BYTES) {
    const from = list.edges[2 * i]!
    const to = list.edges[2 * i + 1]!
    view.setUint16(offset, from - edge, true)
    view.setUint16(offset + 2, to - from - 1, true)
    writeNumber(view, offset + RANGE_BYTES, list.begun[i]!)
    edge = to
  }
  return offset
}

export function readGoneRanges(view: DataView, offset: number, low: number, count: number, list: GoneList): number {
  let edge = low
  for (let i = 0; i < count; i++, offset += GONE_RANGE_BYTES) {
    const from = edge + view.getUint16(offset, true)
    edge = from + view.getUint16(offset + 2, true) + 1
    list.edges[2 * i] = from
    list.edges[2 * i + 1] = edge
    list.begun[i] = readNumber(view, offset + RANGE_BYTES)
  }
  list.count = count
  return offset
}

/**
 * Whether `count` gone ranges are maximal, end at or below `high`, and count messages without falling below `begun`.
 */
export function checkGoneRanges(
  view: DataView,
  offset: number,
  count: number,
  low: number,
  high: number,
  begun: number,
): DatagramDropReason | undefined {
  let reach = low
  for (let i = 0; i < count; i++, offset += GONE_RANGE_BYTES) {
    const skip = view.getUint16(offset, true)
    if (skip < 1) return "ranges"
    reach += skip + view.getUint16(offset + 2, true) + 1
    if (reach > high) return "ranges"
    const messages = readNumber(view, offset + RANGE_BYTES)
    if (messages > NUMBER_MAX) return "number"
    if (messages < begun) return "ranges"
    begun = messages
  }
  return undefined
}
