/**
 * Packets of the class data: `sequenced`, `part`, `fire-and-forget` (PROTOCOL.md §3). Their fields are read in place.
 * Functions have a parameter for each field, more than five where there are more: no object is made for a packet.
 *
 * @module
 */

import { deliveryByte, FORM, formOf, isDelivery, MODE, modeOf, traitsOf } from "./delivery.ts"
import type { DatagramDropReason } from "./drop-reason.ts"
import { FLAG_WANTED, KIND } from "./flags.ts"
import { NUMBER_MAX, readNumber, writeNumber } from "./numbers.ts"
import { checkPayload } from "./payload.ts"

const STREAM = 0
const NUMBER = 4
const DELIVERY = 10
const PART_OFFSET = 11
const PART_TOTAL = 13
const FIRE_AND_FORGET_DELIVERY = 4

/** Bytes of the body of a `sequenced` packet before its payload: stream, number, delivery. */
export const SEQUENCED_HEADER_BYTES = 11
/** Bytes of the body of a `part` before its bytes: those of a `sequenced` packet, offset, total. */
export const PART_HEADER_BYTES = 15
/** Bytes of the body of a `fire-and-forget` packet before its payload: stream, delivery. */
export const FIRE_AND_FORGET_HEADER_BYTES = 5

/** The stream of any packet that belongs to one: its id comes first in the body. */
export function readStream(view: DataView, body: number): number {
  return view.getUint32(body + STREAM, true)
}

/** The packet number of a `sequenced` or `part`. */
export function readPacketNumber(view: DataView, body: number): number {
  return readNumber(view, body + NUMBER)
}

/** The delivery byte of a `sequenced` or `part`; `modeOf` and `formOf` take it apart. */
export function readSequencedDelivery(view: DataView, body: number): number {
  return view.getUint8(body + DELIVERY)
}

/** The delivery byte of a `fire-and-forget` packet; `formOf` has the form of its payload. */
export function readFireAndForgetDelivery(view: DataView, body: number): number {
  return view.getUint8(body + FIRE_AND_FORGET_DELIVERY)
}

/** The offset of a `part` in the payload of the packet that was cut up. */
export function readPartOffset(view: DataView, body: number): number {
  return view.getUint16(body + PART_OFFSET, true)
}

/** Bytes of the whole payload that was cut into parts. */
export function readPartTotal(view: DataView, body: number): number {
  return view.getUint16(body + PART_TOTAL, true)
}

/** Writes flags and header of a last (or only) packet; returns the offset of the payload. */
export function writeSequencedHeader(
  view: DataView,
  offset: number,
  wanted: boolean,
  stream: number,
  number: number,
  delivery: number,
): number {
  view.setUint8(offset, KIND.sequenced | (wanted ? FLAG_WANTED : 0))
  return writeSequencedBody(view, offset + 1, stream, number, delivery)
}

/** Writes the header fields of a body; returns the offset of the payload. */
export function writeSequencedBody(
  view: DataView,
  body: number,
  stream: number,
  number: number,
  delivery: number,
): number {
  view.setUint32(body + STREAM, stream, true)
  writeNumber(view, body + NUMBER, number)
  view.setUint8(body + DELIVERY, delivery)
  return body + SEQUENCED_HEADER_BYTES
}

/** Writes the header fields of a body; returns the offset of the payload. */
export function writeFireAndForgetBody(view: DataView, body: number, stream: number, form: number): number {
  view.setUint32(body + STREAM, stream, true)
  view.setUint8(body + FIRE_AND_FORGET_DELIVERY, deliveryByte(MODE["fire-and-forget"], form))
  return body + FIRE_AND_FORGET_HEADER_BYTES
}

/** Writes the header fields of a body; returns the offset of the bytes. */
export function writePartBody(
  view: DataView,
  body: number,
  stream: number,
  number: number,
  delivery: number,
  offset: number,
  total: number,
): number {
  writeSequencedBody(view, body, stream, number, delivery)
  view.setUint16(body + PART_OFFSET, offset, true)
  view.setUint16(body + PART_TOTAL, total, true)
  return body + PART_HEADER_BYTES
}

/** Why `[body, end)` is no `sequenced` packet, or `undefined` if it is one. Its payload is checked too. */
export function checkSequenced(view: DataView, body: number, end: number): DatagramDropReason | undefined {
  const reason = checkNumbered(view, body, end, SEQUENCED_HEADER_BYTES)
  return reason ?? checkPayload(view, body + SEQUENCED_HEADER_BYTES, end, formOf(readSequencedDelivery(view, body)))
}

/** Why `[body, end)` is no `part`, or `undefined` if it is one. */
export function checkPart(view: DataView, body: number, end: number): DatagramDropReason | undefined {
  const reason = checkNumbered(view, body, end, PART_HEADER_BYTES)
  if (reason !== undefined) return reason
  const length = end - body - PART_HEADER_BYTES
  const total = readPartTotal(view, body)
  return length > 0 && length < total && readPartOffset(view, body) + length <= total ? undefined : "value"
}

/** Why `[body, end)` is no `fire-and-forget` packet, or `undefined` if it is one. Its payload is checked too. */
export function checkFireAndForget(view: DataView, body: number, end: number): DatagramDropReason | undefined {
  if (end - body < FIRE_AND_FORGET_HEADER_BYTES) return "truncated"
  if (readStream(view, body) === 0) return "value"
  const delivery = readFireAndForgetDelivery(view, body)
  if (!isDelivery(delivery) || traitsOf(modeOf(delivery)).isNumbered || formOf(delivery) === FORM.abandoned)
    return "delivery"
  return checkPayload(view, body + FIRE_AND_FORGET_HEADER_BYTES, end, formOf(delivery))
}

/** Checks that a header of `headerBytes` fits, and checks the fields that `sequenced` and `part` share. */
function checkNumbered(view: DataView, body: number, end: number, headerBytes: number): DatagramDropReason | undefined {
  if (end - body < headerBytes) return "truncated"
  if (readStream(view, body) === 0) return "value"
  if (readPacketNumber(view, body) > NUMBER_MAX) return "number"
  const delivery = readSequencedDelivery(view, body)
  return isDelivery(delivery) && traitsOf(modeOf(delivery)).isNumbered ? undefined : "delivery"
}
