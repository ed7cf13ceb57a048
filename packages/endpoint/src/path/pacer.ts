/**
 * Spreads datagrams over time: a budget that fills at the pace and that datagrams spend. Bursts are short, since short
 * queues on the way overflow: at most a millisecond at the pace, or two usual datagrams; eight after a pause, when nothing
 * is in flight.
 *
 * @module
 */

import { ZERO } from "@x/wire"

/** How much may be sent at once after a pause, milliseconds at the pace (draft-ietf-ccwg-bbr-06 §5.6.3). */
const BURST_MS = 1
/** And at least this many bytes, two usual datagrams: a slow pace would otherwise need a wake-up for each. */
const BURST_BYTES = 2_560
/** After a pause with nothing in flight: eight usual datagrams. RFC 9002 §7.7 allows the initial window, ten. */
const PAUSE_BYTES = 9_600
/** A timer that comes late loses nothing up to this many milliseconds: what was due meanwhile is sent at once. */
const LATE_MS_MAX = 4

/** The shortest wait, milliseconds: everything that may be sent within it goes together. */
const QUANTUM_MS = 0.25

export class Pacer {
  /** Below 0: a datagram was sent that the next ones have to wait for. */
  #budget = ZERO
  #filledMs = -Infinity
  /** When the datagram that waits was to be sent; `Infinity`: none waits. */
  #dueMs = Infinity

  /** Whether a datagram may be sent now. `isPaused`: nothing is in flight. */
  isOpen(paceBytesPerMs: number, isPaused: boolean, nowMs: number): boolean {
    if (paceBytesPerMs === Infinity) return this.#forget()
    const elapsedMs = nowMs - this.#filledMs
    if (elapsedMs > 0) this.#fill(paceBytesPerMs, isPaused ? PAUSE_BYTES : BURST_BYTES, elapsedMs, nowMs)
    return this.#budget > 0
  }

  /** Nothing was paced: a pace that begins later begins anew, and doesn't wait for what went before. */
  #forget(): true {
    this.#budget = 0
    this.#filledMs = -Infinity
    return true
  }

  #fill(paceBytesPerMs: number, burstBytes: number, elapsedMs: number, nowMs: number): void {
    const lateMs = Math.min(LATE_MS_MAX, Math.max(0, nowMs - this.#dueMs))
    const most = Math.max(burstBytes, paceBytesPerMs * BURST_MS) + lateMs * paceBytesPerMs
    this.#budget = Math.min(most, this.#budget + (elapsedMs === Infinity ? most : elapsedMs * paceBytesPerMs))
    this.#filledMs = nowMs
    this.#dueMs = Infinity
  }

  spend(bytes: number): void {
    this.#budget -= bytes
  }

  /** When the datagram that waits may be sent; not sooner than a timer can measure. */
  nextMs(paceBytesPerMs: number, timerMs: number): number {
    // One byte more than needed: a rounded sum just below 0 would be due at once, for ever.
    this.#dueMs = this.#filledMs + Math.max(timerMs, QUANTUM_MS, (1 - this.#budget) / paceBytesPerMs)
    return this.#dueMs
  }
}
