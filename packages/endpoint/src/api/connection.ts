import { REASON } from "@x/wire"
import { BYTES, check, group, type Kinds, milliseconds, TEXT, TIMEOUT } from "../errors/check.ts"
import { EndpointError } from "../errors/endpoint-error.ts"
import type { Departure } from "./endpoint-events.ts"
import { Events, type Listener } from "./events.ts"
import type { Peer } from "./handles.ts"
import { NamedStream, type NamedStreamOptions } from "./named-stream.ts"
import type { PeerHandle } from "./peer.ts"
import { checkOpenOptions } from "./peer-options.ts"
import type { Target } from "./target.ts"
import type { UserCode } from "./user-code.ts"

/** How long a {@link Connection} waits between joins. */
export interface RetryOptions {
  /**
   * The first wait before joining again, milliseconds, from 1, default 100. Each wait is twice the one before, up to
   * `maxMs`; a random part of up to half is taken off.
   */
  readonly minMs?: number
  /** The longest wait, milliseconds, from `minMs`; default 10,000, or `minMs` where that is more. */
  readonly maxMs?: number
}

/** Options of `endpoint.connect`. */
export interface ConnectOptions {
  /** The public key of the peer, 32 bytes, where members have an `identity`. */
  readonly publicKey?: Uint8Array
  /** How long to wait between joins. */
  readonly retry?: RetryOptions
}

const CONNECT_OPTIONS: Kinds<ConnectOptions> = {
  publicKey: BYTES,
  retry: group<RetryOptions>({ minMs: milliseconds(1), maxMs: milliseconds(1) }),
}

/** The options of `connect`, with a copy of the key. Throws `EndpointError` `invalid-option`. */
export function checkConnectOptions(options: ConnectOptions): {
  publicKey: Uint8Array | undefined
  retry: Required<RetryOptions>
} {
  const { publicKey, retry = {} } = check.options("connect", options, CONNECT_OPTIONS)
  const { minMs = 100, maxMs = Math.max(10_000, minMs) } = retry
  if (maxMs < minMs) throw check.wrong("retry.maxMs", `retry.minMs (${minMs}) or more`, maxMs)
  return { publicKey: publicKey?.slice(), retry: { minMs, maxMs } }
}

/** The events of a connection, with their arguments. */
export interface ConnectionEvents {
  /** An incarnation of the peer is joined, and the streams are open. Repeated after each restart. */
  up: (peer: Peer) => void
  /** The incarnation is gone; the connection looks for another one. */
  down: (peer: Peer, why: Departure) => void
  /**
   * A join failed; the next one follows after this many milliseconds. The connection also waits after it lost a peer
   * soon after joining it.
   */
  retry: (error: Error, afterMs: number) => void
}

/** What a connection needs of its endpoint. */
export interface ConnectionHost {
  now(): number
  join(signal: AbortSignal): Promise<PeerHandle>
  until(isDone: () => boolean, timeoutMs: number, call?: string): Promise<void>
  /** Uniform, 0 to 2^32 − 1. */
  random(): number
  readonly userCode: UserCode
  onClose(connection: Connection): void
  /**
   * Nothing of this connection uses the peer any more: the endpoint says goodbye to it if nothing else uses it either.
   * Settles after that.
   */
  letGo(peer: PeerHandle): Promise<void>
  /** The default of `close`. */
  readonly lingerMs: number
  /** Bytes that a label may have for every peer. */
  readonly labelBytesMax: number
}

/** A peer by its name, across its incarnations: joins it, and joins again. Made by `endpoint.connect()`. */
export class Connection implements AsyncDisposable {
  /** The target that was given to `connect`. */
  readonly target: Target
  readonly #host: ConnectionHost
  readonly #minMs: number
  readonly #maxMs: number
  readonly #events: Events<ConnectionEvents>
  /** By label, the streams that were not ended; and all streams whose end is still to come. */
  readonly #streams = new Map<string, NamedStream>()
  readonly #live = new Set<NamedStream>()
  /** Streams that the peer has no room for. */
  readonly #heldUp = new Set<NamedStream>()
  readonly #abort = new AbortController()
  readonly #waiters: ((peer: Peer | undefined) => void)[] = []
  #peer: PeerHandle | undefined
  #lost: PeerHandle | undefined
  #joinedMs = -Infinity
  /**
   * How long to wait before joining again a peer that is lost soon after each join. The more often that happened, the
   * longer.
   */
  #soonMs: number
  #isUpTold = false
  #isTrying = false
  #isFilling = false
  #closing: Promise<void> | undefined

