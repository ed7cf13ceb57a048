/**
 * Memory of messages that were delivered, for the next ones: fresh memory has to be cleared and mapped page by page,
 * which costs more than the copy into it.
 *
 * @module
 */

/** Smaller messages have memory of their own. */
const BUFFER_BYTES_MIN = 65_536
/**
 * Sizes are multiples of this, a page: what a buffer has beyond its message, and no budget counts, is at most a
 * sixteenth.
 */
const STEP_BYTES = 4_096
/** Kept in all, unless told otherwise: a window's worth of messages of a megabyte. */
const KEPT_BYTES_MAX = 8_388_608

/**
 * Memory from 64 KiB up that was given back, at most 8 MiB of it unless told otherwise; smaller is left to the runtime.
 */
export class BufferPool {
  readonly #keptBytesMax: number
  /** The one given back last is the last. */
  readonly #free: ArrayBuffer[] = []
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
    if (bytes < BUFFER_BYTES_MIN || bytes > this.#keptBytesMax) return new Uint8Array(bytes)
    const size = Math.ceil(bytes / STEP_BYTES) * STEP_BYTES
    const at = this.#free.findLastIndex(({ byteLength }) => byteLength === size)
    if (at < 0) return new Uint8Array(new ArrayBuffer(size), 0, bytes)
    const [buffer] = this.#free.splice(at, 1)
    this.#keptBytes -= size
    return new Uint8Array(buffer!, 0, bytes)
  }

  /** Nobody reads or writes these bytes, which `take` gave, any more. What was kept longest makes way for it. */
  give({ buffer }: Uint8Array<ArrayBuffer>): void {
    const size = buffer.byteLength
    if (size < BUFFER_BYTES_MIN || size > this.#keptBytesMax) return
    while (this.#keptBytes + size > this.#keptBytesMax) this.#keptBytes -= this.#free.shift()!.byteLength
    this.#keptBytes += size
    this.#free.push(buffer)
  }
}
