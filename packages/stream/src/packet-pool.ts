/**
 * Buffers of one size for packets: for those that arrived early, and for those that were written and aren't
 * acknowledged yet. One pool serves all streams of a process, so its ceiling bounds the memory whatever peers do, and
 * idle streams hold none.
 *
 * @module
 */

import { checkWhole } from "@x/wire"

/** Slots are allocated in chunks of at most this size; a chunk has a power of two of them. */
const CHUNK_BYTES = 131_072

/** The slots of a pool, as a stream sees them. */
export interface PacketSlots {
  /** Bytes of a slot. */
  readonly slotBytes: number
  /** Slots that could be acquired now. */
  readonly available: number
  /** Returns a slot, or −1: none is free. */
  acquire(): number
  /**
   * Returns one of the slots reserved for messages that the receiver has memory for already, or −1. Absent: none are
   * reserved.
   */
  acquireKept?(): number
  /** Whether such a reserved slot is free. */
  readonly hasKept?: boolean
  /** Gives a slot back, once for each time that it was acquired or shared. */
  release(slot: number): void
  /** Holds a slot that is in use once more: it is free once all who hold it have released it. `false`: no room. */
  share(slot: number): boolean
  /** Whether a slot is held more than once: then nothing may be written around its payload. */
  isShared(slot: number): boolean
  /** The memory that a slot lies in, together with other slots: it begins at `offset(slot)`. */
  bytes(slot: number): Uint8Array
  /** A view of all of `bytes(slot)`. */
  view(slot: number): DataView
  /** Where the slot begins in its bytes. */
  offset(slot: number): number
}

/** The size of a {@link PacketPool}. */
export interface PacketPoolOptions {
  /** Bytes of a slot, 1 to 66,560: the largest payload and the room around it. */
  readonly slotBytes: number
  /**
   * The most slots, from 0, default 16,384 (some 20 MiB of usual packets). They are allocated when needed, some 128 KiB
   * at a time, and kept from then on.
   */
  readonly slotsMax?: number
}

/** Slots for packets, up to a ceiling. The constructor throws a `RangeError` if an option is out of range. */
export class PacketPool implements PacketSlots {
  /** Bytes of a slot: the requested size, rounded up to a multiple of 8. */
  readonly slotBytes: number
  /** The ceiling, in slots. */
  readonly slotsMax: number
  readonly #shift: number
  readonly #chunks: Uint8Array[] = []
  readonly #views: DataView[] = []
  readonly #free: number[] = []
  /** How often slots are held besides once: few are, and the others cost nothing. */
  readonly #sharers = new Map<number, number>()
  /** Slots that were released while the pool was held. */
  readonly #held: number[] = []
  #isHeld = false
  #refused = 0

  constructor({ slotBytes, slotsMax = 16_384 }: PacketPoolOptions) {
    checkWhole("slotBytes", slotBytes, 1, 66_560)
    checkWhole("slotsMax", slotsMax, 0)
    // Slots begin on a word, so that the fields before the payload are aligned for a native gather.
    this.slotBytes = (slotBytes + 7) & ~7
    this.slotsMax = slotsMax
    this.#shift = Math.max(0, 31 - Math.clz32(Math.floor(CHUNK_BYTES / this.slotBytes) || 1))
  }

