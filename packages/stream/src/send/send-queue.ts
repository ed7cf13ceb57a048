/**
 * Which packet is sent next: those to send again, oldest report first; then those never sent, as far as the receiver
 * lets them.
 *
 * @module
 */

import type { SendLedger } from "./send-ledger.ts"
import { PACKET } from "./send-ring.ts"

/** The order in which one stream's packets go out. */
export class SendQueue {
  readonly #ledger: SendLedger
  /** Packets to send again: those from `lostNext` on, as far as they are lost still. */
  readonly #lost: number[] = []
  #lostNext = 0
  /** The first of them that is; −1: none. */
  #firstLost = -1
  /** The receiver has no room: only what it asks for is sent, and what was never sent below the edge that it allows. */
  #isHeld = false
  #allowedEdge = 0
  #resent = 0

  constructor(ledger: SendLedger) {
    this.#ledger = ledger
  }

  /** The packet to be sent next; −1: none. */
  get next(): number {
    if (this.#firstLost >= 0) return this.#firstLost
    const { firstQueued, high } = this.#ledger
    return firstQueued < high && (!this.#isHeld || firstQueued < this.#allowedEdge) ? firstQueued : -1
  }

  /** Whether the receiver said that it has no room. */
  get isHeld(): boolean {
    return this.#isHeld
  }

  /** Whether the receiver lets nothing go that was never sent. */
  get isAtAllowedEdge(): boolean {
    return this.#isHeld && this.#ledger.firstQueued >= this.#allowedEdge
  }

  /** Whether something is to be sent for which the receiver has no room. */
  get isStuck(): boolean {
    return this.#isHeld && this.#ledger.firstQueued < this.#ledger.high && this.next < 0
  }

  /** Resends so far. */
  get resent(): number {
    return this.#resent
  }

  /** A packet was reported missing: it is sent again. */
  push(number: number): void {
    this.#ledger.lose(number)
    this.#lost.push(number)
    if (this.#firstLost < 0) this.#firstLost = number
  }

  /** The first of the lost ones was sent again. */
  shift(): void {
    this.#resent++
    this.trim()
  }

  /**
   * Drops what is lost no more, before the next is asked for: it was sent again, or came after all, or was given up.
   */
  trim(): void {
    if (this.#firstLost < 0) return
    const { length } = this.#lost
    while (this.#lostNext < length && !this.#isLost(this.#lost[this.#lostNext]!)) this.#lostNext++
    if (this.#lostNext < length) this.#firstLost = this.#lost[this.#lostNext]!
    else this.#forgetLost()
  }

  /** The receiver said whether it has room. */
  hold(isHeld: boolean): void {
    this.#isHeld = isHeld
  }

  /** The receiver lets packets below this edge go. Answers whether it is more than before. */
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
    // An array that is emptied gives back its memory: not each time, since mostly nothing is lost.
    if (this.#lost.length > 0) this.#lost.length = this.#lostNext = 0
    this.#firstLost = -1
  }

  #isLost(number: number): boolean {
    return number >= this.#ledger.low && this.#ledger.state(number) === PACKET.lost
  }

  /** For tests: throws an `Error` where the next to be sent again is not lost, or a lost one is not among them. */
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
