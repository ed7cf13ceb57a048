/**
 * The subscribers that don't have everything, and the oldest message that one of them waits for.
 *
 * @module
 */

import type { Account } from "./account.ts"

/** Knows the oldest at all times, without looking at all of them each time that one goes on. */
export class Behind<A extends Account> {
  /** Each with the message that it was seen to wait for. */
  readonly #seen = new Map<A, number>()
  #oldest = Infinity
  /** How many wait for that. */
  #atOldest = 0

  get size(): number {
    return this.#seen.size
  }

  [Symbol.iterator](): IterableIterator<A> {
    return this.#seen.keys()
  }

  has(account: A): boolean {
    return this.#seen.has(account)
  }

  /** The oldest message that one of them waits for; `Infinity`: nobody is behind. */
  get oldest(): number {
    if (this.#atOldest === 0) this.#look()
    return this.#oldest
  }

  #look(): void {
    this.#oldest = Infinity
    for (const next of this.#seen.values())
      if (next < this.#oldest) {
        this.#oldest = next
        this.#atOldest = 1
      } else if (next === this.#oldest) this.#atOldest++
  }

  /** An account is behind, and waits for its `next`. Returns whether that was known. */
  add(account: A): boolean {
    const { next } = account
    const before = this.#seen.get(account)
    if (before === next) return true
    this.#seen.set(account, next)
    this.#leave(before)
    if (next === this.#oldest) this.#atOldest++
    else if (next < this.#oldest) {
      this.#oldest = next
      this.#atOldest = 1
    }
    return false
  }

  delete(account: A): void {
    const before = this.#seen.get(account)
    if (this.#seen.delete(account)) this.#leave(before)
  }

  #leave(before: number | undefined): void {
    if (before === this.#oldest) this.#atOldest--
  }
}
