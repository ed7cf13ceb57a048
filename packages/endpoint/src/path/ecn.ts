/**
 * Whether datagrams on a path are sent as ECN-capable, and what feedback tells of their marks (PROTOCOL.md §8, Marks;
 * RFC 9000 §13.4.2 and A.4). A path is tested first:
 *
 *     waiting   for feedback on what was sent since the path changed
 *     testing   the first datagrams are marked
 *     unknown   no more are, until feedback tells what became of them
 *     capable   all are marked, and watched
 *     failed    the path takes marks off, drops or marks all that have one, or the peer's counts can't be
 *     off       our transport has no marks, or our controller doesn't answer them
 *
 * @module
 */

import { ECN } from "@x/transport/host"
import { ZERO, type Feedback } from "@x/wire"
import type { DeliverySample } from "../congestion/controller.ts"

export type EcnState = "off" | "waiting" | "testing" | "unknown" | "capable" | "failed"

/** Datagrams of a test (RFC 9000 §13.4.2). */
const TEST_DATAGRAMS = 10
/** If all that came of a test was marked CE, but fewer than this many came, that may be congestion. */
const ALL_CE_LEAST = 3
/** A path on which all is CE for this many round trips, and this many datagrams, marks whatever is sent. */
const ALL_CE_ROUNDS = 10
const ALL_CE_DATAGRAMS = 10

/** What is remembered of the datagrams up to a counter. */
export interface SentMarks {
  /** How many of them were ECN-capable; −1: that isn't remembered. */
  ectSentBy(counter: number): number
  /** {@link Ecn.markedBytes} when that one was sent; −1: that isn't remembered. */
  markedBytesAt(counter: number): number
}

export class Ecn {
  /** ECN-capable datagrams that were sent. */
  ectSent = 0
  /** Bytes that were delivered marked CE, as {@link DeliverySample.markedBytes} has told. */
  markedBytes: number = ZERO
  /** Datagrams that were delivered marked CE, as far as that was told. */
  marked: number = ZERO
  #state: EcnState = "off"
  #hasImpossible = false
  /** How long a test may take, when it has to end, how much of it is left, and the counter of its last datagram. */
  #testMs = ZERO
  #testEndsMs = Infinity
  #testLeft = 0
  #testCounter = 0
  /** The last datagram that took another path. */
  #otherCounter = 0
  /** The totals of the newest feedback. */
  #datagrams = ZERO
  #ect0 = ZERO
  #ce = ZERO
  /** Totals when the test began, which are of other paths: ECN-capable datagrams, those that came marked, and missing. */
  #baseSent = 0
  #baseEct0 = ZERO
  #baseCe = ZERO
  #baseMissing = ZERO
  /** Datagrams marked CE that congestion control wasn't told of yet. */
  #untold = ZERO
  /** Since when all was CE, and how many datagrams. */
  #allCeMs = Infinity
  #allCe = ZERO

  get state(): EcnState {
    return this.#state
  }

  /**
   * Nothing is known of the path from now on. `isWanted`: marks can be sent and are answered. `testMs`: how long a test
   * may take. `counter`: of the last datagram, which took another path; 0: none.
   */
  begin(isWanted: boolean, testMs: number, counter: number): void {
    this.#testMs = testMs
    this.#otherCounter = counter
    this.#untold = 0
    if (!isWanted) this.#state = "off"
    else if (counter > 0) this.#state = "waiting"
    else this.#test()
  }