  /** @internal */
  constructor(target: Target, { minMs, maxMs }: Required<RetryOptions>, host: ConnectionHost) {
    this.target = target
    this.#host = host
    this.#minMs = this.#soonMs = minMs
    this.#maxMs = maxMs
    this.#events = new Events(["up", "down", "retry"], host.userCode)
    void this.#try()
  }

  /** The incarnation that is joined now. */
  get peer(): Peer | undefined {
    return this.#peer
  }

  /** @internal The last joined incarnation. */
  get lost(): PeerHandle | undefined {
    return this.#lost
  }

  /** Whether it was closed, by `close` or with its endpoint. */
  get isClosed(): boolean {
    return this.#closing !== undefined
  }

  /** Listens to an event. Returns a function that stops listening. */
  on<K extends keyof ConnectionEvents>(name: K, listener: Listener<ConnectionEvents, K>): () => void {
    return this.#events.on(name, listener)
  }

  /** Listens to an event until it has happened once. Returns a function that stops listening before that. */
  once<K extends keyof ConnectionEvents>(name: K, listener: Listener<ConnectionEvents, K>): () => void {
    return this.#events.once(name, listener)
  }

  /** @internal Whether a call waits for `joined`. */
  get isAwaited(): boolean {
    return this.#waiters.length > 0
  }

