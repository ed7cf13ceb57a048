/**
 * The seam between the protocol and the machine it runs on.
 *
 * A `Host` is everything an operating system gives an endpoint: clock, wake-up, end of turn, random numbers, names,
 * synchronous cryptography and sockets. All of it comes from one object, so an endpoint is either wholly real
 * (`systemHost()`) or wholly simulated (`network.host("a")`).
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
export { type Due, DueQueue } from "./due-queue.ts"
export type { SyncCrypto } from "./sync-crypto.ts"
export * from "./transport.ts"

/** Everything the machine gives an endpoint. */
export interface Host {
  /**
   * Milliseconds of a clock that never goes back, with fractions; its origin is arbitrary. A call costs about 50 ns:
   * read it once per batch.
   */
  now(): number
  /** Makes a wake-up. An endpoint has one, never one per packet. */
  wakeUp(wake: () => void): WakeUp
  /**
   * Calls `run` once at the end of the turn, after received datagrams were delivered and due wake-ups were called. For
   * work due sooner than a timer can ring.
   */
  defer(run: () => void): void
  /** A uniform unsigned 32-bit integer for jitter and choices; not a secret. */
  random(): number
  /** Fills `out` with random bytes fit for keys and identities. */
  entropy(out: Uint8Array): void
  /**
   * The addresses of a name, port 0, in the order to try them; a literal address needs no lookup. Rejects with a
   * `TransportError` `name-not-found`.
   */
  resolve(name: string, signal?: AbortSignal): Promise<ResolvedAddress[]>
  /** The cryptography for sealing and key exchange. */
  readonly crypto: SyncCrypto
  /**
   * Opens the sockets. Rejects with a `TransportError` (`address-in-use`, `no-family`, `invalid-option` …) that says
   * what to do.
   */
  bind(options: BindOptions): Promise<Transport>
  /**
   * Nobody uses these bytes any more, which are all of an `ArrayBuffer`: detaches it, and gives its memory back at once.
   * Garbage collection does so much later, and the next large message would be made in memory that the system has to
   * provide page by page: 1 MiB takes five times as long. Absent, or without effect: the host can't do that.
   */
  discard?(bytes: Uint8Array): void
  /**
   * Only on a host whose time may stand still. The host asks from time to time which call of its user is waiting, such
   * as `"endpoint.join()"`, and warns of one that would wait for ever. Returns a function that ends this.
   */
  watchWaits?(waitingCall: () => string | undefined): () => void
}

/** One re-armable deadline. */
export interface WakeUp {
  /**
   * Calls the function once, at `deadlineMs` of `Host.now()` or soon after, never before, however far off that is, and
   * after delivery of the datagrams that already wait. Replaces the previous deadline; `Infinity` cancels it. Throws a
   * `RangeError` for NaN.
   */
  at(deadlineMs: number): void
  /**
   * A deadline keeps the program alive, as it does at first. `ref` and `unref` may be called in any order, and
   * repeatedly; a host that can't keep a program alive has neither.
   */
  ref?(): void
  /** A deadline doesn't keep the program alive. May be called at any time, and repeatedly. */
  unref?(): void
  /** Cancels the deadline and gives back what the system keeps for it. */
  close?(): void
  /**
   * How often the system had no precise timer, as where the process is out of descriptors: a coarser one, of
   * milliseconds, took its place.
   */
  readonly fallbacks?: number
}

const FUNCTIONS = objectWith<Host>("a host", "now", "wakeUp", "defer", "random", "entropy", "resolve", "bind")

/** A machine to run on: ours or any other. */
export const HOST: Kind<Host> = {
  takes: "a host, such as systemHost() or network.host(name) return",
  has: (value): value is Host => FUNCTIONS.has(value) && CRYPTO.has(value.crypto),
}
