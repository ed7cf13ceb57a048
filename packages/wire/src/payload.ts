/**
 * What a payload holds: whole messages back to back, or one piece of a larger one (PROTOCOL.md §4).
 *
 * @module
 */

import { FORM } from "./delivery.ts"
import type { DatagramDropReason } from "./drop-reason.ts"
import { NUMBER_BYTES, NUMBER_MAX, readNumber, writeNumber } from "./numbers.ts"
import { ZERO } from "./double.ts"

const TYPE_BYTES = 2
/** A length continues in the next byte while this bit is set. */
const MORE = 0x80
const LENGTH_BITS = 7

/** The most bytes a whole message can have: the largest length of 21 bits. Datagrams are shorter than that anyway. */
export const WHOLE_BYTES_MAX: number = 2 ** 21 - 1

/** Types of messages: 0 to this. */
export const TYPE_MAX = 65_535

/** Bytes of the header of a whole message of this length: 3, 4 or 5. */
export function wholeHeaderBytes(length: number): number {
  return TYPE_BYTES + (length < 128 ? 1 : length < 16_384 ? 2 : 3)
}

/** Writes type and length of a whole message; returns the offset of its bytes. */
export function writeWholeHeader(view: DataView, offset: number, type: number, length: number): number {
  view.setUint16(offset, type, true)
  offset += TYPE_BYTES
  while (length >= MORE) {
    view.setUint8(offset++, MORE | (length & (MORE - 1)))
    length >>>= LENGTH_BITS
  }
  view.setUint8(offset++, length)
  return offset
}

/** Walks the messages of a checked payload of form `whole`: `start`, then `next` until it returns `false`. */
export class MessageCursor {
  /** The type of the message that `next` moved to, 0 to 65,535. */
  type = 0
  /** Where the bytes of that message begin, from the start of the view. */
  offset = 0
  /** How many bytes that message has. */
  length = 0
  #view: DataView = EMPTY
  #at = 0
  #end = 0

  /** `[offset, end)` is the payload. */
  start(view: DataView, offset: number, end: number): void {
    this.#view = view
    this.#at = offset
    this.#end = end
  }

