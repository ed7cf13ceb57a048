/**
 * Which datagram counters were taken: a sliding bitmap as in RFC 6479. Checking and committing are two steps, since a counter may be
 * committed only when the tag was good.
 *
 * @module
 */

/** Counters remembered: at least twice what may be in flight at the default limits. */
const WINDOW = 8_192
/** One word more than the window, so that the word being filled never overlaps the oldest one checked. */
const WORDS = 512
const WORD_SHIFT = 5

export class ReplayWindow {
  readonly #bits = new Int32Array(WORDS)
  #highest = 0

  /** The highest counter taken; 0 before the first. */
  get highest(): number {
    return this.#highest
  }

  /** Why a counter can't be taken, if so. */
  check(counter: number): "stale" | "duplicate" | undefined {
    if (counter > this.#highest) return undefined
    if (counter === 0 || this.#highest - counter >= WINDOW) return "stale"
    return (this.#bits[wordOf(counter)]! & bitOf(counter)) === 0 ? undefined : "duplicate"
  }

  /** Takes a counter that `check` had nothing against. */
  commit(counter: number): void {
    if (counter > this.#highest) {
      // Words between the old top and the new one belong to counters not yet seen.
      const from = Math.floor(this.#highest / 32)
      const to = Math.floor(counter / 32)
      for (let word = Math.max(from + 1, to - WORDS + 1); word <= to; word++) this.#bits[word & (WORDS - 1)] = 0
      this.#highest = counter
    }
    this.#bits[wordOf(counter)]! |= bitOf(counter)
  }
}

function wordOf(counter: number): number {
  return Math.floor(counter / (1 << WORD_SHIFT)) & (WORDS - 1)
}

function bitOf(counter: number): number {
  return 1 << (counter & 31)
}
