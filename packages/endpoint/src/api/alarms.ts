/**
 * Deadlines of layers above the endpoint: they have its clock and its one wake-up, so that on a simulated host they are
 * simulated too.
 *
 * @module
 */

import type { UserCode } from "./user-code.ts"

/** One deadline on the clock of an endpoint. Made by `endpoint.alarm()`. */
export interface Alarm {
  /**
   * Calls the function once, at `deadlineMs` of `endpoint.now()` or soon after, and never from within this call.
   * Replaces the previous deadline; `Infinity` cancels it. Nothing happens once the endpoint is closed. Throws a
   * `RangeError` for NaN.
   */
  at(deadlineMs: number): void
}

/** What this needs of its endpoint. */
export interface AlarmsHost {
  readonly userCode: UserCode
  /** There is an earlier deadline than before. */
  onWork(): void
}

interface Deadline {
  readonly ring: () => unknown
  atMs: number
}

/** Holds alarms that have a deadline, and no others: one that is no longer used costs nothing. */
export class Alarms {
  readonly #host: AlarmsHost
  readonly #set = new Set<Deadline>()
  /** When the next rings, or earlier: milliseconds. */
  nextTimeoutMs: number = Infinity

  constructor(host: AlarmsHost) {
    this.#host = host
  }

  make(ring: () => unknown): Alarm {
    const deadline: Deadline = { ring, atMs: Infinity }
    return { at: (deadlineMs) => this.#arm(deadline, deadlineMs) }
  }

  #arm(deadline: Deadline, atMs: number): void {
    // NaN compares false with any time: such a deadline would be neither due nor still to come.
    if (Number.isNaN(atMs)) throw new RangeError("a deadline is a number of milliseconds, not NaN")
    deadline.atMs = atMs
    if (atMs === Infinity) return void this.#set.delete(deadline)
    this.#set.add(deadline)
    if (atMs >= this.nextTimeoutMs) return
    this.nextTimeoutMs = atMs
    this.#host.onWork()
  }

  /** Rings those that are due, the earliest first; one that is set meanwhile rings another time. */
  handleTimeout(nowMs: number): void {
    if (nowMs < this.nextTimeoutMs) return
    const due = [...this.#set].filter(({ atMs }) => atMs <= nowMs).toSorted((a, b) => a.atMs - b.atMs)
    for (const deadline of due) this.#set.delete(deadline)
    for (const deadline of due) {
      // One that rang before may have cancelled it, or set it to another time.
      if (deadline.atMs > nowMs || this.#set.has(deadline)) continue
      deadline.atMs = Infinity
      this.#host.userCode.ring(deadline.ring)
    }
    this.nextTimeoutMs = Infinity
    for (const { atMs } of this.#set) this.nextTimeoutMs = Math.min(this.nextTimeoutMs, atMs)
  }
}
