/** Spreads what is sent over time: a budget that fills at the pace and is spent by what goes out. */

/** What may go out at once after a pause, milliseconds at the pace: a timer that fires late loses nothing. */
const BURST_MS = 4
/** And bytes at least: a pace below a few datagrams a millisecond would send them one by one. */
const BURST_BYTES = 4_096

/** Waits are not shorter, milliseconds: what goes out between two of them goes together. */
const QUANTUM_MS = 0.25

export class Pacer {
  /** Below 0: a datagram went out that the next ones have to wait for. */
  #budget = 0
  #filledMs = -Infinity

  /** Whether a datagram may go out now. */
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

  /** When a datagram may go out again; not sooner than a timer can tell. */
  nextMs(paceBytesPerMs: number, timerMs: number): number {
    // A byte more than nothing: a sum that comes out just below 0 would be due at once, for ever.
    return this.#filledMs + Math.max(timerMs, QUANTUM_MS, (1 - this.#budget) / paceBytesPerMs)
  }
}
