/**
 * Copies of joins: a joiner has a new public key for each try, so one that comes again and again is that of a copy, which
 * costs as much to read as a genuine join. Few of each are let through: the network makes some too.
 *
 * @module
 */

/** Keys that are remembered. One whose place another takes is forgotten. */
const PLACES = 4_096
/** Copies of one join, in this time, milliseconds. */
const COPIES_MAX = 4
const WINDOW_MS = 1_000

export class Copies {
  readonly #keys = new Int32Array(2 * PLACES)
  readonly #sinceMs = new Float64Array(PLACES).fill(-Infinity)
  readonly #counts = new Uint8Array(PLACES)

  /** Whether the join whose public key begins with these two integers came too often. */
  isOneTooMany(low: number, high: number, nowMs: number): boolean {
    const place = (low >>> 0) % PLACES
    const keys = this.#keys
    const isKnown = keys[2 * place] === low && keys[2 * place + 1] === high
    if (!isKnown || nowMs >= this.#sinceMs[place]! + WINDOW_MS) {
      keys[2 * place] = low
      keys[2 * place + 1] = high
      this.#sinceMs[place] = nowMs
      this.#counts[place] = 0
    }
    if (this.#counts[place]! >= COPIES_MAX) return true
    this.#counts[place]!++
    return false
  }
}
