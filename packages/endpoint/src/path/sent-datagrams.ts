/**
 * The datagrams sent on an association, by counter, and what feedback says about them: round trip, bytes delivered and
 * lost, delivery rate. It counts whole datagrams of all kinds, so resends, repeats and data without acknowledgements
 * count as they load the path. The file is long, but one thing: every step changes the columns of one ring and the sums
 * over it together, and no sum can be told from the ring alone, since rows leave it.
 *
 * @module
 */

import type { ByteAllowance } from "@x/stream"
import { ZERO } from "@x/wire"
import type { DeliverySample } from "../congestion/controller.ts"
import type { SentMarks } from "./ecn.ts"

/** Grows with what is in flight, and shrinks when less was for a while; the first rows come with the association. */
const ROWS_MIN = 8
const ROWS_MAX = 65_536
const SHRINK_MS = 8_000
/** It shrinks to no fewer rows than this many times what was in flight. */
const ROWS_SPARE = 4
/**
 * A loss is believed if it persists for this part of a round trip, and for at least a millisecond: until then it may be
 * reordering.
 */
const REORDER_SRTT = 1 / 4
const REORDER_MS_MIN = 1

/** Where each fact of a datagram lies in its row. All of a row share a cache line or two. */
const AT = {
  counter: 0,
  sentMs: 1,
  /** Bytes sent on the association up to and including this datagram. */
  sentBytes: 2,
  /** The same for datagrams with data: control is neither held back by what is in flight, nor counts as in flight. */
  dataBytes: 3,
  /** Bytes known to be delivered when it was sent, since when that was known, and when the newest of them was sent. */
  deliveredBytes: 4,
  deliveredMs: 5,
  firstSentMs: 6,
  /** Bytes known to be lost, and bytes in flight, it included, when it was sent. */
  lostBytes: 7,
  inFlightBytes: 8,
  isLimited: 9,
  /** ECN-capable datagrams sent, it included, and bytes known to have come marked when it was sent. */
  ectSent: 10,
  markedBytes: 11,
} as const
const COLUMNS = 12
const ROW_BYTES = 8 * COLUMNS

/** What is known to have come: the highest counter of it, microseconds since then at the receiver, and bytes of all. */
export interface Delivered {
  readonly counter: number
  readonly holdUs: number
  readonly bytes: number
}

/** Totals of marks, when a datagram is sent. */
interface MarkTotals {
  readonly ectSent: number
  readonly markedBytes: number
}

const UNLIMITED: ByteAllowance = { fits: () => true, take: () => true, give: () => {} }

const NO_MARKS: MarkTotals = { ectSent: 0, markedBytes: 0 }

interface Probe {
  readonly counter: number
  readonly bytes: number
}

export class SentDatagrams implements SentMarks {
  #rows = ROWS_MIN
  /** What the table is charged to, and how much. */
  #tables = UNLIMITED
  #chargedBytes = 0
  /** The most datagrams since the newest reported one, and until when they are counted. */
  #unheardMost = ZERO
  #unheardUntilMs = -Infinity
  #table = new Float64Array(ROWS_MIN * COLUMNS)
  /** The counter of the last datagram, and the bytes sent up to it. */
  #counter = 0
  #bytesSent = ZERO
  #dataBytesSent = ZERO
  /** The highest counter that feedback reported, and the bytes sent up to it. */
  #heardCounter = ZERO
  #heardBytes = ZERO
  #heardDataBytes = ZERO
  /** Bytes of the datagram that was reported last; 0: unknown. */
  #heardDatagramBytes = ZERO
  #delivered = ZERO
  /** Bytes of probes that aren't known to have arrived. Their loss says nothing about the load of the path. */
  #excusedBytes = ZERO
  /** Probes that are younger than what feedback reported last: nothing is known of them yet. */
  readonly #probes: Probe[] = []
  #deliveredAtMs = ZERO
  /** When the newest reported datagram was sent: the rate of later ones counts from there. */
  #firstSentMs = ZERO
  #lost = ZERO
  #lossSinceMs = -Infinity
  #lossLeast = Infinity
  #lossBefore = ZERO
  /** A datagram that was sent long before the newest reported one, and the bytes sent up to it. */
  #oldCounter = 0
  #oldBytes = ZERO
  /** Whether the application has nothing more to send. */
  #isIdle = true
  /**
   * Until this many bytes are delivered or lost, rates are the application's, not the path's: they were sent while it
   * had nothing more. 0: the path held it back.
   */
  #limitedUntilBytes = ZERO
  #inFlightBytes = ZERO
  /**
   * Datagrams up to this counter may have gone where the peer wasn't: they are no longer in flight, and what is missing of
   * them counts neither as lost nor as late.
   */
  #strayCounter = 0
  #strayDataBytes = ZERO
  #strayBytes = 0

