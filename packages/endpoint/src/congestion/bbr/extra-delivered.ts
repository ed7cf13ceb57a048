/**
 * How much more arrives at once than the rate explains, where a path or a receiver gathers datagrams: the window needs
 * that on top (draft-ietf-ccwg-bbr-06 §5.5.9).
 *
 * @module
 */

import { ZERO } from "@x/wire"

/** The most of this many rounds counts, and of as many before. */
const ROUNDS = 10

export class ExtraDelivered {
  #now = ZERO
  #before = ZERO
  #rounds = 0
  #sinceMs = ZERO
  #bytes = ZERO

  get bytes(): number {
    return Math.max(this.#now, this.#before)
  }

  handleFeedback(deliveredBytes: number, rate: number, bytesMax: number, isRound: boolean, nowMs: number): void {
    if (this.#bytes <= rate * (nowMs - this.#sinceMs)) {
      this.#bytes = 0
      this.#sinceMs = nowMs
    }
    this.#bytes += deliveredBytes
    if (isRound && ++this.#rounds >= ROUNDS) {
      this.#rounds = 0
      this.#before = this.#now
      this.#now = 0
    }
    this.#now = Math.max(this.#now, Math.min(this.#bytes - rate * (nowMs - this.#sinceMs), bytesMax))
  }
}
