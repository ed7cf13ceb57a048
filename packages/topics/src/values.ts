/**
 * Values of the application's types, to bytes and back.
 *
 * @module
 */

import { type Codec, isMessageType, isWriting, type MessageType, type WritingCodec } from "@x/endpoint"
import { textOf } from "@x/transport/check"
import { check, TopicError, TYPE } from "./errors.ts"
import { ENTRY_HEAD_BYTES, makeEntry } from "./wire/message.ts"

/** Returns the number of a type. */
export function numberOf(type: number | MessageType<unknown>): number {
  return check.value("a message type", isMessageType(type) ? type.type : type, TYPE)
}

/**
 * A message of a topic for the position that it gets, its value encoded once, however many get it. Throws `TopicError`
 * `invalid-option` for what isn't of the type.
 */
export function entryOf(position: number, type: number | MessageType<unknown>, value: unknown): Uint8Array {
  const number = numberOf(type)
  if (isMessageType(type) && isWriting(type.codec)) return written(position, number, type.codec, value)
  const bytes = isMessageType(type) ? encoded(number, type.codec as Codec<unknown>, value) : value
  if (!(bytes instanceof Uint8Array))
    throw new TopicError("invalid-option", "a message is a Uint8Array; encode other values first, or define a type")
  const entry = makeEntry(position, number, bytes.length)
  entry.set(bytes, ENTRY_HEAD_BYTES)
  return entry
}

function written(position: number, type: number, codec: WritingCodec<unknown>, value: unknown): Uint8Array {
  return named(type, () => {
    const entry = makeEntry(position, type, codec.size(value))
    // The codec never has the head.
    codec.write(value, entry.subarray(ENTRY_HEAD_BYTES), 0)
    return entry
  })
}

function encoded(type: number, codec: Codec<unknown>, value: unknown): Uint8Array {
  return named(type, () => codec.encode(value))
}

function named<T>(type: number, encode: () => T): T {
  try {
    return encode()
  } catch (cause) {
    const text = `a message of type ${type} can't be made of that value: ${textOf(cause)}`
    throw new TopicError("invalid-option", text, cause)
  }
}
