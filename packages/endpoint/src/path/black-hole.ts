/**
 * Whether a path has stopped carrying large datagrams without saying so. Loss only raises suspicion: then probes of the
 * size in use and of lower ones are sent together, and the size is left only when those of a lower one alone are
 * answered (RFC 8899, section 4.3).
 *
 * @module
 */

import { DATAGRAM_BYTES_FLOOR, ZERO } from "@x/wire"

/** Nothing large has been seen to arrive for this long, at the least and at the most, though it was sent; ms. */
const SUSPICION_MS_MIN = 300
const SUSPICION_MS_MAX = 1_000
/** On a path so long that nothing can be known by then: this part of the time in which something usually is. */
const LONG_PART = 0.6
/** Where only control packets went, feedback may come with the next heartbeat only, ms. */
const CONTROL_MS = 3_000
/** Where nothing at all is reported, size is hardly the reason: it is asked late, ms, and ever less often. */
const SILENT_MS = 2_500
const SILENT_GROUP_MS_MAX = 1_000
/** A suspicion that was wrong makes the next one come later, until something large is seen: by at most this factor. */
const DOUBT_FACTOR_MAX = 16
/**
 * What follows a suspicion takes three waits for answers: to one probe alone, to the first group, and to those behind it.
 * They have to be over by then, ms, so that a size that doesn't pass is left within 5 s.
 */
const DOUBT_WAITS = 3
const DOUBT_MS_MAX = 3_800
/** By this factor a suspicion comes later in any case, also where round trips are long. */
const DOUBT_FACTOR_ALWAYS = 2
/** A poll may be this late, ms. */
const POLL_LATE_MS = 20
/**
 * Probes of a lower size that have to be answered while none of the size in use is. Where 15 % are lost each way, three
 * in a million such tests would be wrong.
 */
const ANSWERS_MIN = 10
/** Once some are answered, the next ones come this far apart, ms; and so many groups later, this far. */
const GROUP_MS = 100
const GROUPS_MANY = 25
const GROUP_MANY_MS = 1_000

/** What was sent in a turn. */
export interface SentTurn {
  /** Bytes of datagrams with data; 0: only control packets were sent. */
  readonly bytes: number
  /** Bytes of its largest datagram, and the counter of its last one. */
  readonly largestBytes: number
  readonly counter: number
  /** Bytes that are missing, as the last feedback says. */
  readonly missingBytes: number
}

/** What feedback says about datagrams. */
export interface Arrivals {
  /** The highest counter that has arrived, and the bytes of its datagram; 0: unknown. */
  readonly heardCounter: number
  readonly heardDatagramBytes: number
  /** Bytes that were sent before it, and haven't arrived. */
  readonly missingBytes: number
}

export class BlackHole {
  /** Sizes that are probed together, the one in use first. */
  #sizes: readonly number[] = []
  /** Answers to each. */
  #answers: number[] = []
  #groups = 0
  /** When the last group was sent, and when another one follows if none is answered. */
  #askedMs = ZERO
  #waitMs = ZERO
  /** The largest datagram sent since one as large was known to have arrived, and when the first was sent. */
  #sentBytes = ZERO
  #sentMs = Infinity
  /** Its counter at most, and the bytes that were missing when the first was sent. */
  #sentCounter = 0
  #missingBytes = 0
  #hasData = false
  /** Whether something sent later has arrived. */
  #isOvertaken = false
  #doubtFactor = 1
  /** Only the size in use is asked about: it was found to pass before. */
  #isAlone = false

  /** Whether it asks. */
  get isActive(): boolean {
    return this.#groups > 0
  }

  /**
   * When it has to be asked. `suspicionMs`: the time in which something is usually known of what was sent; `waitMs`: how
   * long an answer is waited for.
   */
  dueMs(suspicionMs: number, waitMs: number): number {
    if (this.isActive) return this.#askedMs + this.#groupMs()
    const usualMs = Math.max(SUSPICION_MS_MIN, Math.min(SUSPICION_MS_MAX, suspicionMs), suspicionMs * LONG_PART)
    const leastMs = this.#hasData ? (this.#isOvertaken ? 0 : SILENT_MS) : CONTROL_MS
    const factor = this.#doubtFactor
    const laterMs = Math.min(usualMs * factor, DOUBT_MS_MAX - DOUBT_WAITS * waitMs)
    return this.#sentMs + Math.max(usualMs * Math.min(factor, DOUBT_FACTOR_ALWAYS), laterMs, leastMs)
  }

