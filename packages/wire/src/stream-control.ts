/**
 * A stream's life: `open`, `end`, `reset`, `stop` (PROTOCOL.md §3, §8).
 *
 * @module
 */

import { deliveryByte, FORM, formOf, isDelivery, modeOf, type Mode, traitsOf } from "./delivery.ts"
import { bytesAt } from "./bytes.ts"
import { readStream } from "./data.ts"
import type { DatagramDropReason } from "./drop-reason.ts"
import { NUMBER_MAX, readNumber, writeNumber } from "./numbers.ts"
import { ZERO } from "./double.ts"

/** The most bytes of metadata in an `open`. */
export const METADATA_BYTES_MAX = 1024

/** Bytes of the body of an `open` before its metadata. */
export const OPEN_HEADER_BYTES = 12
/** Bytes of the body of an `end`. */
export const END_BYTES = 16
/** Bytes of the body of a `reset`. */
export const RESET_BYTES = 18
/** Bytes of the body of a `stop`. */
export const STOP_BYTES = 6

/** The body of an `open`: begins a stream. */
export interface Open {
  /** The stream's id, which the sender counts from 1. */
  readonly stream: number
  /** Packet number of the first packet. */
  readonly first: number
  /** The promise, one of `MODE`. */
  readonly mode: Mode
  /** 0 to 255, higher goes first. */
  readonly priority: number
  /** Opaque to the protocol, at most {@link METADATA_BYTES_MAX} bytes. */
  readonly metadata: Uint8Array
}

/** Writes the body of an `open`; returns the offset after it. */
export function writeOpen(view: DataView, body: number, open: Open): number {
  view.setUint32(body, open.stream, true)
  writeNumber(view, body + 4, open.first)
  view.setUint8(body + 10, deliveryByte(open.mode, FORM.whole))
  view.setUint8(body + 11, open.priority)
  bytesAt(view, body + OPEN_HEADER_BYTES, open.metadata.length).set(open.metadata)
  return body + OPEN_HEADER_BYTES + open.metadata.length
}

/** Reads a checked `open`; its metadata is copied. */
export function readOpen(view: DataView, body: number, end: number): Open {
  return {
    stream: readStream(view, body),
    first: ZERO + readNumber(view, body + 4),
    mode: modeOf(view.getUint8(body + 10)),
    priority: view.getUint8(body + 11),
    metadata: bytesAt(view, body + OPEN_HEADER_BYTES, end - body - OPEN_HEADER_BYTES).slice(),
  }
}

/** Why `[body, end)` is no `open`, or `undefined` if it is one. */
export function checkOpen(view: DataView, body: number, end: number): DatagramDropReason | undefined {
  if (end - body < OPEN_HEADER_BYTES) return "truncated"
  if (readStream(view, body) === 0) return "value"
  const first = readNumber(view, body + 4)
  if (first > NUMBER_MAX) return "number"
  const delivery = view.getUint8(body + 10)
  if (!isDelivery(delivery) || formOf(delivery) !== FORM.whole) return "delivery"
  if (!traitsOf(modeOf(delivery)).isNumbered && first !== 0) return "value"
  return end - body - OPEN_HEADER_BYTES > METADATA_BYTES_MAX ? "value" : undefined
}

/** The body of an `end`: the sender has no more packets. */
export interface End {
  /** The stream's id, never 0. */
  readonly stream: number
  /** The edge after the last packet. */
  readonly final: number
  /** All messages begun on the stream. */
  readonly begun: number
}

/** Writes the body of an `end`; returns the offset after it. */
export function writeEnd(view: DataView, body: number, end: End): number {
  view.setUint32(body, end.stream, true)
  writeNumber(view, body + 4, end.final)
  writeNumber(view, body + 10, end.begun)
  return body + END_BYTES
}

/** Reads a checked `end`. */
export function readEnd(view: DataView, body: number): End {
  return {
    stream: readStream(view, body),
    final: ZERO + readNumber(view, body + 4),
    begun: readNumber(view, body + 10),
  }
}

/** Why `[body, end)` is no `end`, or `undefined` if it is one. */
export function checkEnd(view: DataView, body: number, end: number): DatagramDropReason | undefined {
  if (end - body < END_BYTES) return "truncated"
  if (readStream(view, body) === 0) return "value"
  if (readNumber(view, body + 4) > NUMBER_MAX || readNumber(view, body + 10) > NUMBER_MAX) return "number"
  return end - body > END_BYTES ? "trailing" : undefined
}

/** The body of a `reset`: the sender gives the stream up. */
export interface Reset extends End {
  /** One of `REASON`, or the application's own from `REASON_APPLICATION` on; 0 to 65,535. */
  readonly reason: number
}

/** Writes the body of a `reset`; returns the offset after it. */
export function writeReset(view: DataView, body: number, reset: Reset): number {
  view.setUint32(body, reset.stream, true)
  view.setUint16(body + 4, reset.reason, true)
  writeNumber(view, body + 6, reset.final)
  writeNumber(view, body + 12, reset.begun)
  return body + RESET_BYTES
}

/** Reads a checked `reset`. */
export function readReset(view: DataView, body: number): Reset {
  return {
    stream: readStream(view, body),
    reason: view.getUint16(body + 4, true),
    final: ZERO + readNumber(view, body + 6),
    begun: readNumber(view, body + 12),
  }
}

/** Why `[body, end)` is no `reset`, or `undefined` if it is one. */
export function checkReset(view: DataView, body: number, end: number): DatagramDropReason | undefined {
  if (end - body < RESET_BYTES) return "truncated"
  if (readStream(view, body) === 0) return "value"
  if (readNumber(view, body + 6) > NUMBER_MAX || readNumber(view, body + 12) > NUMBER_MAX) return "number"
  return end - body > RESET_BYTES ? "trailing" : undefined
}

/** The body of a `stop`: the receiver wants no more of the stream. */
export interface Stop {
  /** The stream's id, never 0. */
  readonly stream: number
  /** One of `REASON`, or the application's own from `REASON_APPLICATION` on; 0 to 65,535. */
  readonly reason: number
}

/** Writes the body of a `stop`; returns the offset after it. */
export function writeStop(view: DataView, body: number, stop: Stop): number {
  view.setUint32(body, stop.stream, true)
  view.setUint16(body + 4, stop.reason, true)
  return body + STOP_BYTES
}

/** Reads a checked `stop`. */
export function readStop(view: DataView, body: number): Stop {
  return { stream: readStream(view, body), reason: view.getUint16(body + 4, true) }
}

/** Why `[body, end)` is no `stop`, or `undefined` if it is one. */
export function checkStop(view: DataView, body: number, end: number): DatagramDropReason | undefined {
  if (end - body < STOP_BYTES) return "truncated"
  if (readStream(view, body) === 0) return "value"
  return end - body > STOP_BYTES ? "trailing" : undefined
}
