/**
 * Writes messages straight into the memory of a stream. One writer is used again for all: what it needs of a message is
 * set, then the stream calls `fill`.
 *
 * @module
 */

import { isWriting, type OutgoingStream, type SendResult, type WritingCodec } from "@x/endpoint"
import type { AnyCodec } from "../request-type.ts"
import { ID_BYTES, KIND, PART_HEAD_BYTES, REMAINING_BIT, REMAINING_MS_MAX } from "./head.ts"
import { MESSAGE } from "./labels.ts"

const NOTHING = new Uint8Array(0)

export class MessageWriter {
  #kind = 0
  #slot = 0
  #generation = 0
  /** 0: none. */
  #remainingMs = 0
  #headBytes = 0
  /** Bytes of the whole message. */
  bytes = 0
  #codec: WritingCodec<unknown> | undefined
  #value: unknown
  #encoded: Uint8Array = NOTHING

  /**
   * Sets the message. `remainingMs`: `Infinity` if there is no deadline. Throws what the codec throws.
   */
  request(slot: number, generation: number, remainingMs: number, codec: AnyCodec<unknown>, value: unknown): void {
    this.#setId(KIND.request, slot, generation)
    this.#remainingMs = 0
    if (remainingMs <= REMAINING_MS_MAX) {
      this.#remainingMs = Math.max(1, Math.ceil(remainingMs))
      this.#headBytes += 4
    }
    this.#setValue(codec, value)
  }

  answer(slot: number, generation: number, codec: AnyCodec<unknown>, value: unknown): void {
    this.#remainingMs = 0
    this.#setId(KIND.answer, slot, generation)
    this.#setValue(codec, value)
  }

  /** A cancel or a failure, with bytes of its own. */
  plain(kind: number, slot: number, generation: number, bytes: Uint8Array = NOTHING): void {
    this.#remainingMs = 0
    this.#setId(kind, slot, generation)
    this.#setBytes(bytes)
  }

  part(codec: AnyCodec<unknown>, value: unknown): void {
    this.#remainingMs = 0
    this.#kind = KIND.part
    this.#headBytes = PART_HEAD_BYTES
    this.#setValue(codec, value)
  }

  /** The end of parts, or a failure among them. */
  plainPart(kind: number, bytes: Uint8Array = NOTHING): void {
    this.#remainingMs = 0
    this.#kind = kind
    this.#headBytes = PART_HEAD_BYTES
    this.#setBytes(bytes)
  }

  #setId(kind: number, slot: number, generation: number): void {
    this.#kind = kind
    this.#slot = slot
    this.#generation = generation
    this.#headBytes = ID_BYTES
  }

  #setValue(codec: AnyCodec<unknown>, value: unknown): void {
    if (isWriting(codec)) {
      this.#codec = codec
      this.#value = value
      this.bytes = this.#headBytes + sizeOf(codec.size(value))
    } else this.#setBytes(bytesOf(codec.encode(value)))
  }

  #setBytes(bytes: Uint8Array): void {
    this.#codec = undefined
    this.#encoded = bytes
    this.bytes = this.#headBytes + bytes.length
  }

  /** Offers the message to a stream. It isn't kept: `refused` calls for {@link MessageWriter.copy}. */
  write(stream: OutgoingStream): SendResult {
    return stream.write(MESSAGE, this.bytes, this.#fill)
  }

  /** The message in memory of its own. */
  copy(): Uint8Array {
    const bytes = new Uint8Array(this.bytes)
    this.#fill(bytes, 0)
    return bytes
  }

  /** Lets go of the value. */
  clear(): void {
    this.#codec = this.#value = undefined
    this.#encoded = NOTHING
  }

  // Made once: a function written inside `write` would be a new one for each message.
  readonly #fill = (bytes: Uint8Array, offset: number): void => {
    let at = offset
    bytes[at++] = this.#remainingMs === 0 ? this.#kind : this.#kind | REMAINING_BIT
    if (this.#headBytes > 1) {
      bytes[at++] = this.#slot
      bytes[at++] = this.#slot >>> 8
      at = put32(bytes, at, this.#generation)
      if (this.#remainingMs > 0) at = put32(bytes, at, this.#remainingMs)
    }
    if (this.#codec === undefined) bytes.set(this.#encoded, at)
    else this.#codec.write(this.#value, bytes, at)
  }
}

function put32(bytes: Uint8Array, at: number, value: number): number {
  bytes[at] = value
  bytes[at + 1] = value >>> 8
  bytes[at + 2] = value >>> 16
  bytes[at + 3] = value >>> 24
  return at + 4
}

/** What a codec returns may be anything. */
function sizeOf(size: unknown): number {
  if (Number.isSafeInteger(size) && (size as number) >= 0) return size as number
  throw new RangeError(`the size of a value is a whole number of bytes, not ${String(size)}`)
}

function bytesOf(bytes: unknown): Uint8Array {
  if (bytes instanceof Uint8Array) return bytes
  throw new TypeError("encode has to return a Uint8Array")
}