  /** Moves to the next message; `false` when there is none. */
  next(): boolean {
    if (this.#at >= this.#end) return false
    const view = this.#view
    let at = this.#at
    this.type = view.getUint16(at, true)
    at += TYPE_BYTES
    let length = view.getUint8(at++)
    if (length >= MORE) {
      const second = view.getUint8(at++)
      length = (length & (MORE - 1)) | ((second & (MORE - 1)) << LENGTH_BITS)
      if (second >= MORE) length |= view.getUint8(at++) << (2 * LENGTH_BITS)
    }
    this.offset = at
    this.length = length
    this.#at = at + length
    return true
  }
}

const EMPTY = new DataView(new ArrayBuffer(0))

/** Bytes of the header of a piece, by form; `abandoned` has nothing else. */
export const PIECE_HEADER_BYTES = {
  /** Type, message, total. */
  first: 12,
  /** Message, total, offset. */
  middle: 14,
  /** Message, total. */
  last: 10,
  /** Message. */
  abandoned: 6,
} as const
const PIECE_HEADER_BYTES_BY_FORM: readonly number[] = [0, 12, 14, 10, 6]

/** One piece of a large message, reused from packet to packet. */
export interface Piece {
  /** One of `FORM`, not `whole`. */
  form: number
  /** Messages begun on the stream before this one: its identity. */
  message: number
  /** The message's type, in a first piece; −1 in the others. */
  type: number
  /** Bytes of the whole message; 0 when abandoned. */
  total: number
  /** The offset of the piece's bytes in the message. */
  messageOffset: number
  /** Where the piece's bytes are, from the start of the view. */
  offset: number
  /** How many bytes the piece has; 0 when abandoned. */
  length: number
}

/** An empty piece, to read into. */
export function createPiece(): Piece {
  return { form: FORM.abandoned, message: ZERO, type: -1, total: 0, messageOffset: 0, offset: 0, length: 0 }
}

/** Writes the header of a first piece; returns the offset of its bytes. */
export function writeFirstHeader(view: DataView, offset: number, type: number, message: number, total: number): number {
  view.setUint16(offset, type, true)
  writeNumber(view, offset + TYPE_BYTES, message)
  view.setUint32(offset + TYPE_BYTES + NUMBER_BYTES, total, true)
  return offset + PIECE_HEADER_BYTES.first
}

/** Writes the header of a middle piece; returns the offset of its bytes. */
export function writeMiddleHeader(
  view: DataView,
  offset: number,
  message: number,
  total: number,
  messageOffset: number,
): number {
  writeNumber(view, offset, message)
  view.setUint32(offset + NUMBER_BYTES, total, true)
  view.setUint32(offset + NUMBER_BYTES + 4, messageOffset, true)
  return offset + PIECE_HEADER_BYTES.middle
}

/** Writes the header of a last piece; returns the offset of its bytes. */
export function writeLastHeader(view: DataView, offset: number, message: number, total: number): number {
  writeNumber(view, offset, message)
  view.setUint32(offset + NUMBER_BYTES, total, true)
  return offset + PIECE_HEADER_BYTES.last
}

/** Writes the piece that ends a message that won't be completed; returns the offset after it. */
export function writeAbandoned(view: DataView, offset: number, message: number): number {
  writeNumber(view, offset, message)
  return offset + PIECE_HEADER_BYTES.abandoned
}

/** Reads the piece in a checked payload `[offset, end)` into `piece`. */
export function readPiece(view: DataView, offset: number, end: number, form: number, piece: Piece): void {
  piece.form = form
  piece.type = -1
  if (form === FORM.first) {
    piece.type = view.getUint16(offset, true)
    offset += TYPE_BYTES
  }
  piece.message = readNumber(view, offset)
  offset += NUMBER_BYTES
  piece.total = 0
  piece.messageOffset = 0
  if (form !== FORM.abandoned) {
    piece.total = view.getUint32(offset, true)
    offset += 4
  }
  if (form === FORM.middle) {
    piece.messageOffset = view.getUint32(offset, true)
    offset += 4
  } else if (form === FORM.last) {
    piece.messageOffset = piece.total - (end - offset)
  }
  piece.offset = offset
  piece.length = end - offset
}

/** How many messages begin in a checked payload. */
export function messagesBegun(view: DataView, offset: number, end: number, form: number): number {
  if (form !== FORM.whole) return form === FORM.first ? 1 : 0
  let count = 0
  counter.start(view, offset, end)
  while (counter.next()) count++
  return count
}

const counter = new MessageCursor()

/** Why `[offset, end)` is no payload of this form, or `undefined` if it is one. */
export function checkPayload(
  view: DataView,
  offset: number,
  end: number,
  form: number,
): DatagramDropReason | undefined {
  return form === FORM.whole ? checkWhole(view, offset, end) : checkPiece(view, offset, end, form)
}

function checkWhole(view: DataView, offset: number, end: number): DatagramDropReason | undefined {
  if (offset >= end) return "payload"
  while (offset < end) {
    if (end - offset < TYPE_BYTES + 1) return "payload"
    offset += TYPE_BYTES
    let length = view.getUint8(offset++)
    if (length >= MORE) {
      length &= MORE - 1
      let shift = LENGTH_BITS
      for (;;) {
        if (offset >= end || shift > 2 * LENGTH_BITS) return "payload"
        const byte = view.getUint8(offset++)
        length |= (byte & (MORE - 1)) << shift
        shift += LENGTH_BITS
        if (byte < MORE) {
          if (byte === 0) return "payload"
          break
        }
      }
    }
    offset += length
  }
  return offset === end ? undefined : "payload"
}

function checkPiece(view: DataView, offset: number, end: number, form: number): DatagramDropReason | undefined {
  const length = end - offset - PIECE_HEADER_BYTES_BY_FORM[form]!
  if (length < 0) return "payload"
  if (form === FORM.first) offset += TYPE_BYTES
  if (readNumber(view, offset) > NUMBER_MAX) return "number"
  if (form === FORM.abandoned) return length === 0 ? undefined : "payload"
  if (length === 0) return "payload"
  const total = view.getUint32(offset + NUMBER_BYTES, true)
  if (form !== FORM.middle) return length < total ? undefined : "payload"
  const messageOffset = view.getUint32(offset + NUMBER_BYTES + 4, true)
  return messageOffset > 0 && messageOffset + length < total ? undefined : "payload"
}
