/**
 * Memory of messages that were delivered, for the next ones: fresh memory has to be cleared and mapped page by page, which costs more than the
 * copy into it.
 *
 * @module
 */

/** Buffers have a power of two of bytes, from here on. */
const SMALLEST_BITS = 12
/** Kept in all, unless told otherwise: a window's worth of messages of a megabyte. */
const KEPT_BYTES_MAX = 8_388_608

export class BufferPool {
  readonly #keptBytesMax: number
  readonly #free: ArrayBuffer[][] = []
  #keptBytes = 0

  constructor(keptBytesMax: number = KEPT_BYTES_MAX) {
    this.#keptBytesMax = keptBytesMax
  }

  /** Bytes that wait for their next use. */
  get keptBytes(): number {
    return this.#keptBytes
  }

  /** So many bytes, with anything in them. */
  take(bytes: number): Uint8Array<ArrayBuffer> {
    const bits = bitsFor(bytes)
    const buffer = this.#free[bits]?.pop()
    if (buffer === undefined) return new Uint8Array(new ArrayBuffer(2 ** bits > this.#keptBytesMax ? bytes : 2 ** bits), 0, bytes)
    this.#keptBytes -= buffer.byteLength
    return new Uint8Array(buffer, 0, bytes)
  }

  /** Nobody reads or writes these bytes, which `take` gave, any more. What is too much to keep is left to the collector. */
  give({ buffer }: Uint8Array<ArrayBuffer>): void {
    const bits = bitsFor(buffer.byteLength)
    if (buffer.byteLength !== 2 ** bits || this.#keptBytes + buffer.byteLength > this.#keptBytesMax) return
    this.#keptBytes += buffer.byteLength
    ;(this.#free[bits] ??= []).push(buffer)
  }
}

function bitsFor(bytes: number): number {
  let bits = SMALLEST_BITS
  while (2 ** bits < bytes) bits++
  return bits
}
