/**
 * How much may be looked at for reports to one peer: in step with the datagrams that come from it, and little while
 * none come. What it makes us work is bounded so, however many streams and gaps it has (PROTOCOL.md §8).
 *
 * @module
 */

import { double } from "@x/wire"

/** Rows that may be looked at for a datagram: enough for a status of each packet in it, mostly. */
const ROWS_PER_DATAGRAM = 512
/** The most at once, for however many datagrams that came together. */
const ROWS_AT_ONCE_MAX = 64 * ROWS_PER_DATAGRAM
/** What becomes due by itself: rows in a millisecond, and after some of that time those of one datagram. */
const ROWS_PER_MS = 64
const TURN_MS = 1
/** While nothing comes the rows become fewer: so many are left, and so many more there are in a millisecond. */
const ROWS_LEFT_MAX = 65_536
const ROWS_PER_STILL_MS = 8

export class ReportBudget {
  /** Rows that may be looked at now. Less than 0: one thing took more than there were. */
  #now = double(ROWS_PER_DATAGRAM)
  /** And in all. */
  #left = double(ROWS_LEFT_MAX)
  /** When there were last more, by themselves. */
  #filledMs = -Infinity

  /** A datagram came. */
  heard(nowMs: number): void {
    const most = this.#fill(nowMs) ? ROWS_PER_DATAGRAM : ROWS_AT_ONCE_MAX
    this.#now = Math.min(most, this.#now + ROWS_PER_DATAGRAM)
    this.#left = Math.min(ROWS_LEFT_MAX, this.#left + ROWS_PER_DATAGRAM)
  }

  /** Whether anything may be looked at now. */
  hasLeft(nowMs: number): boolean {
    this.#fill(nowMs)
    return this.#now > 0 && this.#left > 0
  }

  /** So many rows were looked at: they may be more than are left, if it was one thing. */
  spend(rows: number): void {
    this.#now -= rows
    this.#left -= rows
  }

  /** When it is worth it to look again: to wake up for each row would cost more than the row. */
  get nextMs(): number {
    if (this.#left <= 0) return this.#filledMs + (ROWS_PER_DATAGRAM - this.#left) / ROWS_PER_STILL_MS
    return this.#filledMs + Math.max(TURN_MS, (1 - this.#now) / ROWS_PER_MS)
  }

  /** There are more after a while. Returns whether a while has passed. */
  #fill(nowMs: number): boolean {
    if (nowMs < this.#filledMs + TURN_MS) return false
    if (this.#filledMs > -Infinity) {
      const ms = nowMs - this.#filledMs
      this.#now = Math.min(ROWS_PER_DATAGRAM, this.#now + ms * ROWS_PER_MS)
      this.#left = Math.min(ROWS_LEFT_MAX, this.#left + ms * ROWS_PER_STILL_MS)
    }
    this.#filledMs = nowMs
    return true
  }
}
