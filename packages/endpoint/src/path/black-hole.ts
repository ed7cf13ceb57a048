/**
 * Whether a path has stopped carrying large datagrams without saying so. Loss only raises suspicion: then probes of the
 * size in use and of lower ones are sent together, and the size is left only when those of a lower one alone are
 * answered (RFC 8899, section 4.3).
 *
 * @module
 */

import { DATAGRAM_BYTES_FLOOR } from "@x/wire"

/** Nothing large has been seen to arrive for this long, at the least and at the most, though it was sent; ms. */
const SUSPICION_MS_MIN = 300
const SUSPICION_MS_MAX = 1_000
/** A suspicion that was wrong makes the next one come later: by at most this factor, until something large is seen. */
const DOUBT_FACTOR_MAX = 2
/**
 * Probes of a lower size that have to be answered while none of the size in use is. Where 15 % are lost each way, three
 * in a million such tests would be wrong.
 */
const ANSWERS_MIN = 10
/** Probes after the first ones come this far apart, ms; and so many groups later, this far. */
const GROUP_MS = 100
const GROUPS_MANY = 25
const GROUP_MANY_MS = 1_000

export class BlackHole {
  /** Sizes that are probed together, the one in use first. */
  #sizes: readonly number[] = []
  /** Answers to each. */
  #answers: number[] = []
  #groups = 0
  #dueMs = Infinity
  /** The largest datagram sent since one as large was known to have arrived, and when the first was sent. */
  #sentBytes = 0
  #sentMs = Infinity
  #doubtFactor = 1

  /** Whether it asks. */
  get isActive(): boolean {
    return this.#groups > 0
  }

  /** When it has to be asked; `suspicionMs`: the time in which something is usually known of what was sent. */
  dueMs(suspicionMs: number): number {
    if (this.isActive) return this.#dueMs
    const usualMs = Math.min(SUSPICION_MS_MAX, Math.max(SUSPICION_MS_MIN, suspicionMs))
    return this.#sentMs + usualMs * this.#doubtFactor
  }

  /** A datagram of this size was sent. */
  sent(bytes: number, nowMs: number): void {
    if (bytes <= DATAGRAM_BYTES_FLOOR) return
    if (this.#sentMs === Infinity) this.#sentMs = nowMs
    this.#sentBytes = Math.max(this.#sentBytes, bytes)
  }

  /** A datagram of this size is known to have arrived. */
  arrived(bytes: number): void {
    if (bytes < this.#sentBytes) return
    this.stop()
    this.#doubtFactor = 1
  }

  /** Forgets all suspicion. */
  stop(): void {
    this.#groups = 0
    this.#sentBytes = 0
    this.#sentMs = Infinity
  }

  /** Returns the sizes to probe now, if it has to be asked. `sizes`: the one in use, and lower ones, falling. */
  poll(sizes: readonly number[], waitMs: number, nowMs: number): readonly number[] {
    if (this.#groups === 0) {
      this.#sizes = sizes
      this.#answers = sizes.map(() => 0)
    }
    const isFirst = this.#groups++ === 0
    this.#dueMs = nowMs + (isFirst ? waitMs : this.#groups < GROUPS_MANY ? GROUP_MS : GROUP_MANY_MS)
    return this.#sizes
  }

  /** A probe of this size was answered. Returns the size to go back to; 0: none. */
  answered(bytes: number): number {
    if (!this.isActive) return 0
    const at = this.#sizes.indexOf(bytes)
    if (at === 0) {
      this.stop()
      this.#doubtFactor = Math.min(DOUBT_FACTOR_MAX, 2 * this.#doubtFactor)
    } else if (at > 0) this.#answers[at]!++
    // The largest that is answered at all: more of its probes may be on their way.
    const best = this.#answers.findIndex((answers) => answers > 0)
    return this.isActive && best > 0 && this.#answers[best]! >= ANSWERS_MIN ? this.#sizes[best]! : 0
  }
}
