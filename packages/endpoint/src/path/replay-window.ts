/**
 * Which datagram counters were received: a sliding bitmap as in RFC 6479. Checking and committing are two steps, since
 * a counter may be committed only when the tag was good. Beside it lie the nonces of what was received, which prove it
 * (PROTOCOL.md §8, Proof of receipt).
 *
 * @module
 */

import { type Feedback, missingRangeBytes, type RangeList, RANGES_MAX, REACH_MAX, double, ZERO } from "@x/wire"
import { MissingCounters } from "./missing-counters.ts"

/** The least number of counters that are remembered. */
export const REPLAY_WINDOW_MIN = 8_192
const WORD_BITS = 32
const ALL = -1
/** A proof covers this many counters, as long as little is missing of them. */
export const PROVED_COUNTERS = 4_096
/**
 * What is missing since before the feedback before the last, and among more than so many of the newest counters, is told
 * in so many ranges, all others included, and no longer than for so many counters. Datagrams that others overtake come
 * late by a few round trips at most, in which much feedback may be sent.
 */
const RECENT_COUNTERS = 256
const OLD_RANGES_MAX = 16
export const OLD_COUNTERS = 1_024

export class ReplayWindow {
  readonly #width: number
  /**
   * A power of two, and more words than the window has: the word being filled never overlaps the oldest one checked.
   */
  readonly #words: number
  readonly #bits: Int32Array
  /** The nonces of received datagrams: 0 for those that weren't. */
  readonly #nonces: Int32Array
  readonly #missing = new MissingCounters()
  /** The XOR of the nonces of all counters from this one on: feedback reaches about as far back each time. */
  #xor = 0
  #xorFrom = double(1)
  #highest = ZERO
  /** The highest counters that were told last, each another one. */
  #told = ZERO
  #toldBefore = ZERO

  /** Remembers at least this many counters: twice what may be in flight. */
  constructor(width = 0) {
    this.#width = Math.max(REPLAY_WINDOW_MIN, width)
    this.#words = 1 << (32 - Math.clz32(Math.ceil(this.#width / WORD_BITS)))
    this.#bits = new Int32Array(this.#words)
    this.#nonces = new Int32Array(this.#words)
  }

  /** The highest received counter; 0 before the first. */
  get highest(): number {
    return this.#highest
  }

  /** Why a counter must be refused, if it must. */
  check(counter: number): "stale" | "duplicate" | undefined {
    if (counter > this.#highest) return undefined
    if (counter === 0 || this.#highest - counter >= this.#width) return "stale"
    return (this.#bits[this.#wordOf(counter)]! & bitOf(counter)) === 0 ? undefined : "duplicate"
  }

  /** Commits a counter that `check` didn't refuse, and the nonce of its datagram, 0 or 1. */
  commit(counter: number, nonce = 0): void {
    if (counter > this.#highest) {
      if (counter > this.#highest + 1) this.#missing.add(this.#highest + 1, counter)
      // What no feedback reaches back to any more is about to be overwritten.
      if (counter - this.#xorFrom >= this.#width) this.#moveXor(counter - this.#width + 1)
      // Words between the old top and the new one belong to counters not yet seen.
      const from = Math.floor(this.#highest / WORD_BITS)
      const to = Math.floor(counter / WORD_BITS)
      for (let word = Math.max(from + 1, to - this.#words + 1); word <= to; word++)
        this.#bits[word & (this.#words - 1)] = this.#nonces[word & (this.#words - 1)] = 0
      this.#highest = counter
    } else this.#missing.came(counter)
    if (counter >= this.#xorFrom) this.#xor ^= nonce << (counter & 31)
    const word = this.#wordOf(counter)
    this.#bits[word]! |= bitOf(counter)
    this.#nonces[word]! |= nonce << (counter & 31)
  }

  /**
   * Fills in which counters were received, and proves it: as far back as PROTOCOL.md says, and as `roomBytes` are enough
   * for missing ranges. Called once for each feedback that is sent.
   */
  tell(feedback: Feedback, roomBytes: number): void {
    const highest = this.#highest
    const reach = Math.max(PROVED_COUNTERS, this.#told === highest ? 0 : highest - this.#told)
    const oldest = Math.max(1, highest - Math.min(reach, this.#width, REACH_MAX) + 1)
    this.#missing.forgetBelow(oldest)
    const from = this.#listMissing(feedback.missing, Math.max(oldest, this.#missing.since), roomBytes)
    if (highest > 0) this.#moveXor(from)
    feedback.counter = highest
    feedback.reach = highest === 0 ? 0 : highest - from
    feedback.proof = highest === 0 ? 0 : this.#xor
    if (highest === this.#told) return
    this.#toldBefore = this.#told
    this.#told = highest
  }

  /** Lists the counters from this one on that are missing, as many as may be told. Returns where the list begins. */
  #listMissing(missing: RangeList, from: number, roomBytes: number): number {
    const known = this.#missing
    missing.count = 0
    /** The lowest counter of the range before. */
    let above = this.#highest + 1
    for (let i = 0; i < known.count; i++) {
      const to = known.to(i)
      if (missing.count === RANGES_MAX) return to
      const age = this.#highest - to + 1
      const isOld = age >= OLD_COUNTERS || (age >= RECENT_COUNTERS && missing.count >= OLD_RANGES_MAX)
      if (isOld && to <= this.#toldBefore + 1) return to
      if (roomBytes < missingRangeBytes(above - to, REACH_MAX)) return to
      const first = Math.max(from, known.from(i))
      roomBytes -= addRange(missing, first, to, above)
      above = first
    }
    return from
  }

  /** From now on the XOR is that of the nonces from this counter on. Costs a look at the words in between. */
  #moveXor(from: number): void {
    if (from === this.#xorFrom) return
    const low = Math.min(from, this.#xorFrom)
    const high = Math.min(Math.max(from, this.#xorFrom), this.#highest + 1)
    if (low < high) this.#xor ^= this.#xorOf(low, high)
    this.#xorFrom = from
  }

  /** The XOR of the nonces of `[from, to)` that were received, by the remainders of the counters. */
  #xorOf(from: number, to: number): number {
    const nonces = this.#nonces
    const mask = this.#words - 1
    const first = Math.floor(from / WORD_BITS)
    const last = Math.floor((to - 1) / WORD_BITS)
    const low = ALL << (from & 31)
    const high = ALL >>> (31 - ((to - 1) & 31))
    if (first === last) return nonces[first & mask]! & low & high
    let xor = (nonces[first & mask]! & low) ^ (nonces[last & mask]! & high)
    for (let word = first + 1; word < last; word++) xor ^= nonces[word & mask]!
    return xor
  }

  #wordOf(counter: number): number {
    return Math.floor(counter / WORD_BITS) & (this.#words - 1)
  }
}

/** Adds a range to the list; `above`: the lowest counter of the one before. Returns the bytes that it takes. */
function addRange(list: RangeList, from: number, to: number, above: number): number {
  list.edges[2 * list.count] = from
  list.edges[2 * list.count++ + 1] = to
  return missingRangeBytes(above - to, to - from)
}

function bitOf(counter: number): number {
  return 1 << (counter & 31)
}
