import { restlessTimes } from "../path/send-gate.ts"

/** Datagrams of any kind after which feedback is due: the other side remembers each until then. */
const FEEDBACK_DATAGRAMS = 64
/** Data that comes this soon after other data is part of a flow, milliseconds. */
const FLOW_MS = 100
/** A flow that falls silent is answered this many times more. */
const SILENT_MAX = 4
/** While our address changes, feedback goes again after this at least, milliseconds: some 40 times a second. */
const RESTLESS_MS_MIN = 20

/**
 * When feedback is due to a peer by itself, if nothing else is sent: every datagram of control packets carries feedback.
 * A flow may fall silent because our address, as the peer sees it, has changed: then it learns the new one from our next
 * datagram. So feedback goes a few times more.
 */
export class FeedbackOwed {
  #dueMs = Infinity
  #unanswered = 0
  #dataMs = -Infinity
  /** When a flow has been silent for so long that it is answered again; how long it waits then, and how often. */
  #silentDueMs = Infinity
  #silenceMs = Infinity
  #silentLeft = 0
  #silentTimes = 1
  #restlessTimes = 0

  get dueMs(): number {
    return Math.min(this.#dueMs, this.#silentDueMs)
  }

  /** The last feedback may have gone where the peer wasn't. */
  owe(nowMs: number): void {
    this.#dueMs = nowMs
  }

  /** A datagram of any kind came. */
  heard(nowMs: number): void {
    if (++this.#unanswered >= FEEDBACK_DATAGRAMS) this.#dueMs = nowMs
  }

  /**
   * Data came: feedback is due after this time at the latest. In a flow it is due again when nothing has come for
   * `silenceMs`, and after twice as long each time.
   */
  within(delayMs: number, nowMs: number, silenceMs: number = Infinity): void {
    if (this.#dueMs === Infinity) this.#dueMs = nowMs + delayMs
    if (nowMs === this.#dataMs) return
    this.#silentDueMs = nowMs - this.#dataMs < FLOW_MS ? nowMs + silenceMs : Infinity
    this.#silenceMs = silenceMs
    this.#silentLeft = SILENT_MAX
    this.#silentTimes = 1
    this.#dataMs = nowMs
  }

  /** Our address changes: feedback goes again when nothing has come for `silenceMs`, and so on. */
  keepOn(silenceMs: number, nowMs: number): void {
    this.#silenceMs = Math.max(RESTLESS_MS_MIN, silenceMs)
    this.#silentDueMs = nowMs + this.#silenceMs
    this.#silentLeft = SILENT_MAX
    this.#silentTimes = 1
  }

  /** Feedback was sent. `isRestless`: our address changes, so it goes again and again. */
  said(nowMs: number, isRestless: boolean = false): void {
    this.#dueMs = Infinity
    this.#unanswered = 0
    if (nowMs < this.#silentDueMs) return
    const times = isRestless ? restlessTimes(++this.#restlessTimes) : (this.#silentTimes *= 2)
    if (!isRestless) this.#silentLeft--
    this.#silentDueMs = this.#silentLeft > 0 ? nowMs + this.#silenceMs * times : Infinity
  }
}
