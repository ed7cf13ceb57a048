/** Datagrams, of whatever kind, after which feedback is due: the other side remembers each until then. */
const FEEDBACK_DATAGRAMS = 64

/** When a peer is to be told which of its datagrams came, if nothing else is said to it: whatever is said tells it. */
export class FeedbackOwed {
  #dueMs = Infinity
  #unanswered = 0

  get dueMs(): number {
    return this.#dueMs
  }

  /** A datagram came, whatever is in it. */
  heard(nowMs: number): void {
    if (++this.#unanswered >= FEEDBACK_DATAGRAMS) this.#dueMs = nowMs
  }

  /** Data came: it is answered after this time at the latest. */
  within(delayMs: number, nowMs: number): void {
    if (this.#dueMs === Infinity) this.#dueMs = nowMs + delayMs
  }

  /** Feedback went out. */
  said(): void {
    this.#dueMs = Infinity
    this.#unanswered = 0
  }
}
