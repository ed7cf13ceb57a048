/**
 * This machine: Node's clock, timers, entropy, resolver and sockets.
 *
 * @module
 */

import { createHmac, randomFillSync } from "node:crypto"
import { lookup } from "node:dns/promises"
import { networkInterfaces } from "node:os"
import { performance } from "node:perf_hooks"
import { formatHost, parseHost } from "./addresses.ts"
import { type Activity, bindDualSocket } from "./dual-socket.ts"
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
  readonly #activity: Activity = { datagrams: 0 }
  readonly #words = new Uint32Array(RANDOM_WORDS)
  #nextWord = RANDOM_WORDS

  now(): number {
    return performance.now()
  }

  wakeUp(wake: () => void): WakeUp {
    return new Timer(wake, this.#activity)
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
    if (literal !== undefined) {
      const { family, bytes, scope } = literal
      // With a scope that it doesn't know the system would send somewhere else, or nowhere.
      if (scope !== "" && networkInterfaces()[scope] === undefined)
        throw new TransportError("name-not-found", `this machine has no interface "${scope}"; give one that it has after the %`)
      return [{ family, host: formatHost(bytes, scope) }]
    }
    const found = await abortable(lookup(name, { all: true }), signal).catch((cause: unknown) => {
      signal?.throwIfAborted()
      throw new TransportError("name-not-found", `no address is known for "${name}"; check the name, or give an address`, cause)
    })
    return found.map(({ address, family }) => ({ family: family === 6 ? 6 : 4, host: address }))
  }

  async bind(options: BindOptions): Promise<Transport> {
    return bindDualSocket(options, await loadNative(), this.#activity)
  }
}

/** Settles like the promise, or rejects with the signal's reason: a lookup takes many seconds to find that nobody answers. */
function abortable<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason as Error)
    signal.addEventListener("abort", abort, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort))
  })
}

/** The least that `setTimeout` can wait, and the most. */
const TIMER_MS = 1
const TIMER_MS_MAX = 2 ** 31 - 1

/** A wake-up lets sockets that still have datagrams be read for at most so many turns of the loop, 32 datagrams each. */
const READ_TURNS_MAX = 16

/**
 * One deadline over one timer, which is set anew only for an earlier deadline: moving it is free. Timers run before sockets are read; so that
 * datagrams that wait are delivered first, the wake-up comes after a turn of the loop in which none was read.
 */
class Timer implements WakeUp {
  readonly #wake: () => void
  readonly #activity: Activity
  #deadlineMs = Infinity
  #timer: NodeJS.Timeout | undefined
  /** When the timer fires. */
  #firesMs = Infinity
  #reading: NodeJS.Immediate | undefined

  constructor(wake: () => void, activity: Activity) {
    this.#wake = wake
    this.#activity = activity
  }

  at(deadlineMs: number): void {
    this.#deadlineMs = deadlineMs
    clearImmediate(this.#reading)
    if (deadlineMs === Infinity) this.#stop()
    else if (this.#timer === undefined || deadlineMs < this.#firesMs) this.#start()
  }

  #start(): void {
    clearTimeout(this.#timer)
    const nowMs = performance.now()
    const waitMs = Math.min(Math.max(TIMER_MS, Math.ceil(this.#deadlineMs - nowMs)), TIMER_MS_MAX)
    this.#firesMs = nowMs + waitMs
    this.#timer = setTimeout(() => this.#fire(), waitMs)
  }

  #stop(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#firesMs = Infinity
  }

  #fire(): void {
    this.#stop()
    // A timer that was set for an earlier deadline; half a millisecond is what rounding leaves.
    if (this.#deadlineMs - performance.now() > TIMER_MS / 2) this.#start()
    else this.#wakeOnceRead(READ_TURNS_MAX)
  }

  #wakeOnceRead(turns: number): void {
    const before = this.#activity.datagrams
    this.#reading = setImmediate(() => {
      if (this.#activity.datagrams > before && turns > 1) return this.#wakeOnceRead(turns - 1)
      this.#deadlineMs = Infinity
      this.#wake()
    })
  }
}
