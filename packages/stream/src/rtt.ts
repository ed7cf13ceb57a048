/**
 * Round-trip time as RFC 6298 and RFC 9002 §5 smooth it. Each peer has one estimator, which all its streams read.
 *
 * @module
 */

import { ZERO } from "@x/wire"

/**
 * The round trip before the first sample, milliseconds: long enough for a slow path, short enough that a lost first
 * flight causes no outage.
 */
export const INITIAL_RTT_MS = 100

/**
 * A sample counts as at most this many PTOs, and a longer one is doubted. A path that is really slower shows it again
 * and again; a process that was suspended shows it once.
 */
const SAMPLE_PTOS_MAX = 3

/** Samples between a doubt that proved justified and the next one: a path that is slow now and then is a slow path. */
const DOUBT_SAMPLES = 8

/** The shortest useful timer, milliseconds (RFC 9002 §6.1.2). */
export const GRANULARITY_MS = 1

/** Round-trip times of one path. Until the first sample the estimate is `initialMs`, 100 by default. */
export class RttEstimator {
  readonly #initialMs: number
  #srttMs: number
  #varianceMs: number
  #minMs = Infinity
  #latestMs = ZERO
  #samples = 0
  /**
   * The estimate before a sample that took much longer than a PTO, valid while `isDoubted`, until a later datagram
   * shows whether to believe it.
   */
  #isDoubted = false
  #doubtedMs = ZERO
  #formerSrttMs = ZERO
  #formerVarianceMs = ZERO
  #doubtsFrom = 1

  constructor(initialMs: number = INITIAL_RTT_MS) {
    this.#initialMs = initialMs
    this.#srttMs = initialMs
    this.#varianceMs = initialMs / 2
  }

  /**
   * The path changed (RFC 9000 §9.4): nothing is known of the new one, as before the first sample. The caller leaves
   * out samples of datagrams that took the old path.
   */
  restart(): void {
    this.#srttMs = this.#initialMs
    this.#varianceMs = this.#initialMs / 2
    this.#minMs = Infinity
    this.#latestMs = this.#samples = 0
    this.#isDoubted = false
    this.#doubtedMs = this.#formerSrttMs = this.#formerVarianceMs = 0
    this.#doubtsFrom = 1
  }

  /** The smoothed round trip, milliseconds. */
  get srttMs(): number {
    return this.#srttMs
  }

  /** The smoothed deviation of samples from the smoothed round trip, milliseconds. */
  get varianceMs(): number {
    return this.#varianceMs
  }

  /** The least sample, milliseconds; `Infinity` before the first. */
  get minMs(): number {
    return this.#minMs
  }

  /** The latest sample, milliseconds, as it counted: at most three PTOs; 0 before the first. */
  get latestMs(): number {
    return this.#latestMs
  }

  /** Samples so far. */
  get samples(): number {
    return this.#samples
  }

  /** The probe timeout without the peer's delay, milliseconds: srtt + 4 · rttvar. */
  get ptoMs(): number {
    return probeTimeoutMs(this.#srttMs, this.#varianceMs)
  }

  /**
   * A datagram sent at `sentMs` took `rttMs` for its round trip, as is known at `nowMs`; all times are of one clock. A
   * sample of more than three PTOs counts only until a sample of a datagram sent later shows that the path hasn't
   * changed.
   */
  addSample(rttMs: number, sentMs: number, nowMs: number): void {
    if (this.#isDoubted && sentMs >= this.#doubtedMs) this.#judge(rttMs)
    const mostMs = SAMPLE_PTOS_MAX * this.ptoMs
    if (rttMs > mostMs && this.#samples >= this.#doubtsFrom) this.#doubt(nowMs)
    const sample = Math.min(Math.max(rttMs, 0), mostMs)
    this.#latestMs = sample
    this.#minMs = Math.min(this.#minMs, sample)
    if (this.#samples++ === 0) {
      this.#srttMs = sample
      this.#varianceMs = sample / 2
      return
    }
    this.#varianceMs += (Math.abs(this.#srttMs - sample) - this.#varianceMs) / 4
    this.#srttMs += (sample - this.#srttMs) / 8
  }

  /** Datagrams in flight at that time may be just as late: together they are one doubt. */
  #doubt(nowMs: number): void {
    if (!this.#isDoubted) {
      this.#formerSrttMs = this.#srttMs
      this.#formerVarianceMs = this.#varianceMs
    }
    this.#isDoubted = true
    this.#doubtedMs = nowMs
  }

  #judge(rttMs: number): void {
    this.#isDoubted = false
    if (rttMs > probeTimeoutMs(this.#formerSrttMs, this.#formerVarianceMs)) return
    this.#srttMs = this.#formerSrttMs
    this.#varianceMs = this.#formerVarianceMs
    this.#doubtsFrom = this.#samples + DOUBT_SAMPLES
  }
}

function probeTimeoutMs(srttMs: number, varianceMs: number): number {
  return srttMs + Math.max(4 * varianceMs, GRANULARITY_MS)
}
