/**
 * A window that grows until something is lost, and then shrinks.
 *
 * @module
 */

import { check, type Kinds, orInfinity, real, whole } from "../errors/check.ts"
import { type CongestionController, type CongestionFactory, type DeliverySample, own, PACE_GAIN } from "./controller.ts"

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

/** The factor of the window after a loss, as in CUBIC (RFC 9438 §4.6). */
const REDUCTION = 0.7
/** While the window doubles with each round trip, the pace has to run ahead of it. */
const START_GAIN = 2

/**
 * The default: the window doubles each round trip until something is lost, then grows by a datagram a round trip, and
 * shrinks to 0.7 of itself at most once in a round trip with losses (RFC 9002 §7, with the factor of RFC 9438). Simple
 * and fair; it makes poor use of a path with random losses.
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
  windowBytes: number
  paceBytesPerMs = Infinity
  readonly #datagramBytes: number
  readonly #leastBytes: number
  readonly #mostBytes: number
  #threshold = Infinity
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
    this.#leastBytes = leastDatagrams * datagramBytes
    this.#mostBytes = Math.max(windowBytesMax, this.#leastBytes)
    this.windowBytes = Math.min(initialDatagrams * datagramBytes, this.#mostBytes)
  }

  #isStarting(): boolean {
    return this.windowBytes < this.#threshold
  }

  onSent(_bytes: number, inFlightBytes: number, nowMs: number): void {
    if (inFlightBytes > this.windowBytes / (this.#isStarting() ? 2 : 1) - this.#datagramBytes) this.#fullMs = nowMs
  }

  onFeedback({ nowMs, srttMs, deliveredBytes, lostBytes }: DeliverySample): void {
    if (lostBytes > 0) {
      if (nowMs >= this.#recoversMs) {
        this.#threshold = this.windowBytes = Math.max(this.#leastBytes, this.windowBytes * REDUCTION)
        this.#recoversMs = nowMs + srttMs
      }
    } else if (nowMs >= this.#recoversMs && this.#fullMs >= Math.min(this.#heardMs, nowMs - srttMs)) {
      this.windowBytes += this.#isStarting()
        ? deliveredBytes
        : (this.#datagramBytes * deliveredBytes) / this.windowBytes
      this.windowBytes = Math.min(this.windowBytes, this.#mostBytes)
    }
    this.#heardMs = nowMs
    this.paceBytesPerMs = ((this.#isStarting() ? START_GAIN : PACE_GAIN) * this.windowBytes) / Math.max(srttMs, 0.01)
  }
}
