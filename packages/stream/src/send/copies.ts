/**
 * Packets that are sent more than once before anybody asks: then a loss costs no round trip. Copies follow at a distance,
 * in other datagrams, since losses come in bursts.
 *
 * @module
 */

import { ZERO } from "@x/wire"
import { GRANULARITY_MS } from "../rtt.ts"
import type { SendLedger } from "./send-ledger.ts"
import { PACKET } from "./send-ring.ts"

/** Copies that wait, at most: older ones are given up where nothing but new packets has room. */
const WAITING_MAX = 256

interface Copy {
  readonly number: number
  readonly dueMs: number
  /** Further ones of the same packet. */
  readonly left: number
}

/** The copies of one stream. */
export class Copies {
  readonly #ledger: SendLedger
  readonly #copies: number
  readonly #spreadMs: number
  /** By the time that they are due, since all wait for as long. */
  readonly #waiting: Copy[] = []
  /** Until when copies that are due may go; the clock is read once a turn. */
  #nowMs = -Infinity
  #sent = ZERO

  /** `copies`: of each packet; 0: none. `spreadMs`: from one to the next. */
  constructor(ledger: SendLedger, copies: number, spreadMs: number) {
    this.#ledger = ledger
    this.#copies = copies
    this.#spreadMs = Math.max(GRANULARITY_MS, spreadMs)
  }

  /** Copies so far. */
  get sent(): number {
    return this.#sent
  }

  /** When the next one will be due; `Infinity`: none waits, or one is due already, and waits for its turn. */
  get dueMs(): number {
    return this.next < 0 ? (this.#waiting[0]?.dueMs ?? Infinity) : Infinity
  }

  /** The packet that a copy is due of; −1: none. */
  get next(): number {
    const first = this.#waiting[0]
    return first !== undefined && first.dueMs <= this.#nowMs ? first.number : -1
  }

  /** A packet was sent for the first time. */
  add(number: number, nowMs: number): void {
    if (this.#copies > 0) this.#wait(number, this.#copies - 1, nowMs)
  }

  #wait(number: number, left: number, nowMs: number): void {
    this.#waiting.push({ number, dueMs: nowMs + this.#spreadMs, left })
    if (this.#waiting.length > WAITING_MAX) this.#waiting.shift()
  }

  /** Time has passed; what was answered meanwhile, or is sent again anyway, needs no copy. */
  handleTimeout(nowMs: number): void {
    if (this.#waiting.length === 0) return
    this.#nowMs = nowMs
    this.#drop()
  }

  #drop(): void {
    const ledger = this.#ledger
    for (let number = this.next; number >= 0; number = this.next) {
      if (number >= ledger.low && ledger.state(number) === PACKET.inFlight) return
      this.#waiting.shift()
    }
  }

  /** The copy that was due was sent. */
  shift(nowMs: number): void {
    const { number, left } = this.#waiting.shift()!
    this.#sent++
    if (left > 0) this.#wait(number, left - 1, nowMs)
    this.#drop()
  }

  /** Nothing is sent any more. */
  clear(): void {
    this.#waiting.length = 0
  }
}
