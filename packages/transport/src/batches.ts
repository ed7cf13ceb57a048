/**
 * What the transports make batches with: a slab that collects datagrams, and tables of what rows name by id.
 *
 * @module
 */

import type { ReceiveBatch } from "./host.ts"

/** Datagrams in a batch. libuv reads at most 32 from a socket before it looks at the next one. */
export const BATCH_ROWS_MAX = 64
/** Bytes of the slab: a full batch of datagrams that fit an Ethernet frame, or two of the longest there are. */
const SLAB_BYTES = 131_072

/** A fixed number of rows, refilled after each delivery. */
export class ReceiveQueue {
  readonly #slab = new Uint8Array(SLAB_BYTES)
  readonly #batch: ReceiveBatch & { count: number }
  #used = 0

  constructor() {
    const column = (): Int32Array => new Int32Array(BATCH_ROWS_MAX)
    this.#batch = {
      count: 0,
      slabs: [this.#slab],
      slab: column(),
      offset: column(),
      length: column(),
      address: column(),
      opener: column(),
      verdict: new Uint8Array(BATCH_ROWS_MAX),
    }
  }

  /** Whether a datagram fits; if not, deliver first. One fits an empty queue. */
  hasRoom(bytes: number): boolean {
    return this.#batch.count < BATCH_ROWS_MAX && this.#used + bytes <= SLAB_BYTES
  }

  /** Takes a copy of a datagram, for which there is room. */
  push(bytes: Uint8Array, address: number): void {
    const batch = this.#batch
    const row = batch.count++
    this.#slab.set(bytes, this.#used)
    batch.offset[row] = this.#used
    batch.length[row] = bytes.length
    batch.address[row] = address
    batch.opener[row] = 0
    batch.verdict[row] = 0
    // Rows start on a word, as a native receive would put them.
    this.#used = (this.#used + bytes.length + 7) & ~7
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

/** Things registered under small integers ≥ 1. */
export class IdTable<T> {
  readonly #things: (T | undefined)[] = [undefined]
  readonly #free: number[] = []
  readonly #noun: string

  /** `noun`: what they are, for the error. */
  constructor(noun: string) {
    this.#noun = noun
  }

  register(thing: T): number {
    const id = this.#free.pop() ?? this.#things.length
    this.#things[id] = thing
    return id
  }

  release(id: number): void {
    this.get(id)
    this.#things[id] = undefined
    this.#free.push(id)
  }

  get(id: number): T {
    const thing = this.#things[id]
    if (thing === undefined) throw new RangeError(`no ${this.#noun} has the id ${id}`)
    return thing
  }
}