  /** From now on the table is charged to this, beyond its first rows. Where there is no more, older datagrams are forgotten. */
  charge(tables: ByteAllowance): void {
    this.release()
    this.#tables = tables
  }

  /** The association is over. */
  release(): void {
    if (this.#rows > ROWS_MIN) this.#resize(ROWS_MIN)
  }

  /** Bytes of data that are neither known to be delivered nor counted as lost. Read for each packet. */
  get inFlightBytes(): number {
    return this.#inFlightBytes
  }

  /** Bytes sent before the newest reported datagram that are missing, and may only be late. */
  #unresolvedBytes(): number {
    return Math.max(0, this.missingBytes - this.#lost)
  }

  /** Bytes sent before the newest reported datagram that haven't arrived, those of probes left out. */
  get missingBytes(): number {
    return Math.max(0, this.#heardBytes - this.#delivered - this.#strayBytes - this.#excusedBytes)
  }

  /** Bytes of the datagram with the highest counter that was reported, which has arrived; 0: unknown. */
  get heardDatagramBytes(): number {
    return this.#heardDatagramBytes
  }

  /** The last datagram is a probe of so many bytes: if it is lost, that isn't by the load of the path. */
  excuse(bytes: number): void {
    this.#probes.push({ counter: this.#counter, bytes })
  }

  /** A probe of so many bytes has arrived. */
  retract(bytes: number): void {
    const at = this.#probes.findIndex((probe) => probe.bytes === bytes)
    if (at >= 0) this.#probes.splice(at, 1)
    else this.#excusedBytes = Math.max(0, this.#excusedBytes - bytes)
  }

  /** Probes up to this counter may be missing now, and are excused: sooner, others would seem to have arrived. */
  #excuseProbes(counter: number): void {
    while (this.#probes.length > 0 && this.#probes[0]!.counter <= counter)
      this.#excusedBytes += this.#probes.shift()!.bytes
  }

  get heardCounter(): number {
    return this.#heardCounter
  }

  /** When the datagram with this counter was sent; −Infinity: that isn't remembered. */
  sentMsOf(counter: number): number {
    return this.#fact(counter, AT.sentMs) ?? -Infinity
  }

  /** Bytes sent up to and including the datagram with this counter; −1: that isn't remembered. */
  sentBytesBy(counter: number): number {
    return counter === 0 ? 0 : (this.#fact(counter, AT.sentBytes) ?? -1)
  }

  ectSentBy(counter: number): number {
    return this.#fact(counter, AT.ectSent) ?? -1
  }

  markedBytesAt(counter: number): number {
    return this.#fact(counter, AT.markedBytes) ?? -1
  }

  #fact(counter: number, fact: number): number | undefined {
    const at = (counter & (this.#rows - 1)) * COLUMNS
    return this.#table[at + AT.counter] === counter && counter > 0 ? this.#table[at + fact]! : undefined
  }

  get deliveredBytes(): number {
    return this.#delivered
  }

  get lostBytes(): number {
    return this.#lost
  }

  /** Whether rates measured now are the application's. */
  get isApplicationLimited(): boolean {
    return this.#limitedUntilBytes > 0
  }

  /**
   * `isIdle`: the application has nothing more to send, and nothing else held it back. Then rates are its own, until all
   * that is sent meanwhile is delivered.
   */
  limitByApplication(isIdle: boolean): void {
    this.#isIdle = isIdle
    if (isIdle) this.#limitedUntilBytes = Math.max(1, this.#bytesSent)
  }

  add(counter: number, bytes: number, isData: boolean, nowMs: number, marks: MarkTotals = NO_MARKS): void {
    const unheard = counter - this.#heardCounter
    if (unheard > this.#unheardMost) this.#unheardMost = unheard
    if (unheard >= this.#rows && this.#rows < ROWS_MAX) this.#grow()
    else if (nowMs >= this.#unheardUntilMs) this.#shrink(nowMs)
    // Nothing is in flight: time without sending doesn't count for the rate.
    if (this.#inFlightBytes === 0) this.#deliveredAtMs = this.#firstSentMs = nowMs
    this.#counter = counter
    this.#bytesSent += bytes
    if (isData) {
      this.#dataBytesSent += bytes
      this.#inFlightBytes += bytes
    }
    if (this.#isIdle) this.#limitedUntilBytes = this.#bytesSent
    const table = this.#table
    const at = (counter & (this.#rows - 1)) * COLUMNS
    table[at + AT.counter] = counter
    table[at + AT.sentMs] = nowMs
    table[at + AT.sentBytes] = this.#bytesSent
    table[at + AT.dataBytes] = this.#dataBytesSent
    table[at + AT.deliveredBytes] = this.#delivered
    table[at + AT.deliveredMs] = this.#deliveredAtMs
    table[at + AT.firstSentMs] = this.#firstSentMs
    table[at + AT.lostBytes] = this.#lost
    table[at + AT.inFlightBytes] = this.#inFlightBytes
    table[at + AT.isLimited] = this.#limitedUntilBytes > 0 ? 1 : 0
    table[at + AT.ectSent] = marks.ectSent
    table[at + AT.markedBytes] = marks.markedBytes
  }

  /** Datagrams go to another address: what is in flight may never arrive, and that says nothing of congestion. */
  stray(): void {
    this.#strayCounter = this.#counter
    this.#strayDataBytes = this.#dataBytesSent
    this.#inFlightBytes = 0
    this.#excuseProbes(Infinity)
    this.#excuse(this.#bytesSent)
  }

  /** All that is missing of the bytes sent so far, and wasn't counted as lost before, is excused. */
  #excuse(sentBytes: number): void {
    this.#strayBytes = Math.max(0, sentBytes - this.#delivered - this.#excusedBytes - this.#lost)
    this.#lossLeast = Infinity
    this.#lossBefore = 0
  }

  /** Fills in what feedback reports; `false`: nothing new. The caller has checked that its counter was sent. */
  handleFeedback(feedback: Delivered, srttMs: number, nowMs: number, sample: DeliverySample): boolean {
    const { counter } = feedback
    const delivered = Math.min(feedback.bytes, this.#bytesSent)
    if (
      counter < this.#heardCounter ||
      delivered < this.#delivered ||
      (counter === this.#heardCounter && delivered === this.#delivered)
    )
      return false
    sample.nowMs = nowMs
    sample.deliveredBytes = delivered - this.#delivered
    sample.totalDeliveredBytes = delivered
    const at = (counter & (this.#rows - 1)) * COLUMNS
    if (counter > this.#heardCounter && this.#table[at + AT.counter] === counter)
      this.#hear(at, delivered, feedback.holdUs / 1_000, nowMs, sample)
    else forgetDatagram(sample)
    this.#heardCounter = counter
    this.#excuseProbes(counter)
    this.#delivered = delivered
    this.#deliveredAtMs = nowMs
    // Until something that was sent since is reported, and once more then: what is missing is known only now.
    if (this.#strayCounter > 0) this.#excuse(this.#heardBytes)
    if (counter > this.#strayCounter) this.#strayCounter = 0
    if (sample.rttMs >= 0) this.#age(sample.sentMs - Math.max(REORDER_MS_MIN, srttMs * REORDER_SRTT))
    const lostBefore = this.#lost
    this.#judgeLoss(srttMs, nowMs)
    if (delivered + this.#lost + this.#strayBytes + this.#excusedBytes >= this.#limitedUntilBytes)
      this.#limitedUntilBytes = 0
    sample.lostBytes = Math.max(0, this.#lost - lostBefore)
    sample.spuriousBytes = Math.max(0, lostBefore - this.#lost)
    if (sample.rttMs >= 0) sample.lostSinceSentBytes = Math.max(0, this.#lost - this.#table[at + AT.lostBytes]!)
    const arrivedDataBytes = Math.max(this.#heardDataBytes, this.#strayDataBytes)
    this.#inFlightBytes = this.#dataBytesSent - arrivedDataBytes + this.#unresolvedBytes()
    sample.inFlightBytes = this.#inFlightBytes
    return true
  }

  /** Fills in what the newest reported datagram tells: its round trip, and the rate since it was sent. */
  #hear(at: number, delivered: number, holdMs: number, nowMs: number, sample: DeliverySample): void {
    const table = this.#table
    const sentMs = table[at + AT.sentMs]!
    const deliveredThen = table[at + AT.deliveredBytes]!
    sample.sentMs = sentMs
    sample.rttMs = Math.max(0, nowMs - sentMs - holdMs)
    sample.sentDeliveredBytes = deliveredThen
    sample.sentInFlightBytes = table[at + AT.inFlightBytes]!
    sample.isApplicationLimited = table[at + AT.isLimited] === 1
    // Feedback that comes in bursts must not look like a faster path: the longer of the two intervals counts.
    const intervalMs = Math.max(nowMs - table[at + AT.deliveredMs]!, sentMs - table[at + AT.firstSentMs]!, sample.rttMs)
    sample.rateBytesPerMs = intervalMs > 0 ? (delivered - deliveredThen) / intervalMs : 0
    const counterBefore = table[at + AT.counter]! - 1
    const before = (counterBefore & (this.#rows - 1)) * COLUMNS
    const isKnown = table[before + AT.counter] === counterBefore
    this.#heardBytes = table[at + AT.sentBytes]!
    this.#heardDatagramBytes = isKnown ? this.#heardBytes - table[before + AT.sentBytes]! : 0
    this.#heardDataBytes = table[at + AT.dataBytes]!
    this.#firstSentMs = sentMs
  }

  /**
   * Missing datagrams may be late: the least number of bytes that was missing over a while counts as lost, as long as
   * they are missing.
   */
  #judgeLoss(srttMs: number, nowMs: number): void {
    // What was excused may arrive all the same: then nothing else is excused for it.
    this.#strayBytes = Math.min(this.#strayBytes, Math.max(0, this.#heardBytes - this.#delivered - this.#excusedBytes))
    const missing = this.missingBytes
    this.#lossLeast = Math.min(this.#lossLeast, missing)
    // What was sent long before the newest one isn't late any more.
    const oldBytes = this.#oldBytes - this.#delivered - this.#strayBytes - this.#excusedBytes
    this.#lost = Math.max(Math.min(this.#lost, missing), oldBytes)
    if (nowMs < this.#lossSinceMs + Math.max(REORDER_MS_MIN, srttMs * REORDER_SRTT)) return
    this.#lost = Math.max(this.#lost, Math.min(this.#lossBefore, this.#lossLeast))
    this.#lossBefore = this.#lossLeast
    this.#lossLeast = Infinity
    this.#lossSinceMs = nowMs
  }

  /** Notes the last datagram that was sent by this time. */
  #age(byMs: number): void {
    const table = this.#table
    for (
      let counter = Math.max(this.#oldCounter, this.#heardCounter - this.#rows) + 1;
      counter < this.#heardCounter;
      counter++
    ) {
      const at = (counter & (this.#rows - 1)) * COLUMNS
      if (table[at + AT.counter] !== counter) continue
      if (table[at + AT.sentMs]! > byMs) return
      this.#oldCounter = counter
      this.#oldBytes = table[at + AT.sentBytes]!
    }
  }

  #grow(): void {
    const bytes = this.#rows * ROW_BYTES
    if (!this.#tables.take(bytes)) return
    this.#chargedBytes += bytes
    this.#resize(2 * this.#rows)
  }

  /** Gives back what was not needed for a while. */
  #shrink(nowMs: number): void {
    let rows = this.#rows
    while (rows > ROWS_MIN && rows >= 2 * ROWS_SPARE * this.#unheardMost) rows /= 2
    if (rows < this.#rows) this.#resize(rows)
    this.#unheardMost = 0
    this.#unheardUntilMs = nowMs + SHRINK_MS
  }

  /** Keeps the newest datagrams. */
  #resize(rows: number): void {
    const [from, rowsBefore] = [this.#table, this.#rows]
    this.#rows = rows
    this.#table = new Float64Array(rows * COLUMNS)
    for (
      let counter = Math.max(1, this.#counter + 1 - Math.min(rows, rowsBefore));
      counter <= this.#counter;
      counter++
    ) {
      const at = (counter & (rowsBefore - 1)) * COLUMNS
      this.#table.set(from.subarray(at, at + COLUMNS), (counter & (rows - 1)) * COLUMNS)
    }
    const spare = this.#chargedBytes - (rows - ROWS_MIN) * ROW_BYTES
    if (spare <= 0) return
    this.#chargedBytes -= spare
    this.#tables.give(spare)
  }
}

/** The feedback is about no datagram that is remembered. */
function forgetDatagram(sample: DeliverySample): void {
  sample.rttMs = -1
  sample.rateBytesPerMs = 0
  sample.isApplicationLimited = true
}
