/**
 * A stop, which tells a sender that its stream is no longer wanted: it is repeated, less and less often if the sender
 * doesn't react.
 *
 * @module
 */

import { type RepeatPace, Repeater } from "@x/stream"
import { REASON } from "@x/wire"

/** A stop is sent this many times by itself, and then only when a packet of its stream comes. */
const STOPS_MAX = 8
/** Then the interval is at least a second, and doubles each time, up to this many times. */
const STOP_DOUBLINGS_MAX = 6
const QUIET_MS = 1_000

export class Stopping {
  /** The reason, one of `REASON` or the application's own. */
  reason: number = REASON.unspecified
  readonly #repeater = new Repeater()
  #said = 0
  /** Until then it isn't repeated, whatever comes. */
  #quietMs = -Infinity

  /** When it is due; `Infinity`: not by itself. */
  get dueMs(): number {
    return this.#repeater.dueMs
  }

  /** The stop is sent at once, and until the sender has ended the stream. */
  begin(reason: number): void {
    this.reason = reason
    this.#repeater.start(-Infinity)
  }

  /** The sender has ended the stream. */
  end(): void {
    this.#repeater.stop()
  }

  /**
   * A packet of a stream that is over came: its sender hasn't received the stop, or ignores it. Returns whether the
   * sender has to be told again.
   */
  remind(nowMs: number): boolean {
    if (this.#repeater.isActive || nowMs < this.#quietMs) return false
    this.#repeater.start(-Infinity)
    return true
  }

  /** The peer is heard again after a silence: stops sent meanwhile may be lost. */
  handleReachable(nowMs: number): void {
    if (this.#repeater.isActive) this.#repeater.start(nowMs)
    this.#said = 0
    this.#quietMs = -Infinity
  }

  /** The stop was sent. */
  said(nowMs: number, ptoMs: number, pace: RepeatPace): void {
    this.#repeater.said(nowMs, ptoMs, pace)
    if (++this.#said < STOPS_MAX) return
    this.#repeater.stop()
    this.#quietMs = nowMs + (QUIET_MS << Math.min(this.#said - STOPS_MAX, STOP_DOUBLINGS_MAX))
  }
}
