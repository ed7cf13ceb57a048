/**
 * How many requests of a number are answered at a time, and which of those that wait is next. Each stream has at most
 * one that waits, since it is paused then; they take turns. So who asks much takes no turns of who asks little.
 *
 * @module
 */

/** What one peer has of the places. */
export interface Share {
  taken: number
}

/** Somebody who waits. */
export interface Waiting {
  readonly share: Share
}

export class Places<T extends Waiting> {
  readonly max: number
  readonly #maxPerPeer: number
  #taken = 0
  readonly #waiting = new Set<T>()

  constructor(max: number, maxPerPeer: number) {
    this.max = max
    this.#maxPerPeer = maxPerPeer
  }

  get taken(): number {
    return this.#taken
  }

  get waiting(): number {
    return this.#waiting.size
  }

  /**
   * Takes a place, unless all are taken, or all that one peer may have. Nobody who might have one waits, since `next` is
   * asked whenever one was freed.
   */
  take(share: Share): boolean {
    if (this.#taken >= this.max || share.taken >= this.#maxPerPeer) return false
    this.#taken++
    share.taken++
    return true
  }

  free(share: Share): void {
    this.#taken--
    share.taken--
  }

  wait(it: T): void {
    this.#waiting.add(it)
  }

  /** It waits no more. */
  forget(it: T): void {
    this.#waiting.delete(it)
  }

  /** None of them is to have a place. */
  takeWaiting(): T[] {
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    return waiting
  }

  /** Gives a place to the one that is next, and returns it. */
  next(): T | undefined {
    if (this.#taken >= this.max) return undefined
    for (const it of this.#waiting) {
      if (it.share.taken >= this.#maxPerPeer) continue
      this.#waiting.delete(it)
      this.#taken++
      it.share.taken++
      return it
    }
    return undefined
  }
}
