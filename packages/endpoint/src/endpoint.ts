import { formatAddress, type Address, type Capabilities, type Host, type Transport, type TransportCounters } from "@x/transport/host"
import { type DropReason, REASON, reasonName, TYPE_MAX } from "@x/wire"
import { Driver } from "./driver.ts"
import { EndpointError } from "./endpoint-error.ts"
import { type EventListener, type EventName, Events } from "./events.ts"
import { IncomingStream } from "./incoming-stream.ts"
import { Message } from "./message.ts"
import { type EndpointOptions, type Settings, settingsOf } from "./options.ts"
import type { OutgoingStream } from "./outgoing-stream.ts"
import { Peer, type PeerHost } from "./peer.ts"
import { toHex } from "./protocol/identity.ts"
import type { ProtocolListener } from "./protocol/listener.ts"
import type { IncomingState } from "./protocol/incoming-streams.ts"
import type { OutgoingState } from "./protocol/outgoing-streams.ts"
import type { PeerState } from "./protocol/peer-state.ts"
import type { JoinFailure } from "./protocol/joins.ts"
import { Protocol } from "./protocol/protocol.ts"
import { parseTarget, type Target } from "./target.ts"

export interface JoinOptions {
  readonly signal?: AbortSignal
  /** Default: `joinTimeoutMs` of the endpoint. */
  readonly timeoutMs?: number
}

export interface EndpointStats {
  readonly transport: TransportCounters
  /** What came and was not applied, by reason. */
  readonly drops: Readonly<Record<DropReason, number>>
  /** Messages of types that nobody handled. */
  readonly unhandled: number
  readonly peers: number
  /** Joins under way: ours, and half-open ones of others. */
  readonly joins: number
  readonly halfOpen: number
  /** Packets kept until their turn comes, and bytes of large messages under way. */
  readonly poolPackets: number
  readonly assemblyBytes: number
}

/** Goodbyes are answered or given up within this, milliseconds. */
const GOODBYE_MS = 2_000

/**
 * A process on the network: peers join it and it joins peers, over one UDP port.
 *
 * @example
 * const endpoint = await Endpoint.bind({ port: 4000 })
 * endpoint.handle(CHAT, (message) => console.log(message.peer.unique, message.length))
 * const peer = await endpoint.join("node-b.example:4000")
 * peer.open().trySend(CHAT, bytes)
 */
export class Endpoint implements AsyncDisposable {
  readonly #host: Host
  readonly #transport: Transport
  readonly #settings: Settings
  readonly #protocol: Protocol
  readonly #driver: Driver
  readonly #events: Events
  readonly #handlers = new Map<number, (message: Message) => unknown>()
  readonly #message = new Message()
  readonly #peerHost: PeerHost
  /** Each rejects a join under way. */
  readonly #pendingJoins = new Set<() => void>()
  #unhandled = 0
  #closing: Promise<void> | undefined

  /** Opens the sockets. Rejects with `EndpointError` `invalid-option`, or the `TransportError` that says why the port can't be had. */
  static async bind(options: EndpointOptions = {}): Promise<Endpoint> {
    const settings = settingsOf(options)
    const host = options.host ?? (await import("@x/transport")).systemHost()
    const { port, v4, v6, receiveBufferBytes, sendBufferBytes } = options
    const given = Object.fromEntries(
      Object.entries({ port, v4, v6, receiveBufferBytes, sendBufferBytes }).filter(([, value]) => value !== undefined),
    )
    return new Endpoint(host, await host.bind(given), settings)
  }

