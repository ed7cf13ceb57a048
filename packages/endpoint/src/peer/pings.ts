/**
 * Heartbeats that ask, and their answers: those who wait for one, when it is said again, and whether we owe one.
 *
 * @module
 */

import { Repeater, type RepeatPace } from "@x/stream"

/** Somebody waits for the answer to a heartbeat; `counter`: of its datagram, 0 if it wasn't sent yet. */
export interface Ping {
  counter: number
}

export class Pings {
  /** An answer to the peer's is owed. */
  isEchoOwed = false
  readonly #pings = new Set<Ping>()
  /** Either way it may be lost, and a side that hears heartbeats of the other in time sends none by itself. */
  readonly #again = new Repeater()

  add(): Ping {
    const ping = { counter: 0 }
    this.#pings.add(ping)
    return ping
  }

  /** Nobody waits for it any more. */
  end(ping: Ping): void {
    this.#pings.delete(ping)
    if (this.#pings.size === 0) this.#again.stop()
  }

  /** There is one that was never said, or only on another association. */
  get hasUnsaid(): boolean {
    for (const { counter } of this.#pings) if (counter === 0) return true
    return false
  }

  /** When one that wasn't answered is said again. */
  get dueMs(): number {
    return this.#again.dueMs
  }

  /** Counters begin anew: what was asked on another association is asked again. */
  restart(): void {
    for (const ping of this.#pings) ping.counter = 0
  }

  /** A heartbeat goes out under this counter, and with it what everybody waits for. */
  sent(counter: number): void {
    this.isEchoOwed = false
    for (const ping of this.#pings) if (ping.counter === 0) ping.counter = counter
  }

  /** It asked: unless it is answered it is said again, `firstMs` later at first. */
  asked(nowMs: number, firstMs: number, pace: RepeatPace): void {
    if (this.#pings.size === 0) return
    if (!this.#again.isActive) this.#again.start(nowMs)
    this.#again.said(nowMs, firstMs, pace)
  }

  /**
   * An answer came, and datagrams up to this counter are known to have arrived. An answer to an earlier heartbeat
   * doesn't tell of a later one: what it acknowledges does. Those that it answers are over.
   */
  answered(acknowledgedCounter: number): Ping[] {
    const answered = [...this.#pings].filter(({ counter }) => counter !== 0 && counter <= acknowledgedCounter)
    for (const ping of answered) this.end(ping)
    return answered
  }
}
