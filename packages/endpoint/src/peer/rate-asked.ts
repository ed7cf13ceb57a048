/**
 * How fast a peer may send to us: what we ask for, until the peer has answered it, and what the peer asks of us
 * (PROTOCOL.md §8, "Rate").
 *
 * @module
 */

import { Repeater, type RepeatPace } from "@x/stream"
import type { Rate } from "@x/wire"

export class RateAsked {
  /** The answer that we owe: what the peer asked for last. */
  answerOwed: Rate | undefined
  readonly #again = new Repeater()
  #number = 0
  #bytesPerSecond = Infinity
  /** The highest number that the peer has asked with. */
  #takenNumber = 0

  /** What we ask for now; `Infinity`: no cap. */
  get bytesPerSecond(): number {
    return this.#bytesPerSecond
  }

  /** When it is sent next, again or at all. */
  get dueMs(): number {
    return this.#again.dueMs
  }

  /** From now on we want no more than this. */
  ask(bytesPerSecond: number, nowMs: number): void {
    if (bytesPerSecond === this.#bytesPerSecond) return
    this.#bytesPerSecond = bytesPerSecond
    this.#number++
    this.#again.start(nowMs)
  }

  /** What is sent; 0 stands for no cap. */
  get asked(): Rate {
    const bytesPerSecond = this.#bytesPerSecond
    return { number: this.#number, bytesPerSecond: bytesPerSecond === Infinity ? 0 : bytesPerSecond }
  }

  said(nowMs: number, firstMs: number, pace: RepeatPace): void {
    this.#again.said(nowMs, firstMs, pace)
  }

  /** The peer has answered; `false`: nothing that we asked for and still wait for. */
  answered({ number, bytesPerSecond }: Rate): boolean {
    const { asked } = this
    if (!this.#again.isActive || number !== asked.number || bytesPerSecond !== asked.bytesPerSecond) return false
    this.#again.stop()
    return true
  }

  /** The peer asks. Returns the bytes a second that we may send; `undefined`: as before, since it came late. */
  take(rate: Rate): number | undefined {
    this.answerOwed = rate
    if (rate.number <= this.#takenNumber) return undefined
    this.#takenNumber = rate.number
    return rate.bytesPerSecond === 0 ? Infinity : rate.bytesPerSecond
  }
}
