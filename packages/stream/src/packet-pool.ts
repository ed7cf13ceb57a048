/**
 * Buffers for packets that came before their turn. One pool serves all streams of a process, so that its ceiling bounds the memory whatever
 * peers do.
 *
 * @module
 */

/** Slots that are allocated together. */
const CHUNK_SLOTS = 64
const CHUNK_SHIFT = 6

export interface PacketPoolOptions {
  /** Bytes of a slot: the largest payload. */
  readonly slotBytes: number
  /** Default 16,384 (some 20 MiB of usual packets). */
  readonly slotsMax?: number
}

export class PacketPool {
  readonly slotBytes: number
  readonly slotsMax: number
  readonly #chunks: Uint8Array[] = []
  readonly #views: DataView[] = []
  readonly #free: number[] = []

  constructor({ slotBytes, slotsMax = 16_384 }: PacketPoolOptions) {
    if (!(slotBytes > 0 && slotBytes <= 65_507)) throw new RangeError(`slotBytes must be 1 to 65507, not ${slotBytes}`)
    if (!(slotsMax >= 0)) throw new RangeError(`slotsMax must be 0 or more, not ${slotsMax}`)
    this.slotBytes = slotBytes
    this.slotsMax = slotsMax
  }

  /** Slots in use. */
  get used(): number {
    return this.#chunks.length * CHUNK_SLOTS - this.#free.length
  }

  /** A slot, or −1 when the pool is at its ceiling. */
  acquire(): number {
    if (this.used >= this.slotsMax) return -1
    if (this.#free.length === 0) this.#grow()
    return this.#free.pop()!
  }

  release(slot: number): void {
    this.#free.push(slot)
  }

  bytes(slot: number): Uint8Array {
    return this.#chunks[slot >> CHUNK_SHIFT]!
  }

  view(slot: number): DataView {
    return this.#views[slot >> CHUNK_SHIFT]!
  }

  /** Where the slot is in its bytes. */
  offset(slot: number): number {
    return (slot & (CHUNK_SLOTS - 1)) * this.slotBytes
  }

  #grow(): void {
    const first = this.#chunks.length * CHUNK_SLOTS
    const chunk = new Uint8Array(CHUNK_SLOTS * this.slotBytes)
    this.#chunks.push(chunk)
    this.#views.push(new DataView(chunk.buffer))
    for (let slot = first + CHUNK_SLOTS - 1; slot >= first; slot--) this.#free.push(slot)
  }
}
