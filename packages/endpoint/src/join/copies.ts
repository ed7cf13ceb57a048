/**
 * Copies of joins: a joiner has a new public key for each try, so one that comes again is that of a copy, which costs as
 * much to read as a genuine join. Few of each are let through: the network makes some too.
 *
 * @module
 */

/** Keys that are remembered: in this many sets, and of each set the last few. */
const SETS = 2_048
const WAYS = 4
/** Copies of one join, in this time, milliseconds. */
const COPIES_MAX = 4
const WINDOW_MS = 1_000

export class Copies {
  readonly #keys = new Int32Array(2 * SETS * WAYS)
  readonly #sinceMs = new Float64Array(SETS * WAYS).fill(-Infinity)
  readonly #counts = new Uint8Array(SETS * WAYS)

  /**
   * Takes note of a join whose public key begins with these two integers: it is the first of its key, as far as is
   * remembered, or a copy, or one of too many.
   */
  see(low: number, high: number, nowMs: number): "first" | "copy" | "too-many" {
    const place = this.#placeOf(low, high)
    const isKnown = this.#has(place, low, high)
    if (!isKnown || nowMs >= this.#sinceMs[place]! + WINDOW_MS) {
      this.#keys[2 * place] = low
      this.#keys[2 * place + 1] = high
      this.#sinceMs[place] = nowMs
      this.#counts[place] = 0
    }
    if (this.#counts[place]! >= COPIES_MAX) return "too-many"
    this.#counts[place]!++
    return isKnown ? "copy" : "first"
  }

  /** Where the key is, or would be: in the place of its set that was begun longest ago. */
  #placeOf(low: number, high: number): number {
    const first = WAYS * ((low >>> 0) % SETS)
    let oldest = first
    for (let place = first; place < first + WAYS; place++) {
      if (this.#has(place, low, high)) return place
      if (this.#sinceMs[place]! < this.#sinceMs[oldest]!) oldest = place
    }
    return oldest
  }

  #has(place: number, low: number, high: number): boolean {
    return this.#counts[place]! > 0 && this.#keys[2 * place] === low && this.#keys[2 * place + 1] === high
  }
}
