/**
 * A part of a pool for some of its streams: how many slots that is, and what decides.
 *
 * @module
 */

import { checkWhole } from "@x/wire"
import type { PacketPool, PacketSlots } from "./packet-pool.ts"

/** How many of a pool's slots a share may have. The code that decides this knows nothing of slots. */
export interface Allowance {
  /** How many could be taken now, one at a time. */
  readonly room: number
  /** How often so many at a time could be taken now. Absent: as often as `room` holds them. */
  roomFor?(units: number): number
  /** Whether this many units could be taken now, `each` at a time. Absent: `room` tells. */
  fitsBy?(each: number, units: number): boolean
  /** Takes this many, or none. */
  take(units: number): boolean
  /** Like `take`, but also from the reserve for messages under way. */
  takeKept?(units: number): boolean
  /** Whether `takeKept` would succeed for one. */
  readonly hasKept?: boolean
  /** Whether `takeKept` would succeed for this many. Absent: as for one. */
  hasKeptFor?(units: number): boolean
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
  readonly #onRefused: (units: number) => void
  #used = 0

  /**
   * `allowance`: a number of slots of the least size, or an object that decides how many the share may have; larger
   * slots count as in the pool. `onRefused`: called when the allowance, not the pool, had not so many left.
   */
  constructor(pool: PacketPool, allowance: number | Allowance, onRefused: (units: number) => void = () => {}) {
    this.#pool = pool
    this.slotBytes = pool.slotBytes
    this.#allowance = isAllowance(allowance) ? allowance : new FixedAllowance(allowance)
    this.#onRefused = onRefused
  }

  /** Slots that this share has taken, in units of the pool. */
  get used(): number {
    return this.#used
  }

  get available(): number {
    return Math.min(this.#allowance.room, this.#pool.available)
  }

  availableFor(bytes: number): number {
    const [units, allowance] = [this.#pool.unitsFor(bytes), this.#allowance]
    const allowed = allowance.roomFor?.(units) ?? Math.floor(allowance.room / units)
    return Math.min(allowed, this.#pool.availableFor(bytes))
  }

  fits(slots: number, bytes: number): boolean {
    const [units, allowance] = [this.#pool.unitsFor(bytes), this.#allowance]
    const isAllowed = allowance.fitsBy?.(units, slots * units) ?? slots * units <= allowance.room
    return isAllowed && this.#pool.availableFor(bytes) >= slots
  }

  acquire(bytes: number = this.slotBytes): number {
    const units = this.#pool.unitsFor(bytes)
    if (!this.#allowance.take(units)) {
      this.#onRefused(units)
      return -1
    }
    return this.#acquired(bytes, units)
  }

  hasKept(bytes: number = this.slotBytes): boolean {
    const allowance = this.#allowance
    const isAllowed = allowance.hasKeptFor?.(this.#pool.unitsFor(bytes)) ?? allowance.hasKept === true
    return isAllowed && this.#pool.availableFor(bytes) > 0
  }

  acquireKept(bytes: number = this.slotBytes): number {
    const units = this.#pool.unitsFor(bytes)
    return this.#allowance.takeKept?.(units) === true ? this.#acquired(bytes, units) : -1
  }

  /** A slot counts for each share that holds it. */
  share(slot: number): boolean {
    const units = this.#pool.unitsOf(slot)
    if (!this.#allowance.take(units)) {
      this.#onRefused(units)
      return false
    }
    this.#used += units
    return this.#pool.share(slot)
  }

  isShared(slot: number): boolean {
    return this.#pool.isShared(slot)
  }

  #acquired(bytes: number, units: number): number {
    const slot = this.#pool.acquire(bytes)
    if (slot >= 0) this.#used += units
    else this.#allowance.give(units)
    return slot
  }

  release(slot: number): void {
    const units = this.#pool.unitsOf(slot)
    this.#used -= units
    this.#allowance.give(units)
    this.#pool.release(slot)
  }

  bytesOf(slot: number): number {
    return this.#pool.bytesOf(slot)
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

/** So many units, for one. */
export class FixedAllowance implements Allowance {
  room: number

  constructor(units: number) {
    checkWhole("allowance", units, 0)
    this.room = units
  }

  /** Whether `take` would succeed. */
  fits(units: number): boolean {
    return units <= this.room
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
