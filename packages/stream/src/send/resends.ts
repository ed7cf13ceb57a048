/**
 * Packets that were sent again and are not answered yet. One that isn't there although the receiver has a datagram that
 * was sent some time after it was lost again (RFC 8985): no timer is needed, and a queue that grows meanwhile deceives
 * nobody.
 *
 * @module
 */

import { GRANULARITY_MS, type RttEstimator } from "../rtt.ts"
import type { SendLedger } from "./send-ledger.ts"
import { PACKET } from "./send-ring.ts"

/** A datagram may be overtaken by those sent within this part of a round trip (RFC 8985 §7.2 begins with a quarter). */
const REORDER_SRTT = 1 / 8

/**
 * A packet that was sent so often isn't sent again before its receiver asks for it, more and more seldom: a path that
 * loses this very packet isn't worth more. Where three of ten datagrams are lost, one packet in 15,000 comes to that.
 */
const SENDS_IN_VAIN = 8

/** The resends of one stream. */
export class Resends {
  readonly #ledger: SendLedger
  readonly #rtt: RttEstimator
  readonly #numbers: number[] = []
  /** What `judge` returns. */
  readonly #found: number[] = []
  /** From then on a packet asks for a status, which shows whether resends have come; `Infinity`: no resend waits. */
  #askFromMs = Infinity

  constructor(ledger: SendLedger, rtt: RttEstimator) {
    this.#ledger = ledger
    this.#rtt = rtt
  }

  #reorderMs(): number {
    return Math.max(GRANULARITY_MS, REORDER_SRTT * this.#rtt.srttMs)
  }

  /** Whether a packet that is asked for may be sent again: it was sent once, or a round trip ago. */
  hasRested(number: number, nowMs: number): boolean {
    const ledger = this.#ledger
    return ledger.sends(number) === 1 || nowMs - ledger.sentMs(number) >= Math.max(GRANULARITY_MS, this.#rtt.srttMs)
  }

  /** Whether a packet that was lost again was sent so often in vain that its receiver has to ask for it. */
  isInVain(number: number): boolean {
    return this.#ledger.sends(number) >= SENDS_IN_VAIN
  }

  /** A packet was sent again. */
  sent(number: number, nowMs: number): void {
    this.#numbers.push(number)
    if (this.#askFromMs === Infinity) this.#askFromMs = nowMs + this.#reorderMs()
  }

  /** Whether the packet that is being sent asks for a status. */
  takeAsk(nowMs: number): boolean {
    if (nowMs < this.#askFromMs) return false
    this.#askFromMs = Infinity
    return true
  }

  /**
   * The packets that were lost again, by a status that says of each below `listedTo` whether it has come. `heardMs`: when
   * the newest datagram was sent that had come by then. The array is valid until the next call.
   */
  judge(heardMs: number, listedTo: number): readonly number[] {
    const ledger = this.#ledger
    const numbers = this.#numbers
    const found = this.#found
    // For V8 a call, even if there are none.
    if (found.length > 0) found.length = 0
    if (numbers.length === 0) return found
    const beforeMs = heardMs - this.#reorderMs()
    let kept = 0
    for (const number of numbers) {
      if (number < ledger.low || ledger.state(number) !== PACKET.inFlight) continue
      if (number < listedTo && ledger.sentMs(number) <= beforeMs) found.push(number)
      else numbers[kept++] = number
    }
    numbers.length = kept
    return found
  }

  /** Nothing is sent any more. */
  clear(): void {
    this.#numbers.length = 0
    this.#askFromMs = Infinity
  }
}
