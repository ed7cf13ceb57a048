/**
 * Whether the path's rate goes up and down faster than it can be probed, as where a radio link falls back and recovers
 * ten times a second. What others do changes a flow's rate too, but not as far and as often.
 *
 * @module
 */

import { ZERO } from "@x/wire"

/** A rise or a fall by this factor is a swing. */
const FACTOR = 2
/** So many within this time, milliseconds, and the rate is unsteady; it was, until none was seen for as long. */
const SWINGS = 6
const WITHIN_MS = 3_000
/** Without a queue in so long, milliseconds, nothing follows from swings. */
const EMPTY_MS = 1_000

export class Swings {
  #low = Infinity
  #high = ZERO
  #isRising = true
  /** When the last swings were, and where the next one goes. */
  readonly #atMs: number[] = Array.from({ length: SWINGS }, () => -Infinity)
  #next = 0
  #untilMs = -Infinity
  #emptyMs = -Infinity

  /** Whether there were many of late. */
  areMany(nowMs: number): boolean {
    return nowMs < this.#untilMs
  }

  /** Whether the rate is unsteady. Where there is a queue all the time, it is others that come and go. */
  isUnsteady(nowMs: number): boolean {
    return this.areMany(nowMs) && nowMs < this.#emptyMs + EMPTY_MS
  }

  /** A rate was measured that nothing but the path limited. */
  handleRate(rate: number, hasQueue: boolean, nowMs: number): void {
    if (!hasQueue) this.#emptyMs = nowMs
    this.#low = Math.min(this.#low, rate)
    this.#high = Math.max(this.#high, rate)
    if (this.#isRising ? rate < FACTOR * this.#low : rate * FACTOR > this.#high) return
    this.#isRising = !this.#isRising
    this.#low = this.#high = rate
    const oldestMs = this.#atMs[this.#next]!
    this.#atMs[this.#next] = nowMs
    this.#next = (this.#next + 1) % SWINGS
    if (nowMs - oldestMs <= WITHIN_MS) this.#untilMs = nowMs + WITHIN_MS
  }

  /** They were not the path's. */
  forget(): void {
    this.#atMs.fill(-Infinity)
    this.#untilMs = -Infinity
  }
}
