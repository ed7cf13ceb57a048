/**
 * Messages with a type of their own: what a number on the wire stands for, and how its values become bytes.
 *
 * @module
 */

import { BYTES, checkClass, checkType } from "../errors/check.ts"

/** Any pair of functions that belong together, as libraries bring them. */
export interface Codec<T> {
  /** What it returns is its own again when it is called for the next value. */
  encode(value: T): Uint8Array
  /** The bytes are valid during the call: what the value keeps of them it copies. Throws if they stand for no value. */
  decode(bytes: Uint8Array): T
}

/** One that writes where it is told to. */
export interface WritingCodec<T> {
  /** Bytes of the value, exactly. */
  size(value: T): number
  /** Writes them at `offset`, at once; what it leaves out is zero. The memory is lent for the call. */
  write(value: T, bytes: Uint8Array, offset: number): void
  /** The bytes are valid during the call: what the value keeps of them it copies. Throws if they stand for no value. */
  decode(bytes: Uint8Array): T
}

/**
 * A message type: made by `defineMessage`, taken by `handle`, `trySend`, `send`, `reply`, `messages` and `writable` in
 * place of a number.
 */
export class MessageType<T> {
  /** 0 to 65,535. */
  readonly type: number
  /** Makes bytes of its values, and values of bytes. */
  readonly codec: Codec<T> | WritingCodec<T>

  /** @internal */
  constructor(type: number, codec: Codec<T> | WritingCodec<T>) {
    this.type = type
    this.codec = codec
  }
}

/**
 * Says what messages of a type hold. Throws `RangeError` for a number that is none, `TypeError` for a codec that lacks
 * a function.
 */
export function defineMessage<T>(type: number, codec: Codec<T> | WritingCodec<T>): MessageType<T> {
  checkType(type)
  const has = (name: string): boolean =>
    typeof (codec as unknown as Record<string, unknown> | undefined)?.[name] === "function"
  if (!has("decode") || !(has("encode") || (has("size") && has("write"))))
    throw new TypeError("a codec has encode and decode, or size, write and decode")
  return new MessageType(type, codec)
}

/** The number of a type, however it is given. Throws `RangeError` for a number that is none. */
export function numberOf(type: number | MessageType<unknown>): number {
  const number = isMessageType(type) ? type.type : type
  checkType(number)
  return number
}

export function isMessageType(value: unknown): value is MessageType<unknown> {
  return value instanceof MessageType
}

export function isWriting<T>(codec: Codec<T> | WritingCodec<T>): codec is WritingCodec<T> {
  return "write" in codec && "size" in codec
}

/** Bytes as they are; what is decoded is a copy, to keep. */
export const bytes: WritingCodec<Uint8Array> = {
  size: (value) => checkClass.value("the value", value, BYTES).length,
  write: (value, target, offset) => target.set(value, offset),
  decode: (value) => new Uint8Array(value),
}

const encoder = new TextEncoder()
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

/** Text. A lone surrogate is sent as U+FFFD, as everywhere on the web; bytes that are no UTF-8 throw. */
export const utf8: Codec<string> = {
  encode(value) {
    // The encoder makes text of anything, "" of undefined.
    if (typeof value !== "string") throw new TypeError("it is no string")
    return encoder.encode(value)
  },
  decode: (value) => decoder.decode(value),
}

/**
 * What JSON can say. `T` is the caller's word: nothing checks it. Throws `TypeError` for a value that JSON has no text
 * for, such as `undefined`.
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
