/**
 * Which datagrams of an association are known to have come: what feedback says of them, once it has proved it
 * (PROTOCOL.md §8, Proof of receipt). Each datagram carries a random bit, its nonce, and feedback the XOR of those that
 * came.
 *
 * @module
 */

import { ZERO, type Feedback, type PacketDropReason } from "@x/wire"
import { OLD_COUNTERS, PROVED_COUNTERS } from "./replay-window.ts"

const WORD_BITS = 32
/** Nonces that are kept: at first, and at most. */
const WORDS_MIN = 16
const WORDS_MAX = 4_096

/** Bytes sent on the association up to and including the datagram with a counter; −1: that isn't remembered. */
export interface SentBytes {
  sentBytesBy(counter: number): number
}

export class Deliveries {
  /** The highest counter that was reported, and how long its report was held back, microseconds. */
  counter: number = ZERO
  holdUs: number = ZERO
  /** Bytes of all datagrams that are known to have come. */
  bytes: number = ZERO
  /** 32 bits that nobody can guess. */
  readonly #draw: () => number
  #nonces = new Int32Array(WORDS_MIN)
  /** Nonces up to here, exclusive, are drawn: a multiple of the bits of a word. */
  #drawn = 0
  /** Bytes sent up to the highest reported counter. */
  #sentBytes = ZERO
  /** Counters below that one which were reported missing, and the bytes of each: they may come late. Rising. */
  readonly #missing = new Map<number, number>()

  constructor(draw: () => number) {
    this.#draw = draw
  }

  /** The nonce of the datagram with this counter, which is being sent or was: 0 or 1. */
  nonce(counter: number): number {
    if (counter >= this.#drawn) this.#grow(counter)
    return (this.#nonces[this.#wordOf(counter)]! >>> (counter & 31)) & 1
  }

  #grow(counter: number): void {
    while (counter >= this.#drawn) {
      const oldest = Math.max(0, this.counter - PROVED_COUNTERS)
      if (this.#drawn + WORD_BITS - oldest > this.#nonces.length * WORD_BITS && this.#nonces.length < WORDS_MAX)
        this.#double()
      this.#nonces[this.#wordOf(this.#drawn)] = this.#draw()
      this.#drawn += WORD_BITS
    }
  }

  #double(): void {
    const before = this.#nonces
    this.#nonces = new Int32Array(2 * before.length)
    const drawn = this.#drawn / WORD_BITS
    for (let word = Math.max(0, drawn - before.length); word < drawn; word++)
      this.#nonces[word & (this.#nonces.length - 1)] = before[word & (before.length - 1)]!
  }

  #wordOf(counter: number): number {
    return Math.floor(counter / WORD_BITS) & (this.#nonces.length - 1)
  }

  /** Why feedback can't be, if it can't. `nextCounter`: of the next datagram to be sent. */
  check(feedback: Feedback, nextCounter: number): PacketDropReason | undefined {
    const { counter, datagrams, reach, missing } = feedback
    if (counter >= nextCounter || datagrams > counter) return "not-sent"
    // What was overtaken is about what isn't remembered, and isn't used.
    const from = counter - reach
    if (counter < this.counter || !this.#remembers(from)) return undefined
    let proof = this.#xor(from, counter + 1)
    for (let i = 0; i < missing.count; i++) proof ^= this.#xor(missing.edges[2 * i]!, missing.edges[2 * i + 1]!)
    // Nothing came: there is no datagram with counter 0.
    if (counter === 0) proof = 0
    return (proof ^ feedback.proof) === 0 ? undefined : "not-received"
  }

  /** An honest receiver doesn't reach further. */
  #remembers(counter: number): boolean {
    return counter >= this.#drawn - this.#nonces.length * WORD_BITS
  }

  /** The XOR of the nonces of `[from, to)`, by the remainders of their counters. */
  #xor(from: number, to: number): number {
    const nonces = this.#nonces
    const mask = nonces.length - 1
    const first = Math.floor(from / WORD_BITS)
    const last = Math.floor((to - 1) / WORD_BITS)
    const low = -1 << (from & 31)
    const high = -1 >>> (31 - ((to - 1) & 31))
    if (first === last) return nonces[first & mask]! & low & high
    let xor = (nonces[first & mask]! & low) ^ (nonces[last & mask]! & high)
    for (let word = first + 1; word < last; word++) xor ^= nonces[word & mask]!
    return xor
  }

  /** Takes in feedback that was checked; `false`: it says nothing that can be used. */
  take(feedback: Feedback, sent: SentBytes): boolean {
    const { counter, reach, missing } = feedback
    const from = counter - reach
    if (counter < this.counter || counter === 0 || !this.#remembers(from)) return false
    if (this.#missing.size > 0) this.#takeLate(feedback)
    this.holdUs = feedback.holdUs
    const sentBytes = counter > this.counter ? sent.sentBytesBy(counter) : -1
    if (sentBytes < 0) return counter === this.counter
    const first = this.counter + 1
    let lacks = this.#lack(first, from, counter, sent)
    for (let i = missing.count - 1; i >= 0; i--)
      lacks += this.#lack(Math.max(first, missing.edges[2 * i]!), missing.edges[2 * i + 1]!, counter, sent)
    this.bytes += Math.max(0, sentBytes - this.#sentBytes - lacks)
    this.counter = counter
    this.#sentBytes = sentBytes
    return true
  }

  /** Counters `[from, to)` aren't known to have come, for the first time. Returns their bytes. */
  #lack(from: number, to: number, highest: number, sent: SentBytes): number {
    if (from >= to) return 0
    let at = sent.sentBytesBy(from - 1)
    // More in flight than is remembered: nothing of it counts.
    if (at < 0) return Infinity
    const lacks = sent.sentBytesBy(to - 1) - at
    const firstLate = Math.max(from, highest - OLD_COUNTERS)
    if (firstLate > from) at = sent.sentBytesBy(firstLate - 1)
    for (let counter = firstLate; counter < to; counter++) {
      const bytes = sent.sentBytesBy(counter)
      this.#missing.set(counter, bytes - at)
      at = bytes
    }
    return lacks
  }

  /** What was missing, and is covered and not missing any more, has come late. */
  #takeLate({ counter, reach, missing }: Feedback): void {
    const from = counter - reach
    let range = missing.count - 1
    for (const [late, bytes] of this.#missing) {
      while (range >= 0 && missing.edges[2 * range + 1]! <= late) range--
      const isMissing = range >= 0 && missing.edges[2 * range]! <= late
      if (late >= from && !isMissing) this.bytes += bytes
      if (late < counter - OLD_COUNTERS || (late >= from && !isMissing)) this.#missing.delete(late)
    }
  }
}