  /** Datagrams were sent, the largest of this size. */
  sent({ bytes, counter, missingBytes }: SentTurn, largestBytes: number, nowMs: number): void {
    if (largestBytes <= DATAGRAM_BYTES_FLOOR) return
    if (this.#sentMs === Infinity) this.#missingBytes = missingBytes
    // What went before was no data, and may be reported later.
    if (this.#sentMs === Infinity || (bytes > 0 && !this.#hasData)) this.#sentMs = nowMs
    this.#hasData ||= bytes > 0
    if (largestBytes <= this.#sentBytes) return
    this.#sentBytes = largestBytes
    this.#sentCounter = counter
  }

  /** The peer reported a datagram: if it is as large, or all before it have arrived, large ones pass. */
  arrived({ heardDatagramBytes, heardCounter, missingBytes }: Arrivals): void {
    const isAll = heardCounter >= this.#sentCounter && missingBytes <= this.#missingBytes
    if (heardDatagramBytes < this.#sentBytes && !isAll) {
      this.#isOvertaken ||= heardCounter > this.#sentCounter
      return
    }
    this.stop()
    this.#doubtFactor = 1
  }

  /** Forgets all suspicion. */
  stop(): void {
    this.#groups = 0
    this.#sentBytes = 0
    this.#sentMs = Infinity
    this.#hasData = this.#isOvertaken = false
  }

  /** Returns the sizes to probe now, if it has to be asked. `sizes`: the one in use, and lower ones, falling. */
  poll(sizes: readonly number[], waitMs: number, nowMs: number): readonly number[] {
    if (this.#groups === 0) {
      this.#sizes = sizes
      this.#answers = sizes.map(() => 0)
    }
    const wasAlone = this.#isAlone
    this.#isAlone = this.#groups === 0 && this.#mayAskAlone(waitMs, nowMs)
    // What was asked alone, in vain, is followed by the first group.
    if (wasAlone) this.#groups = 0
    this.#askedMs = nowMs
    this.#waitMs = Math.min(SILENT_GROUP_MS_MAX, this.#groups++ === 0 ? waitMs : 2 * this.#waitMs)
    return this.#isAlone ? this.#sizes.slice(0, 1) : this.#sizes
  }

  /** Whether the size in use was found to pass, and there is time to ask about it alone. */
  #mayAskAlone(waitMs: number, nowMs: number): boolean {
    return this.#doubtFactor > 1 && nowMs + DOUBT_WAITS * waitMs <= this.#sentMs + DOUBT_MS_MAX + POLL_LATE_MS
  }

  /** After this time another group is sent. */
  #groupMs(): number {
    // What is answered belongs to a group that was sent a wait ago.
    if (this.#groups === 1 || !this.#answers.some((answers) => answers > 0)) return this.#waitMs
    return this.#groups < GROUPS_MANY ? GROUP_MS : GROUP_MANY_MS
  }

  /** A probe of this size was answered. Returns the size to go back to; 0: none. */
  answered(bytes: number): number {
    if (!this.isActive) return 0
    const at = this.#sizes.indexOf(bytes)
    if (at === 0) {
      this.stop()
      this.#doubtFactor = Math.min(DOUBT_FACTOR_MAX, 2 * this.#doubtFactor)
    } else if (at > 0) this.#answers[at]!++
    // More answers than to any larger one: probes of that may be on their way, unless the path has narrowed again.
    let larger = 0
    for (let i = 1; this.isActive && i < this.#sizes.length; i++) {
      if (this.#answers[i]! >= larger + ANSWERS_MIN) return this.#sizes[i]!
      larger = Math.max(larger, this.#answers[i]!)
    }
    return 0
  }
}
