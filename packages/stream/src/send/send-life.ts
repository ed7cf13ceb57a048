/**
 * Where a stream's life stands, seen from its sender; and what is said of it, again and again until it is answered:
 * the opening, and the end or reset.
 *
 * @module
 */

import { REASON } from "@x/wire"
import { Repeater, type RepeatPace } from "../repeater.ts"
import type { RttEstimator } from "../rtt.ts"

/** Where a stream's life stands, seen from its sender. */
export type SendState = "open" | "ending" | "resetting" | "closed"

/** From the opening to the answer to the end. */
export class SendLife {
  readonly #rtt: RttEstimator
  readonly #pace: RepeatPace
  readonly #opening = new Repeater()
  readonly #closing = new Repeater()
  #state: SendState = "open"
  #wasReset = false
  #wasDrained = false
  #reason: number = REASON.unspecified
  #openAnsweredMs = Infinity

  constructor(rtt: RttEstimator, pace: RepeatPace) {
    this.#rtt = rtt
    this.#pace = pace
  }

  /** Where it stands. */
  get state(): SendState {
    return this.#state
  }

  /** Whether messages are taken. */
  get isOpen(): boolean {
    return this.#state === "open"
  }

  /** Whether what was written is still being delivered. */
  get isDelivering(): boolean {
    return this.#state === "open" || this.#state === "ending"
  }

  /** Whether it was given up, by either side, before all was delivered. */
  get wasReset(): boolean {
    return this.#wasReset
  }

  /** Whether nothing was left to be delivered when it was reset. */
  get wasDrained(): boolean {
    return this.#wasDrained
  }

  /** Why it was reset, one of `REASON` or the application's. */
  get reason(): number {
    return this.#reason
  }

  /** Whether the peer has heard of the stream. */
  get isOpenAnswered(): boolean {
    return this.#openAnsweredMs !== Infinity
  }

  /** When the peer was first known to have heard of it; `Infinity`: not yet. */
  get openAnsweredMs(): number {
    return this.#openAnsweredMs
  }

  /** When the opening is said (again). */
  get openDueMs(): number {
    return this.#opening.dueMs
  }

  /** When the end or the reset is said (again). */
  get closeDueMs(): number {
    return this.#closing.dueMs
  }

  /** Says the opening, at once and until it is answered. */
  open(nowMs: number): void {
    this.#opening.start(nowMs)
  }

  /** No more is taken; that is said until it is answered. */
  end(nowMs: number): void {
    this.#state = "ending"
    this.#closing.start(nowMs)
  }

  /** It was given up; that is said until it is answered. */
  reset(reason: number, wasDrained: boolean, nowMs: number): void {
    this.#state = "resetting"
    this.#wasReset = true
    this.#wasDrained = wasDrained
    this.#reason = reason
    this.#closing.start(nowMs)
  }

  /** All that was said is answered. */
  close(): void {
    this.#state = "closed"
    this.#opening.stop()
    this.#closing.stop()
  }

  /** The peer has heard of the stream. */
  handleOpenAnswered(nowMs: number): void {
    // An end that came before the opening was dropped: now it counts.
    if (!this.isOpenAnswered && this.#state !== "open") this.#closing.start(nowMs)
    if (!this.isOpenAnswered) this.#openAnsweredMs = nowMs
    this.#opening.stop()
  }

  /** The peer is heard again after a silence: what was said further and further apart is said soon. */
  handleReachable(nowMs: number): void {
    if (this.#opening.isActive) this.#opening.start(nowMs)
    if (this.#closing.isActive) this.#closing.start(nowMs)
  }

  /** The opening was said. */
  saidOpen(nowMs: number): void {
    this.#opening.said(nowMs, this.#rtt.ptoMs, this.#pace)
  }

  /** The end or the reset was said. */
  saidClose(nowMs: number): void {
    this.#closing.said(nowMs, this.#rtt.ptoMs, this.#pace)
  }

  /** For tests: throws an `Error` where it is over and something is still said. */
  assertInvariants(): void {
    if (this.#state === "open" && this.#closing.isActive) throw new Error("an open stream says its end")
    if (this.#state === "closed" && (this.#opening.isActive || this.#closing.isActive))
      throw new Error("a closed stream says something")
    if (this.#wasReset && this.isDelivering) throw new Error(`a stream that was reset is ${this.#state}`)
  }
}
