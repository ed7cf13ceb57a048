/**
 * How fast datagrams with data may go, whatever the path takes: to a peer, by what we set and by what it asked for, and
 * to all peers together.
 *
 * @module
 */

import { ZERO } from "@x/wire"
import { Pacer } from "./pacer.ts"

/** The pace of an endpoint: what goes to all peers together waits for it. */
export class SharedPace {
  /** `Infinity`: no cap. */
  bytesPerMs: number
  /** Bytes sent so far. */
  spentBytes: number = ZERO
  readonly #pacer = new Pacer()
  readonly #timerMs: number

  /** `timerMs`: the resolution of timers, milliseconds. */
  constructor(bytesPerMs: number, timerMs: number) {
    this.bytesPerMs = bytesPerMs
    this.#timerMs = timerMs
  }

  get isCapped(): boolean {
    return this.bytesPerMs !== Infinity
  }

  /** Whether a datagram may be sent now. */
  isOpen(nowMs: number): boolean {
    return this.#pacer.isOpen(this.bytesPerMs, false, nowMs)
  }

  spend(bytes: number): void {
    this.spentBytes += bytes
    this.#pacer.spend(bytes)
  }

  /** When the next datagram may be sent. After `isOpen` returned `false`. */
  get dueMs(): number {
    return this.#pacer.nextMs(this.bytesPerMs, this.#timerMs)
  }
}

/** The caps of one peer. They belong to the peer: another path changes nothing in them. */
export class RateCaps {
  /** Our own cap of what goes to the peer, and what the peer asked for; bytes a millisecond, `Infinity`: none. */
  ownBytesPerMs: number
  askedBytesPerMs: number = Infinity
  readonly shared: SharedPace | undefined

  constructor(ownBytesPerMs: number = Infinity, shared?: SharedPace) {
    this.ownBytesPerMs = ownBytesPerMs
    this.shared = shared
  }

  get bytesPerMs(): number {
    return Math.min(this.ownBytesPerMs, this.askedBytesPerMs)
  }
}
