/**
 * One large message under way: the bytes that have come, in memory that grows with them, and which of them have.
 *
 * @module
 */

import { ZERO, type Piece } from "@x/wire"
import type { Promised } from "./budget.ts"
import type { BufferPool } from "./buffer-pool.ts"

/** The most ranges with holes between them: more than a stream's receiver notes of missing packets. */
const HOLES_MAX = 2_048
/**
 * Ranges that come with a message; beyond that they are charged so many at a time; and the bytes of one. A piece that
 * lies far ahead counts as several.
 */
const RANGES_FREE = 256
const RANGES_LOT = 64
const RANGE_BYTES = 16
const FAR_RANGES = 10

/** Bytes that a message begins with, the most: so much is little beside its packets. */
export const BYTES_FIRST = 16_384
/** Memory is made so many times larger each time. So no more than a third of a message is copied once more. */
const GROWTH = 4

const NO_BYTES = new Uint8Array(0)

/** A piece that came long before those in front of it: it has memory of its own. */
interface FarPiece {
  readonly at: number
  readonly bytes: Uint8Array
}

/** Whose message it is: gives up what is asked for. An `Assembler` is one. */
export interface AssemblyOwner {
  /** Others get what was promised to a message: it is charged what it holds. */
  lapse(assembly: Assembly): void
  /** A promised message makes way for others. */
  giveUp(assembly: Assembly): void
}

/** A message under way, or complete. */
export class Assembly implements Promised {
  /** The number of the message in its stream, from 0. */
  readonly message: number
  /** Bytes of the whole message. */
  readonly total: number
  /** The highest packet number that brought a piece. */
  highest: number = ZERO
  /** The message's type, from its first piece; −1 until that comes. */
  type = -1
  /** Bytes received. */
  received = 0
  /** When a piece last came, milliseconds. */
  progressMs: number
  /** Bytes that it is charged for. */
  charged = 0
  /** Whether it isn't charged as a whole any more: others needed what was promised to it. */
  hasLapsed = false
  readonly owner: AssemblyOwner
  readonly #buffers: BufferPool
  /** Bytes of its first memory. */
  readonly #first: number
  #bytes = NO_BYTES
  /** Ranges `[from, to)` received, ascending, never touching: few, since pieces mostly come in order. */
  readonly #ranges: number[] = []
  #far: FarPiece[] = []
  #farBytes = 0

  /** `isWhole`: its memory is made at once. */
  constructor({ message, total }: Piece, owner: AssemblyOwner, buffers: BufferPool, isWhole: boolean, nowMs: number) {
    this.owner = owner
    this.message = message
    this.total = total
    this.progressMs = nowMs
    this.#buffers = buffers
    this.#first = isWhole ? total : Math.min(total, BYTES_FIRST)
  }

  /** Its memory: once it is complete that is `total` bytes. What hasn't come may be anything. */
  get bytes(): Uint8Array<ArrayBuffer> {
    return this.#bytes
  }

  /** Bytes of memory that it holds now. */
  get heldBytes(): number {
    return this.#bytes.length + this.#farBytes + this.#rangeBytes(0)
  }

  /** Whether all bytes have come, the first piece included. */
  get isComplete(): boolean {
    return this.#ranges.length === 2 && this.#ranges[0] === 0 && this.#ranges[1] === this.total && this.type >= 0
  }