  /** Slots in use. */
  get used(): number {
    return (this.#chunks.length << this.#shift) - this.#free.length - this.#held.length
  }

  get available(): number {
    return this.slotsMax - this.used
  }

  /** How often no slot was free. */
  get refused(): number {
    return this.#refused
  }

  /** Returns a slot, or −1 when the pool is at its ceiling. */
  acquire(): number {
    if (this.used >= this.slotsMax) {
      this.#refused++
      return -1
    }
    if (this.#free.length === 0) this.#grow()
    return this.#free.pop()!
  }

  share(slot: number): boolean {
    this.#sharers.set(slot, (this.#sharers.get(slot) ?? 0) + 1)
    return true
  }

  isShared(slot: number): boolean {
    return this.#sharers.size > 0 && this.#sharers.has(slot)
  }

  release(slot: number): void {
    if (this.isShared(slot)) return this.#unshare(slot)
    if (this.#isHeld) this.#held.push(slot)
    else this.#free.push(slot)
  }

  #unshare(slot: number): void {
    const sharers = this.#sharers.get(slot)!
    if (sharers > 1) this.#sharers.set(slot, sharers - 1)
    else this.#sharers.delete(slot)
  }

  /** From now on no released slot is given out again until `reclaim` or `unhold`: somebody still reads from them. */
  hold(): void {
    this.#isHeld = true
  }

  /** Released slots are given out again, including those released in the meantime. */
  unhold(): void {
    this.#isHeld = false
    this.reclaim()
  }

  /** Nobody reads any more from the slots released so far. */
  reclaim(): void {
    for (let slot = this.#held.pop(); slot !== undefined; slot = this.#held.pop()) this.#free.push(slot)
  }

  /**
   * The number of the chunk that a slot lies in, from 0. A caller that registers memory elsewhere registers each chunk
   * once.
   */
  chunk(slot: number): number {
    return slot >> this.#shift
  }

  bytes(slot: number): Uint8Array {
    return this.#chunks[slot >> this.#shift]!
  }

  view(slot: number): DataView {
    return this.#views[slot >> this.#shift]!
  }

  /** Where the slot begins in its bytes. */
  offset(slot: number): number {
    return (slot & ((1 << this.#shift) - 1)) * this.slotBytes
  }

  #grow(): void {
    const slots = 1 << this.#shift
    const first = this.#chunks.length * slots
    const chunk = new Uint8Array(slots * this.slotBytes)
    this.#chunks.push(chunk)
    this.#views.push(new DataView(chunk.buffer))
    for (let slot = first + slots - 1; slot >= first; slot--) this.#free.push(slot)
  }
}

/** How many of a pool's slots a share may have. The code that decides this knows nothing of slots. */
export interface Allowance {
  /** How many could be taken now, one at a time. */
  readonly room: number
  /** Takes this many, or none. */
  take(units: number): boolean
  /** Like `take`, but also from the reserve for messages under way. */
  takeKept?(units: number): boolean
  /** Whether `takeKept` would succeed for one. */
  readonly hasKept?: boolean
  /** Gives back this many. */
  give(units: number): void
}

/**
 * A part of a pool's slots for some of its streams, those of one peer, so that none of them can take the whole pool.
 */
export class PoolShare implements PacketSlots {
  readonly slotBytes: number
  readonly #pool: PacketPool
  readonly #allowance: Allowance
  readonly #onRefused: () => void
  #used = 0

  /**
   * `allowance`: a number of slots, or an object that decides how many the share may have. `onRefused`: called when the
   * allowance, not the pool, had none left.
   */
  constructor(pool: PacketPool, allowance: number | Allowance, onRefused: () => void = () => {}) {
    this.#pool = pool
    this.slotBytes = pool.slotBytes
    this.#allowance = isAllowance(allowance) ? allowance : new FixedAllowance(allowance)
    this.#onRefused = onRefused
  }

  /** Slots that this share has taken. */
  get used(): number {
    return this.#used
  }

  get available(): number {
    return Math.min(this.#allowance.room, this.#pool.available)
  }

  acquire(): number {
    if (!this.#allowance.take(1)) {
      this.#onRefused()
      return -1
    }
    return this.#acquired()
  }

  get hasKept(): boolean {
    return this.#allowance.hasKept === true && this.#pool.available > 0
  }

  acquireKept(): number {
    return this.#allowance.takeKept?.(1) === true ? this.#acquired() : -1
  }

  /** A slot counts for each share that holds it. */
  share(slot: number): boolean {
    if (!this.#allowance.take(1)) {
      this.#onRefused()
      return false
    }
    this.#used++
    return this.#pool.share(slot)
  }

  isShared(slot: number): boolean {
    return this.#pool.isShared(slot)
  }

  #acquired(): number {
    const slot = this.#pool.acquire()
    if (slot >= 0) this.#used++
    else this.#allowance.give(1)
    return slot
  }

  release(slot: number): void {
    this.#used--
    this.#allowance.give(1)
    this.#pool.release(slot)
  }

  bytes(slot: number): Uint8Array {
    return this.#pool.bytes(slot)
  }

  view(slot: number): DataView {
    return this.#pool.view(slot)
  }

  offset(slot: number): number {
    return this.#pool.offset(slot)
  }
}

function isAllowance(allowance: number | Allowance): allowance is Allowance {
  return typeof allowance === "object" && typeof allowance?.take === "function"
}

class FixedAllowance implements Allowance {
  room: number

  constructor(units: number) {
    checkWhole("allowance", units, 0)
    this.room = units
  }

  take(units: number): boolean {
    if (units > this.room) return false
    this.room -= units
    return true
  }

  give(units: number): void {
    this.room += units
  }
}
