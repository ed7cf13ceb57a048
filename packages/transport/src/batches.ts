/**
 * Collects datagrams in one slab and hands them over as a batch.
 *
 * @module
 */

import type { ReceiveBatch, Sealer } from "./host.ts"

/** Datagrams in a batch. libuv reads at most 32 from a socket before it looks at the next one. */
const ROWS_MAX = 64
/** Bytes of the slab: a full batch of datagrams that fit an Ethernet frame, or two of the longest there are. */
const SLAB_BYTES = 131_072

/** A fixed number of rows, refilled after each delivery. */
export class ReceiveQueue {
  readonly #slab = new Uint8Array(SLAB_BYTES)
  readonly #batch: ReceiveBatch & { count: number }
  #used = 0

  constructor() {
    const column = (): Int32Array => new Int32Array(ROWS_MAX)
    this.#batch = {
      count: 0,
      slabs: [this.#slab],
      slab: column(),
      offset: column(),
      length: column(),
      address: column(),
      opener: column(),
      verdict: new Uint8Array(ROWS_MAX),
    }
  }

  get count(): number {
    return this.#batch.count
  }

  /** Takes a copy of a datagram; `false`: full, deliver first. */
  push(bytes: Uint8Array, address: number): boolean {
    const batch = this.#batch
    if (batch.count === ROWS_MAX || this.#used + bytes.length > SLAB_BYTES) return false
    const row = batch.count++
    this.#slab.set(bytes, this.#used)
    batch.offset[row] = this.#used
    batch.length[row] = bytes.length
    batch.address[row] = address
    batch.opener[row] = 0
    batch.verdict[row] = 0
    // Rows start on a word, as a native receive would put them.
    this.#used = (this.#used + bytes.length + 7) & ~7
    return true
  }

  /** Hands over what is there; the rows are free again afterwards, also when `receive` throws. */
  deliver(receive: (batch: ReceiveBatch) => void): void {
    if (this.#batch.count === 0) return
    try {
      receive(this.#batch)
    } finally {
      this.#batch.count = 0
      this.#used = 0
    }
  }
}

/** Sealers by id, and the plain way to open a batch: one after the other. */
export class SealerTable {
  readonly #sealers: (Sealer | undefined)[] = [undefined]
  readonly #free: number[] = []

  get size(): number {
    return this.#sealers.length - 1 - this.#free.length
  }

  register(sealer: Sealer): number {
    const id = this.#free.pop() ?? this.#sealers.length
    this.#sealers[id] = sealer
    return id
  }

  release(id: number): void {
    this.get(id)
    this.#sealers[id] = undefined
    this.#free.push(id)
  }

  get(id: number): Sealer {
    const sealer = this.#sealers[id]
    if (sealer === undefined) throw new RangeError(`no sealer has the id ${id}`)
    return sealer
  }

  open(batch: ReceiveBatch): void {
    for (let row = 0; row < batch.count; row++) {
      const opener = batch.opener[row]!
      if (opener === 0) continue
      batch.verdict[row] = this.get(opener).open(batch.slabs[batch.slab[row]!]!, batch.offset[row]!, batch.length[row]!) ? 1 : 0
    }
  }
}

/** Slabs by id. */
export class SlabTable {
  readonly #slabs: (Uint8Array | undefined)[] = [undefined]
  readonly #free: number[] = []

  register(bytes: Uint8Array): number {
    const id = this.#free.pop() ?? this.#slabs.length
    this.#slabs[id] = bytes
    return id
  }

  release(id: number): void {
    this.get(id)
    this.#slabs[id] = undefined
    this.#free.push(id)
  }

  get(id: number): Uint8Array {
    const slab = this.#slabs[id]
    if (slab === undefined) throw new RangeError(`no slab has the id ${id}`)
    return slab
  }
}
