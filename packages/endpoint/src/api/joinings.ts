/**
 * The joins that an endpoint's application has begun: what each needs of the endpoint, and their end when it closes.
 *
 * @module
 */

import type { Host, Transport } from "@x/transport/host"
import { PROFILE } from "@x/wire"
import { check } from "../errors/check.ts"
import type { Identity } from "../keys/sealed-handshakes.ts"
import type { PeerState } from "../peer/peer-state.ts"
import type { Protocol } from "../protocol/protocol.ts"
import type { Settings } from "../settings.ts"
import { checkPublicKey } from "./identity.ts"
import { JOIN_OPTIONS, type JoiningHost, type JoinOptions, joinOver } from "./joining.ts"
import type { KnownAddresses } from "./known-addresses.ts"
import type { Outcomes } from "./outcomes.ts"
import { parseTarget, type Target } from "./target.ts"

export interface JoiningsParts {
  readonly host: Pick<Host, "now" | "resolve" | "crypto">
  readonly transport: Pick<Transport, "addressOf" | "internAddress" | "localAddresses" | "capabilities">
  readonly settings: Pick<Settings, "profile" | "joinTimeoutMs">
  readonly identity: Identity | undefined
  readonly protocol: Pick<Protocol, "callJoin" | "join" | "cancelJoin">
  readonly outcomes: Pick<Outcomes, "await" | "forget">
  until(isDone: () => boolean, timeoutMs: number): Promise<void>
  /** Throws if the endpoint is closed, or the signal has aborted. */
  checkOpen(signal: AbortSignal | undefined): void
}

export class Joinings {
  readonly #parts: JoiningsParts
  /** Each rejects a join under way. */
  readonly #pending = new Set<() => void>()

  constructor(parts: JoiningsParts) {
    this.#parts = parts
  }

  /** Joins; `known`: where the name was found before. Rejects only with `EndpointError`. */
  async join(target: Target, options: JoinOptions, known?: KnownAddresses): Promise<PeerState> {
    const { settings, identity, host: machine } = this.#parts
    const { signal, publicKey, timeoutMs = settings.joinTimeoutMs } = check.options("join", options, JOIN_OPTIONS)
    const { host, port } = parseTarget(target)
    checkPublicKey(publicKey, identity, machine)
    this.#parts.checkOpen(signal)
    const joining = this.#hostOf(publicKey && Uint8Array.from(publicKey))
    return joinOver(joining, { host, port, signal, timeoutMs, known })
  }

  #hostOf(publicKey: Uint8Array | undefined): JoiningHost {
    const { host, transport, settings, protocol, outcomes } = this.#parts
    return {
      own: transport.localAddresses,
      notes: transport.capabilities.notes,
      addressOf: ({ association }) => association && transport.addressOf(association.address),
      until: (isDone, timeoutMs) => this.#parts.until(isDone, timeoutMs),
      isKeyed: settings.profile >= PROFILE.mac,
      resolve: (name, signal) => host.resolve(name, signal),
      call: (timeoutMs, onDone) => {
        const call = protocol.callJoin(timeoutMs, host.now())
        outcomes.await(call, onDone)
        return call
      },
      ask: (call, addresses) => {
        const ids = addresses.map((address) => transport.internAddress(address))
        protocol.join(call, { addresses: ids, publicKey }, host.now())
      },
      cancel: (call) => {
        outcomes.forget(call)
        protocol.cancelJoin(call, host.now())
      },
      onClose: (end) => {
        this.#pending.add(end)
        return () => void this.#pending.delete(end)
      },
    }
  }

  /** The endpoint closes: all that are under way reject. */
  close(): void {
    for (const cancel of [...this.#pending]) cancel()
    this.#pending.clear()
  }
}
