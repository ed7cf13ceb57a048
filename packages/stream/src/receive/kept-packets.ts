/**
 * Packets that came early: where each of them lies in the pool, in a ring of segments by number.
 *
 * @module
 */

import { ringIndex } from "@x/wire"
import type { PacketSlots } from "../packet-pool.ts"
import type { ReceiveEdges } from "./receive-edges.ts"

/** Rows of a segment: a packet far ahead of the others makes one, not the rows up to it. */
const SEGMENT_SHIFT = 6
const SEGMENT_ROWS = 1 << SEGMENT_SHIFT
const ROW_MASK = SEGMENT_ROWS - 1
/** A row holds the pool's slot + 1, and the payload's length before its delivery byte. Behind them: rows in use. */
const SEGMENT_INTS = 2 * SEGMENT_ROWS + 1
const COUNT_AT = 2 * SEGMENT_ROWS

const NO_BYTES = new Uint8Array(0)
const NO_SEGMENTS: (Int32Array | undefined)[] = []

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

/**
 * The early packets of one stream, between its edge and the newest. Its memory is in step with the packets that are
 * kept, wherever they lie: less than half of a usual slot for each.
 */
export class KeptPackets {
  readonly #edges: ReceiveEdges
  readonly #pool: PacketSlots
  /** Ring of segments, as long as the spread; those without packets are absent. */
  readonly #mask: number
  #segments = NO_SEGMENTS
  /** The segment that was emptied last: the next one to be made. */
  #spare: Int32Array | undefined
  #count = 0

  /** `spreadPackets`: a power of two, 64 or more; no packet is further from the edge. */
  constructor(edges: ReceiveEdges, pool: PacketSlots, spreadPackets: number) {
    this.#edges = edges
    this.#pool = pool
    this.#mask = spreadPackets - 1
  }

  /** Packets that are kept. */
  get count(): number {
    return this.#count
  }

  /** Bytes of memory for where they lie. */
  get bytes(): number {
    let segments = this.#spare === undefined ? 0 : 1
    for (const segment of this.#segments) if (segment !== undefined) segments++
    return segments * 4 * SEGMENT_INTS + 8 * this.#segments.length
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
    // Further ahead, its row would be that of another packet.
    if (number - this.#edges.next > this.#mask) return false
    const slot = pool.acquire(length)
    if (slot < 0) return false
    const at = ringIndex(number, this.#mask)
    const segment = this.#segmentAt(at >> SEGMENT_SHIFT)
    const row = 2 * (at & ROW_MASK)
    segment[row] = slot + 1
    segment[row + 1] = (length << 8) | delivery
    segment[COUNT_AT]!++
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
    const about = this.#segments[at >> SEGMENT_SHIFT]![2 * (at & ROW_MASK) + 1]!
    out.bytes = this.#pool.bytes(slot)
    out.view = this.#pool.view(slot)
    out.offset = this.#pool.offset(slot)
    out.length = about >>> 8
    out.delivery = about & 0xff
    return true
  }

  /** The packet at the edge is no longer needed. Returns whether it was kept. */
  dropNext(): boolean {
    return this.#count !== 0 && this.#drop(this.#edges.next)
  }

  #drop(number: number): boolean {
    const slot = this.#slotOf(number)
    if (slot === 0) return false
    const at = ringIndex(number, this.#mask)
    const segment = this.#segments[at >> SEGMENT_SHIFT]!
    segment[2 * (at & ROW_MASK)] = 0
    this.#pool.release(slot - 1)
    if (--segment[COUNT_AT]! === 0) {
      this.#segments[at >> SEGMENT_SHIFT] = undefined
      this.#spare = segment
    }
    // Streams without kept packets hold no memory for them.
    if (--this.#count === 0) {
      this.#segments = NO_SEGMENTS
      this.#spare = undefined
    }
    return true
  }

  /**
   * The number of the first kept packet of `[from, to)`, at the edge or above; `to`: none is. Costs a look at each
   * segment, not at each number.
   */
  firstFrom(from: number, to: number): number {
    if (this.#count === 0) return to
    let number = from
    while (number < to) {
      const at = ringIndex(number, this.#mask)
      const segment = this.#segments[at >> SEGMENT_SHIFT]
      const end = Math.min(to, number + SEGMENT_ROWS - (at & ROW_MASK))
      if (segment !== undefined) for (; number < end; number++) if (this.#slotOf(number) !== 0) return number
      number = end
    }
    return to
  }

  /** Releases all kept packets. */
  clear(): void {
    for (const segment of this.#segments) {
      if (segment === undefined) continue
      for (let row = 0; row < COUNT_AT; row += 2) if (segment[row] !== 0) this.#pool.release(segment[row]! - 1)
    }
    this.#segments = NO_SEGMENTS
    this.#spare = undefined
    this.#count = 0
  }

  #slotOf(number: number): number {
    const { next, high } = this.#edges
    if (number >= high || number - next > this.#mask) return 0
    const at = ringIndex(number, this.#mask)
    const segment = this.#segments[at >> SEGMENT_SHIFT]
    return segment === undefined ? 0 : segment[2 * (at & ROW_MASK)]!
  }

  #segmentAt(index: number): Int32Array {
    if (this.#count === 0) this.#segments = Array.from({ length: (this.#mask + 1) >> SEGMENT_SHIFT })
    const known = this.#segments[index]
    if (known !== undefined) return known
    const segment = this.#spare ?? new Int32Array(SEGMENT_INTS)
    this.#spare = undefined
    return (this.#segments[index] = segment)
  }

  /** For tests: throws an `Error` if the count differs from that of the ring, or a packet outside the edges is kept. */
  assertInvariants(): void {
    let count = 0
    for (const segment of this.#segments) {
      if (segment === undefined) continue
      const before = count
      for (let row = 0; row < COUNT_AT; row += 2) if (segment[row] !== 0) count++
      if (count - before !== segment[COUNT_AT])
        throw new Error(`a segment holds ${count - before} packets, not as many`)
    }
    if (count !== this.#count) throw new Error(`${this.#count} kept, counted ${count}`)
    const { next, high } = this.#edges
    let within = 0
    for (let number = next; number < high; number++) if (this.has(number)) within++
    if (within !== count) throw new Error(`${count} kept, ${within} of them between ${next} and ${high}`)
  }
}
