/**
 * What a queue does before it is full: active queue management (AQM), and policing.
 *
 * @module
 */

import { FLAG, type Kinds, oneOf, positive, real, required } from "../check.ts"
import { DURATION } from "./check.ts"
import { RED_OPTIONS, type RedOptions } from "./red.ts"

/**
 * How a queue tells its senders that it is growing, before it is full: it marks datagrams that are ECN-capable, and drops
 * others.
 */
export interface AqmOptions extends RedOptions {
  /**
   * `"codel"` (RFC 8289) marks or drops one datagram, and then more and more often, once each has waited longer than
   * `targetMs` for `intervalMs`. `"step"` does so with each datagram that has to wait longer than `targetMs`, as DualPI2
   * (RFC 9332). `"red"` (Floyd and Jacobson 1993, gentle) does so by chance with what comes to a queue that is long on
   * average. Required.
   */
  readonly kind: "codel" | "step" | "red"
  /** The wait that is still right, milliseconds. Default: `"codel"` 5 (RFC 8289), `"step"` 1 (RFC 9332). */
  readonly targetMs?: number
  /** For `"codel"`: how long waits may exceed `targetMs`, milliseconds: above 0. Default 100 (RFC 8289). */
  readonly intervalMs?: number
  /**
   * Whether it marks datagrams that are ECN-capable (CE) instead of dropping them: they go on, and are counted in
   * `marked`. Default `true`, as in Linux.
   */
  readonly marks?: boolean
}

export const AQM_OPTIONS: Kinds<AqmOptions> = {
  kind: required(oneOf<AqmOptions["kind"]>("codel", "step", "red")),
  targetMs: DURATION,
  intervalMs: positive(),
  marks: FLAG,
  ...RED_OPTIONS,
}

/** A token bucket: what exceeds it is dropped at once. Both options are required. */
export interface PolicerOptions {
  /** Bits per second that get through in the long run, headers of UDP, IPv4 and Ethernet included: above 0. */
  readonly rateBitsPerSecond: number
  /** Bytes that get through at once, headers included, after a pause that is long enough: 0 or more. */
  readonly burstBytes: number
}

export const POLICER_OPTIONS: Kinds<PolicerOptions> = {
  rateBitsPerSecond: required(positive()),
  burstBytes: required(real(0)),
}

/** As in RFC 8289, section 5.5: after a pause of this many intervals, dropping begins slowly again. */
const PAUSE_INTERVALS = 16
const CODEL_TARGET_MS = 5
const CODEL_INTERVAL_MS = 100
const STEP_TARGET_MS = 1

/** CoDel (RFC 8289, section 5), asked once for each datagram whose turn has come. */
export class Codel {
  readonly #targetMs: number
  readonly #intervalMs: number
  /** When waits will have been above the target for an interval; `undefined`: the last one was not. */
  #aboveMs: number | undefined
  #isDropping = false
  #nextDropMs = 0
  /** Drops since dropping began, and how many there were when it began before. */
  #drops = 0
  #firstDrops = 0

  constructor({ targetMs = CODEL_TARGET_MS, intervalMs = CODEL_INTERVAL_MS }: AqmOptions) {
    this.#targetMs = targetMs
    this.#intervalMs = intervalMs
  }

  /**
   * Whether to drop, or mark, the datagram whose turn has come at `nowMs`.
   *
   * @param isLong What waits behind it is more than one datagram of the longest size seen.
   */
  drops(waitedMs: number, isLong: boolean, nowMs: number): boolean {
    const isAbove = this.#isAboveForLong(waitedMs, isLong, nowMs)
    if (this.#isDropping) {
      this.#isDropping = isAbove
      if (!isAbove || nowMs < this.#nextDropMs) return false
      this.#drops++
      this.#nextDropMs = this.#followingDropMs(this.#nextDropMs)
      return true
    }
    if (!isAbove) return false
    this.#isDropping = true
    // The rate that was right a moment ago is a good first guess.
    const drops = this.#drops - this.#firstDrops
    const isSoon = nowMs - this.#nextDropMs < PAUSE_INTERVALS * this.#intervalMs
    this.#drops = this.#firstDrops = drops > 1 && isSoon ? drops : 1
    this.#nextDropMs = this.#followingDropMs(nowMs)
    return true
  }

  #isAboveForLong(waitedMs: number, isLong: boolean, nowMs: number): boolean {
    if (waitedMs < this.#targetMs || !isLong) {
      this.#aboveMs = undefined
      return false
    }
    this.#aboveMs ??= nowMs + this.#intervalMs
    return nowMs >= this.#aboveMs
  }

  #followingDropMs(ms: number): number {
    return ms + this.#intervalMs / Math.sqrt(this.#drops)
  }
}

/** How long a datagram may have to wait with an AQM of kind `"step"`, milliseconds. */
export function stepMs({ targetMs = STEP_TARGET_MS }: AqmOptions): number {
  return targetMs
}

/** A token bucket. It begins full. */
export class Policer {
  readonly #options: PolicerOptions
  #tokens: number
  #filledMs: number

  constructor(options: PolicerOptions, nowMs: number) {
    this.#options = options
    this.#tokens = options.burstBytes
    this.#filledMs = nowMs
  }

  /** Takes the tokens for a datagram of this many bytes, headers included; `false`: there are too few. */
  takes(bytes: number, nowMs: number): boolean {
    const { rateBitsPerSecond, burstBytes } = this.#options
    const gained = ((nowMs - this.#filledMs) * rateBitsPerSecond) / 8_000
    this.#tokens = Math.min(burstBytes, this.#tokens + gained)
    this.#filledMs = nowMs
    if (bytes > this.#tokens) return false
    this.#tokens -= bytes
    return true
  }
}
