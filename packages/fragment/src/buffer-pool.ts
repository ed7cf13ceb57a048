/**
 * Reuses the memory of delivered messages for the next ones: fresh memory has to be cleared and mapped page by page,
 * which costs more than the copy into it.
 *
 * @module
 */

/**
 * Smaller messages get fresh memory. This is what a message begins with: of many that are begun and given up, the system
 * would keep what they leave.
 */
const BUFFER_BYTES_MIN = 16_384
/**
 * Sizes are multiples of a page, small ones of a quarter of it. So a buffer is at most a sixteenth longer than its
 * message; no budget counts that rest.
 */
const LARGE_BYTES = 65_536
const STEP_BYTES = 4_096
const SMALL_STEP_BYTES = 1_024
/** The default for all bytes kept: a window's worth of messages of a megabyte. */
const KEPT_BYTES_MAX = 8_388_608

/**
 * Keeps memory that was given back, from 16 KiB up, by default at most 8 MiB of it; smaller buffers are left to the
 * runtime.
 */
export class BufferPool {
  readonly #keptBytesMax: number
  /** By size; the size of which one was given back last is the last. */
  readonly #free = new Map<number, ArrayBuffer[]>()
  #keptBytes = 0
  #isUsed = false

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
    const step = bytes < LARGE_BYTES ? SMALL_STEP_BYTES : STEP_BYTES
    const size = Math.ceil(bytes / step) * step
    const buffer = this.#free.get(size)?.pop()
    if (buffer === undefined) return new Uint8Array(new ArrayBuffer(size), 0, bytes)
    this.#isUsed = true
    this.#keptBytes -= size
    return new Uint8Array(buffer, 0, bytes)
  }

  /**
   * Takes back bytes from `take` that nothing reads or writes any more. Buffers of the size that was given back least
   * recently make way for them.
   */
  give({ buffer }: Uint8Array<ArrayBuffer>): void {
    const size = buffer.byteLength
    if (size < BUFFER_BYTES_MIN || size > this.#keptBytesMax) return
    while (this.#keptBytes + size > this.#keptBytesMax) this.#drop()
    const alike = this.#free.get(size) ?? []
    this.#free.delete(size)
    this.#free.set(size, alike)
    this.#keptBytes += size
    alike.push(buffer)
    this.#isUsed = true
  }

  #drop(): void {
    for (const [size, alike] of this.#free) {
      if (alike.shift() !== undefined) return void (this.#keptBytes -= size)
      this.#free.delete(size)
    }
  }

  /** Keeps nothing any more, if nothing was taken or given back since the last call. */
  trim(): void {
    if (!this.#isUsed) {
      this.#free.clear()
      this.#keptBytes = 0
    }
    this.#isUsed = false
  }
}
