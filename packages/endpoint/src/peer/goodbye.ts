/**
 * Leaving: a goodbye is repeated until it is answered or its time is over, and the peer's goodbye is answered.
 *
 * @module
 */

import { Repeater, RepeatPace } from "@x/stream"
import type { ReasonText } from "@x/wire"

/** A goodbye is repeated for this long, milliseconds. */
export const GOODBYE_MS = 1_000
const PACE = new RepeatPace()

export class Goodbye {
  /** Whether an answer to the peer's goodbye is owed. */
  isAnswerOwed = false
  readonly #again = new Repeater()
  #said: ReasonText = { reason: 0, text: "" }
  #endMs = Infinity

  /** When it is sent next, again or at all. */
  get dueMs(): number {
    return this.#again.dueMs
  }

  /** When it is over: the peer is forgotten then. */
  get endMs(): number {
    return this.#endMs
  }

  /** Whether ours is still unanswered. */
  get isActive(): boolean {
    return this.#again.isActive
  }

  /** We leave. */
  begin(why: ReasonText, nowMs: number): void {
    this.#said = why
    this.#endMs = nowMs + GOODBYE_MS
    this.#again.start(nowMs)
  }

  /** The peer has answered ours, or sent its own: we stay this much longer, to answer one that crossed ours. */
  heard(lingerMs: number, nowMs: number): void {
    this.#again.stop()
    this.#endMs = Math.min(this.#endMs, nowMs + lingerMs)
  }

  /** The reason to send; an answer has none. */
  why(isAsking: boolean): ReasonText {
    return { reason: this.#said.reason, text: isAsking ? this.#said.text : "" }
  }

  said(isAsking: boolean, nowMs: number, firstMs: number): void {
    if (isAsking) this.#again.said(nowMs, firstMs, PACE)
    else this.isAnswerOwed = false
  }
}
