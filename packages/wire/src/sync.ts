/**
 * `sync`: a sender's marks, and what it will not send (again), PROTOCOL.md §3, §8.
 *
 * @module
 */

import { deliveryByte, FORM, formOf, isDelivery, MODE, modeOf, type Mode, traitsOf } from "./delivery.ts"
import { readStream } from "./data.ts"
import type { DatagramDropReason } from "./drop-reason.ts"
import { NUMBER_MAX, readNumber, writeNumber } from "./numbers.ts"
import {
  checkGoneRanges,
  createGoneList,
  GONE_RANGE_BYTES,
  type GoneList,
  RANGES_MAX,
  readGoneRanges,
  writeGoneRanges,
} from "./ranges.ts"
import { ZERO } from "./double.ts"

/** Bytes of the body of a `sync` before its gone ranges. */
export const SYNC_HEADER_BYTES = 24

/** A sync packet, reused from packet to packet. */
export interface Sync {
  /** The stream's id, never 0. */
  stream: number
  /** The stream's promise, never `fire-and-forget`. */
  mode: Mode
  /** All packets below this mark are acknowledged or gone. */
  low: number
  /** The number of the next new packet. */
  high: number
  /** Messages begun below the low mark. */
  begun: number
  /** What is gone between the marks. */
  readonly gone: GoneList
}

/** An empty sync, to fill or to read into. */
export function createSync(): Sync {
  return {
    stream: ZERO,
    mode: MODE.reliable,
    low: ZERO,
    high: ZERO,
    begun: ZERO,
    gone: createGoneList(),
  }
}

/** Bytes of the body that {@link writeSync} writes. */
export function syncBytes(sync: Sync): number {
  return SYNC_HEADER_BYTES + sync.gone.count * GONE_RANGE_BYTES
}

/** Writes the body of a `sync`; returns the offset after it. */
export function writeSync(view: DataView, body: number, sync: Sync): number {
  view.setUint32(body, sync.stream, true)
  view.setUint8(body + 4, deliveryByte(sync.mode, FORM.whole))
  writeNumber(view, body + 5, sync.low)
  writeNumber(view, body + 11, sync.high)
  writeNumber(view, body + 17, sync.begun)
  view.setUint8(body + 23, sync.gone.count)
  return writeGoneRanges(view, body + SYNC_HEADER_BYTES, sync.low, sync.gone)
}

/** Reads a checked body into `sync`. */
export function readSync(view: DataView, body: number, sync: Sync): void {
  sync.stream = readStream(view, body)
  sync.mode = modeOf(view.getUint8(body + 4))
  sync.low = readNumber(view, body + 5)
  sync.high = readNumber(view, body + 11)
  sync.begun = readNumber(view, body + 17)
  readGoneRanges(view, body + SYNC_HEADER_BYTES, sync.low, view.getUint8(body + 23), sync.gone)
}

/** Why `[body, end)` is no `sync`, or `undefined` if it is one. Its gone ranges are checked too. */
export function checkSync(view: DataView, body: number, end: number): DatagramDropReason | undefined {
  if (end - body < SYNC_HEADER_BYTES) return "truncated"
  if (readStream(view, body) === 0) return "value"
  const delivery = view.getUint8(body + 4)
  if (!isDelivery(delivery) || !traitsOf(modeOf(delivery)).isNumbered || formOf(delivery) !== FORM.whole)
    return "delivery"
  const low = readNumber(view, body + 5)
  const high = readNumber(view, body + 11)
  const begun = readNumber(view, body + 17)
  if (high > NUMBER_MAX || begun > NUMBER_MAX || low > high) return "number"
  const gone = view.getUint8(body + 23)
  if (gone > RANGES_MAX) return "ranges"
  const offsetEnd = body + SYNC_HEADER_BYTES + gone * GONE_RANGE_BYTES
  if (offsetEnd > end) return "truncated"
  const reason = checkGoneRanges(view, body + SYNC_HEADER_BYTES, gone, low, high, begun)
  if (reason !== undefined) return reason
  return offsetEnd < end ? "trailing" : undefined
}
