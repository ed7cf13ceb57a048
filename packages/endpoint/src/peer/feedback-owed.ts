import { ZERO } from "@x/wire"
import { restlessTimes } from "../path/send-gate.ts"

/** Datagrams of any kind after which feedback is due: the other side remembers each until then. */
const FEEDBACK_DATAGRAMS = 64
/** Data that comes this soon after other data is part of a flow, milliseconds. */
const FLOW_MS = 100
/** A flow that falls silent is answered this many times more. */
const SILENT_MAX = 4
/** A flow has fallen silent when it pauses for this many times the longest pause that it had of late. */
const PAUSES = 1.25
/** How long a pause counts: this time at least, and twice as long at most, milliseconds. */
const PAUSE_WINDOW_MS = 500
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
  /** The longest pause of a flow in the present window, and in that before. */
  #pauseMs = ZERO
  #pauseBeforeMs = ZERO
  #windowMs = -Infinity
  /** When something last came while our address changed. */
  #keptOnMs = -Infinity
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
   * `silenceMs`, and for longer than the flow's pauses are, and after twice as long each time.
   */
  within(delayMs: number, nowMs: number, silenceMs: number = Infinity): void {
    if (this.#dueMs === Infinity) this.#dueMs = nowMs + delayMs
    if (nowMs === this.#dataMs) return
    const pauseMs = nowMs - this.#dataMs
    this.#silenceMs = Math.max(silenceMs, PAUSES * this.#longestPauseMs(pauseMs, nowMs))
    this.#silentDueMs = pauseMs < FLOW_MS ? nowMs + this.#silenceMs : Infinity
    this.#silentLeft = SILENT_MAX
    this.#silentTimes = 1
    this.#dataMs = nowMs
  }

  /** With the pause that ends now, which counts if it is one of a flow. While our address changes none is the flow's own. */
  #longestPauseMs(pauseMs: number, nowMs: number): number {
    if (nowMs === this.#keptOnMs) return 0
    if (nowMs - this.#windowMs >= PAUSE_WINDOW_MS) {
      this.#pauseBeforeMs = nowMs - this.#windowMs < 2 * PAUSE_WINDOW_MS ? this.#pauseMs : ZERO
      this.#pauseMs = ZERO
      this.#windowMs = nowMs
    }
    if (pauseMs < FLOW_MS) this.#pauseMs = Math.max(this.#pauseMs, pauseMs)
    return Math.max(this.#pauseMs, this.#pauseBeforeMs)
  }

  /** Our address changes: feedback goes again when nothing has come for `silenceMs`, and so on. */
  keepOn(silenceMs: number, nowMs: number): void {
    this.#silenceMs = Math.max(RESTLESS_MS_MIN, silenceMs)
    this.#keptOnMs = nowMs
    this.#pauseMs = this.#pauseBeforeMs = ZERO
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
