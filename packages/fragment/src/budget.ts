/**
 * Memory for assemblies: the whole of a promised message is reserved before its first byte is kept, and of another what
 * it holds. Budgets nest: a peer's is in the process's.
 *
 * @module
 */

import { checkWhole, ZERO } from "@x/wire"
import { BufferPool } from "./buffer-pool.ts"

/** Holds memory for unreliable messages, which may have to give it up. */
export interface Yielder {
  /** When the message that has waited longest for progress last made some, milliseconds. */
  readonly leastProgressMs: number
  /** Gives up that message and its memory. */
  yieldOldest(): void
}

/** Holds memory for a promised message, more than has come of it. */
export interface Promised {
  /** Whose message it is: none of these make way for another. */
  readonly owner: object
  /** When a piece of it last came, milliseconds. */
  readonly progressMs: number
  /** Whether it is charged for no more than it holds. */
  readonly hasLapsed: boolean
  /** Bytes of memory that it holds. */
  readonly heldBytes: number
  /** Gives back what hasn't come: the rest has to be reserved anew. */
  lapse(): void
  /** Is given up: its stream can't go on. */
  giveUp(): void
}

/** How much of its parent's memory a budget may take. An allowance knows nothing of messages. */
export interface BudgetAllowance {
  /** Takes this many bytes or none; they are given back together. */
  take(bytes: number): boolean
  /** Gives back what was taken. */
  give(bytes: number): void
  /** Whether it could take this many now, or once others have given back `freed`. */
  fits(bytes: number, freed?: number): boolean
  /** Whether it couldn't take this many, whatever other budgets give back. */
  isFull(bytes: number): boolean
}

/** An assembler that was refused memory for a message. */
interface Waiter {
  readonly budget: AssemblyBudget
  readonly bytes: number
  readonly onRoom: () => void
}

/** Milliseconds without progress after which an unreliable message makes way for other unreliable ones too. */
export const STALE_MS = 500
/** Milliseconds without progress after which others get what was promised to a message, where they find nothing else. */
export const PROMISE_MS = 2_000
/** And after which it is given up, though it was promised, for what it holds. */
export const GIVE_UP_MS = 30_000
/** The most bytes that later messages get in advance. */
const EARNED_BYTES_MAX = 67_108_864
/** How many holders of promises the search for one looks at, and waiters that a release tells: the others are next. */
const HOLDERS_LOOKED_AT = 64
/** How many yielders the search for one to make way looks at: it costs no more than a packet does. */
const YIELDERS_LOOKED_AT = 64

/**
 * Bytes that messages under way may take together. The constructor throws a `RangeError` unless `allowance` is a whole
 * number above 0, `Infinity`, or a {@link BudgetAllowance}.
 */
export class AssemblyBudget {
  /** Where the memory comes from: nested budgets share one pool. */
  readonly buffers: BufferPool
  readonly #allowance: BudgetAllowance
  readonly #parent: AssemblyBudget | undefined
  /**
   * Holders of unreliable messages here, in the order they began to hold any, and the bytes that these messages hold.
   */
  readonly #yielders = new Set<Yielder>()
  #offered = 0
  /** Promised messages that hold memory here; those that made progress when they were looked at are behind the others. */
  readonly #promised = new Set<Promised>()
  /** Bytes of completed messages, less those that later ones got in advance: memory is in step with what has come. */
  #earned = ZERO
  /** All that wait for memory, in the order they were refused; nested budgets share one map. */
  readonly #waiters: Map<object, Waiter>
  #used = 0

  /** `allowance`: this many bytes, or an object that decides how many it may take of its parent's. */
  constructor(allowance: number | BudgetAllowance, parent?: AssemblyBudget) {
    this.#allowance = isAllowance(allowance) ? allowance : new FixedAllowance(allowance)
    this.#parent = parent
    this.buffers = parent?.buffers ?? new BufferPool()
    this.#waiters = parent === undefined ? new Map() : parent.#waiters
  }

  /** Bytes in use, those of nested budgets included. */
  get used(): number {
    return this.#used
  }

