/**
 * A subscription as its subscriber sees it: which positions came, which are gone, and when it is over. No clock, no
 * sockets.
 *
 * @module
 */

import { type Accepted, POSITION_MAX } from "../wire/message.ts"

/** What came of a feed, exact at all times: `delivered` + `gone` = `begun`. */
export interface FeedAccount {
  /** Messages published for it, as far as is known: once it has ended, all of them. */
  readonly begun: number
  /** Of these, messages that came. */
  readonly delivered: number
  /** Of these, messages that won't come. */
  readonly gone: number
}

/** A message that has come: what to do with it. */
export interface Taken {
  /** Messages before it that won't come. */
  readonly gap: number
}

export class Subscription {
  readonly #isOrdered: boolean
  readonly #first: number
  /** The position after the last that is known: in order, the next one. */
  #next: number
  #delivered = 0
  #gone = 0
  #isOver = false

  constructor({ first }: Pick<Accepted, "first">, isOrdered: boolean) {
    this.#isOrdered = isOrdered
    this.#first = first
    this.#next = first
  }

  get account(): FeedAccount {
    return { begun: this.#delivered + this.#gone, delivered: this.#delivered, gone: this.#gone }
  }

  /** The position after the last message that came, where there is an order: a later feed may begin there. */
  get next(): number {
    return this.#next
  }

  /** A message has come. `undefined`: there can be none with that position. */
  take(position: number): Taken | undefined {
    if (position < (this.#isOrdered ? this.#next : this.#first)) return undefined
    const gap = this.#isOrdered ? position - this.#next : 0
    this.#next = Math.max(this.#next, position + 1)
    this.#gone += gap
    this.#delivered++
    return { gap }
  }

  /** The publisher says that messages won't come, where nothing else shows it; returns how many of them count. */
  skip(messages: number): number {
    if (this.#isOrdered || this.#isOver) return 0
    // More than there can be positions is believed as far as these go.
    const most = Math.max(0, POSITION_MAX + 1 - this.#first - this.#delivered - this.#gone)
    const gone = Math.min(messages, most)
    this.#gone += gone
    return gone
  }

  /**
   * No more will come, and what came was taken. `end`: the position after the last that was published for it;
   * `undefined`: nobody knows any more. Returns how many messages are gone that weren't before.
   */
  finish(end: number | undefined): number {
    if (this.#isOver) return 0
    this.#isOver = true
    const begun = Math.max(0, (end ?? 0) - this.#first)
    // A publisher that says less than it sent is believed in nothing.
    const gap = Math.max(0, begun - this.#delivered - this.#gone)
    this.#gone += gap
    return gap
  }
}
