/** Datagrams of any kind after which feedback is due: the other side remembers each until then. */
const FEEDBACK_DATAGRAMS = 64

/** When feedback is due to a peer by itself, if nothing else is sent: every datagram carries feedback. */
export class FeedbackOwed {
  #dueMs = Infinity
  #unanswered = 0

  get dueMs(): number {
    return this.#dueMs
  }

  /** A datagram of any kind came. */
  heard(nowMs: number): void {
    if (++this.#unanswered >= FEEDBACK_DATAGRAMS) this.#dueMs = nowMs
  }

  /** Data came: feedback is due after this time at the latest. */
  within(delayMs: number, nowMs: number): void {
    if (this.#dueMs === Infinity) this.#dueMs = nowMs + delayMs
  }

  /** Feedback was sent. */
  said(): void {
    this.#dueMs = Infinity
    this.#unanswered = 0
  }
}
