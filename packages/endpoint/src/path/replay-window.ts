/**
 * Which datagram counters were received: a sliding bitmap as in RFC 6479. Checking and committing are two steps, since
 * a counter may be committed only when the tag was good.
 *
 * @module
 */

/** The least number of counters that are remembered. */
export const REPLAY_WINDOW_MIN = 8_192
const WORD_BITS = 32

export class ReplayWindow {
  readonly #width: number
  /**
   * A power of two, and more words than the window has: the word being filled never overlaps the oldest one checked.
   */
  readonly #words: number
  readonly #bits: Int32Array
  #highest = 0

  /** Remembers at least this many counters: twice what may be in flight. */
  constructor(width = 0) {
    this.#width = Math.max(REPLAY_WINDOW_MIN, width)
    this.#words = 1 << (32 - Math.clz32(Math.ceil(this.#width / WORD_BITS)))
    this.#bits = new Int32Array(this.#words)
  }

  /** The highest received counter; 0 before the first. */
  get highest(): number {
    return this.#highest
  }

  /** Why a counter must be refused, if it must. */
  check(counter: number): "stale" | "duplicate" | undefined {
    if (counter > this.#highest) return undefined
    if (counter === 0 || this.#highest - counter >= this.#width) return "stale"
    return (this.#bits[this.#wordOf(counter)]! & bitOf(counter)) === 0 ? undefined : "duplicate"
  }

  /** Commits a counter that `check` didn't refuse. */
  commit(counter: number): void {
    if (counter > this.#highest) {
      // Words between the old top and the new one belong to counters not yet seen.
      const from = Math.floor(this.#highest / WORD_BITS)
      const to = Math.floor(counter / WORD_BITS)
      for (let word = Math.max(from + 1, to - this.#words + 1); word <= to; word++)
        this.#bits[word & (this.#words - 1)] = 0
      this.#highest = counter
    }
    this.#bits[this.#wordOf(counter)]! |= bitOf(counter)
  }

  #wordOf(counter: number): number {
    return Math.floor(counter / WORD_BITS) & (this.#words - 1)
  }
}

function bitOf(counter: number): number {
  return 1 << (counter & 31)
}
