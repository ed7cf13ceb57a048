/**
 * When a receiver says how it stands: at once where something is worth it, else once enough packets came, or a while
 * after the first of them; again and again, that there is room; and how often it asks for what is missing.
 *
 * @module
 */

import type { StreamOptions } from "../options.ts"
import { Repeater, RepeatPace } from "../repeater.ts"
import { GRANULARITY_MS, type RttEstimator } from "../rtt.ts"

/** NAKs are repeated at most this far apart, milliseconds. */
const NAK_REPEAT_MS_MAX = 1_000
/** That there is room is said this often, since a sender that waits for it is not heard. */
const ROOM_TOLD_MAX = 8
const ROOM_PACE = new RepeatPace()

/** The statuses of one stream. */
export class StatusTimer {
  readonly #rtt: RttEstimator
  readonly #statusPackets: number
  readonly #statusDelayMs: number
  readonly #peerStatusDelayMs: number
  /** Packets since the last status. */
  #unreported = 0
  #statusDueMs = Infinity
  #isWanted = false
  /** Says again that there is room, until something comes. */
  readonly #telling = new Repeater()
  #timesTold = 0
  #nakRepeatMs = 0
  #lastArrivalMs = -Infinity
  #lastNakMs = -Infinity
  #naksSent = 0

  constructor(rtt: RttEstimator, { statusPackets, statusDelayMs, peerStatusDelayMs }: StreamOptions) {
    this.#rtt = rtt
    this.#statusPackets = statusPackets
    this.#statusDelayMs = statusDelayMs
    this.#peerStatusDelayMs = peerStatusDelayMs
  }

  /** When a status is due, whatever is missing; −Infinity: now; `Infinity`: nothing is to be said. */
  get dueMs(): number {
    return this.#isWanted ? -Infinity : Math.min(this.#statusDueMs, this.#telling.dueMs)
  }

  /** How long to wait before the same is asked for again: further and further while nothing at all is heard. */
  get repeatMs(): number {
    const usual = Math.max(GRANULARITY_MS, 1.5 * this.#rtt.srttMs)
    return this.#isHeard ? usual : Math.max(usual, Math.min(this.#nakRepeatMs, NAK_REPEAT_MS_MAX))
  }

  /** Whether a packet came since something was asked for. */
  get #isHeard(): boolean {
    return this.#lastArrivalMs >= this.#lastNakMs
  }

  /** Statuses that asked for something, so far. */
  get naksSent(): number {
    return this.#naksSent
  }

  /** Something is to be told now. */
  want(): void {
    this.#isWanted = true
  }

  /** There is room again: that is told now, and again until the sender is heard. */
  tellRoom(): void {
    this.#isWanted = true
    this.#timesTold = 0
    this.#telling.start(-Infinity)
  }

  /** What came since the last status is to be told now. */
  hurry(): void {
    if (this.#unreported > 0) this.#isWanted = true
  }

  /** A packet came that is new. */
  handleArrival(nowMs: number): void {
    this.#lastArrivalMs = nowMs
    this.#telling.stop()
  }

  /** The sender says how it stands: it need not be told again that there is room. */
  handleSync(): void {
    this.#telling.stop()
  }

  /** And the packet was taken: it is to be acknowledged. */
  handleTaken(nowMs: number): void {
    this.#unreported++
    if (this.#unreported >= this.#statusPackets) this.#isWanted = true
    else if (this.#statusDueMs === Infinity)
      this.#statusDueMs = nowMs + Math.min(this.#statusDelayMs, Math.max(GRANULARITY_MS, this.#rtt.srttMs / 4))
  }

  /** Something is asked for in the status that is said now. */
  asked(nowMs: number): void {
    this.#nakRepeatMs = this.#isHeard ? this.repeatMs : 2 * this.repeatMs
    this.#lastNakMs = nowMs
    this.#naksSent++
  }

  /** A status was said. */
  said(nowMs: number): void {
    this.#isWanted = false
    this.#unreported = 0
    this.#statusDueMs = Infinity
    if (!this.#telling.isActive) return
    if (++this.#timesTold >= ROOM_TOLD_MAX) this.#telling.stop()
    else this.#telling.said(nowMs, this.#rtt.ptoMs + this.#peerStatusDelayMs, ROOM_PACE)
  }
}
