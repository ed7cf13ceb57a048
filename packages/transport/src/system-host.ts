/**
 * This machine: Node's clock, timers, entropy, resolver and sockets.
 *
 * @module
 */

import { createHmac, randomFillSync } from "node:crypto"
import { lookup } from "node:dns/promises"
import { performance } from "node:perf_hooks"
import { formatHost, parseHost } from "./addresses.ts"
import { bindDualSocket } from "./dual-socket.ts"
import type { BindOptions, Host, ResolvedAddress, Transport, WakeUp } from "./host.ts"
import { loadNative } from "./native.ts"
import { TransportError } from "./transport-error.ts"

/** The machine that this program runs on. */
export function systemHost(): Host {
  return new SystemHost()
}

/** Random numbers are drawn this many at a time: a call for four bytes costs as much as one for a thousand. */
const RANDOM_WORDS = 256

class SystemHost implements Host {
  readonly crypto: Host["crypto"] = { hmacSha256: (key, data) => createHmac("sha256", key).update(data).digest() }
  readonly #words = new Uint32Array(RANDOM_WORDS)
  #nextWord = RANDOM_WORDS

  now(): number {
    return performance.now()
  }

  wakeUp(wake: () => void): WakeUp {
    return new Timer(wake)
  }

  defer(run: () => void): void {
    setImmediate(run)
  }

  random(): number {
    if (this.#nextWord === RANDOM_WORDS) {
      randomFillSync(this.#words)
      this.#nextWord = 0
    }
    return this.#words[this.#nextWord++]!
  }

  entropy(out: Uint8Array): void {
    randomFillSync(out)
  }

  async resolve(name: string, signal?: AbortSignal): Promise<ResolvedAddress[]> {
    signal?.throwIfAborted()
    const literal = parseHost(name)
    if (literal !== undefined) return [{ family: literal.family, host: formatHost(literal.bytes, literal.scope) }]
    const found = await lookup(name, { all: true }).catch((cause: unknown) => {
      throw new TransportError("name-not-found", `no address is known for "${name}"; check the name, or give an address`, cause)
    })
    signal?.throwIfAborted()
    return found.map(({ address, family }) => ({ family: family === 6 ? 6 : 4, host: address }))
  }

  async bind(options: BindOptions): Promise<Transport> {
    return bindDualSocket(options, await loadNative())
  }
}

/** The least that `setTimeout` can wait. */
const TIMER_MS = 1

/**
 * One deadline over one timer, which is set anew only for an earlier deadline: moving it is free. Timers run before sockets are read; so that
 * datagrams that wait are delivered first, the wake-up comes one step later in the same turn of the loop.
 */
class Timer implements WakeUp {
  readonly #wake: () => void
  #deadlineMs = Infinity
  #timer: NodeJS.Timeout | undefined
  #firesMs = Infinity

  constructor(wake: () => void) {
    this.#wake = wake
  }

  at(deadlineMs: number): void {
    this.#deadlineMs = deadlineMs
    if (deadlineMs === Infinity) return this.#clear()
    if (this.#timer === undefined || deadlineMs < this.#firesMs) this.#set()
  }

  #set(): void {
    clearTimeout(this.#timer)
    const waitMs = Math.max(TIMER_MS, Math.ceil(this.#deadlineMs - performance.now()))
    this.#firesMs = performance.now() + waitMs
    this.#timer = setTimeout(() => this.#fire(), waitMs)
  }

  #clear(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#firesMs = Infinity
  }

  #fire(): void {
    this.#timer = undefined
    this.#firesMs = Infinity
    if (this.#deadlineMs === Infinity) return
    // A timer that was set for an earlier deadline; half a millisecond is what rounding leaves.
    if (this.#deadlineMs - performance.now() > TIMER_MS / 2) return this.#set()
    const deadlineMs = this.#deadlineMs
    this.#deadlineMs = Infinity
    setImmediate(() => {
      // Datagrams that were read meanwhile may have set another.
      if (this.#deadlineMs >= deadlineMs) this.#wake()
    })
  }
}
