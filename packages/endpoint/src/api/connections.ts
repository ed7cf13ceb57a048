/**
 * The connections of an endpoint, and what becomes of a peer that none of them needs any more.
 *
 * @module
 */

import { checkConnectOptions, Connection, type ConnectionHost, type ConnectOptions } from "./connection.ts"
import type { JoinOptions } from "./joining.ts"
import { KnownAddresses } from "./known-addresses.ts"
import type { PeerHandle } from "./peer.ts"
import type { Target } from "./target.ts"

type EachNeeds = Pick<ConnectionHost, "now" | "until" | "random" | "userCode" | "lingerMs" | "labelBytesMax">

/** What connections need of their endpoint. */
export interface ConnectionsHost extends EachNeeds {
  readonly isClosed: boolean
  /** Throws for a target or a key that can't be joined, and when the endpoint is closed. */
  checkTarget(target: Target, publicKey: Uint8Array | undefined): void
  join(target: Target, options: JoinOptions, known: KnownAddresses): Promise<PeerHandle>
}

export class Connections {
  readonly #host: ConnectionsHost
  readonly #open = new Set<Connection>()

  constructor(host: ConnectionsHost) {
    this.#host = host
  }

  [Symbol.iterator](): Iterator<Connection> {
    return this.#open.values()
  }

  /** Whether a call of one waits for its peer. */
  get isAwaited(): boolean {
    for (const { isAwaited } of this.#open) if (isAwaited) return true
    return false
  }

  connect(target: Target, options: ConnectOptions): Connection {
    const host = this.#host
    const { publicKey, retry } = checkConnectOptions(options)
    host.checkTarget(target, publicKey)
    const known = new KnownAddresses()
    const connection = new Connection(target, retry, {
      join: (signal) => host.join(target, { signal, ...(publicKey === undefined ? {} : { publicKey }) }, known),
      until: (isDone, timeoutMs, call) => host.until(isDone, timeoutMs, call),
      random: () => host.random(),
      userCode: host.userCode,
      now: () => host.now(),
      onClose: (it) => void this.#open.delete(it),
      letGo: (peer) => this.letGo(peer),
      lingerMs: host.lingerMs,
      labelBytesMax: host.labelBytesMax,
    })
    this.#open.add(connection)
    return connection
  }

  /**
   * Says goodbye to a peer that a connection needs no more, unless somebody else does; if that is only an open stream,
   * once it closes, for which nobody waits.
   */
  async letGo(peer: PeerHandle): Promise<void> {
    const isWanted = (): boolean => this.#host.isClosed || peer.state === "left" || peer.isKept
    if (isWanted()) return
    if (!peer.hasStreams) return peer.leave()
    void this.#host.until(() => isWanted() || !peer.hasStreams, Infinity).then(() => this.letGo(peer))
  }

  /** The endpoint closes. */
  close(): void {
    for (const connection of [...this.#open]) connection.closeWithEndpoint()
  }
}