  /** Bytes of its lists, if they grow by so many ranges. */
  #rangeBytes(more: number): number {
    const ranges = this.#ranges.length / 2 + FAR_RANGES * this.#far.length + more
    return ranges <= RANGES_FREE ? 0 : Math.ceil((ranges - RANGES_FREE) / RANGES_LOT) * RANGES_LOT * RANGE_BYTES
  }

  /** Bytes of memory that it will hold with this piece. */
  bytesWith({ messageOffset, length }: Piece): number {
    const capacity = this.#capacityWith(messageOffset + length, length)
    const isFar = messageOffset + length > capacity
    // The lowest that is missing makes no range more, so it is never refused for the lists.
    const more = isFar ? 1 + FAR_RANGES : this.#isBeside(messageOffset, messageOffset + length) ? 0 : 1
    // Of what lies apart, much comes together as the buffer grows: in all it is never more than the message.
    return Math.min(this.total, capacity + this.#farBytes + (isFar ? length : 0)) + this.#rangeBytes(more)
  }

  /** Bytes of its buffer with a piece that ends at `to`. What lies far beyond what has come is kept apart. */
  #capacityWith(to: number, length: number): number {
    const capacity = this.#bytes.length
    const received = this.received + length
    // The last piece: what lies apart comes together.
    if (received >= this.total) return this.total
    if (to <= capacity) return capacity
    if (to <= this.#first) return this.#first
    let next = Math.max(capacity, BYTES_FIRST)
    while (next < to) next *= GROWTH
    // What lies apart may stay so for now: both together are in step with what has come.
    return next + this.#farBytes <= GROWTH * received ? Math.min(next, this.total) : capacity
  }

  /**
   * Takes in a piece of this message; `false`: it overlaps or contradicts what has come, and is ignored. The caller has
   * reserved {@link Assembly.bytesWith}.
   */
  add(piece: Piece, source: Uint8Array, nowMs: number): boolean {
    if (piece.total !== this.total) return false
    const { messageOffset: from, length } = piece
    const to = from + length
    if (!this.#mark(from, to)) return false
    if (piece.type >= 0) this.type = piece.type
    const capacity = this.#capacityWith(to, length)
    if (capacity > this.#bytes.length) this.#grow(capacity)
    const bytes = source.subarray(piece.offset, piece.offset + length)
    if (to <= capacity) this.#bytes.set(bytes, from)
    else {
      this.#far.push({ at: from, bytes: new Uint8Array(bytes) })
      this.#farBytes += length
    }
    this.received += length
    this.progressMs = nowMs
    return true
  }

  lapse(): void {
    this.owner.lapse(this)
  }

  giveUp(): void {
    this.owner.giveUp(this)
  }

  #grow(capacity: number): void {
    const before = this.#bytes
    this.#bytes = this.#buffers.take(capacity)
    this.#bytes.set(before)
    this.#buffers.give(before)
    if (this.#far.length === 0) return
    this.#far = this.#far.filter(({ at, bytes }) => {
      if (at + bytes.length > capacity) return true
      this.#bytes.set(bytes, at)
      this.#farBytes -= bytes.length
      return false
    })
  }

  /** Whether a stretch is at the beginning, or touches what has come. */
  #isBeside(from: number, to: number): boolean {
    const i = this.#search(to)
    return from === 0 || (i > 0 && this.#ranges[i - 1] === from) || this.#ranges[i] === to
  }

  #mark(from: number, to: number): boolean {
    const ranges = this.#ranges
    const i = this.#search(to)
    if (i > 0 && ranges[i - 1]! > from) return false
    const joinsLeft = i > 0 && ranges[i - 1] === from
    const joinsRight = i < ranges.length && ranges[i] === to
    if (joinsLeft && joinsRight) ranges.splice(i - 1, 2)
    else if (joinsLeft) ranges[i - 1] = to
    else if (joinsRight) ranges[i] = from
    else if (ranges.length >= 2 * HOLES_MAX) return false
    else ranges.splice(i, 0, from, to)
    return true
  }

  /** The index of the first range that begins at `to` or later; usually there is none. */
  #search(to: number): number {
    const ranges = this.#ranges
    let high = ranges.length / 2
    if (high === 0 || ranges[2 * high - 2]! < to) return 2 * high
    let low = 0
    while (low < high) {
      const middle = (low + high) >> 1
      if (ranges[2 * middle]! < to) low = middle + 1
      else high = middle
    }
    return 2 * low
  }
}
