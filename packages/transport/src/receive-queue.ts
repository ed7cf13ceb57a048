import type { ReceiveBatch } from "./transport.ts"

/**
 * Rows of a batch. libuv reads at most 32 datagrams from a socket before it looks at the next one, and there are two.
 */
export const ROWS_MAX = 64

/** Bytes of the slab: a full batch of datagrams that fit an Ethernet frame, or two of the longest datagrams. */
const SLAB_BYTES = 131_072

/** Datagrams copied one after the other into one slab, and delivered as a batch. */
export class ReceiveQueue {
  #slab = new Uint8Array(SLAB_BYTES)
  readonly #slabs = [this.#slab]
  readonly #batch: ReceiveBatch & { count: number }
  #usedBytes = 0

  constructor() {
    const column = (): Int32Array => new Int32Array(ROWS_MAX)
    this.#batch = {
      count: 0,
      slabs: this.#slabs,
      slab: column(),
      offset: column(),
      length: column(),
      address: column(),
      opener: column(),
      verdict: new Uint8Array(ROWS_MAX),
      ecn: new Uint8Array(ROWS_MAX),
    }
  }

  get count(): number {
    return this.#batch.count
  }

  hasRoom(bytes: number): boolean {
    return this.#batch.count < ROWS_MAX && this.#usedBytes + bytes <= SLAB_BYTES
  }

  push(bytes: Uint8Array, address: number, ecn: number): void {
    const batch = this.#batch
    const row = batch.count++
    this.#slab.set(bytes, this.#usedBytes)
    batch.offset[row] = this.#usedBytes
    batch.length[row] = bytes.length
    batch.address[row] = address
    batch.opener[row] = 0
    batch.verdict[row] = 0
    batch.ecn[row] = ecn
    // Rows are aligned to eight bytes, so that they can be read by words.
    this.#usedBytes = (this.#usedBytes + bytes.length + 7) & ~7
  }

  /** Delivers the queued datagrams; the rows are free again afterwards, even if `receive` throws. */
  deliver(receive: (batch: ReceiveBatch) => void): void {
    if (this.#batch.count === 0) return
    try {
      receive(this.#batch)
    } finally {
      this.#batch.count = 0
      this.#usedBytes = 0
      // The receive function may have transferred the slab to a worker.
      if (this.#slab.length === 0) this.#slabs[0] = this.#slab = new Uint8Array(SLAB_BYTES)
    }
  }
}
