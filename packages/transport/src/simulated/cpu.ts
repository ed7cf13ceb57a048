/**
 * The processor of a simulated process: what the process does takes time, so that what waits behind what is seen.
 *
 * @module
 */

import { group, type Kind, type Kinds, milliseconds } from "../check.ts"
import { ROWS_MAX } from "../receive-queue.ts"
import type { SyncCrypto } from "../sync-crypto.ts"
import { checks } from "./check.ts"
import type { Alarm, VirtualTime } from "./virtual-time.ts"

/**
 * What a simulated process takes of its time, each in virtual milliseconds; default 0. Meanwhile its clock goes on,
 * datagrams wait in its receive buffers, its wake-ups are late, and what it sends leaves when the work before it is
 * done. In a turn it reads at most 64 datagrams of a socket; then its wake-ups and its deferred work have their turn.
 */
export interface CpuOptions {
  /**
   * For each datagram that it reads, with all that follows from it and isn't counted by another of these options; 0 or
   * more. A function tells it from the bytes of the datagram, which are valid during the call.
   */
  readonly receiveMs?: number | ((bytes: Uint8Array) => number)
  /** For each datagram that it sends; 0 or more. */
  readonly sendMs?: number
  /** For each call of these functions of the host's `crypto`; each 0 or more. */
  readonly cryptoMs?: CryptoCosts
}

/** What calls of a simulated host's cryptography take, each in virtual milliseconds, 0 or more; default 0. */
export type CryptoCosts = { readonly [K in keyof SyncCrypto]?: number }

const COST = milliseconds()
const RECEIVE_COST: Kind<number | ((bytes: Uint8Array) => number)> = {
  takes: `${COST.takes}, or a function that tells them of a datagram`,
  has: (value): value is number | ((bytes: Uint8Array) => number) => typeof value === "function" || COST.has(value),
}
const CRYPTO_COSTS: Kinds<CryptoCosts> = {
  sha256: COST,
  hmacSha256: COST,
  aesGcmSeal: COST,
  aesGcmOpen: COST,
  x25519PublicKey: COST,
  x25519: COST,
}
export const CPU_OPTIONS: Kinds<CpuOptions> = { receiveMs: RECEIVE_COST, sendMs: COST, cryptoMs: group(CRYPTO_COSTS) }

/** Rings when a time has come, whatever its process is doing then. */
class Ring implements Alarm {
  readonly kind = "alarm"
  atMs = 0
  order = 0
  index = -1
  isDue = false
  readonly ring: () => void

  constructor(ring: () => void) {
    this.ring = ring
  }
}

export class Cpu {
  readonly #time: VirtualTime
  readonly #receiveMs: (bytes: Uint8Array) => number
  readonly #sendMs: number
  readonly #cryptoMs: CryptoCosts
  /** Sockets are read and deferred work is done at an event; this is the one at which the work is done. */
  readonly #done = new Ring(() => {})
  #untilMs = -Infinity
  /** The instant at which the turn began that the work is of: what else happens in that instant belongs to it. */
  #turnMs = -Infinity
  /** Datagrams read in that turn. */
  #rows = 0

  constructor(time: VirtualTime, { receiveMs = 0, sendMs = 0, cryptoMs = {} }: CpuOptions) {
    this.#time = time
    this.#receiveMs =
      typeof receiveMs === "number"
        ? () => receiveMs
        : (bytes) => checks.value("what receiveMs returns", receiveMs(bytes), COST)
    this.#sendMs = sendMs
    this.#cryptoMs = cryptoMs
  }

  /** When the work so far is done, by the network's clock. */
  get untilMs(): number {
    return this.#untilMs
  }

  /** Whether the process may go on in this instant: its work is done, or is of this very turn. */
  get isFree(): boolean {
    return this.#untilMs <= this.#time.nowMs || this.#turnMs === this.#time.nowMs
  }

  /** Whether the turn has room for another datagram. */
  get mayRead(): boolean {
    return this.#untilMs <= this.#time.nowMs || this.#rows < ROWS_MAX
  }

  read(bytes: Uint8Array): void {
    this.#spend(this.#receiveMs(bytes))
    this.#rows++
  }

  /** Calls the function when the work so far, and that of sending, is done. */
  send(leave: () => void): void {
    this.#spend(this.#sendMs)
    if (this.#untilMs <= this.#time.nowMs) leave()
    else this.#time.set(new Ring(leave), this.#untilMs)
  }

  /** The same cryptography, at a cost. */
  charged(crypto: SyncCrypto): SyncCrypto {
    const at = <A extends unknown[], R>(ms: number | undefined, call: (...of: A) => R): ((...of: A) => R) =>
      ms === undefined
        ? call
        : (...of) => {
            this.#spend(ms)
            return call(...of)
          }
    const costs = this.#cryptoMs
    return {
      sha256: at(costs.sha256, (data) => crypto.sha256(data)),
      hmacSha256: at(costs.hmacSha256, (key, data) => crypto.hmacSha256(key, data)),
      aesGcmSeal: at(costs.aesGcmSeal, (key, nonce, by, plain) => crypto.aesGcmSeal(key, nonce, by, plain)),
      aesGcmOpen: at(costs.aesGcmOpen, (key, nonce, by, sealed) => crypto.aesGcmOpen(key, nonce, by, sealed)),
      x25519PublicKey: at(costs.x25519PublicKey, (key) => crypto.x25519PublicKey(key)),
      x25519: at(costs.x25519, (key, publicKey) => crypto.x25519(key, publicKey)),
    }
  }

  /** The process is suspended: what it has begun is done this much later. */
  suspend(ms: number): void {
    if (this.#untilMs > this.#time.nowMs) this.#extend(this.#untilMs + ms)
  }

  #spend(ms: number): void {
    if (ms === 0) return
    const { nowMs } = this.#time
    if (this.#untilMs <= nowMs) {
      this.#turnMs = nowMs
      this.#rows = 0
    }
    this.#extend(Math.max(this.#untilMs, nowMs) + ms)
  }

  #extend(untilMs: number): void {
    this.#untilMs = untilMs
    this.#time.set(this.#done, untilMs)
  }
}
