/**
 * When the latest datagrams were sent, by counter: what a feedback is paired with for an RTT sample. Grows with what is in flight.
 *
 * @module
 */

const SLOTS_MIN = 64
const SLOTS_MAX = 16_384

export class SentTimes {
  #counters = new Float64Array(SLOTS_MIN)
  #times = new Float64Array(SLOTS_MIN)
  #heardOf = 0

  add(counter: number, nowMs: number): void {
    if (counter - this.#heardOf >= this.#counters.length && this.#counters.length < SLOTS_MAX) this.#grow()
    const at = counter & (this.#counters.length - 1)
    this.#counters[at] = counter
    this.#times[at] = nowMs
  }

  /** When the datagram with this counter was sent, if that is remembered and wasn't asked before. */
  take(counter: number): number | undefined {
    if (counter <= this.#heardOf) return undefined
    this.#heardOf = counter
    const at = counter & (this.#counters.length - 1)
    return this.#counters[at] === counter ? this.#times[at] : undefined
  }

  #grow(): void {
    const [counters, times] = [this.#counters, this.#times]
    this.#counters = new Float64Array(2 * counters.length)
    this.#times = new Float64Array(2 * times.length)
    for (const [i, counter] of counters.entries()) {
      const at = counter & (this.#counters.length - 1)
      this.#counters[at] = counter
      this.#times[at] = times[i]!
    }
  }
}
