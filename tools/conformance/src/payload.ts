// §4. Any error in how a payload is divided is O21, whichever field shows it.
import type { Delivery, Message, Payload } from "./datagram.ts"
import { isNumber } from "./numbers.ts"
import { hex, Reader, refuse } from "./reader.ts"

export function decodePayload(bytes: Uint8Array, form: Delivery["form"]): Payload {
  const reader = new Reader(bytes)
  switch (form) {
    case "whole": {
      if (reader.left === 0) refuse("payload")
      const messages: Message[] = []
      while (reader.left > 0) messages.push(decodeMessage(reader))
      return { messages }
    }

    case "first": {
      reader.need(2 + 6 + 4, "payload")
      const type = reader.u16()
      const message = decodeMessageNumber(reader)
      const total = reader.u32()
      const piece = reader.rest()
      if (piece.length < 1) refuse("payload")
      if (piece.length >= total) refuse("payload")
      return { piece: { type, message, total, bytes: hex(piece) } }
    }

    case "middle": {
      reader.need(6 + 4 + 4, "payload")
      const message = decodeMessageNumber(reader)
      const total = reader.u32()
      const offset = reader.u32()
      const piece = reader.rest()
      if (piece.length < 1) refuse("payload")
      // A middle piece touches neither end.
      if (offset === 0) refuse("payload")
      if (offset + piece.length >= total) refuse("payload")
      return { piece: { message, total, offset, bytes: hex(piece) } }
    }

    case "last": {
      reader.need(6 + 4, "payload")
      const message = decodeMessageNumber(reader)
      const total = reader.u32()
      const piece = reader.rest()
      if (piece.length < 1) refuse("payload")
      if (piece.length >= total) refuse("payload")
      return { piece: { message, total, bytes: hex(piece) } }
    }

    case "abandoned": {
      reader.need(6, "payload")
      const message = decodeMessageNumber(reader)
      if (reader.left > 0) refuse("payload")
      return { piece: { message } }
    }
  }
}

/** type u16 · length · bytes */
function decodeMessage(reader: Reader): Message {
  reader.need(2, "payload")
  const type = reader.u16()
  const length = decodeLength(reader)
  reader.need(length, "payload")
  return { type, bytes: hex(reader.bytes(length)) }
}

/** 1 to 3 bytes of 7 bits, lowest first; the high bit is set on all but the last. */
function decodeLength(reader: Reader): number {
  reader.need(1, "payload")
  const first = reader.u8()
  if (first < 0x80) return first

  reader.need(1, "payload")
  const second = reader.u8()
  const lowTwo = (first & 0x7f) + 128 * (second & 0x7f)
  if (second < 0x80) {
    if (lowTwo < 128) refuse("payload")
    return lowTwo
  }

  reader.need(1, "payload")
  const third = reader.u8()
  if (third >= 0x80) refuse("payload")
  const all = lowTwo + 16_384 * third
  if (all < 16_384) refuse("payload")
  return all
}

function decodeMessageNumber(reader: Reader): number {
  const message = reader.u48()
  if (!isNumber(message)) refuse("number")
  return message
}
