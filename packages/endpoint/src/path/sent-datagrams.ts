/**
 * The datagrams sent on an association, by counter, and what feedback says about them: round trip, bytes delivered and
 * lost, delivery rate. It counts whole datagrams of all kinds, so resends, repeats and data without acknowledgements
 * count as they load the path.
 *
 * @module
 */

import type { Feedback } from "@x/wire"
import type { DeliverySample } from "../congestion/controller.ts"

/** Grows with what is in flight. */
const ROWS_MIN = 16
const ROWS_MAX = 65_536
/**
 * A loss is believed if it persists for this part of a round trip, and for at least a millisecond: until then it may be
 * reordering.
 */
const REORDER_SRTT = 1 / 4
const REORDER_MS_MIN = 1

export class SentDatagrams {
  #rows = ROWS_MIN
  #counters = new Float64Array(ROWS_MIN)
  #sentMs = new Float64Array(ROWS_MIN)
  /** Bytes sent on the association up to and including this datagram. */
  #sentBytes = new Float64Array(ROWS_MIN)
  /** The same for datagrams with data: control is neither held back by what is in flight, nor counts as in flight. */
  #dataBytes = new Float64Array(ROWS_MIN)
  /** Bytes known to be delivered when it was sent, and since when that was known. */
  #deliveredBytes = new Float64Array(ROWS_MIN)
  #deliveredMs = new Float64Array(ROWS_MIN)
  #isLimited = new Uint8Array(ROWS_MIN)
  #bytesSent = 0
  #dataBytesSent = 0
  /** The highest counter that feedback reported, and the bytes sent up to it. */
  #heardCounter = 0
  #heardBytes = 0
  #heardDataBytes = 0
  #delivered = 0
  #deliveredAtMs = 0
  #lost = 0
  #lossSinceMs = -Infinity
  #lossLeast = Infinity
  #lossBefore = 0
  /** Whether the application had nothing more when this was sent: then the rate is its own, not the path's. */
  isApplicationLimited = true

  /** Bytes of data that were sent after the newest reported datagram. */
  get inFlightBytes(): number {
    return this.#dataBytesSent - this.#heardDataBytes
  }

  get heardCounter(): number {
    return this.#heardCounter
  }

  get deliveredBytes(): number {
    return this.#delivered
  }

  get lostBytes(): number {
    return this.#lost
  }

  add(counter: number, bytes: number, isData: boolean, nowMs: number): void {
    if (counter - this.#heardCounter >= this.#rows && this.#rows < ROWS_MAX) this.#grow()
    // Nothing is in flight: time without sending doesn't count for the rate.
    if (this.inFlightBytes === 0) this.#deliveredAtMs = nowMs
    this.#bytesSent += bytes
    if (isData) this.#dataBytesSent += bytes
    const at = counter & (this.#rows - 1)
    this.#counters[at] = counter
    this.#sentMs[at] = nowMs
    this.#sentBytes[at] = this.#bytesSent
    this.#dataBytes[at] = this.#dataBytesSent
    this.#deliveredBytes[at] = this.#delivered
    this.#deliveredMs[at] = this.#deliveredAtMs
    this.#isLimited[at] = this.isApplicationLimited ? 1 : 0
  }

  /** Fills in what feedback reports; `false`: nothing new. The caller has checked that its counter was sent. */
  handleFeedback(feedback: Feedback, srttMs: number, nowMs: number, sample: DeliverySample): boolean {
    const { counter } = feedback
    const delivered = Math.min(feedback.bytes, this.#bytesSent)
    if (
      counter < this.#heardCounter ||
      delivered < this.#delivered ||
      (counter === this.#heardCounter && delivered === this.#delivered)
    )
      return false
    const at = counter & (this.#rows - 1)
    const isKnown = this.#counters[at] === counter
    sample.nowMs = nowMs
    sample.rttMs = -1
    sample.rateBytesPerMs = 0
    sample.isApplicationLimited = true
    if (isKnown && counter > this.#heardCounter) {
      sample.sentMs = this.#sentMs[at]!
      sample.rttMs = Math.max(0, nowMs - sample.sentMs - feedback.holdUs / 1_000)
      this.#heardBytes = this.#sentBytes[at]!
      this.#heardDataBytes = this.#dataBytes[at]!
      const intervalMs = Math.max(nowMs - this.#deliveredMs[at]!, sample.rttMs)
      if (intervalMs > 0) sample.rateBytesPerMs = (delivered - this.#deliveredBytes[at]!) / intervalMs
      sample.isApplicationLimited = this.#isLimited[at] === 1
    }
    this.#heardCounter = counter
    sample.deliveredBytes = delivered - this.#delivered
    this.#delivered = delivered
    this.#deliveredAtMs = nowMs
    sample.lostBytes = this.#newlyLost(Math.max(0, this.#heardBytes - delivered), srttMs, nowMs)
    sample.inFlightBytes = this.inFlightBytes
    return true
  }

  /** Missing datagrams may be late: the least number that was missing over a while counts as lost. */
  #newlyLost(missing: number, srttMs: number, nowMs: number): number {
    this.#lossLeast = Math.min(this.#lossLeast, missing)
    if (nowMs < this.#lossSinceMs + Math.max(REORDER_MS_MIN, srttMs * REORDER_SRTT)) return 0
    const lost = Math.min(this.#lossBefore, this.#lossLeast)
    this.#lossBefore = this.#lossLeast
    this.#lossLeast = Infinity
    this.#lossSinceMs = nowMs
    if (lost <= this.#lost) return 0
    const newly = lost - this.#lost
    this.#lost = lost
    return newly
  }

  #grow(): void {
    const before = this.#rows
    const { length } = this.#counters
    const columns = [
      this.#counters,
      this.#sentMs,
      this.#sentBytes,
      this.#dataBytes,
      this.#deliveredBytes,
      this.#deliveredMs,
    ] as const
    const limited = this.#isLimited
    this.#rows = 2 * before
    const grown = columns.map(() => new Float64Array(this.#rows))
    this.#isLimited = new Uint8Array(this.#rows)
    for (let from = 0; from < length; from++) {
      const to = columns[0][from]! & (this.#rows - 1)
      for (const [i, column] of columns.entries()) grown[i]![to] = column[from]!
      this.#isLimited[to] = limited[from]!
    }
    ;[this.#counters, this.#sentMs, this.#sentBytes, this.#dataBytes, this.#deliveredBytes, this.#deliveredMs] =
      grown as [
        Float64Array<ArrayBuffer>,
        Float64Array<ArrayBuffer>,
        Float64Array<ArrayBuffer>,
        Float64Array<ArrayBuffer>,
        Float64Array<ArrayBuffer>,
        Float64Array<ArrayBuffer>,
      ]
  }
}
