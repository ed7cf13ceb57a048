/**
 * Memory that assemblies may take: a message is reserved whole before its first byte is kept. Budgets nest, a peer's in
 * the process's.
 *
 * @module
 */

import { checkWhole } from "@x/wire"
import { BufferPool } from "./buffer-pool.ts"

/** Holds memory for messages that nobody was promised. */
export interface Yielder {
  /** When the message with the least progress made some last, milliseconds. */
  readonly leastProgressMs: number
  /** Gives back its memory. */
  yieldOldest(): void
}

/** How much of the memory around it a budget may take. Who decides that knows nothing of messages. */
export interface BudgetAllowance {
  /** Takes so many bytes, which are given back together, or none. */
  take(bytes: number): boolean
  /** Gives back what was taken. */
  give(bytes: number): void
  /** Whether it could take so many now, or once others have given back `freed`. */
  fits(bytes: number, freed?: number): boolean
  /** Whether it couldn't take so many whatever other budgets give back. */
  isFull(bytes: number): boolean
}

/** Was refused memory for a message. */
interface Waiter {
  readonly budget: AssemblyBudget
  readonly bytes: number
  readonly onRoom: () => void
}

/** Who was promised nothing makes way for others as well once it made no progress for so long, milliseconds. */
export const STALE_MS = 500
/** Who is asked to make way is sought among so many: the search costs no more than a packet does. */
const YIELDERS_LOOKED_AT = 64

/**
 * Bytes that messages under way may take together. The constructor throws a `RangeError` where `allowance` is neither a
 * whole number above 0, `Infinity`, nor what says how many.
 */
export class AssemblyBudget {
  /** Where the memory comes from, one for all that nest. */
  readonly buffers: BufferPool
  readonly #allowance: BudgetAllowance
  readonly #parent: AssemblyBudget | undefined
  /** Those who hold memory here and promised nothing, in the order they began to; and how much that is. */
  readonly #yielders = new Set<Yielder>()
  #offered = 0
  /** Those of all budgets around which there is none, in the order they were refused. */
  readonly #waiters: Map<object, Waiter>
  #used = 0

  /** `allowance`: so many bytes, or what says how many it may take of its parent's. */
  constructor(allowance: number | BudgetAllowance, parent?: AssemblyBudget) {
    this.#allowance = isAllowance(allowance) ? allowance : new FixedAllowance(allowance)
    this.#parent = parent
    this.buffers = parent?.buffers ?? new BufferPool()
    this.#waiters = parent === undefined ? new Map() : parent.#waiters
  }

  /** Bytes in use, of budgets nested in it too. */
  get used(): number {
    return this.#used
  }

  /** Takes `bytes` here and in the parents, or nowhere. */
  reserve(bytes: number): boolean {
    // What is no number would be in use for ever.
    checkWhole("bytes", bytes, 0)
    if (!this.#allowance.take(bytes)) return false
    if (this.#parent !== undefined && !this.#parent.reserve(bytes)) {
      this.#allowance.give(bytes)
      return false
    }
    this.#used += bytes
    return true
  }

  /** As `reserve`, if there is room for `spare` more then. */
  reserveWith(bytes: number, spare: number): boolean {
    if (!this.reserve(bytes)) return false
    if (this.#hasRoom(spare)) return true
    this.#giveBack(bytes)
    return false
  }

  /** As `reserve`, for a message that was promised: those that were not make way. */
  claim(bytes: number): boolean {
    return this.#reserveFrom(bytes, Infinity)
  }

  /** As `reserve`, for one that wasn't: those that were not either make way where they are stale. */
  claimStale(bytes: number, nowMs: number): boolean {
    return this.#reserveFrom(bytes, nowMs - STALE_MS)
  }

  #reserveFrom(bytes: number, progressMs: number): boolean {
    while (!this.reserve(bytes)) {
      const full = this.#fullFor(bytes)
      const yielder = full.#leastProgress()
      if (yielder === undefined || yielder.leastProgressMs > progressMs || !this.#couldFit(bytes, full)) return false
      yielder.yieldOldest()
    }
    return true
  }

  /** Whether it would do if all made way: nobody does for nothing. */
  #couldFit(bytes: number, full: AssemblyBudget): boolean {
    if (full === this) return !this.#allowance.isFull(Math.max(0, bytes - this.#offered))
    return this.#allowance.fits(bytes, full.#offered) && this.#parent!.#couldFit(bytes, full)
  }

  /** Who of those that have held memory longest has made the least progress. */
  #leastProgress(): Yielder | undefined {
    let least: Yielder | undefined
    let looked = 0
    for (const yielder of this.#yielders) {
      if (least === undefined || yielder.leastProgressMs < least.leastProgressMs) least = yielder
      if (++looked === YIELDERS_LOOKED_AT) break
    }
    return least
  }

