/**
 * Control packets of an association that belong to no stream, besides `feedback`: `heartbeat`, `goodbye`,
 * `path-challenge`, `path-response`, `mtu-probe`, `rate` (PROTOCOL.md §3, §10).
 *
 * @module
 */

import { bytesAt, firstNonZero, isUtf8 } from "./bytes.ts"
import type { DatagramDropReason } from "./drop-reason.ts"
import { NUMBER_MAX, readNumber, writeNumber } from "./numbers.ts"
import { double } from "./double.ts"
import { DECODER, ENCODER } from "./text.ts"

/** The most bytes of a reason's text. */
export const TEXT_BYTES_MAX = 256

/** Bytes of the body of a `path-challenge`, and of its `path-response`. */
export const PATH_CHALLENGE_BYTES = 16
/** Bytes of the body of an `mtu-probe` before its padding. */
export const MTU_PROBE_HEADER_BYTES = 6

/** Bytes of the body of a `rate`. */
export const RATE_BYTES = 10

/** Why `[body, end)` is no `heartbeat`, or `undefined` if it is one. A heartbeat has no body. */
export function checkHeartbeat(_view: DataView, body: number, end: number): DatagramDropReason | undefined {
  return end > body ? "trailing" : undefined
}

/** A reason and its text: the body of `goodbye` and of `refuse`. */
export interface ReasonText {
  /** One of `REASON`, or the application's own from `REASON_APPLICATION` on; 0 to 65,535. */
  readonly reason: number
  /** For people to read, at most {@link TEXT_BYTES_MAX} bytes of UTF-8. */
  readonly text: string
}

/**
 * Writes a reason and at most {@link TEXT_BYTES_MAX} bytes of text, cut at a character, and none from `end` on. Returns
 * the offset after it.
 */
export function writeReasonText(
  view: DataView,
  body: number,
  { reason, text }: ReasonText,
  end: number = view.byteLength,
): number {
  view.setUint16(body, reason, true)
  const at = body + 2
  const textBytes = Math.max(0, Math.min(TEXT_BYTES_MAX, end - at))
  return at + ENCODER.encodeInto(text, bytesAt(view, at, textBytes)).written
}

/** Reads the reason and the text in a checked body. */
export function readReasonText(view: DataView, body: number, end: number): ReasonText {
  return { reason: view.getUint16(body, true), text: DECODER.decode(bytesAt(view, body + 2, end - body - 2)) }
}

/** Why `[body, end)` is no reason with its text, or `undefined` if it is one. */
export function checkReasonText(view: DataView, body: number, end: number): DatagramDropReason | undefined {
  if (end - body < 2) return "truncated"
  return end - body - 2 <= TEXT_BYTES_MAX && isUtf8(view, body + 2, end) ? undefined : "value"
}

/** Writes the 16 bytes of a path challenge or its response. */
export function writePathData(view: DataView, body: number, data: Uint8Array): number {
  bytesAt(view, body, PATH_CHALLENGE_BYTES).set(data)
  return body + PATH_CHALLENGE_BYTES
}

/** Copies the 16 bytes of a path challenge or its response. */
export function readPathData(view: DataView, body: number): Uint8Array {
  return bytesAt(view, body, PATH_CHALLENGE_BYTES).slice()
}

/** Why `[body, end)` is no `path-challenge` or `path-response`, or `undefined` if it is one. */
export function checkPathData(_view: DataView, body: number, end: number): DatagramDropReason | undefined {
  if (end - body < PATH_CHALLENGE_BYTES) return "truncated"
  return end - body > PATH_CHALLENGE_BYTES ? "trailing" : undefined
}

/** The body of an `mtu-probe`, and of the answer to it. */
export interface MtuProbe {
  /** Identifies the probe: 32 bits that the answer repeats. */
  readonly probe: number
  /** Bytes of the probing datagram, tag included. */
  readonly size: number
}

/** Writes a probe and its padding up to `end`. An answer has no padding: leave out `end`. */
export function writeMtuProbe(
  view: DataView,
  body: number,
  { probe, size }: MtuProbe,
  end: number = body + MTU_PROBE_HEADER_BYTES,
): number {
  view.setUint32(body, probe, true)
  view.setUint16(body + 4, size, true)
  bytesAt(view, body + MTU_PROBE_HEADER_BYTES, end - body - MTU_PROBE_HEADER_BYTES).fill(0)
  return end
}

/** Reads the probe in a checked body. */
export function readMtuProbe(view: DataView, body: number): MtuProbe {
  return { probe: double(view.getUint32(body, true)), size: view.getUint16(body + 4, true) }
}

/**
 * Why `[body, end)` is no `mtu-probe`, or `undefined` if it is one. With `wanted` it is a probe, which fills its
 * datagram of `datagramBytes`, tag included; otherwise it is an answer, which has no padding.
 */
export function checkMtuProbe(
  view: DataView,
  body: number,
  end: number,
  wanted: boolean,
  datagramBytes: number,
): DatagramDropReason | undefined {
  if (end - body < MTU_PROBE_HEADER_BYTES) return "truncated"
  const padding = body + MTU_PROBE_HEADER_BYTES
  if (!wanted) return padding < end ? "padding" : undefined
  return view.getUint16(body + 4, true) === datagramBytes && firstNonZero(view, padding, end) === end
    ? undefined
    : "padding"
}

/** The body of a `rate`, and of the answer to it. */
export interface Rate {
  /** Counts what a side asks for in a session, from 1: of two the higher one is later. 32 bits. */
  readonly number: number
  /** Bytes of datagrams with data in a second, 0 to `NUMBER_MAX`; 0: as many as the sender likes. */
  readonly bytesPerSecond: number
}

/** Writes the body of a `rate`; returns the offset after it. */
export function writeRate(view: DataView, body: number, { number, bytesPerSecond }: Rate): number {
  view.setUint32(body, number, true)
  writeNumber(view, body + 4, bytesPerSecond)
  return body + RATE_BYTES
}

/** Reads the rate in a checked body. */
export function readRate(view: DataView, body: number): Rate {
  return { number: view.getUint32(body, true), bytesPerSecond: readNumber(view, body + 4) }
}

/** Why `[body, end)` is no `rate`, or `undefined` if it is one. */
export function checkRate(view: DataView, body: number, end: number): DatagramDropReason | undefined {
  if (end - body < RATE_BYTES) return "truncated"
  if (readNumber(view, body + 4) > NUMBER_MAX) return "number"
  return end - body > RATE_BYTES ? "trailing" : undefined
}
