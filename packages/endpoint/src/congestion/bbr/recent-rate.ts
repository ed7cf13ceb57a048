/**
 * The delivery rate of the last moments, and the shortest round trip in them. A path that suddenly carries less shows
 * that here long before a round trip, grown by its queue, is over.
 *
 * @module
 */

import { double, ZERO } from "@x/wire"
import type { DeliverySample } from "../controller.ts"

/** A measurement takes a round trip, but at least this many milliseconds, and this many datagrams or half a second. */
const LEAST_MS = 20
const DATAGRAMS = 10
const MOST_MS = 500

export class RecentRate {
  /** Of the last complete measurement: bytes a millisecond, and the shortest round trip. */
  rate: number = ZERO
  rttMs: number = Infinity
  #bytes = ZERO
  #sinceMs = double(-1)
  #leastMs = Infinity

  /** Returns whether a measurement is complete. */
  handleFeedback({ nowMs, rttMs, deliveredBytes }: DeliverySample, leastRttMs: number, datagramBytes: number): boolean {
    if (this.#sinceMs < 0) this.#sinceMs = nowMs
    this.#bytes += deliveredBytes
    if (rttMs >= 0) this.#leastMs = Math.min(this.#leastMs, rttMs)
    const elapsedMs = nowMs - this.#sinceMs
    if (elapsedMs < Math.max(leastRttMs, LEAST_MS)) return false
    if (this.#bytes < DATAGRAMS * datagramBytes && elapsedMs < MOST_MS) return false
    this.rate = this.#bytes / elapsedMs
    this.rttMs = this.#leastMs
    this.#bytes = 0
    this.#sinceMs = nowMs
    this.#leastMs = Infinity
    return true
  }

  /** What was sent before now doesn't count. */
  restart(): void {
    this.#bytes = 0
    this.#sinceMs = -1
    this.#leastMs = Infinity
  }
}
