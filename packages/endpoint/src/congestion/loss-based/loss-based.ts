/**
 * A window that grows until something is lost, and then shrinks: CUBIC (RFC 9438) with HyStart++ (RFC 9406).
 *
 * @module
 */

import { check, type Kinds, orInfinity, real, whole } from "../../errors/check.ts"
import {
  type CongestionController,
  type CongestionFactory,
  type DeliverySample,
  firstWindowBytes,
  own,
  PACE_GAIN,
} from "../controller.ts"
import { RoundCount } from "../round-count.ts"
import { CubicCurve } from "../cubic-curve.ts"
import { HyStart } from "./hystart.ts"

/** Options of {@link lossBased}. */
export interface LossBasedOptions {
  /** The initial window in datagrams, default 10 (RFC 9002 §7.2). */
  readonly initialDatagrams?: number
  /** The least window in datagrams, default 4: with two, a status timer would too often have to expire. */
  readonly leastDatagrams?: number
  /** The largest window in bytes, default 16 MiB; `Infinity`: as much as the peer can hold. */
  readonly windowBytesMax?: number
}

/** Larger than any window. */
const DATAGRAMS_MAX = 1_048_576

const LOSS_BASED_OPTIONS: Kinds<LossBasedOptions> = {
  initialDatagrams: whole(1, DATAGRAMS_MAX),
  leastDatagrams: whole(1, DATAGRAMS_MAX),
  windowBytesMax: orInfinity(real(1), "as many as the peer takes"),
}

/** While the window doubles with each round trip, the pace has to run ahead of it. */
const START_GAIN = 2

/**
 * CUBIC (RFC 9438) with HyStart++ (RFC 9406), as most of TCP: the window doubles each round trip until something is
 * lost or round trips grow, shrinks to 0.7 of itself at most once in a round trip with losses or marks (ECN), and
 * returns along a cubic curve. Fair to TCP; it makes poor use of a path with random losses, and fills the queues on its way.
 */
export function lossBased(options: LossBasedOptions = {}): CongestionFactory {
  const {
    initialDatagrams = 10,
    leastDatagrams = 4,
    windowBytesMax = 16_777_216,
  } = check.options("lossBased", options, LOSS_BASED_OPTIONS)
  if (initialDatagrams < leastDatagrams)
    throw check.wrong("leastDatagrams", `initialDatagrams (${initialDatagrams}) or less`, leastDatagrams)
  return own(
    (datagramBytes) => new LossBasedController(datagramBytes, initialDatagrams, leastDatagrams, windowBytesMax),
  )
}

class LossBasedController implements CongestionController {
  readonly answersMarks = true
  windowBytes: number
  paceBytesPerMs = Infinity
  #datagramBytes: number
  readonly #leastDatagrams: number
  readonly #windowBytesMax: number
  readonly #curve = new CubicCurve()
  readonly #hystart = new HyStart()
  readonly #rounds = new RoundCount()
  #isStarting = true
  /** Losses of datagrams sent before this time belong to the last reduction. */
  #recoversMs = -Infinity
  /**
   * When the window was last the limit. A window that was not the limit since the last feedback, nor for a round trip,
   * isn't used, and doesn't grow. Some feedback comes although nothing was sent since the last one, and completes no
   * round trip.
   */
  #fullMs = -Infinity
  #heardMs = Infinity

  constructor(datagramBytes: number, initialDatagrams: number, leastDatagrams: number, windowBytesMax: number) {
    this.#datagramBytes = datagramBytes
    this.#leastDatagrams = leastDatagrams
    this.#windowBytesMax = windowBytesMax
    this.windowBytes = this.#bounded(firstWindowBytes(initialDatagrams, datagramBytes))
  }

  #bounded(bytes: number): number {
    const least = this.#leastDatagrams * this.#datagramBytes
    return Math.max(least, Math.min(bytes, this.#windowBytesMax))
  }

  onSent(_bytes: number, inFlightBytes: number, nowMs: number): void {
    if (inFlightBytes > this.windowBytes / (this.#isStarting ? 2 : 1) - this.#datagramBytes) this.#fullMs = nowMs
  }

  onFeedback(sample: DeliverySample): void {
    const { nowMs, rttMs, srttMs, deliveredBytes, lostBytes, markedBytes } = sample
    const isRound = this.#rounds.handleFeedback(sample)
    if (this.#isStarting && rttMs >= 0 && this.#hystart.handleRtt(rttMs, isRound)) this.#endStart()
    // A mark counts as a loss (RFC 9438 §4.6, RFC 3168 §5).
    if (lostBytes > 0 || markedBytes > 0) this.#handleLoss(srttMs, nowMs)
    else if (nowMs >= this.#recoversMs) this.#grow(deliveredBytes, srttMs, nowMs)
    this.#heardMs = nowMs
    this.paceBytesPerMs = ((this.#isStarting ? START_GAIN : PACE_GAIN) * this.windowBytes) / Math.max(srttMs, 0.01)
  }

  #endStart(): void {
    this.#isStarting = false
    this.#curve.begin(this.windowBytes / this.#datagramBytes)
  }

  #handleLoss(srttMs: number, nowMs: number): void {
    if (nowMs < this.#recoversMs) return
    this.#isStarting = false
    this.windowBytes = this.#bounded(this.#curve.reduce(this.windowBytes / this.#datagramBytes) * this.#datagramBytes)
    this.#recoversMs = nowMs + srttMs
  }

  #grow(deliveredBytes: number, srttMs: number, nowMs: number): void {
    if (this.#fullMs < Math.min(this.#heardMs, nowMs - srttMs)) {
      if (this.#heardMs < nowMs) this.#curve.pause(nowMs - this.#heardMs)
      return
    }
    const datagram = this.#datagramBytes
    this.windowBytes = this.#bounded(
      this.#isStarting
        ? this.windowBytes + deliveredBytes * this.#hystart.growth
        : this.#curve.grow(this.windowBytes / datagram, deliveredBytes / datagram, srttMs, nowMs) * datagram,
    )
  }

  onDatagramBytes(datagramBytes: number): void {
    this.#datagramBytes = datagramBytes
    this.windowBytes = this.#bounded(this.windowBytes)
  }
}
