/**
 * How much a peer may have in flight, and how fast. Pure and pluggable: a controller sees what is sent, delivered and lost, in bytes of whole
 * datagrams, and answers with a window and a pace. One object for each peer.
 *
 * @module
 */

import { check, type Kinds, orInfinity, positive, real, whole } from "../check.ts"

/** What one feedback tells of the datagrams to a peer. Reused: read it during the call. */
export interface DeliverySample {
  /** When it came, milliseconds of the host's clock; so are the other times. */
  nowMs: number
  /** The round trip that this feedback closes, the peer's hold taken off; −1: none new. */
  rttMs: number
  /** When the datagram was sent that closes it. */
  sentMs: number
  /** The round trip, smoothed. */
  srttMs: number
  /** The least round trip seen so far; `Infinity` before the first sample. */
  minRttMs: number
  /** Bytes newly known to be delivered. */
  deliveredBytes: number
  /** Bytes newly known to be lost. */
  lostBytes: number
  /** Bytes of data sent behind the newest datagram heard of. */
  inFlightBytes: number
  /** Delivery rate since the newest datagram heard of was sent; 0: unknown. */
  rateBytesPerMs: number
  /** That datagram was sent while there was nothing more to send: the rate is the application's, not the path's. */
  isApplicationLimited: boolean
}

export function createDeliverySample(): DeliverySample {
  return {
    ...{ nowMs: 0, rttMs: -1, sentMs: 0, srttMs: 0, minRttMs: Infinity, deliveredBytes: 0, lostBytes: 0, inFlightBytes: 0 },
    ...{ rateBytesPerMs: 0, isApplicationLimited: true },
  }
}

/** Says how much data may be under way to one peer, and how fast it goes out. Control packets count, and are never held back. */
export interface CongestionController {
  /** Bytes that may be in flight to the peer. */
  readonly windowBytes: number
  /** Bytes a millisecond; `Infinity`: as fast as the window opens. */
  readonly paceBytesPerMs: number
  /** A datagram goes out. */
  onSent(bytes: number, inFlightBytes: number, nowMs: number): void
  /** The peer told what arrived. `sample` is good during the call. */
  onFeedback(sample: DeliverySample): void
}

/**
 * Makes the controller of one peer. `datagramBytes`: of the largest datagram to it. What a factory or its controller throws, a window below 1 and a pace that isn't above 0
 * is told as `error` of the endpoint, once for a peer, which then goes on with `lossBased()`.
 */
export type CongestionFactory = (datagramBytes: number) => CongestionController

/** What `fixed` and `lossBased` made. */
const OWN = new WeakSet<CongestionFactory>()

function own(factory: CongestionFactory): CongestionFactory {
  OWN.add(factory)
  return factory
}

/** Whether a factory makes controllers of ours, which need no watching. */
export function isOwn(factory: CongestionFactory): boolean {
  return OWN.has(factory)
}

/** What {@link fixed} may be told. */
export interface FixedOptions {
  /** Bytes in flight, default 1 MiB; `Infinity`: as many as the peer takes. */
  readonly windowBytes?: number
  /** Bytes a millisecond, or `Infinity`: as fast as the window opens; default: the window in a round trip and a quarter of it less. */
  readonly paceBytesPerMs?: number
}

const FIXED_OPTIONS: Kinds<FixedOptions> = {
  windowBytes: orInfinity(real(1), "as many as the peer takes"),
  paceBytesPerMs: orInfinity(positive(), "as fast as the window opens"),
}

/** Window over round trip is what a path takes on the average; so much more lets the window, not the pace, be the limit. */
const PACE_GAIN = 1.25

/** A window that never changes: for networks that are one's own. It doesn't give way to others, whatever is lost. */
export function fixed(options: FixedOptions = {}): CongestionFactory {
  const { windowBytes = 1_048_576, paceBytesPerMs } = check.options("fixed", options, FIXED_OPTIONS)
  return own(() => new FixedController(windowBytes, paceBytesPerMs))
}

class FixedController implements CongestionController {
  readonly windowBytes: number
  paceBytesPerMs: number
  readonly #isPaced: boolean

  constructor(windowBytes: number, paceBytesPerMs: number | undefined) {
    this.windowBytes = windowBytes
    this.#isPaced = paceBytesPerMs !== undefined
    this.paceBytesPerMs = paceBytesPerMs ?? Infinity
  }

  onSent(): void {}

  onFeedback({ srttMs }: DeliverySample): void {
    if (!this.#isPaced) this.paceBytesPerMs = (PACE_GAIN * this.windowBytes) / srttMs
  }
}

/** What {@link lossBased} may be told. */
export interface LossBasedOptions {
  /** Datagrams in flight to begin with, default 10 (RFC 9002 §7.2). */
  readonly initialDatagrams?: number
  /** Datagrams in flight at least, default 4: two would wait for a status timer too often. */
  readonly leastDatagrams?: number
  /** Bytes in flight at most, default 16 MiB; `Infinity`: as many as the peer takes. */
  readonly windowBytesMax?: number
}

/** Above any window that there is. */
const DATAGRAMS_MAX = 1_048_576

const LOSS_BASED_OPTIONS: Kinds<LossBasedOptions> = {
  initialDatagrams: whole(1, DATAGRAMS_MAX),
  leastDatagrams: whole(1, DATAGRAMS_MAX),
  windowBytesMax: orInfinity(real(1), "as many as the peer takes"),
}

/** What is left of the window after a loss: as CUBIC (RFC 9438 §4.6). */
const REDUCTION = 0.7
/** While the window doubles with each round trip the pace has to be ahead of it. */
const START_GAIN = 2

/**
 * The default: the window doubles each round trip until something is lost, then grows by a datagram a round trip, and shrinks to 0.7 of itself at
 * most once in a round trip with losses (RFC 9002 §7, with the factor of RFC 9438). Plain and fair; a path that loses at random gets little out of it.
 */
export function lossBased(options: LossBasedOptions = {}): CongestionFactory {
  const { initialDatagrams = 10, leastDatagrams = 4, windowBytesMax = 16_777_216 } = check.options("lossBased", options, LOSS_BASED_OPTIONS)
  if (initialDatagrams < leastDatagrams)
    throw check.wrong("leastDatagrams", `initialDatagrams (${initialDatagrams}) or less`, leastDatagrams)
  return own((datagramBytes) => new LossBasedController(datagramBytes, initialDatagrams, leastDatagrams, windowBytesMax))
}

class LossBasedController implements CongestionController {
  windowBytes: number
  paceBytesPerMs = Infinity
  readonly #datagramBytes: number
  readonly #leastBytes: number
  readonly #mostBytes: number
  #threshold = Infinity
  /** Losses of datagrams sent before here belong to the reduction that was made. */
  #recoversMs = -Infinity
  /**
   * When the window was last the limit: one that wasn't since the last feedback, nor for a round trip, isn't used, and doesn't grow. Some feedback comes
   * when nothing was sent since the one before, and closes no round trip.
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
      this.windowBytes += this.#isStarting() ? deliveredBytes : (this.#datagramBytes * deliveredBytes) / this.windowBytes
      this.windowBytes = Math.min(this.windowBytes, this.#mostBytes)
    }
    this.#heardMs = nowMs
    this.paceBytesPerMs = ((this.#isStarting() ? START_GAIN : PACE_GAIN) * this.windowBytes) / Math.max(srttMs, 0.01)
  }
}
