/**
 * HyStart++ (RFC 9406): notices by growing round trips that slow start has filled the path, before the queue
 * overflows. It then grows more slowly for a few rounds, to make sure that it was no jitter.
 *
 * @module
 */

/** Round trips that a round needs before it is judged (RFC 9406 §4.3, N_RTT_SAMPLE). */
const SAMPLES = 8
/** An eighth more than in the round before is growth, but at least and at most this many milliseconds (§4.3). */
const GROWTH_PART = 1 / 8
const GROWTH_MS_MIN = 4
const GROWTH_MS_MAX = 16
/** The window grows by this part in conservative slow start (§4.3, CSS_GROWTH_DIVISOR), for this many rounds. */
const CONSERVATIVE_GROWTH = 1 / 4
const CONSERVATIVE_ROUNDS = 5

export class HyStart {
  #formerLeastMs = Infinity
  #leastMs = Infinity
  #samples = 0
  /** In conservative slow start: the rounds so far, and the least round trip before it; −1: not in it. */
  #rounds = -1
  #baselineMs = Infinity

  /** The part of the delivered bytes by which the window grows. */
  get growth(): number {
    return this.#rounds < 0 ? 1 : CONSERVATIVE_GROWTH
  }

  /** A round trip was measured. `isRound`: it begins a round. Returns whether slow start is over. */
  handleRtt(rttMs: number, isRound: boolean): boolean {
    if (isRound && this.#beginRound()) return true
    this.#leastMs = Math.min(this.#leastMs, rttMs)
    if (++this.#samples >= SAMPLES) this.#judge()
    return false
  }

  #beginRound(): boolean {
    this.#formerLeastMs = this.#leastMs
    this.#leastMs = Infinity
    this.#samples = 0
    return this.#rounds >= 0 && ++this.#rounds >= CONSERVATIVE_ROUNDS
  }

  #judge(): void {
    if (this.#rounds >= 0) {
      // It was jitter.
      if (this.#leastMs < this.#baselineMs) this.#rounds = -1
      return
    }
    if (this.#formerLeastMs === Infinity) return
    const growthMs = Math.min(GROWTH_MS_MAX, Math.max(GROWTH_MS_MIN, this.#formerLeastMs * GROWTH_PART))
    if (this.#leastMs < this.#formerLeastMs + growthMs) return
    this.#baselineMs = this.#leastMs
    this.#rounds = 0
  }
}
