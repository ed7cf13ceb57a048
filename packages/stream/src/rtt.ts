/**
 * Round-trip time as RFC 6298 and RFC 9002 §5 smooth it. One for a peer, read by all its streams.
 *
 * @module
 */

/** Before the first sample, milliseconds: slow enough for a satellite's neighbour, fast enough that a lost first flight is no outage. */
export const INITIAL_RTT_MS = 100

/** A sample counts as no more PTOs than this. A path that is really slower shows it again and again; a process that was suspended does once. */
const SAMPLE_PTOS_MAX = 3

/** The least a timer can usefully be, milliseconds (RFC 9002 §6.1.2). */
export const GRANULARITY_MS = 1

export class RttEstimator {
  #srttMs: number
  #varianceMs: number
  #minMs = Infinity
  #latestMs = 0
  #samples = 0

  constructor(initialMs: number = INITIAL_RTT_MS) {
    this.#srttMs = initialMs
    this.#varianceMs = initialMs / 2
  }

  /** Smoothed. */
  get srttMs(): number {
    return this.#srttMs
  }

  get varianceMs(): number {
    return this.#varianceMs
  }

  /** The least seen; `Infinity` before the first sample. */
  get minMs(): number {
    return this.#minMs
  }

  get latestMs(): number {
    return this.#latestMs
  }

  get samples(): number {
    return this.#samples
  }

  /** Probe timeout without the peer's delay: srtt + 4 · rttvar. */
  get ptoMs(): number {
    return this.#srttMs + Math.max(4 * this.#varianceMs, GRANULARITY_MS)
  }

  addSample(rttMs: number): void {
    const sample = Math.min(Math.max(rttMs, 0), SAMPLE_PTOS_MAX * this.ptoMs)
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
}
