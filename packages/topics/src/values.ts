/**
 * Values of the application's types, to bytes and back.
 *
 * @module
 */

import type { Codec, MessageType, WritingCodec } from "@x/endpoint"
import { check, TopicError, TYPE } from "./errors.ts"
import { ENTRY_HEAD_BYTES, makeEntry } from "./wire/message.ts"

/** A message's type as a number, or as `defineMessage` made it. */
export function isDefined(type: number | MessageType<unknown>): type is MessageType<unknown> {
  return typeof type === "object" && type !== null && "codec" in type
}

/** Returns the number of a type. */
export function numberOf(type: number | MessageType<unknown>): number {
  return check.value("a message type", isDefined(type) ? type.type : type, TYPE)
}

/**
 * A message of a topic for the position that it gets, its value encoded once, however many get it. Throws `TopicError`
 * `invalid-option` for what isn't of the type.
 */
export function entryOf(position: number, type: number | MessageType<unknown>, value: unknown): Uint8Array {
  const number = numberOf(type)
  if (isDefined(type) && isWriting(type.codec)) return written(position, number, type.codec, value)
  const bytes = isDefined(type) ? encoded(number, type.codec as Codec<unknown>, value) : value
  if (!(bytes instanceof Uint8Array))
    throw new TopicError("invalid-option", "a message is a Uint8Array; encode other values first, or define a type")
  const entry = makeEntry(position, number, bytes.length)
  entry.set(bytes, ENTRY_HEAD_BYTES)
  return entry
}

function isWriting(codec: Codec<unknown> | WritingCodec<unknown>): codec is WritingCodec<unknown> {
  return "write" in codec && "size" in codec
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
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new TopicError("invalid-option", `a message of type ${type} can't be made of that value: ${why}`, cause)
  }
}
