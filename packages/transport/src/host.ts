/**
 * The seam between the protocol and the machine it runs on.
 *
 * A `Host` is everything an operating system gives an endpoint: clock, wake-up, end of turn, chance, names, synchronous
 * cryptography and sockets. Taking all of it from one object makes an endpoint wholly real (`systemHost()`) or wholly
 * simulated (`network.host("a")`).
 *
 * @module
 */

import type { ResolvedAddress } from "./addresses.ts"
import type { BindOptions } from "./bind-options.ts"
import { type Kind, objectWith } from "./check.ts"
import { CRYPTO, type SyncCrypto } from "./sync-crypto.ts"
import type { Transport } from "./transport.ts"

export { onAbort } from "./abort.ts"
export {
  type Address,
  formatAddress,
  formatHost,
  normalizeAddress,
  type ParsedHost,
  parseHost,
  type ResolvedAddress,
} from "./addresses.ts"
export { BIND_OPTIONS, type BindOptions } from "./bind-options.ts"
export type { SyncCrypto } from "./sync-crypto.ts"
export * from "./transport.ts"

/** Everything the machine gives an endpoint. */
export interface Host {
  /**
   * Milliseconds of a clock that never goes back, with fractions; the origin is arbitrary. Costs about 50 ns: read it
   * once per batch.
   */
  now(): number
  /** Makes a wake-up. An endpoint has one, never one per packet. */
  wakeUp(wake: () => void): WakeUp
  /**
   * Calls `run` once at the end of the turn, after what the sockets held was delivered and wake-ups that are due were
   * called; for work due sooner than a timer can be.
   */
  defer(run: () => void): void
  /** A uniform unsigned 32-bit integer for jitter and choices; not a secret. */
  random(): number
  /** Fills `out` with bytes fit for keys and identities. */
  entropy(out: Uint8Array): void
  /**
   * The addresses of a name, port 0, in the order to try them; a literal address needs no lookup. Rejects with a
   * `TransportError` `name-not-found`.
   */
  resolve(name: string, signal?: AbortSignal): Promise<ResolvedAddress[]>
  /** What it seals with and exchanges keys by. */
  readonly crypto: SyncCrypto
  /**
   * Opens the sockets. Rejects with a `TransportError` (`address-in-use`, `no-family`, `invalid-option` …) that says
   * what to do.
   */
  bind(options: BindOptions): Promise<Transport>
  /**
   * Only where time may stand still: then the host asks from time to time which call of its user waits,
   * `"endpoint.join()"`, to tell of one that waits for ever. Returns what ends that.
   */
  watchWaits?(waitingCall: () => string | undefined): () => void
}

/** One re-armable deadline. */
export interface WakeUp {
  /**
   * Calls the function once at `deadlineMs` of `Host.now()` or soon after, never before, however far that is, and after
   * datagrams that already wait were delivered. Replaces the deadline before; `Infinity` cancels it. Throws
   * `RangeError` for NaN.
   */
  at(deadlineMs: number): void
  /**
   * A deadline keeps the program alive, as it does at first. In any order, and again; a host that can't keep one alive
   * has neither.
   */
  ref?(): void
  /** A deadline doesn't keep the program alive. In any order, and again. */
  unref?(): void
}

const FUNCTIONS = objectWith<Host>("a host", "now", "wakeUp", "defer", "random", "entropy", "resolve", "bind")

/** A machine to run on; others than ours too. */
export const HOST: Kind<Host> = {
  takes: "a host, such as systemHost() or network.host(name) return",
  has: (value): value is Host => FUNCTIONS.has(value) && CRYPTO.has(value.crypto),
}
