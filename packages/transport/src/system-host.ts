/**
 * This machine: Node's clock, timers, entropy, resolver and sockets.
 *
 * @module
 */

import { randomFillSync } from "node:crypto"
import { performance } from "node:perf_hooks"
import { MessageChannel, type MessagePort } from "node:worker_threads"
import { bindDualSocket } from "./bind-dual-socket.ts"
import type { ResolvedAddress } from "./addresses.ts"
import type { BindOptions } from "./bind-options.ts"
import type { Host, WakeUp } from "./host.ts"
import type { SyncCrypto } from "./sync-crypto.ts"
import type { Transport } from "./transport.ts"
import { loadNative } from "./native.ts"
import { resolveName } from "./resolve-name.ts"
import { runtimeOf } from "./runtime.ts"
import { systemCrypto } from "./system-crypto.ts"
import { type Alarm, Timer } from "./timer.ts"
import { TurnEnd } from "./turn-end.ts"
import { warnOfLess } from "./warn.ts"

/** The machine this program runs on. */
export function systemHost(): Host {
  return new SystemHost()
}

/** How many random numbers are drawn at a time: a call for four bytes costs as much as one for a thousand. */
const RANDOM_WORDS = 256

function closedPort(): MessagePort {
  const { port1 } = new MessageChannel()
  port1.close()
  return port1
}

class SystemHost implements Host {
  readonly crypto: SyncCrypto = systemCrypto
  readonly #turnEnd = new TurnEnd(runtimeOf(process.versions).turnsToRead)
  readonly #words = new Uint32Array(RANDOM_WORDS)
  #nextWord = RANDOM_WORDS
  /** A closed port: what is posted to it goes nowhere, and memory that goes with it is freed. */
  #nowhere: MessagePort | undefined
  /** The native helper's alarm, once `bind` has loaded it. */
  #openAlarm: ((ring: () => void) => Alarm) | undefined

  now(): number {
    return performance.now()
  }

  wakeUp(wake: () => void): WakeUp {
    return new Timer(this.#turnEnd, wake, this.#openAlarm)
  }

  defer(run: () => void): void {
    this.#turnEnd.defer(run)
  }

  discard({ buffer }: Uint8Array): void {
    this.#nowhere ??= closedPort()
    this.#nowhere.postMessage(undefined, [buffer as ArrayBuffer])
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

  resolve(name: string, signal?: AbortSignal): Promise<ResolvedAddress[]> {
    return resolveName(name, signal)
  }

  async bind(options: BindOptions): Promise<Transport> {
    const helper = await loadNative()
    if (helper.native?.canBatch === true) this.#openAlarm = helper.native.openAlarm
    const transport = await bindDualSocket(options, helper, this.#turnEnd)
    warnOfLess(transport.capabilities)
    return transport
  }
}
