/**
 * When a receiver sends a status: at once if something is worth it, otherwise once enough packets have come, or some
 * time after the first of them. It also repeats that there is room again, and decides how often missing packets are
 * asked for.
 *
 * @module
 */

import { ZERO } from "@x/wire"
import type { StreamOptions } from "../options.ts"
import { Repeater, RepeatPace } from "../repeater.ts"
import { GRANULARITY_MS, type RttEstimator } from "../rtt.ts"

/** What was asked for is asked for again after this many round trips: a little later than it can have come. */
const REPEAT_SRTT = 1.25
/** NAKs are repeated at most this far apart, milliseconds. */
const NAK_REPEAT_MS_MAX = 1_000
/** For how long packets are asked for while nothing of their stream comes, milliseconds. */
const ASK_IN_VAIN_MS = 8_000
/** Room is reported this many times, since a sender that waits for room sends nothing that would show it knows. */
const ROOM_TOLD_MAX = 8
const ROOM_PACE = new RepeatPace()

/** When the statuses of one stream are sent. */
export class StatusTimer {
  readonly #rtt: RttEstimator
  readonly #statusPackets: number
  readonly #statusDelayMs: number
  readonly #peerStatusDelayMs: number
  /** Packets since the last status. */
  #unreported = 0
  #statusDueMs = Infinity
  #saidMs = -Infinity
  #isWanted = false
  /** Repeats that there is room until something comes. */
  readonly #telling = new Repeater()
  #timesTold = 0
  #nakRepeatMs = ZERO
  #lastArrivalMs = -Infinity
  #lastNakMs = -Infinity
  #lastToldMs = -Infinity
  /** What the last of both was when asking stopped. */
  #stoppedMs = NaN
  #naksSent = 0

  constructor(rtt: RttEstimator, { statusPackets, statusDelayMs, peerStatusDelayMs }: StreamOptions) {
    this.#rtt = rtt
    this.#statusPackets = statusPackets
    this.#statusDelayMs = statusDelayMs
    this.#peerStatusDelayMs = peerStatusDelayMs
  }

  /** When a status is due regardless of what is missing; −Infinity: now; `Infinity`: never. */
  get dueMs(): number {
    return this.#isWanted ? -Infinity : Math.min(this.#statusDueMs, this.#telling.dueMs)
  }

  /** How long to wait before the same packets are asked for again: longer each time while nothing at all comes. */
  get repeatMs(): number {
    const usual = Math.max(GRANULARITY_MS, REPEAT_SRTT * this.#rtt.srttMs)
    return this.#isHeard() ? usual : Math.max(usual, Math.min(this.#nakRepeatMs, NAK_REPEAT_MS_MAX))
  }

  /** Nothing is asked for after this, unless something comes: a sender that lives says so by syncs. */
  get askUntilMs(): number {
    const lastMs = this.#lastHeardMs()
    return lastMs === -Infinity ? Infinity : lastMs + ASK_IN_VAIN_MS
  }

  #lastHeardMs(): number {
    return Math.max(this.#lastArrivalMs, this.#lastToldMs)
  }

  /** Whether that time was over when something was to be asked for, and nothing has come since. */
  get hasStopped(): boolean {
    return this.#stoppedMs === this.#lastHeardMs()
  }

  /** Something may be asked for now: a status that had to wait may come too late for that. */
  checkStop(nowMs: number): void {
    if (nowMs > this.askUntilMs) this.#stoppedMs = this.#lastHeardMs()
  }

  /** Whether a packet came since the last NAK. */
  #isHeard(): boolean {
    return this.#lastArrivalMs >= this.#lastNakMs
  }

  /** Statuses with NAKs, so far. */
  get naksSent(): number {
    return this.#naksSent
  }

  /** A status is due now. */
  want(): void {
    this.#isWanted = true
  }

  /** There is room again: that is reported now, and again until the sender is heard. */
  tellRoom(): void {
    this.#isWanted = true
    this.#timesTold = 0
    this.#telling.start(-Infinity)
  }

  /** What arrived since the last status is reported now; all of it, if that was sent at this time or later. */
  hurry(strayMs: number = Infinity): void {
    if (this.#unreported > 0 || this.#saidMs >= strayMs) this.#isWanted = true
  }

  /** A new packet came. */
  handleArrival(nowMs: number): void {
    this.#lastArrivalMs = nowMs
    this.#telling.stop()
  }

  /** The opening came: it is answered. */
  handleOpen(nowMs: number): void {
    this.#lastToldMs = nowMs
    this.#isWanted = true
  }

  /** A sync came from the sender: it no longer has to be told that there is room. */
  handleSync(nowMs: number): void {
    this.#lastToldMs = nowMs
    this.#telling.stop()
  }

  /** The new packet was accepted: it has to be acknowledged. */
  handleTaken(nowMs: number): void {
    this.#unreported++
    if (this.#unreported >= this.#statusPackets) this.#isWanted = true
    else if (this.#statusDueMs === Infinity)
      this.#statusDueMs = nowMs + Math.min(this.#statusDelayMs, Math.max(GRANULARITY_MS, this.#rtt.srttMs / 4))
  }

  /** The status that is being sent asks for something. */
  asked(nowMs: number): void {
    this.#nakRepeatMs = this.#isHeard() ? this.repeatMs : 2 * this.repeatMs
    this.#lastNakMs = nowMs
    this.#naksSent++
  }

  /** A status was sent. */
  said(nowMs: number): void {
    this.#isWanted = false
    this.#unreported = 0
    this.#statusDueMs = Infinity
    this.#saidMs = nowMs
    if (!this.#telling.isActive) return
    if (++this.#timesTold >= ROOM_TOLD_MAX) this.#telling.stop()
    else this.#telling.said(nowMs, this.#rtt.ptoMs + this.#peerStatusDelayMs, ROOM_PACE)
  }
}