  #test(): void {
    this.#state = "testing"
    this.#testLeft = TEST_DATAGRAMS
    this.#testEndsMs = this.#allCeMs = Infinity
  }

  /** The mark of a datagram that is sent now: one of `ECN`. */
  mark(nowMs: number): number {
    if (this.#state === "capable") return ECN.ect0
    if (this.#state !== "testing") return ECN.notEct
    if (nowMs < this.#testEndsMs) return ECN.ect0
    this.#state = "unknown"
    return ECN.notEct
  }

  /** It was sent with a mark. */
  sent(counter: number, nowMs: number): void {
    this.ectSent++
    if (this.#state !== "testing") return
    if (this.#testEndsMs === Infinity) this.#testEndsMs = nowMs + this.#testMs
    this.#testCounter = counter
    if (--this.#testLeft === 0) this.#state = "unknown"
  }

  /** Whether counts came that can't be, since the last call. */
  takeImpossible(): boolean {
    const has = this.#hasImpossible
    this.#hasImpossible = false
    return has
  }

  /** Takes in newer feedback than ever before, and fills in what the sample tells of marks. */
  handleFeedback(feedback: Feedback, sent: SentMarks, sample: DeliverySample): void {
    sample.markedBytes = sample.markedSinceSentBytes = 0
    if (this.#state === "off" || this.#state === "failed") return
    if (this.#state === "waiting") {
      if (feedback.counter > this.#otherCounter) this.#beginWith(feedback)
      return
    }
    const { counter, datagrams, ect0, congestion } = feedback
    const newDatagrams = datagrams - this.#datagrams
    const newEct0 = ect0 - this.#ect0
    const newCe = congestion - this.#ce
    const ectSent = sent.ectSentBy(counter)
    const most = ectSent < 0 ? this.ectSent : ectSent
    if (newEct0 < 0 || newCe < 0 || newEct0 + newCe > newDatagrams || ect0 + congestion > most) {
      this.#state = "failed"
      this.#hasImpossible = true
      return
    }
    this.#datagrams = datagrams
    this.#ect0 = ect0
    this.#ce = congestion
    this.#untold += newCe
    if (ectSent >= 0) this.#judge(counter, ectSent, sample.nowMs)
    if (this.#state === "capable") {
      this.#watch(newEct0, newCe, sample)
      this.#tell(newDatagrams, sample)
    }
    if (sample.rttMs < 0) return
    const before = sent.markedBytesAt(counter)
    if (before >= 0) sample.markedSinceSentBytes = this.markedBytes - before
  }

  /** Something that was sent on the path has come: the test begins, and what was counted so far is of other paths. */
  #beginWith({ counter, datagrams, ect0, congestion }: Feedback): void {
    this.#datagrams = datagrams
    this.#baseSent = this.ectSent
    this.#baseEct0 = this.#ect0 = ect0
    this.#baseCe = this.#ce = congestion
    this.#baseMissing = counter - datagrams
    this.#test()
  }

  /** So many of the datagrams up to `counter`, which feedback reports, were ECN-capable. */
  #judge(counter: number, ectSent: number, nowMs: number): void {
    const missing = counter - this.#datagrams
    // What was missing before the test may come late.
    this.#baseMissing = Math.min(this.#baseMissing, missing)
    const came = this.#ect0 - this.#baseEct0 + this.#ce - this.#baseCe
    if (came < ectSent - this.#baseSent - (missing - this.#baseMissing)) this.#state = "failed"
    else if (this.#state === "unknown" && counter >= this.#testCounter) this.#conclude(came, nowMs)
  }

  /** Feedback covers the test, of which so many datagrams came with a mark. */
  #conclude(came: number, nowMs: number): void {
    if (came === 0) {
      // They may be late, but not for ever.
      if (nowMs >= this.#testEndsMs) this.#state = "failed"
    } else if (this.#ect0 > this.#baseEct0) this.#state = "capable"
    else if (came < ALL_CE_LEAST) this.#test()
    else this.#state = "failed"
  }

  #watch(newEct0: number, newCe: number, { nowMs, srttMs }: DeliverySample): void {
    if (newEct0 > 0) {
      this.#allCeMs = Infinity
    } else if (newCe > 0) {
      if (this.#allCeMs === Infinity) {
        this.#allCeMs = nowMs
        this.#allCe = 0
      }
      this.#allCe += newCe
      if (this.#allCe >= ALL_CE_DATAGRAMS && nowMs >= this.#allCeMs + ALL_CE_ROUNDS * srttMs) this.#state = "failed"
    }
  }

  #tell(newDatagrams: number, sample: DeliverySample): void {
    if (this.#untold === 0 || this.#state !== "capable" || newDatagrams === 0) return
    sample.markedBytes = sample.deliveredBytes * Math.min(1, this.#untold / newDatagrams)
    this.markedBytes += sample.markedBytes
    this.marked += this.#untold
    this.#untold = 0
  }
}
