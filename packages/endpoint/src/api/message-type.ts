/**
 * Typed messages: the meaning of a type's number on the wire, and how its values become bytes.
 *
 * @module
 */

import { BYTES, checkClass, checkType } from "../errors/check.ts"

/** Any pair of functions that encode and decode, as libraries offer them. */
export interface Codec<T> {
  /** Returns the bytes of a value. The codec may use their memory again when it is called for the next value. */
  encode(value: T): Uint8Array
  /**
   * Returns the value. The bytes are valid during the call: a value that keeps them has to copy them. Throws for
   * invalid bytes.
   */
  decode(bytes: Uint8Array): T
}

/** A codec that writes into given memory. */
export interface WritingCodec<T> {
  /** The exact number of bytes of the value. */
  size(value: T): number
  /**
   * Writes the value at `offset`, synchronously; bytes that it leaves out are zero. The memory is lent for the call.
   */
  write(value: T, bytes: Uint8Array, offset: number): void
  /**
   * Returns the value. The bytes are valid during the call: a value that keeps them has to copy them. Throws for
   * invalid bytes.
   */
  decode(bytes: Uint8Array): T
}

/**
 * A message type: made by `defineMessage`, accepted by `handle`, `trySend`, `send`, `reply`, `messages` and `writable`
 * in place of a number.
 */
export class MessageType<T> {
  /** 0 to 65,535. */
  readonly type: number
  /** Encodes and decodes its values. */
  readonly codec: Codec<T> | WritingCodec<T>

  /** @internal */
  constructor(type: number, codec: Codec<T> | WritingCodec<T>) {
    this.type = type
    this.codec = codec
  }
}

/**
 * Defines the contents of messages of a type. Throws `RangeError` for an invalid number, `TypeError` for a codec that
 * lacks a function.
 */
export function defineMessage<T>(type: number, codec: Codec<T> | WritingCodec<T>): MessageType<T> {
  checkType(type)
  const has = (name: string): boolean =>
    typeof (codec as unknown as Record<string, unknown> | undefined)?.[name] === "function"
  if (!has("decode") || !(has("encode") || (has("size") && has("write"))))
    throw new TypeError("a codec has encode and decode, or size, write and decode")
  return new MessageType(type, codec)
}

/** Returns the number of a type, given as such or as a number. Throws `RangeError` for an invalid number. */
export function numberOf(type: number | MessageType<unknown>): number {
  const number = isMessageType(type) ? type.type : type
  checkType(number)
  return number
}

/** Whether a type is given as `defineMessage` made it, and not as its number. */
export function isMessageType(value: unknown): value is MessageType<unknown> {
  return value instanceof MessageType
}

/** Whether a codec writes into given memory, and doesn't return bytes of its own. */
export function isWriting<T>(codec: Codec<T> | WritingCodec<T>): codec is WritingCodec<T> {
  return "write" in codec && "size" in codec
}

/** The bytes of a message stand for no value of its type: a failure of its peer, not of the application. */
export class Undecodable extends Error {
  /** `cause`: what the codec threw. */
  constructor(cause: unknown) {
    super("a message's bytes stand for no value of its type", { cause })
  }
}

/** The value of a message. Throws {@link Undecodable}. */
export function decodeValue<T>({ codec }: MessageType<T>, bytes: Uint8Array): T {
  try {
    return codec.decode(bytes)
  } catch (cause) {
    throw new Undecodable(cause)
  }
}

/** Bytes as they are; the decoded value is a copy, to keep. */
export const bytes: WritingCodec<Uint8Array> = {
  size: (value) => checkClass.value("the value", value, BYTES).length,
  write: (value, target, offset) => target.set(value, offset),
  decode: (value) => new Uint8Array(value),
}

const encoder = new TextEncoder()
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

/** Text. A lone surrogate is sent as U+FFFD, as everywhere on the web; invalid UTF-8 throws. */
export const utf8: Codec<string> = {
  encode(value) {
    // The encoder turns anything into text, and `undefined` into "".
    if (typeof value !== "string") throw new TypeError("it is no string")
    return encoder.encode(value)
  },
  decode: (value) => decoder.decode(value),
}

/**
 * JSON. `T` is a claim of the caller: nothing checks it. Throws `TypeError` for a value without a JSON text, such as
 * `undefined`.
 */
export function json<T>(): Codec<T> {
  return {
    encode(value) {
      const text: string | undefined = JSON.stringify(value)
      if (text === undefined) throw new TypeError(`JSON has no text for ${String(value)}`)
      return encoder.encode(text)
    },
    decode: (value) => JSON.parse(decoder.decode(value)) as T,
  }
}
