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
/** Words of an association that has had hardly any datagrams, and of one that has become quiet. */
const WORDS_MIN = 8
const WORDS_QUIET = 64
/**
 * A peer is quiet after so many feedbacks in a row, each of which tells of no more counters than these: for an idle one,
 * whose datagrams are heartbeats three seconds apart, that is a quarter of an hour.
 */
const QUIET_TOLD = 300
const QUIET_COUNTERS = 2

/** Its words become more as datagrams come, and few again once hardly any do. */
export class ReplayWindow {
  readonly #width: number
  /**
   * The most words, a power of two, and more than the window has: the word being filled never overlaps the oldest one
   * checked.
   */
  readonly #wordsMax: number
  /** A power of two, and enough for all counters from the oldest on, as long as these aren't as many as the window has. */
  #words = WORDS_MIN
  #bits = new Int32Array(WORDS_MIN)
  /** The nonces of received datagrams: 0 for those that weren't. */
  #nonces = new Int32Array(WORDS_MIN)
  /** Counters below this one were forgotten when the peer became quiet. */
  #oldest = double(1)
  /** Feedbacks in a row that told of hardly any counters. */
  #quiet = 0
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
    this.#wordsMax = 1 << (32 - Math.clz32(Math.ceil(this.#width / WORD_BITS)))
  }

  /** The highest received counter; 0 before the first. */
  get highest(): number {
    return this.#highest
  }

  /** Bytes of its words. */
  get bytes(): number {
    return this.#bits.byteLength + this.#nonces.byteLength
  }

  /** Why a counter must be refused, if it must. */
  check(counter: number): "stale" | "duplicate" | undefined {
    if (counter > this.#highest) return undefined
    if (counter < this.#oldest || this.#highest - counter >= this.#width) return "stale"
    return (this.#bits[this.#wordOf(counter)]! & bitOf(counter)) === 0 ? undefined : "duplicate"
  }

  /** Commits a counter that `check` didn't refuse, and the nonce of its datagram, 0 or 1. */
  commit(counter: number, nonce = 0): void {
    if (counter > this.#highest) {
      if (counter > this.#highest + 1) this.#missing.add(this.#highest + 1, counter)
      // What no feedback reaches back to any more is about to be overwritten.
      if (counter - this.#xorFrom >= this.#width) this.#moveXor(counter - this.#width + 1)
      if (this.#words < this.#wordsMax && counter - this.#oldest >= (this.#words - 1) * WORD_BITS) this.#grow(counter)
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

  #grow(counter: number): void {
    let words = this.#words
    while (words < this.#wordsMax && counter - this.#oldest >= (words - 1) * WORD_BITS) words *= 2
    this.#resize(words)
  }

  /** Goes on with so many words, of which the newest are kept. */
  #resize(words: number): void {
    const [bits, nonces, mask] = [this.#bits, this.#nonces, this.#words - 1]
    this.#words = words
    this.#bits = new Int32Array(words)
    this.#nonces = new Int32Array(words)
    const newest = Math.floor(this.#highest / WORD_BITS)
    for (let word = Math.max(0, newest - Math.min(words - 1, mask)); word <= newest; word++) {
      this.#bits[word & (words - 1)] = bits[word & mask]!
      this.#nonces[word & (words - 1)] = nonces[word & mask]!
    }
  }

  /** The peer has become quiet: what is old won't come any more. */
  #shrink(): void {
    const oldest = Math.max(this.#oldest, this.#highest - (WORDS_QUIET - 1) * WORD_BITS + 1)
    if (oldest > this.#xorFrom) this.#moveXor(oldest)
    this.#oldest = oldest
    if (this.#words > WORDS_QUIET) this.#resize(WORDS_QUIET)
  }

  /**
   * Fills in which counters were received, and proves it: as far back as PROTOCOL.md says, and as `roomBytes` are enough
   * for missing ranges. Called once for each feedback that is sent.
   */
  tell(feedback: Feedback, roomBytes: number): void {
    const highest = this.#highest
    const reach = Math.max(PROVED_COUNTERS, this.#told === highest ? 0 : highest - this.#told)
    const oldest = Math.max(this.#oldest, highest - Math.min(reach, this.#width, REACH_MAX) + 1)
    this.#missing.forgetBelow(oldest)
    const from = this.#listMissing(feedback.missing, Math.max(oldest, this.#missing.since), roomBytes)
    if (highest > 0) this.#moveXor(from)
    feedback.counter = highest
    feedback.reach = highest === 0 ? 0 : highest - from
    feedback.proof = highest === 0 ? 0 : this.#xor
    if (highest === this.#told) return
    this.#quiet = highest - this.#told > QUIET_COUNTERS ? 0 : this.#quiet + 1
    this.#toldBefore = this.#told
    this.#told = highest
    if (this.#quiet < QUIET_TOLD) return
    this.#quiet = 0
    this.#shrink()
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