  /** The peer, once it is joined: now, or when it next is. Rejects with `closed`. */
  joined(): Promise<Peer> {
    if (this.isClosed) return Promise.reject(closedError())
    if (this.#peer !== undefined) return Promise.resolve(this.#peer)
    return new Promise((resolve, reject) =>
      this.#waiters.push((peer) => (peer === undefined ? reject(closedError()) : resolve(peer))),
    )
  }

  /**
   * Returns the stream of this name. It is opened now if the peer is joined, and anew to each incarnation; its `state`
   * says which. The same name is the same stream until it is ended. Throws `EndpointError` `invalid-option`, also if
   * the name exists with other options, or `closed`.
   */
  stream(options: NamedStreamOptions): NamedStream {
    const given = checkOpenOptions(options, this.#host.labelBytesMax)
    check.value("label", options.label, TEXT)
    if (this.isClosed) throw closedError()
    const known = this.#streams.get(given.label)
    if (known !== undefined) {
      known.checkSame(given)
      return known
    }
    const stream = new NamedStream(given, {
      userCode: this.#host.userCode,
      want: (it) => this.#want(it),
      onEnd: (it) => void this.#streams.delete(it.label),
      onOver: (it) => {
        this.#live.delete(it)
        this.#heldUp.delete(it)
      },
    })
    this.#streams.set(given.label, stream)
    this.#live.add(stream)
    this.#want(stream)
    return stream
  }

  #want(stream: NamedStream): void {
    if (this.#peer === undefined || this.isClosed) return
    if (stream.open(this.#peer)) return void this.#heldUp.delete(stream)
    this.#heldUp.add(stream)
    void this.#fill()
  }

  /** Opens streams that wait for room, as room becomes free. */
  async #fill(): Promise<void> {
    if (this.#isFilling) return
    this.#isFilling = true
    const isOver = (): boolean => this.isClosed || this.#peer === undefined || this.#heldUp.size === 0
    while (!isOver()) {
      await this.#host.until(() => isOver() || this.#peer!.hasRoom, Infinity)
      for (const stream of [...this.#heldUp]) if (this.#peer?.hasRoom === true) this.#want(stream)
    }
    this.#isFilling = false
  }

  /** @internal An incarnation is joined: we joined it, or it joined us. */
  use(peer: PeerHandle): void {
    if (this.isClosed || this.#peer !== undefined || peer.state === "left") return
    this.#peer = peer
    this.#joinedMs = this.#host.now()
    peer.keep(this)
    // A listener that is told of a stream may close the connection, or make the peer leave.
    for (const stream of [...this.#live]) if (this.#peer === peer) this.#want(stream)
    if (this.#peer !== peer || this.isClosed) return
    for (const settle of this.#waiters.splice(0)) settle(peer)
    this.#isUpTold = true
    this.#events.emit("up", peer)
  }

  /** @internal A peer has left. */
  lose(peer: PeerHandle, why: Departure): void {
    if (this.#peer !== peer) return
    const wasToldUp = this.#isUpTold
    this.#peer = undefined
    this.#lost = peer
    this.#isUpTold = false
    this.#heldUp.clear()
    peer.letGo(this)
    for (const stream of [...this.#live]) stream.lose(why)
    if (wasToldUp) this.#events.emit("down", peer, why)
    void this.#try()
  }

  /** A peer that is lost soon after it was joined may be lost again: it is joined less and less often. */
  #pauseMs(): number {
    if (this.#host.now() - this.#joinedMs >= this.#maxMs) {
      this.#soonMs = this.#minMs
      return 0
    }
    const waitMs = this.#soonMs
    this.#soonMs = this.#doubled(waitMs)
    return this.#jittered(waitMs)
  }

  #doubled(waitMs: number): number {
    return Math.min(2 * waitMs, this.#maxMs)
  }

  /** Spreads the waits, so that not all connections that lost the peer join at the same time. */
  #jittered(waitMs: number): number {
    return (waitMs * (1 + this.#host.random() / 2 ** 32)) / 2
  }

  /** Joins until it succeeds, with growing waits. */
  async #try(): Promise<void> {
    if (this.#isTrying) return
    this.#isTrying = true
    const isOver = (): boolean => this.isClosed || this.#peer !== undefined
    // Another incarnation may be reported in this same turn.
    await Promise.resolve()
    let afterMs = this.#pauseMs()
    for (let waitMs = this.#minMs; !isOver(); waitMs = this.#doubled(waitMs)) {
      if (afterMs > 0) await this.#host.until(isOver, afterMs)
      if (isOver()) break
      afterMs = this.#jittered(waitMs)
      try {
        await this.#join()
      } catch (error) {
        if (!isOver()) this.#events.emit("retry", error as Error, afterMs)
      }
    }
    this.#isTrying = false
  }

  async #join(): Promise<void> {
    const peer = await this.#host.join(this.#abort.signal)
    this.use(peer)
    // The connection was closed in the meantime, or another incarnation came first.
    if (this.#peer !== peer) void this.#host.letGo(peer)
  }

  /**
   * Stops joining, and ends the streams. Settles when all of them are delivered, or are given up after `lingerMs`:
   * milliseconds, default that of the endpoint; `Infinity`: however long it takes. Then it says goodbye to the peer,
   * which takes at most a second, unless something else uses the peer: another connection, a caller that got it from
   * `endpoint.join()`, the peer itself if it joined us, or an open stream in either direction. If only streams are
   * left, it says goodbye once the last one closes. A second call settles with the first. Rejects only with
   * `invalid-option`.
   */
  close(lingerMs: number = this.#host.lingerMs): Promise<void> {
    return this.#close(lingerMs, true)
  }

  /** @internal Closes with its endpoint, which says goodbye to all peers. */
  closeWithEndpoint(): void {
    void this.#close(this.#host.lingerMs, false)
  }

  async #close(lingerMs: number, isAlone: boolean): Promise<void> {
    check.value("lingerMs", lingerMs, TIMEOUT)
    if (this.#closing !== undefined) return this.#closing
    let settle!: () => void
    this.#closing = new Promise((resolve) => (settle = resolve))
    try {
      await this.#end(lingerMs, isAlone)
    } finally {
      settle()
    }
  }

  async #end(lingerMs: number, isAlone: boolean): Promise<void> {
    const peer = this.#peer
    this.#abort.abort()
    this.#host.onClose(this)
    for (const settle of this.#waiters.splice(0)) settle(undefined)
    const streams = [...this.#live]
    for (const stream of streams) void stream.end()
    if (peer === undefined) return
    await this.#host.until(() => streams.every(({ isSettled }) => isSettled), lingerMs, "connection.close()")
    for (const stream of streams) stream.cut(REASON.closing)
    this.#peer = undefined
    peer.letGo(this)
    if (isAlone) await this.#host.letGo(peer)
  }

  /** Like `close()`: for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

function closedError(): EndpointError {
  return new EndpointError("closed", "the connection is closed; connect again")
}
