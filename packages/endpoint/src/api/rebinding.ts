/**
 * Other sockets for a running endpoint: when its user asks for them, and by itself when the present ones have ended, or
 * when the system says that their address is gone.
 *
 * @module
 */

import { BIND_OPTIONS, type BindOptions, type SocketErrorCode, type Transport } from "@x/transport/host"
import { double } from "@x/wire"
import type { Kinds } from "../errors/check.ts"
import { EndpointError, transportError } from "../errors/endpoint-error.ts"

/** Where the other sockets are bound; by default by the options of `bind`, or of the last call of `rebind` that succeeded. */
export type RebindOptions = Pick<BindOptions, "port" | "v4" | "v6">

export const REBIND_OPTIONS: Kinds<RebindOptions> = {
  port: BIND_OPTIONS.port,
  v4: BIND_OPTIONS.v4,
  v6: BIND_OPTIONS.v6,
}

/** Failures to send that another socket may mend. */
const GONE: ReadonlySet<SocketErrorCode> = new Set<SocketErrorCode>(["ENETDOWN", "EADDRNOTAVAIL"])
/** The time between two attempts of its own, milliseconds: it doubles from one that hasn't helped to the next. */
const AGAIN_MS_MIN = 1_000
const AGAIN_MS_MAX = 60_000
/**
 * An attempt has helped if no datagram fails for so long, milliseconds: even a peer that has nothing to say is written
 * to more often.
 */
const HELPED_MS = 10_000

export interface RebindingParts {
  readonly transport: Transport
  readonly now: () => number
  /** Settles after this time, or as soon as the endpoint is closed. */
  readonly wait: (ms: number) => Promise<void>
  readonly isClosed: () => boolean
  /** The options of the transport, of which these are wanted by the user. */
  readonly bindOptions: (options: RebindOptions) => BindOptions
  /** Where the sockets are, or were bound last. */
  readonly port: () => number
  /** The sockets are others. */
  readonly onRebound: () => void
}

export class Rebinding {
  /** How often the endpoint got other sockets, and how often it found none. */
  count = 0
  failed = 0
  /** How often a socket has ended by itself. */
  ended = 0
  readonly #parts: RebindingParts
  #options: RebindOptions = {}
  #last: Promise<void> = Promise.resolve()
  #isTrying = false
  #waitMs = double(AGAIN_MS_MIN)
  #againMs = -Infinity
  /** When a datagram last failed, or other sockets were last tried. */
  #failedMs = -Infinity

  constructor(parts: RebindingParts) {
    this.#parts = parts
  }

  /** One after the other. */
  rebind(options: RebindOptions): Promise<void> {
    const wanted = { ...this.#options, ...options }
    const bindOptions = this.#parts.bindOptions(wanted)
    return this.#next(bindOptions).then(() => void (this.#options = wanted))
  }

  #next(options: BindOptions): Promise<void> {
    const rebound = this.#last.then(() => this.#rebind(options))
    this.#last = rebound.catch(() => {})
    return rebound
  }

  async #rebind(options: BindOptions): Promise<void> {
    const { transport, isClosed, onRebound } = this.#parts
    if (isClosed()) throw new EndpointError("closed", "the endpoint is closed; bind another")
    if (transport.rebind === undefined)
      throw new EndpointError(
        "bind-failed",
        "the transport of this host can't open other sockets; bind another endpoint",
      )
    try {
      await transport.rebind(options)
    } catch (error) {
      this.failed++
      throw transportError(error, "bind-failed", "no other socket could be bound")
    }
    this.count++
    if (!isClosed()) onRebound()
  }

  /** A datagram couldn't be sent. */
  noteFailure(code: SocketErrorCode): void {
    if (GONE.has(code)) this.#renew(() => ({}))
  }

  /** A socket has ended. Peers know its port. Returns whether that is news: whether no others are on their way. */
  noteEnd(): boolean {
    this.ended++
    return this.#renew(() => ({ port: this.#parts.port() }))
  }

  #renew(options: () => RebindOptions): boolean {
    if (this.#parts.isClosed()) return false
    this.#judge()
    if (this.#isTrying) return false
    this.#isTrying = true
    void this.#try(options).finally(() => (this.#isTrying = false))
    return true
  }

  /** After a time without failures this one has another reason, and is no sign that attempts are in vain. */
  #judge(): void {
    const nowMs = this.#parts.now()
    if (nowMs - this.#failedMs >= HELPED_MS) {
      this.#waitMs = AGAIN_MS_MIN
      this.#againMs = -Infinity
    }
    this.#failedMs = nowMs
  }

  /** Until it succeeds, at once where the last time has helped. */
  async #try(options: () => RebindOptions): Promise<void> {
    const { now, wait, isClosed, bindOptions } = this.#parts
    let isBound = false
    while (!isBound) {
      if (now() < this.#againMs) await wait(this.#againMs - now())
      if (isClosed()) return
      this.#failedMs = now()
      this.#againMs = this.#failedMs + this.#waitMs
      this.#waitMs = Math.min(2 * this.#waitMs, AGAIN_MS_MAX)
      isBound = await this.#next(bindOptions({ ...this.#options, ...options() })).then(
        () => true,
        () => false,
      )
    }
  }
}