  /** Takes `bytes` here and in the parents, or nowhere. */
  reserve(bytes: number): boolean {
    // A value that is no number would stay in use for ever.
    checkWhole("bytes", bytes, 0)
    if (!this.#allowance.take(bytes)) return false
    if (this.#parent !== undefined && !this.#parent.reserve(bytes)) {
      this.#allowance.give(bytes)
      return false
    }
    this.#used += bytes
    return true
  }

  /** As `reserve`, but only if `spare` more bytes would still fit. */
  reserveWith(bytes: number, spare: number): boolean {
    if (!this.reserve(bytes)) return false
    if (this.#hasRoom(spare)) return true
    this.#giveBack(bytes)
    return false
  }

  /**
   * As `reserve`, for a reliable message: unreliable ones make way. Then promises to messages that stand still lapse,
   * and one that has for long is given up. None of `owner` does.
   */
  claim(bytes: number, nowMs: number = -Infinity, owner?: object): boolean {
    return this.#reserveFrom(bytes, Infinity) || this.#reserveLapsed(bytes, nowMs, owner)
  }

  /**
   * Reserves `wanted` instead of `held`; `false`: nothing has changed. `undefined`: what was held can't be lent again
   * now, and is given back.
   */
  exchange(held: number, wanted: number): boolean | undefined {
    this.#giveBack(held)
    if (this.reserve(wanted)) return true
    return this.reserve(held) ? false : undefined
  }

  /** As `reserve`, for an unreliable message: others that stand still make way, and promises lapse. */
  claimStale(bytes: number, nowMs: number): boolean {
    return this.#reserveFrom(bytes, nowMs - STALE_MS) || this.#reserveLapsed(bytes, nowMs)
  }

  #reserveLapsed(bytes: number, nowMs: number, owner?: object): boolean {
    const full = this.#fullFor(bytes)
    const promised = full.#promised
    let left = Math.min(promised.size, HOLDERS_LOOKED_AT)
    let oldest: Promised | undefined
    for (const holder of promised) {
      if (left-- === 0) break
      if (holder.progressMs > nowMs - PROMISE_MS || holder.owner === owner) {
        promised.delete(holder)
        promised.add(holder)
      } else if (!holder.hasLapsed) {
        holder.lapse()
        if (this.reserve(bytes)) return true
      } else if (holder.progressMs < (oldest?.progressMs ?? Infinity)) oldest = holder
    }
    if (oldest === undefined || oldest.progressMs > nowMs - GIVE_UP_MS) return false
    if (!full.#allowance.fits(bytes, oldest.heldBytes)) return false
    oldest.giveUp()
    return this.reserve(bytes)
  }

  /** A promised message holds memory here. */
  promise(holder: Promised): void {
    this.#promised.add(holder)
    this.#parent?.promise(holder)
  }

  /** It holds none any more. */
  settle(holder: Promised): void {
    this.#promised.delete(holder)
    this.#parent?.settle(holder)
  }

  /** A message was completed: later ones may have as many bytes before they have come. */
  earn(bytes: number): void {
    this.#earned = Math.min(this.#earned + bytes, EARNED_BYTES_MAX)
  }

  /** Whether a message may have its memory at once; counts it. */
  advance(bytes: number): boolean {
    if (bytes > this.#earned) return false
    this.#earned -= bytes
    return true
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

  /** Whether `bytes` would fit if all yielders made way: none is made to for nothing. */
  #couldFit(bytes: number, full: AssemblyBudget): boolean {
    if (full === this) return !this.#allowance.isFull(Math.max(0, bytes - this.#offered))
    return this.#allowance.fits(bytes, full.#offered) && this.#parent!.#couldFit(bytes, full)
  }

  /** Among the yielders that have held memory longest, the one that has waited longest for progress. */
  #leastProgress(): Yielder | undefined {
    let least: Yielder | undefined
    let looked = 0
    for (const yielder of this.#yielders) {
      if (least === undefined || yielder.leastProgressMs < least.leastProgressMs) least = yielder
      if (++looked === YIELDERS_LOOKED_AT) break
    }
    return least
  }

  /** The budget in which others would have to give something back. */
  #fullFor(bytes: number): AssemblyBudget {
    return this.#parent === undefined || this.#allowance.isFull(bytes) ? this : this.#parent.#fullFor(bytes)
  }

  /** The yielder holds this much more memory that others may claim. */
  offer(yielder: Yielder, bytes: number): void {
    this.#yielders.add(yielder)
    this.#offered += bytes
    this.#parent?.offer(yielder, bytes)
  }

  /** Others may claim this much less. `isAll`: the yielder holds no more that they may claim. */
  keep(yielder: Yielder, bytes: number, isAll: boolean): void {
    if (isAll) this.#yielders.delete(yielder)
    this.#offered -= bytes
    this.#parent?.keep(yielder, bytes, isAll)
  }

  /** Gives back reserved bytes, here and in the parents, and calls the waiters that now have room. */
  release(bytes: number): void {
    this.#giveBack(bytes)
    this.#tellWaiters()
  }

  #giveBack(bytes: number): void {
    this.#used -= bytes
    this.#allowance.give(bytes)
    if (this.#parent !== undefined) this.#parent.#giveBack(bytes)
  }

  /**
   * `who` was refused this many bytes: calls `onRoom` once, as soon as there is room for them, whichever budget it
   * comes from.
   */
  wait(who: object, bytes: number, onRoom: () => void): void {
    const before = this.#waiters.get(who)
    if (before === undefined || before.bytes > bytes) this.#waiters.set(who, { budget: this, bytes, onRoom })
  }

  /** `who` no longer waits. */
  leave(who: object): void {
    this.#waiters.delete(who)
  }

  /** Those that were looked at in vain are behind the others the next time, where there are more than that. */
  #tellWaiters(): void {
    let left = this.#waiters.size > HOLDERS_LOOKED_AT ? HOLDERS_LOOKED_AT : Infinity
    const isMany = left !== Infinity
    for (const [who, waiter] of this.#waiters) {
      if (left-- === 0) break
      const { budget, bytes, onRoom } = waiter
      if (budget.#hasRoom(bytes)) {
        this.#waiters.delete(who)
        onRoom()
      } else if (isMany) {
        this.#waiters.delete(who)
        this.#waiters.set(who, waiter)
      }
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
