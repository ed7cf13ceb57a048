/**
 * Round-trip time as RFC 6298 and RFC 9002 §5 smooth it. One for a peer, read by all its streams.
 *
 * @module
 */

/**
 * Before the first sample, milliseconds: slow enough for a satellite's neighbour, fast enough that a lost first flight
 * is no outage.
 */
export const INITIAL_RTT_MS = 100

/**
 * A sample counts as no more PTOs than this, and one of more is doubted. A path that is really slower shows it again
 * and again; a process that was suspended does once.
 */
const SAMPLE_PTOS_MAX = 3

/** Samples between a doubt that was justified and the next one: a path that is slow now and then is a slow one. */
const DOUBT_SAMPLES = 8

/** The least a timer can usefully be, milliseconds (RFC 9002 §6.1.2). */
export const GRANULARITY_MS = 1

/** Round-trip times of one path. Until the first sample it goes by `initialMs`, 100 unless told otherwise. */
export class RttEstimator {
  readonly #initialMs: number
  #srttMs: number
  #varianceMs: number
  #minMs = Infinity
  #latestMs = 0
  #samples = 0
  /**
   * The estimate before a sample that took much longer than a PTO, until a later datagram tells what to think of it;
   * while `isDoubted`.
   */
  #isDoubted = false
  #doubtedMs = 0
  #formerSrttMs = 0
  #formerVarianceMs = 0
  #doubtsFrom = 1

  constructor(initialMs: number = INITIAL_RTT_MS) {
    this.#initialMs = initialMs
    this.#srttMs = initialMs
    this.#varianceMs = initialMs / 2
  }

  /**
   * The path is another one (RFC 9000 §9.4): nothing is known of it, as before the first sample. Samples of datagrams
   * that went the old way are the caller's to leave out.
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

  /** How far samples are from the smoothed one, smoothed: milliseconds. */
  get varianceMs(): number {
    return this.#varianceMs
  }

  /** The least sample, milliseconds; `Infinity` before the first. */
  get minMs(): number {
    return this.#minMs
  }

  /** The latest sample, milliseconds, as it counted: three PTO at most; 0 before the first. */
  get latestMs(): number {
    return this.#latestMs
  }

  /** Samples so far. */
  get samples(): number {
    return this.#samples
  }

  /** Probe timeout without the peer's delay, milliseconds: srtt + 4 · rttvar. */
  get ptoMs(): number {
    return probeTimeoutMs(this.#srttMs, this.#varianceMs)
  }

  /**
   * A datagram that was sent at `sentMs` took `rttMs` there and back, as is known at `nowMs`: of one clock, whichever.
   * A sample of more than three PTOs counts, but only until one of a datagram sent later shows that the path is what it
   * was.
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

  /** What was under way with it may come as late: all of that is one doubt. */
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
