/**
 * Reuses the memory of delivered messages for the next ones: fresh memory has to be cleared and mapped page by page,
 * which costs more than the copy into it.
 *
 * @module
 */

/** Smaller messages get fresh memory. */
const BUFFER_BYTES_MIN = 65_536
/**
 * Sizes are multiples of this, a page. So a buffer is at most a sixteenth longer than its message; no budget counts
 * that rest.
 */
const STEP_BYTES = 4_096
/** The default for all bytes kept: a window's worth of messages of a megabyte. */
const KEPT_BYTES_MAX = 8_388_608

/**
 * Keeps memory that was given back, from 64 KiB up, by default at most 8 MiB of it; smaller buffers are left to the
 * runtime.
 */
export class BufferPool {
  readonly #keptBytesMax: number
  /** In the order in which they were given back. */
  readonly #free: ArrayBuffer[] = []
  #keptBytes = 0

  constructor(keptBytesMax: number = KEPT_BYTES_MAX) {
    this.#keptBytesMax = keptBytesMax
  }

  /** Bytes kept for their next use. */
  get keptBytes(): number {
    return this.#keptBytes
  }

  /** This many bytes, with any content. */
  take(bytes: number): Uint8Array<ArrayBuffer> {
    if (bytes < BUFFER_BYTES_MIN || bytes > this.#keptBytesMax) return new Uint8Array(bytes)
    const size = Math.ceil(bytes / STEP_BYTES) * STEP_BYTES
    const at = this.#free.findLastIndex(({ byteLength }) => byteLength === size)
    if (at < 0) return new Uint8Array(new ArrayBuffer(size), 0, bytes)
    const [buffer] = this.#free.splice(at, 1)
    this.#keptBytes -= size
    return new Uint8Array(buffer!, 0, bytes)
  }

  /** Takes back bytes from `take` that nothing reads or writes any more. The buffers kept longest make way for them. */
  give({ buffer }: Uint8Array<ArrayBuffer>): void {
    const size = buffer.byteLength
    if (size < BUFFER_BYTES_MIN || size > this.#keptBytesMax) return
    while (this.#keptBytes + size > this.#keptBytesMax) this.#keptBytes -= this.#free.shift()!.byteLength
    this.#keptBytes += size
    this.#free.push(buffer)
  }
}
