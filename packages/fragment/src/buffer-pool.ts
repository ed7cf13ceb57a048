/**
 * Memory of messages that were delivered, for the next ones: fresh memory has to be cleared and mapped page by page, which costs more than the
 * copy into it.
 *
 * @module
 */

/** Buffers have a power of two of bytes, from here on. */
const BUFFER_BYTES_MIN = 4_096
/** Kept in all, unless told otherwise: a window's worth of messages of a megabyte. */
const KEPT_BYTES_MAX = 8_388_608

export class BufferPool {
  readonly #keptBytesMax: number
  readonly #free = new Map<number, ArrayBuffer[]>()
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
    const size = sizeFor(bytes)
    // What is too large to be kept is as large as it has to be.
    if (size > this.#keptBytesMax) return new Uint8Array(bytes)
    const buffer = this.#free.get(size)?.pop() ?? this.#make(size)
    this.#keptBytes -= size
    return new Uint8Array(buffer, 0, bytes)
  }

  #make(size: number): ArrayBuffer {
    this.#keptBytes += size
    return new ArrayBuffer(size)
  }

  /** Nobody reads or writes these bytes, which `take` gave, any more. What is too much to keep is left to the collector. */
  give({ buffer }: Uint8Array<ArrayBuffer>): void {
    const size = buffer.byteLength
    if (size !== sizeFor(size) || this.#keptBytes + size > this.#keptBytesMax) return
    this.#keptBytes += size
    const free = this.#free.get(size)
    if (free === undefined) this.#free.set(size, [buffer])
    else free.push(buffer)
  }
}

function sizeFor(bytes: number): number {
  let size = BUFFER_BYTES_MIN
  while (size < bytes) size *= 2
  return size
}
