/**
 * Heartbeats that ask, and their answers: the pings that wait for one, when a heartbeat is repeated, and whether we owe
 * an answer.
 *
 * @module
 */

import { Repeater, type RepeatPace } from "@x/stream"

/** A ping waits for the answer to a heartbeat; `counter`: of the heartbeat's datagram, 0 if it wasn't sent yet. */
export interface Ping {
  counter: number
}

export class Pings {
  /** Whether an answer to the peer's heartbeat is owed. */
  isEchoOwed = false
  readonly #pings = new Set<Ping>()
  /** Heartbeat or answer may be lost, and a side that hears the other's heartbeats in time sends none by itself. */
  readonly #again = new Repeater()

  add(): Ping {
    const ping = { counter: 0 }
    this.#pings.add(ping)
    return ping
  }

  /** Nothing waits for this answer any more. */
  end(ping: Ping): void {
    this.#pings.delete(ping)
    if (this.#pings.size === 0) this.#again.stop()
  }

  /** Whether there is a ping that was never sent, or only on another association. */
  get hasUnsaid(): boolean {
    for (const { counter } of this.#pings) if (counter === 0) return true
    return false
  }

  /** When an unanswered heartbeat is repeated. */
  get dueMs(): number {
    return this.#again.dueMs
  }

  /** Counters begin anew: pings sent on another association are sent again. */
  restart(): void {
    for (const ping of this.#pings) ping.counter = 0
  }

  /** A heartbeat is sent under this counter, for all pings that wait. */
  sent(counter: number): void {
    this.isEchoOwed = false
    for (const ping of this.#pings) if (ping.counter === 0) ping.counter = counter
  }

  /** The heartbeat asked: unless it is answered it is repeated, first after `firstMs`. */
  asked(nowMs: number, firstMs: number, pace: RepeatPace): void {
    if (this.#pings.size === 0) return
    if (!this.#again.isActive) this.#again.start(nowMs)
    this.#again.said(nowMs, firstMs, pace)
  }

  /**
   * An answer came, and datagrams up to this counter are known to have arrived. An answer to an earlier heartbeat says
   * nothing about a later one, but the acknowledged counter does. Returns the pings that it answers, which are over.
   */
  answered(acknowledgedCounter: number): Ping[] {
    const answered = [...this.#pings].filter(({ counter }) => counter !== 0 && counter <= acknowledgedCounter)
    for (const ping of answered) this.end(ping)
    return answered
  }
}
