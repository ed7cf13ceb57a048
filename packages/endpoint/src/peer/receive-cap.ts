/**
 * How fast a peer may send to us: the least of its own cap and its part of that of all peers, which it is asked to keep
 * to; and what it has used of its part.
 *
 * @module
 */

import { ZERO } from "@x/wire"
import type { RateClaim } from "../schedule/rate-shares.ts"
import { RateAsked } from "./rate-asked.ts"

export class ReceiveCap {
  /** What it is asked, until it has answered. */
  readonly asked: RateAsked = new RateAsked()
  #ownBytesPerSecond = Infinity
  #shareBytesPerSecond = Infinity
  /** What it had sent when that was last asked. */
  #bytes = ZERO

  readonly #wake: () => void

  /** `wake`: there is something to ask it for. */
  constructor(wake: () => void) {
    this.#wake = wake
  }

  /** It may send no more than this, bytes a second; `Infinity`: as much as it likes. */
  limit(bytesPerSecond: number, nowMs: number): void {
    this.#ownBytesPerSecond = bytesPerSecond
    this.#ask(nowMs)
  }

  /** The same for its part of what all peers may send. */
  share(bytesPerSecond: number, nowMs: number): void {
    this.#shareBytesPerSecond = bytesPerSecond
    this.#ask(nowMs)
  }

  #ask(nowMs: number): void {
    this.asked.ask(Math.min(this.#ownBytesPerSecond, this.#shareBytesPerSecond), nowMs)
    this.#wake()
  }

  get shareBytesPerSecond(): number {
    return this.#shareBytesPerSecond
  }

  /** `bytes`: what has come of it in all. Returns what it has used since this was last called, so many seconds ago. */
  claim(bytes: number, seconds: number): RateClaim {
    // What came on associations that are over isn't counted any more.
    const usedBytesPerSecond = Math.max(0, bytes - this.#bytes) / seconds
    this.#bytes = bytes
    return {
      hadBytesPerSecond: this.#shareBytesPerSecond,
      usedBytesPerSecond,
      mostBytesPerSecond: this.#ownBytesPerSecond,
    }
  }
}
