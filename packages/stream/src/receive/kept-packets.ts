/**
 * Packets that came early: where each of them lies in the pool, in a ring by number.
 *
 * @module
 */

import { ringIndex } from "@x/wire"
import type { PacketSlots } from "../packet-pool.ts"
import type { ReceiveEdges } from "./receive-edges.ts"

/** Rows of the ring before it first grows. */
const ROWS_MIN = 16

const NO_BYTES = new Uint8Array(0)
const NO_INTS = new Int32Array(0)

/** A kept packet whose turn has come. */
export interface KeptPacket {
  /** The memory in which the payload is `[offset, offset + length)`. */
  bytes: Uint8Array
  /** A view of `bytes`, whole. */
  view: DataView
  /** Where the payload begins in `bytes`. */
  offset: number
  /** Bytes of the payload. */
  length: number
  /** The delivery byte: mode and form. */
  delivery: number
}

/** Creates an empty one for `peekKept` to fill in. */
export function createKeptPacket(): KeptPacket {
  return { bytes: NO_BYTES, view: new DataView(NO_BYTES.buffer), offset: 0, length: 0, delivery: 0 }
}

/** The early packets of one stream, between its edge and the newest. */
export class KeptPackets {
  readonly #edges: ReceiveEdges
  readonly #pool: PacketSlots
  /** Rings by packet number: pool slot + 1, payload length, delivery byte. */
  #mask = -1
  #slots = NO_INTS
  #lengths = NO_INTS
  #deliveries = NO_BYTES
  #count = 0

  constructor(edges: ReceiveEdges, pool: PacketSlots) {
    this.#edges = edges
    this.#pool = pool
  }

  /** Packets that are kept. */
  get count(): number {
    return this.#count
  }

  /** Whether a packet is kept; never true below the edge. */
  has(number: number): boolean {
    return this.#count !== 0 && this.#slotOf(number) !== 0
  }

  /**
   * Keeps a copy of a payload that lies at `bytes[offset, offset + length)`. Returns whether there was a slot for it.
   */
  keep(number: number, delivery: number, bytes: Uint8Array, offset: number, length: number): boolean {
    const pool = this.#pool
    if (length > pool.slotBytes) return false
    const slot = pool.acquire(length)
    if (slot < 0) return false
    while (number - this.#edges.next > this.#mask) this.#grow()
    const at = ringIndex(number, this.#mask)
    this.#slots[at] = slot + 1
    this.#lengths[at] = length
    this.#deliveries[at] = delivery
    pool.bytes(slot).set(length === bytes.length ? bytes : bytes.subarray(offset, offset + length), pool.offset(slot))
    this.#count++
    return true
  }

  /** Whether the packet at the edge is kept; if so, fills in `out`. */
  peek(out: KeptPacket): boolean {
    if (this.#count === 0) return false
    const { next } = this.#edges
    const slot = this.#slotOf(next) - 1
    if (slot < 0) return false
    const at = ringIndex(next, this.#mask)
    out.bytes = this.#pool.bytes(slot)
    out.view = this.#pool.view(slot)
    out.offset = this.#pool.offset(slot)
    out.length = this.#lengths[at]!
    out.delivery = this.#deliveries[at]!
    return true
  }

  /** The packet at the edge is no longer needed. Returns whether it was kept. */
  dropNext(): boolean {
    return this.#count !== 0 && this.#drop(this.#edges.next)
  }

  #drop(number: number): boolean {
    const slot = this.#slotOf(number)
    if (slot === 0) return false
    this.#slots[ringIndex(number, this.#mask)] = 0
    this.#pool.release(slot - 1)
    // Streams without kept packets hold no memory for them.
    if (--this.#count === 0) this.#free()
    return true
  }

  /** Releases all kept packets. */
  clear(): void {
    for (let number = this.#edges.next; this.#count > 0; number++) this.#drop(number)
  }

  #slotOf(number: number): number {
    const { next, high } = this.#edges
    return number >= high || number - next > this.#mask ? 0 : this.#slots[ringIndex(number, this.#mask)]!
  }

  #free(): void {
    this.#mask = -1
    this.#slots = this.#lengths = NO_INTS
    this.#deliveries = NO_BYTES
  }

  #grow(): void {
    const { length: before } = this.#slots
    const [slots, lengths, deliveries] = [this.#slots, this.#lengths, this.#deliveries]
    const { next } = this.#edges
    const rows = Math.max(ROWS_MIN, 2 * before)
    this.#mask = rows - 1
    this.#slots = new Int32Array(rows)
    this.#lengths = new Int32Array(rows)
    this.#deliveries = new Uint8Array(rows)
    for (let number = next; number < next + before; number++) {
      const from = ringIndex(number, before - 1)
      const to = ringIndex(number, this.#mask)
      this.#slots[to] = slots[from]!
      this.#lengths[to] = lengths[from]!
      this.#deliveries[to] = deliveries[from]!
    }
  }

  /** For tests: throws an `Error` if the count differs from that of the ring, or a packet outside the edges is kept. */
  assertInvariants(): void {
    let count = 0
    for (const slot of this.#slots) if (slot !== 0) count++
    if (count !== this.#count) throw new Error(`${this.#count} kept, counted ${count}`)
    const { next, high } = this.#edges
    let within = 0
    for (let number = next; number < high; number++) if (this.has(number)) within++
    if (within !== count) throw new Error(`${count} kept, ${within} of them between ${next} and ${high}`)
  }
}
