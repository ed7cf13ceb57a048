/**
 * The cap of what all peers together send to us: divided anew twice a second, by what each of them used of its part.
 *
 * @module
 */

import type { PeerState } from "../peer/peer-state.ts"
import { divideRate } from "../schedule/rate-shares.ts"

const EVERY_MS = 500
/** Sooner, if peers have come or gone: what is used is measured for at least this long. */
const CHANGED_MS = 100
/** A peer is told of a part that is this much larger; of a smaller one always. */
const WORTH_TELLING = 1.05
/** No rate that is asked for is less: a datagram in a second and a half. */
const BYTES_PER_SECOND_MIN = 1_000

export class ReceiveRates {
  /** `Infinity`: no cap. */
  #bytesPerSecond: number
  readonly #peers: { readonly size: number; values(): Iterable<PeerState> }
  #dueMs = -Infinity
  #dividedMs = -Infinity
  /** The number of peers when it was last divided. */
  #count = 0

  constructor(bytesPerSecond: number, peers: { readonly size: number; values(): Iterable<PeerState> }) {
    this.#bytesPerSecond = bytesPerSecond
    this.#peers = peers
  }

  /** Sets the cap, from now on. */
  limit(bytesPerSecond: number, nowMs: number): void {
    this.#bytesPerSecond = bytesPerSecond
    this.#dueMs = -Infinity
    if (bytesPerSecond !== Infinity) return
    for (const peer of this.#peers.values()) peer.receiveCap.share(Infinity, nowMs)
  }

  get nextTimeoutMs(): number {
    if (this.#bytesPerSecond === Infinity || this.#peers.size === 0) return Infinity
    return this.#peers.size === this.#count ? this.#dueMs : Math.min(this.#dueMs, this.#dividedMs + CHANGED_MS)
  }

  poll(nowMs: number): void {
    if (nowMs < this.nextTimeoutMs) return
    const seconds = Math.max(0.001, (nowMs - this.#dividedMs) / 1_000)
    this.#dueMs = nowMs + EVERY_MS
    this.#dividedMs = nowMs
    this.#count = this.#peers.size
    const peers = [...this.#peers.values()].filter(({ liveness }) => liveness === "joined")
    const rates = divideRate(
      this.#bytesPerSecond,
      peers.map((peer) => peer.receiveCap.claim(peer.bytesReceived, seconds)),
    )
    for (const [i, peer] of peers.entries()) {
      const rate = Math.max(BYTES_PER_SECOND_MIN, rates[i]!)
      const had = peer.receiveCap.shareBytesPerSecond
      if (rate < had || rate > had * WORTH_TELLING) peer.receiveCap.share(rate, nowMs)
    }
  }
}
