/**
 * Which datagram counters were received: a sliding bitmap as in RFC 6479. Checking and committing are two steps, since
 * a counter may be committed only when the tag was good. Beside it lie the nonces of what was received, which prove it
 * (PROTOCOL.md §8, Proof of receipt).
 *
 * @module
 */

import { type Feedback, missingRangeBytes, type RangeList, RANGES_MAX, REACH_MAX } from "@x/wire"

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
  #highest = 0
  /** The highest counters that were told last, each another one. */
  #told = 0
  #toldBefore = 0

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
      // Words between the old top and the new one belong to counters not yet seen.
      const from = Math.floor(this.#highest / WORD_BITS)
      const to = Math.floor(counter / WORD_BITS)
      for (let word = Math.max(from + 1, to - this.#words + 1); word <= to; word++)
        this.#bits[word & (this.#words - 1)] = this.#nonces[word & (this.#words - 1)] = 0
      this.#highest = counter
    }
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
    const from = this.#listMissing(feedback.missing, oldest, roomBytes)
    feedback.counter = highest
    feedback.reach = highest === 0 ? 0 : highest - from
    feedback.proof = highest === 0 ? 0 : this.#xorFrom(from)
    if (highest === this.#told) return
    this.#toldBefore = this.#told
    this.#told = highest
  }

  /** Lists the counters from this one on that are missing, as many as may be told. Returns where the list begins. */
  #listMissing(missing: RangeList, from: number, roomBytes: number): number {
    missing.count = 0
    /** The lowest counter of the range before; and where the present range ends, 0 if there is none. */
    let above = this.#highest + 1
    let to = 0
    const firstWord = Math.floor(from / WORD_BITS)
    for (let word = Math.floor(this.#highest / WORD_BITS); word >= firstWord; word--) {
      const bits = this.#bits[word & (this.#words - 1)]!
      if (bits === ALL && to === 0) continue
      const bottom = Math.max(from, word * WORD_BITS)
      for (let counter = Math.min(this.#highest, word * WORD_BITS + WORD_BITS - 1); counter >= bottom; counter--) {
        const hasCome = (bits & bitOf(counter)) !== 0
        if (hasCome === (to === 0)) continue
        if (hasCome) {
          roomBytes -= addRange(missing, counter + 1, to, above)
          above = counter + 1
          to = 0
        } else {
          if (missing.count === RANGES_MAX) return counter + 1
          const age = this.#highest - counter
          const isOld = age >= OLD_COUNTERS || (age >= RECENT_COUNTERS && missing.count >= OLD_RANGES_MAX)
          if (isOld && counter <= this.#toldBefore) return counter + 1
          if (roomBytes < missingRangeBytes(above - counter - 1, REACH_MAX)) return counter + 1
          to = counter + 1
        }
      }
    }
    if (to > 0) addRange(missing, from, to, above)
    return from
  }

  /** The XOR of the nonces of what was received from this counter on, by the remainders of the counters. */
  #xorFrom(from: number): number {
    const first = Math.floor(from / WORD_BITS)
    const last = Math.floor(this.#highest / WORD_BITS)
    let xor = this.#nonces[first & (this.#words - 1)]! & (ALL << (from & 31))
    for (let word = first + 1; word <= last; word++) xor ^= this.#nonces[word & (this.#words - 1)]!
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