  private constructor(host: Host, transport: Transport, settings: Settings) {
    this.#host = host
    this.#transport = transport
    this.#settings = settings
    this.#events = new Events((error, name) => this.#surface(error, `the listener of "${name}"`))
    this.#driver = new Driver(host, transport)
    this.#peerHost = {
      now: () => host.now(),
      until: (isDone, timeoutMs) => this.#driver.until(isDone, timeoutMs),
      addressOf: (id) => transport.addressOf(id),
      parkedMessagesMax: settings.parkedMessagesMax,
      parkedBytesMax: settings.parkedBytesMax,
    }
    this.#protocol = new Protocol({
      settings,
      transport,
      listener: this.#makeListener(),
      random: () => host.random(),
      cookies: { entropy: (out) => host.entropy(out), hmacSha256: (key, data) => host.crypto.hmacSha256(key, data) },
      nowMs: host.now(),
      onWork: () => this.#driver.work(),
    })
    this.#driver.start(this.#protocol)
  }

  /** 16 hexadecimal digits, new for every bound endpoint: a restarted process is never taken for the one before. */
  get unique(): string {
    return toHex(this.#protocol.unique)
  }

  /** Where it is bound, one address for each family. */
  get addresses(): readonly Address[] {
    return this.#transport.localAddresses
  }

  get port(): number {
    return this.#transport.localAddresses[0]!.port
  }

  get capabilities(): Capabilities {
    return this.#transport.capabilities
  }

  /** The peers that are joined or unreachable. */
  get peers(): readonly Peer[] {
    return [...this.#protocol.peers.values()]
      .filter(({ liveness }) => liveness === "joined" || liveness === "unreachable")
      .map((state) => this.#peerOf(state))
  }

  get isClosed(): boolean {
    return this.#closing !== undefined
  }

  /**
   * Handles messages of a type from all peers: one handler for a type. It is called at once, in order within a stream, with a message object that
   * is valid during the call. Returns what takes the handler away again.
   */
  handle(type: number, handler: (message: Message) => unknown): () => void {
    if (!(Number.isInteger(type) && type >= 0 && type <= TYPE_MAX))
      throw new RangeError(`a message type must be a whole number from 0 to ${TYPE_MAX}, not ${type}`)
    if (this.#handlers.has(type))
      throw new EndpointError("invalid-option", `type ${type} has a handler already; take that one away first, by what handle() returned`)
    this.#handlers.set(type, handler)
    return () => {
      if (this.#handlers.get(type) === handler) this.#handlers.delete(type)
    }
  }

  /** Listens to an event. Returns what ends it. */
  on<K extends EventName>(name: K, listener: EventListener<K>): () => void {
    return this.#events.on(name, listener)
  }

  /** Associates with the endpoint at a target. Rejects with `join-timeout`, `join-refused`, `invalid-target`, `aborted`, `closed`, or the `TransportError` `name-not-found`. */
  async join(target: Target, { signal, timeoutMs = this.#settings.joinTimeoutMs }: JoinOptions = {}): Promise<Peer> {
    const { host, port } = parseTarget(target)
    this.#checkOpen(signal)
    const found = await this.#host.resolve(host, signal)
    this.#checkOpen(signal)
    const usable = found.filter(({ family }) => this.capabilities.families.includes(family))
    if (usable.length === 0) {
      const [first] = found
      throw new EndpointError(
        "invalid-target",
        `${host} has only a v${first?.family ?? 4} address, and this endpoint has no v${first?.family ?? 4} socket`,
      )
    }
    const ids = usable.map(({ family, host }) => this.#transport.internAddress({ family, host, port }))
    const result = await this.#joinAddresses(ids, timeoutMs, signal)
    if (!("kind" in result)) return this.#peerOf(result)
    const where = usable.map(({ family, host }) => formatAddress({ family, host, port })).join(" or ")
    if (result.kind === "timeout")
      throw new EndpointError(
        "join-timeout",
        `nobody answered at ${where} within ${timeoutMs} ms; is an endpoint with the same protection bound there?`,
      )
    throw new EndpointError("join-refused", `${where} refused: ${result.text || reasonName(result.reason)}`)
  }

  #joinAddresses(ids: readonly number[], timeoutMs: number, signal: AbortSignal | undefined): Promise<PeerState | JoinFailure> {
    return new Promise((resolve, reject) => {
      let cancel = (_nowMs: number): void => {}
      const settle = (act: () => void): void => {
        signal?.removeEventListener("abort", onAbort)
        this.#pendingJoins.delete(onClose)
        cancel(this.#host.now())
        act()
      }
      const onAbort = (): void => settle(() => reject(new EndpointError("aborted", "the caller aborted", signal?.reason)))
      const onClose = (): void => settle(() => reject(closedError()))
      const onDone = (result: PeerState | JoinFailure): void => settle(() => resolve(result))
      signal?.addEventListener("abort", onAbort, { once: true })
      this.#pendingJoins.add(onClose)
      cancel = this.#protocol.join({ addresses: ids, timeoutMs, onDone }, this.#host.now())
    })
  }

  #checkOpen(signal?: AbortSignal): void {
    if (this.#closing !== undefined) throw closedError()
    if (signal?.aborted) throw new EndpointError("aborted", "the caller aborted", signal.reason)
  }

  stats(): EndpointStats {
    const { peers, joins, halfOpen, pool, assemblyBytes } = this.#protocol.sizes
    return {
      transport: this.#transport.counters,
      drops: { ...this.#protocol.drops },
      unhandled: this.#unhandled,
      peers,
      joins,
      halfOpen,
      poolPackets: pool,
      assemblyBytes,
    }
  }

  /** Delivers what was accepted, as far as `lingerMs` allows, says goodbye to all peers and closes the sockets. Always settles, never rejects; a second call returns the same promise. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    for (const cancel of [...this.#pendingJoins]) cancel()
    this.#pendingJoins.clear()
    await this.#driver.until(() => this.#isDrained(), this.#settings.lingerMs)
    this.#protocol.leave(REASON.closing, this.#host.now())
    await this.#driver.until(() => [...this.#protocol.peers.values()].every(({ isSettled }) => isSettled), GOODBYE_MS)
    this.#driver.stop()
    this.#protocol.release(this.#host.now())
    await this.#transport.close()
  }

  #isDrained(): boolean {
    for (const { liveness, outgoing } of this.#protocol.peers.values()) {
      if (liveness !== "joined") continue
      for (const { stream, owner } of outgoing.all()) {
        if (stream.state === "open" && !(stream.isDrained && (owner as OutgoingStream | undefined)?.parkedMessages === 0)) return false
        if (stream.state === "ending") return false
      }
    }
    return true
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** @internal For tests: sizes of what grows and shrinks. */
  get sizes(): Protocol["sizes"] {
    return this.#protocol.sizes
  }

  /** @internal For tests. */
  assertInvariants(): void {
    this.#protocol.assertInvariants()
  }

  #peerOf(state: PeerState): Peer {
    state.owner ??= new Peer(state, this.#peerHost)
    return state.owner as Peer
  }

  #makeListener(): ProtocolListener {
    return {
      onMessage: (peer, stream, type, bytes, view, offset, length) => this.#dispatch(peer, stream, type, bytes, view, offset, length),
      onStreamOpened: (peer, state) => this.#events.emit("stream", this.#streamOf(peer, state)),
      onStreamClosed: (peer, state, isComplete, reason) => this.#streamOf(peer, state).settle(isComplete, reason),
      onProgress: (_peer, state: OutgoingState) => (state.owner as OutgoingStream | undefined)?.onProgress(),
      onJoined: (peer) => this.#events.emit("joined", this.#peerOf(peer)),
      onReplaced: (before, after, isRestart) =>
        this.#events.emit(isRestart ? "restarted" : "rejoined", this.#peerOf(after), this.#peerOf(before)),
      onReachable: (peer, isReachable) => this.#events.emit(isReachable ? "reachable" : "unreachable", this.#peerOf(peer)),
      onLeft: (peer, reason, text) => {
        this.#peerOf(peer).settle()
        this.#events.emit("left", this.#peerOf(peer), { reason, text })
      },
    }
  }

  #streamOf(peer: PeerState, state: IncomingState): IncomingStream {
    state.owner ??= new IncomingStream(this.#peerOf(peer), peer, state)
    return state.owner as IncomingStream
  }

  #dispatch(
    peerState: PeerState,
    state: IncomingState,
    type: number,
    bytes: Uint8Array,
    view: DataView,
    offset: number,
    length: number,
  ): void {
    const peer = this.#peerOf(peerState)
    const handler = this.#handlers.get(type)
    const isQueued = peer.hasQueue(type)
    if (handler === undefined && !isQueued) {
      this.#unhandled++
      return
    }
    const stream = this.#streamOf(peerState, state)
    if (isQueued) peer.push(type, new Uint8Array(bytes.subarray(offset, offset + length)), stream)
    if (handler === undefined) return
    const message = this.#message
    message.set(type, peer, stream, bytes, view, offset, length)
    try {
      const result = handler(message)
      // An async handler is not waited for, but its failure is told like any other.
      if (result instanceof Promise) result.catch((error: unknown) => this.#surface(error, `the handler of type ${type}`))
    } catch (error) {
      this.#surface(error, `the handler of type ${type}`)
    } finally {
      message.clear()
    }
  }

  /** An error of the application's own: told once, and the loop goes on. */
  #surface(cause: unknown, where: string): void {
    const error = new EndpointError("handler-failed", `${where} threw: ${cause instanceof Error ? cause.message : String(cause)}`, cause)
    if (this.#events.has("error") && !where.includes('"error"')) this.#events.emit("error", error)
    else
      this.#host.defer(() => {
        throw error
      })
  }
}

function closedError(): EndpointError {
  return new EndpointError("closed", "the endpoint is closed; bind another")
}
