/**
 * How fast the path sends a datagram: what a flow got of it when it got most. The part that it has among others says
 * nothing of that. If it did, a flow with a small part would take the queue of all for the time that its own datagrams
 * need, and give way for ever.
 *
 * @module
 */

import { ZERO } from "@x/wire"

/** After this many milliseconds about a third of it is left: the path may have changed. */
const DECAY_MS = 60_000

export class LineRate {
  #peak = ZERO
  #atMs = ZERO

  /** Bytes a millisecond. */
  get rate(): number {
    return this.#peak
  }

  /** A round is over in which this flow had this rate. */
  handleRound(rate: number, nowMs: number): void {
    this.#peak = Math.max(rate, this.#peak / (1 + (nowMs - this.#atMs) / DECAY_MS))
    this.#atMs = nowMs
  }

  /** The path has become slower: what was measured before doesn't count. */
  forget(): void {
    this.#peak = 0
  }
}
