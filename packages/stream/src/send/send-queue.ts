/**
 * Which packet is sent next: first the lost ones, oldest report first; then unsent ones, as far as the receiver allows.
 *
 * @module
 */

import { ZERO } from "@x/wire"
import type { SendLedger } from "./send-ledger.ts"
import { PACKET } from "./send-ring.ts"

/** The order in which one stream's packets go out. */
export class SendQueue {
  readonly #ledger: SendLedger
  /** Packets to send again: those from `lostNext` on that are still lost. */
  readonly #lost: number[] = []
  #lostNext = 0
  /** The first of them that is still lost; −1: none. */
  #firstLost = -1
  /**
   * The receiver has no room: only packets that it asks for are sent, and unsent ones below the edge that it allows.
   */
  #isHeld = false
  #allowedEdge = 0
  #resent = ZERO
  #lostPackets = ZERO

  constructor(ledger: SendLedger) {
    this.#ledger = ledger
  }

  /** The packet to be sent next, lost or unsent; −1: none. */
  get next(): number {
    if (this.#firstLost >= 0) return this.#firstLost
    const { firstQueued, high } = this.#ledger
    return firstQueued < high && (!this.#isHeld || firstQueued < this.#allowedEdge) ? firstQueued : -1
  }

  /** Whether the receiver reported that it has no room. */
  get isHeld(): boolean {
    return this.#isHeld
  }

  /** Whether the receiver allows no unsent packet. */
  get isAtAllowedEdge(): boolean {
    return this.#isHeld && this.#ledger.firstQueued >= this.#allowedEdge
  }

  /** Whether there are packets to send for which the receiver has no room. */
  get isStuck(): boolean {
    return this.#isHeld && this.#ledger.firstQueued < this.#ledger.high && this.next < 0
  }

  /** Resends so far. */
  get resent(): number {
    return this.#resent
  }

  /** Packets so far that were found to be lost, each time that they were. */
  get lostPackets(): number {
    return this.#lostPackets
  }

  /** A packet was reported missing: it is sent again. */
  push(number: number): void {
    this.#ledger.lose(number)
    this.#lost.push(number)
    this.#lostPackets++
    if (this.#firstLost < 0) this.#firstLost = number
  }

  /** The first lost packet was sent again. */
  shift(): void {
    this.#resent++
    this.trim()
  }

  /**
   * Drops packets that are no longer lost, before the next one is asked for: they were sent again, came after all, or
   * were given up.
   */
  trim(): void {
    if (this.#firstLost < 0) return
    const { length } = this.#lost
    while (this.#lostNext < length && !this.#isLost(this.#lost[this.#lostNext]!)) this.#lostNext++
    if (this.#lostNext < length) this.#firstLost = this.#lost[this.#lostNext]!
    else this.#forgetLost()
  }

  /** The receiver reported whether it has room. */
  hold(isHeld: boolean): void {
    this.#isHeld = isHeld
  }

  /** The receiver allows packets below this edge. Returns whether that is more than before. */
  allow(edge: number): boolean {
    if (edge <= this.#allowedEdge) return false
    this.#allowedEdge = edge
    return true
  }

  /** Nothing is sent any more. */
  clear(): void {
    this.#forgetLost()
    this.#isHeld = false
  }

  #forgetLost(): void {
    // Emptying an array gives back its memory. It is not done each time, since mostly nothing is lost.
    if (this.#lost.length > 0) this.#lost.length = this.#lostNext = 0
    this.#firstLost = -1
  }

  #isLost(number: number): boolean {
    return number >= this.#ledger.low && this.#ledger.state(number) === PACKET.lost
  }

  /** For tests: throws an `Error` if the next packet to send again is not lost, or a lost packet is not in the list. */
  assertInvariants(): void {
    const { low, next } = this.#ledger
    const waiting = new Set(this.#lost.slice(this.#lostNext))
    const first = this.#lost[this.#lostNext] ?? -1
    if (first !== this.#firstLost)
      throw new Error(`packet ${this.#firstLost} is to be sent again first, found ${first}`)
    if (first >= 0 && !this.#isLost(first)) throw new Error(`packet ${first} is to be sent again and is not lost`)
    for (let number = low; number < next; number++)
      if (this.#ledger.state(number) === PACKET.lost && !waiting.has(number))
        throw new Error(`packet ${number} is lost and not sent again`)
  }
}
