/**
 * Round trips, counted by what is delivered: one is over when a datagram arrives that was sent after it began
 * (draft-ietf-ccwg-bbr-06 §5.5.1). Unlike a clock, that counts nothing while nothing is sent.
 *
 * @module
 */

import { ZERO } from "@x/wire"
import type { DeliverySample } from "./controller.ts"

export class RoundCount {
  #rounds = 0
  #endsBytes = ZERO

  /** Rounds so far. */
  get rounds(): number {
    return this.#rounds
  }

  /** Whether this feedback begins a round. */
  handleFeedback({ rttMs, sentDeliveredBytes, totalDeliveredBytes }: DeliverySample): boolean {
    if (rttMs < 0 || sentDeliveredBytes < this.#endsBytes) return false
    this.#endsBytes = totalDeliveredBytes
    this.#rounds++
    return true
  }

  /** A round begins now, at what was delivered in all. */
  begin(totalDeliveredBytes: number): void {
    this.#endsBytes = totalDeliveredBytes
  }
}
