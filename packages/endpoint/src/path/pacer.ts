/** Spreads datagrams over time: a budget that fills at the pace and that datagrams spend. */

/** How much may be sent at once after a pause, milliseconds at the pace: a late timer loses nothing. */
const BURST_MS = 4
/** And at least this many bytes: a pace below a few datagrams a millisecond would send them one by one. */
const BURST_BYTES = 4_096

/** The shortest wait, milliseconds: everything that may be sent within it goes together. */
const QUANTUM_MS = 0.25

export class Pacer {
  /** Below 0: a datagram was sent that the next ones have to wait for. */
  #budget = 0
  #filledMs = -Infinity

  /** Whether a datagram may be sent now. */
  isOpen(paceBytesPerMs: number, nowMs: number): boolean {
    if (paceBytesPerMs === Infinity) return true
    const most = Math.max(BURST_BYTES, paceBytesPerMs * BURST_MS)
    const elapsedMs = nowMs - this.#filledMs
    if (elapsedMs > 0) {
      this.#budget = Math.min(most, this.#budget + (elapsedMs === Infinity ? most : elapsedMs * paceBytesPerMs))
      this.#filledMs = nowMs
    }
    return this.#budget > 0
  }

  spend(bytes: number): void {
    this.#budget -= bytes
  }

  /** When a datagram may be sent again; not sooner than a timer can measure. */
  nextMs(paceBytesPerMs: number, timerMs: number): number {
    // One byte more than needed: a rounded sum just below 0 would be due at once, for ever.
    return this.#filledMs + Math.max(timerMs, QUANTUM_MS, (1 - this.#budget) / paceBytesPerMs)
  }
}
