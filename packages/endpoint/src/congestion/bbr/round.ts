import { ZERO } from "@x/wire"

/** What happened in one round trip. */
export class Round {
  lostBytes: number = ZERO
  deliveredBytes: number = ZERO
  /** Of the bytes delivered, those that a queue has marked (ECN). */
  markedBytes: number = ZERO
  /** The shortest and the longest round trip that was measured in it, milliseconds. */
  leastMs: number = Infinity
  mostMs: number = ZERO
  /** The best rate, bytes a millisecond, and the most bytes delivered within a round trip. */
  rate: number = ZERO
  burstBytes = 0
  #sentBefore = ZERO
  #congestedBefore = ZERO

  get sentBytes(): number {
    return this.lostBytes + this.deliveredBytes
  }

  /** What tells of congestion: a mark counts as a loss. */
  get congestedBytes(): number {
    return this.lostBytes + this.markedBytes
  }

  /** The part that was lost: 0 to 1. */
  get lossRate(): number {
    return this.sentBytes === 0 ? 0 : this.lostBytes / this.sentBytes
  }

  add(lostBytes: number, deliveredBytes: number, markedBytes: number): void {
    this.lostBytes += lostBytes
    this.deliveredBytes += deliveredBytes
    this.markedBytes += markedBytes
  }

  handleRtt(rttMs: number): void {
    this.leastMs = Math.min(this.leastMs, rttMs)
    this.mostMs = Math.max(this.mostMs, rttMs)
  }

  handleRate(rate: number, burstBytes: number): void {
    this.rate = Math.max(this.rate, rate)
    this.burstBytes = Math.max(this.burstBytes, burstBytes)
  }

  /**
   * The same of this round and the one before: losses become known in steps of up to half a round trip, so that one round
   * may show none and the next one twice as many.
   */
  get recentSentBytes(): number {
    return this.#sentBefore + this.sentBytes
  }

  get recentCongestedBytes(): number {
    return this.#congestedBefore + this.congestedBytes
  }

  /** Another round begins. */
  clear(): void {
    this.#sentBefore = this.sentBytes
    this.#congestedBefore = this.congestedBytes
    this.lostBytes = this.deliveredBytes = this.markedBytes = this.mostMs = this.rate = this.burstBytes = 0
    this.leastMs = Infinity
  }
}
