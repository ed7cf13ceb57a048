/**
 * `status`: what a receiver has, and what it misses (the NAK), PROTOCOL.md §3, §8.
 *
 * @module
 */

import { readStream } from "./data.ts"
import type { DatagramDropReason } from "./drop-reason.ts"
import { NUMBER_MAX, readNumber, writeNumber } from "./numbers.ts"
import {
  areDisjoint,
  checkRanges,
  createRangeList,
  RANGE_BYTES,
  type RangeList,
  RANGES_MAX,
  readRanges,
  SPREAD_MAX,
  writeRanges,
} from "./ranges.ts"
import { ZERO } from "./double.ts"

/** Bytes of the body of a `status` before its ranges. */
export const STATUS_HEADER_BYTES = 13

/** Bits of the state byte. */
export const STATUS = {
  /** The receiver hasn't got the `open`: edge and counts are 0. */
  startUnknown: 1,
  /** The stream is over: the answer to `end` and `reset`. */
  closed: 2,
  /** Something was dropped for want of room, or soon would be: neither acknowledged nor asked for. */
  noRoom: 4,
  /** With `noRoom`: the packets of the last missing range may be sent all the same. */
  ahead: 8,
} as const
const STATE_MASK = STATUS.startUnknown | STATUS.closed | STATUS.noRoom | STATUS.ahead

/** A status, reused from packet to packet. */
export interface Status {
  /** The stream's id, never 0. */
  stream: number
  /** Bits of {@link STATUS}. */
  state: number
  /** All packets below this edge have left the stream layer. */
  cumulative: number
  /** Packets above the edge that need no resend. */
  readonly received: RangeList
  /** Packets asked for. If the state says *ahead*, the last range asks only for those not sent yet. */
  readonly missing: RangeList
}

/** An empty status, to fill or to read into. */
export function createStatus(): Status {
  return { stream: ZERO, state: 0, cumulative: ZERO, received: createRangeList(), missing: createRangeList() }
}

/** Bytes of the body that {@link writeStatus} writes. */
export function statusBytes(status: Status): number {
  return STATUS_HEADER_BYTES + RANGE_BYTES * (status.received.count + status.missing.count)
}

/** Writes the body of a `status`; returns the offset after it. */
export function writeStatus(view: DataView, body: number, status: Status): number {
  view.setUint32(body, status.stream, true)
  view.setUint8(body + 4, status.state)
  writeNumber(view, body + 5, status.cumulative)
  view.setUint8(body + 11, status.received.count)
  view.setUint8(body + 12, status.missing.count)
  const missing = writeRanges(view, body + STATUS_HEADER_BYTES, status.cumulative, status.received)
  return writeRanges(view, missing, status.cumulative, status.missing)
}

/** Reads a checked body into `status`. */
export function readStatus(view: DataView, body: number, status: Status): void {
  status.stream = readStream(view, body)
  status.state = view.getUint8(body + 4)
  status.cumulative = readNumber(view, body + 5)
  const missing = readRanges(
    view,
    body + STATUS_HEADER_BYTES,
    status.cumulative,
    view.getUint8(body + 11),
    status.received,
  )
  readRanges(view, missing, status.cumulative, view.getUint8(body + 12), status.missing)
}

/** Why `[body, end)` is no `status`, or `undefined` if it is one. Its ranges are checked too. */
export function checkStatus(view: DataView, body: number, end: number): DatagramDropReason | undefined {
  if (end - body < STATUS_HEADER_BYTES) return "truncated"
  if (readStream(view, body) === 0) return "value"
  const state = view.getUint8(body + 4)
  if ((state & ~STATE_MASK) !== 0) return "value"
  const cumulative = readNumber(view, body + 5)
  if (cumulative > NUMBER_MAX) return "number"
  const received = view.getUint8(body + 11)
  const missing = view.getUint8(body + 12)
  if ((state & STATUS.startUnknown) !== 0 && (cumulative !== 0 || received !== 0 || missing !== 0)) return "value"
  if ((state & STATUS.ahead) !== 0 && ((state & STATUS.noRoom) === 0 || missing === 0)) return "value"
  if (received > RANGES_MAX || missing > RANGES_MAX) return "ranges"
  const offset = body + STATUS_HEADER_BYTES
  const offsetMissing = offset + received * RANGE_BYTES
  const offsetEnd = offsetMissing + missing * RANGE_BYTES
  if (offsetEnd > end) return "truncated"
  const reason =
    checkRanges(view, offset, received, 1, SPREAD_MAX) ?? checkRanges(view, offsetMissing, missing, 0, SPREAD_MAX)
  if (reason !== undefined) return reason
  if (!areDisjoint(view, offset, received, offsetMissing, missing)) return "ranges"
  return offsetEnd < end ? "trailing" : undefined
}
