/** When messages arrived, in the time that is measured. */

import type { Received } from "./flow-messages.ts"

export const BIN_MS = 100
const GAP_MS_MIN = 20
/** No result needs more of them. */
const GAPS_MAX = 2_000

export class Arrivals {
  readonly #startMs: number
  readonly #bins: number[] = []
  readonly #gaps: (readonly [number, number])[] = []
  #count = 0
  #lastMs: number

  constructor(startMs: number) {
    this.#startMs = startMs
    this.#lastMs = startMs
  }

  add(atMs: number): void {
    this.#count++
    const bin = Math.floor((atMs - this.#startMs) / BIN_MS)
    while (this.#bins.length <= bin) this.#bins.push(0)
    this.#bins[bin]!++
    this.#lookForGap(atMs)
    this.#lastMs = atMs
  }

  /** A silence that hasn't ended counts until now. */
  end(nowMs: number): Received {
    this.#lookForGap(nowMs)
    const ms = nowMs - this.#startMs
    while (this.#bins.length < Math.floor(ms / BIN_MS)) this.#bins.push(0)
    return { count: this.#count, ms, bins: this.#bins, gaps: this.#gaps }
  }

  #lookForGap(atMs: number): void {
    const ms = atMs - this.#lastMs
    if (ms >= GAP_MS_MIN && this.#gaps.length < GAPS_MAX) this.#gaps.push([this.#lastMs - this.#startMs, ms])
  }
}
