/**
 * The state of a stream at its sender, and the control packets that are repeated until they are answered: the opening,
 * and the end or reset.
 *
 * @module
 */

import { REASON } from "@x/wire"
import { Repeater, type RepeatPace } from "../repeater.ts"
import type { RttEstimator } from "../rtt.ts"

/** The state of a stream at its sender. */
export type SendState = "open" | "ending" | "resetting" | "closed"

/** A stream's life from its opening to the answer to its end. */
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

  /** The state. */
  get state(): SendState {
    return this.#state
  }

  /** Whether messages are accepted. */
  get isOpen(): boolean {
    return this.#state === "open"
  }

  /** Whether written messages are still being delivered. */
  get isDelivering(): boolean {
    return this.#state === "open" || this.#state === "ending"
  }

  /** Whether it was given up, by either side, before everything was delivered. */
  get wasReset(): boolean {
    return this.#wasReset
  }

  /** Whether nothing was left to be delivered when it was reset. */
  get wasDrained(): boolean {
    return this.#wasDrained
  }

  /** Why it was reset: one of `REASON`, or the application's own. */
  get reason(): number {
    return this.#reason
  }

  /** Whether the peer has confirmed the opening. */
  get isOpenAnswered(): boolean {
    return this.#openAnsweredMs !== Infinity
  }

  /** When the peer was first known to have the opening; `Infinity`: not yet. */
  get openAnsweredMs(): number {
    return this.#openAnsweredMs
  }

  /** When the opening is next sent. */
  get openDueMs(): number {
    return this.#opening.dueMs
  }

  /** When the end or the reset is next sent. */
  get closeDueMs(): number {
    return this.#closing.dueMs
  }

  /** Sends the opening, at once and until it is answered. */
  open(nowMs: number): void {
    this.#opening.start(nowMs)
  }

  /** No more messages are accepted; the end is sent until it is answered. */
  end(nowMs: number): void {
    this.#state = "ending"
    this.#closing.start(nowMs)
  }

  /** The stream was given up; the reset is sent until it is answered. */
  reset(reason: number, wasDrained: boolean, nowMs: number): void {
    this.#state = "resetting"
    this.#wasReset = true
    this.#wasDrained = wasDrained
    this.#reason = reason
    this.#closing.start(nowMs)
  }

  /** Everything that was sent is answered. */
  close(): void {
    this.#state = "closed"
    this.#opening.stop()
    this.#closing.stop()
  }

  /** The peer has confirmed the opening. */
  handleOpenAnswered(nowMs: number): void {
    // An end that arrived before the opening was dropped; it counts now.
    if (!this.isOpenAnswered && this.#state !== "open") this.#closing.start(nowMs)
    if (!this.isOpenAnswered) this.#openAnsweredMs = nowMs
    this.#opening.stop()
  }

  /** The peer is heard again after a silence: repeats whose intervals had grown are due soon. */
  handleReachable(nowMs: number): void {
    if (this.#opening.isActive) this.#opening.start(nowMs)
    if (this.#closing.isActive) this.#closing.start(nowMs)
  }

  /** The opening was sent. */
  saidOpen(nowMs: number): void {
    this.#opening.said(nowMs, this.#rtt.ptoMs, this.#pace)
  }

  /** The end or the reset was sent. */
  saidClose(nowMs: number): void {
    this.#closing.said(nowMs, this.#rtt.ptoMs, this.#pace)
  }

  /** For tests: throws an `Error` if the stream is closed and something is still repeated. */
  assertInvariants(): void {
    if (this.#state === "open" && this.#closing.isActive) throw new Error("an open stream says its end")
    if (this.#state === "closed" && (this.#opening.isActive || this.#closing.isActive))
      throw new Error("a closed stream says something")
    if (this.#wasReset && this.isDelivering) throw new Error(`a stream that was reset is ${this.#state}`)
  }
}
