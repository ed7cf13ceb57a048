/**
 * That a stream is wanted no more, said to its sender again and again, and less and less often where it doesn't listen.
 *
 * @module
 */

import { type RepeatPace, Repeater } from "@x/stream"
import { REASON } from "@x/wire"

/** A stop is said this often by itself, and then only when something of its stream comes. */
const STOPS_MAX = 8
/** Then it is at least a second apart, twice as long each time, up to this many doublings. */
const STOP_DOUBLINGS_MAX = 6
const QUIET_MS = 1_000

export class Stopping {
  /** Why, one of `REASON` or the application's. */
  reason: number = REASON.unspecified
  readonly #repeater = new Repeater()
  #said = 0
  /** Until then it isn't said again, whatever comes. */
  #quietMs = -Infinity

  /** When it is to be said; `Infinity`: not by itself. */
  get dueMs(): number {
    return this.#repeater.dueMs
  }

  /** It is to be said at once, and until its sender has ended the stream. */
  begin(reason: number): void {
    this.reason = reason
    this.#repeater.start(-Infinity)
  }

  /** The sender knows. */
  end(): void {
    this.#repeater.stop()
  }

  /**
   * Something of a stream that is over came: its sender hasn't heard, or doesn't listen. Answers whether it is to be
   * told again.
   */
  remind(nowMs: number): boolean {
    if (this.#repeater.isActive || nowMs < this.#quietMs) return false
    this.#repeater.start(-Infinity)
    return true
  }

  /** The peer is heard again after a silence: what was said meanwhile may be lost. */
  handleReachable(nowMs: number): void {
    if (this.#repeater.isActive) this.#repeater.start(nowMs)
    this.#said = 0
    this.#quietMs = -Infinity
  }

  /** It was said. */
  said(nowMs: number, ptoMs: number, pace: RepeatPace): void {
    this.#repeater.said(nowMs, ptoMs, pace)
    if (++this.#said < STOPS_MAX) return
    this.#repeater.stop()
    this.#quietMs = nowMs + (QUIET_MS << Math.min(this.#said - STOPS_MAX, STOP_DOUBLINGS_MAX))
  }
}