  /** In which budget others would have to give back something. */
  #fullFor(bytes: number): AssemblyBudget {
    return this.#parent === undefined || this.#allowance.isFull(bytes) ? this : this.#parent.#fullFor(bytes)
  }

  /** It holds so much more memory that others may claim. */
  offer(yielder: Yielder, bytes: number): void {
    this.#yielders.add(yielder)
    this.#offered += bytes
    this.#parent?.offer(yielder, bytes)
  }

  /** Others may claim so much less. `isAll`: nothing any more. */
  keep(yielder: Yielder, bytes: number, isAll: boolean): void {
    if (isAll) this.#yielders.delete(yielder)
    this.#offered -= bytes
    this.#parent?.keep(yielder, bytes, isAll)
  }

  /** Gives back what was reserved, here and in the parents, and tells who waits for as much. */
  release(bytes: number): void {
    this.#giveBack(bytes)
    this.#tellWaiters()
  }

  #giveBack(bytes: number): void {
    this.#used -= bytes
    this.#allowance.give(bytes)
    if (this.#parent !== undefined) this.#parent.#giveBack(bytes)
  }

  /** `who` was refused so many bytes: it is told once as soon as there is room for them, whoever gave it back. */
  wait(who: object, bytes: number, onRoom: () => void): void {
    const before = this.#waiters.get(who)
    if (before === undefined || before.bytes > bytes) this.#waiters.set(who, { budget: this, bytes, onRoom })
  }

  /** It is told no more. */
  leave(who: object): void {
    this.#waiters.delete(who)
  }

  #tellWaiters(): void {
    for (const [who, { budget, bytes, onRoom }] of this.#waiters) {
      if (!budget.#hasRoom(bytes)) continue
      this.#waiters.delete(who)
      onRoom()
    }
  }

  #hasRoom(bytes: number): boolean {
    return this.#allowance.fits(bytes) && (this.#parent === undefined || this.#parent.#hasRoom(bytes))
  }
}

function isAllowance(allowance: number | BudgetAllowance): allowance is BudgetAllowance {
  return typeof allowance === "object" && typeof allowance?.take === "function"
}

class FixedAllowance implements BudgetAllowance {
  readonly #bytesMax: number
  #used = 0

  constructor(bytesMax: number) {
    if (!(bytesMax === Infinity || (Number.isSafeInteger(bytesMax) && bytesMax > 0)))
      throw new RangeError(`bytesMax must be a whole number above 0, or Infinity: no limit; not ${String(bytesMax)}`)
    this.#bytesMax = bytesMax
  }

  take(bytes: number): boolean {
    if (!this.fits(bytes)) return false
    this.#used += bytes
    return true
  }

  give(bytes: number): void {
    this.#used -= bytes
  }

  fits(bytes: number, freed = 0): boolean {
    return this.#used + bytes - freed <= this.#bytesMax
  }

  isFull(bytes: number): boolean {
    return !this.fits(bytes)
  }
}
