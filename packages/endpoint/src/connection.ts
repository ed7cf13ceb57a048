import { BYTES, check, group, type Kinds, milliseconds, TEXT, TIMEOUT } from "./check.ts"
import { EndpointError } from "./endpoint-error.ts"
import { type Departure, Events, type Listener } from "./events.ts"
import { encodeValue } from "./encode-value.ts"
import { isMessageType, type MessageType } from "./message-type.ts"
import type { OutgoingStream, SendOptions, SendResult } from "./outgoing-stream.ts"
import { checkOpenOptions, type OpenOptions, type Peer } from "./peer.ts"
import type { Target } from "./target.ts"

export interface RetryOptions {
  /**
   * The first wait before joining again, default 100, and the longest, default 10,000, milliseconds from 1 on; each is twice the one before, and any time from half of it
   * on.
   */
  readonly minMs?: number
  readonly maxMs?: number
}

export interface ConnectOptions {
  /** Of whom is asked for, where members have an `identity`. */
  readonly publicKey?: Uint8Array
  readonly retry?: RetryOptions
}

const CONNECT_OPTIONS: Kinds<ConnectOptions> = {
  publicKey: BYTES,
  retry: group<RetryOptions>({ minMs: milliseconds(1), maxMs: milliseconds(1) }),
}

/** The options of `connect`, with a copy of the key. Throws `EndpointError` `invalid-option`. */
export function checkConnectOptions(options: ConnectOptions): { publicKey: Uint8Array | undefined; retry: Required<RetryOptions> } {
  const { publicKey, retry = {} } = check.options("connect", options, CONNECT_OPTIONS)
  const { minMs = 100, maxMs = Math.max(10_000, minMs) } = retry
  if (maxMs < minMs) throw check.wrong("retry.maxMs", `retry.minMs (${minMs}) or more`, maxMs)
  return { publicKey: publicKey?.slice(), retry: { minMs, maxMs } }
}

export interface ConnectionEvents {
  /** An incarnation of the peer is joined; its streams are open. Again after each restart. */
  up: (peer: Peer) => void
  /** It is gone; another one is looked for. */
  down: (peer: Peer, why: Departure) => void
  /** A join failed; the next one comes after so many milliseconds. */
  retry: (error: Error, afterMs: number) => void
}

/** A message whose stream ended before it was acknowledged. */
export interface UnconfirmedMessage {
  readonly type: number
  readonly bytes: Uint8Array
  /** Whether all of it was sent: then it may have been delivered. */
  readonly wasSent: boolean
}

export interface NamedStreamEvents {
  /** A stream to another incarnation of the peer takes what is sent from now on. */
  open: (stream: OutgoingStream) => void
  /** A reliable stream is over: what was accepted and never acknowledged, in order. Nothing of it is sent again by itself. */
  unconfirmed: (messages: readonly UnconfirmedMessage[]) => void
}

export interface NamedStreamOptions extends OpenOptions {
  /** Names the stream, here and to the peer. */
  readonly label: string
}

/** What a connection needs of its endpoint. */
export interface ConnectionHost {
  join(signal: AbortSignal): Promise<Peer>
  until(isDone: () => boolean, timeoutMs: number): Promise<void>
  /** Uniform, 0 to 2^32 − 1. */
  random(): number
  surface(error: unknown, where: string): void
  onClose(connection: Connection): void
}

/** A peer by its name, whatever incarnation of it there is: joins, and joins again. Made by `endpoint.connect()`. */
export class Connection implements AsyncDisposable {
  readonly target: Target
  readonly #host: ConnectionHost
  readonly #minMs: number
  readonly #maxMs: number
  readonly #events: Events<ConnectionEvents>
  readonly #streams = new Map<string, NamedStream>()
  readonly #abort = new AbortController()
  readonly #waiters: ((peer: Peer | undefined) => void)[] = []
  #peer: Peer | undefined
  #lost: Peer | undefined
  #isTrying = false
  #isClosed = false

  /** @internal */
  constructor(target: Target, { minMs, maxMs }: Required<RetryOptions>, host: ConnectionHost) {
    this.target = target
    this.#host = host
    this.#minMs = minMs
    this.#maxMs = maxMs
    this.#events = new Events(["up", "down", "retry"], (error, name) => host.surface(error, `the listener of "${name}"`))
    void this.#try()
  }

  /** The incarnation that is joined now. */
  get peer(): Peer | undefined {
    return this.#peer
  }

  /** @internal The incarnation that was joined last. */
  get lost(): Peer | undefined {
    return this.#lost
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  /** Listens to an event. Returns what ends it. */
  on<K extends keyof ConnectionEvents>(name: K, listener: Listener<ConnectionEvents, K>): () => void {
    return this.#events.on(name, listener)
  }

  /** The peer, once it is joined: at once, or when it next is. Rejects with `closed`. */
  joined(): Promise<Peer> {
    if (this.#peer !== undefined) return Promise.resolve(this.#peer)
    if (this.#isClosed) return Promise.reject(closedError())
    return new Promise((resolve, reject) => this.#waiters.push((peer) => (peer === undefined ? reject(closedError()) : resolve(peer))))
  }

  /** A stream of this name: opened now if the peer is joined, and anew to each incarnation. The same name is the same stream. */
  stream(options: NamedStreamOptions): NamedStream {
    const given = checkOpenOptions(options)
    check.value("label", options.label, TEXT)
    if (this.#isClosed) throw closedError()
    const known = this.#streams.get(given.label)
    if (known !== undefined) return known
    const stream = new NamedStream(given, (error, where) => this.#host.surface(error, where))
    this.#streams.set(given.label, stream)
    if (this.#peer !== undefined) stream.open(this.#peer)
    return stream
  }

  /** @internal An incarnation is there: by our join, or because it joined us. */
  use(peer: Peer): void {
    if (this.#isClosed || this.#peer === peer) return
    this.#peer = peer
    for (const stream of this.#streams.values()) stream.open(peer)
    for (const settle of this.#waiters.splice(0)) settle(peer)
    this.#events.emit("up", peer)
  }

  /** @internal A peer has left. */
  lose(peer: Peer, why: Departure): void {
    if (this.#peer !== peer) return
    this.#peer = undefined
    this.#lost = peer
    for (const stream of this.#streams.values()) stream.lose()
    this.#events.emit("down", peer, why)
    void this.#try()
  }

  /** Joins until it succeeds, further and further apart and never at the same time as all others who lost the peer. */
  async #try(): Promise<void> {
    if (this.#isTrying) return
    this.#isTrying = true
    for (let waitMs = this.#minMs; !this.#isClosed && this.#peer === undefined; waitMs = Math.min(2 * waitMs, this.#maxMs)) {
      try {
        const peer = await this.#host.join(this.#abort.signal)
        if (peer.state !== "left") this.use(peer)
      } catch (error) {
        if (this.#isClosed || (error instanceof EndpointError && error.code === "closed")) break
        const afterMs = (waitMs * (1 + this.#host.random() / 2 ** 32)) / 2
        this.#events.emit("retry", error as Error, afterMs)
        await this.#host.until(() => this.#isClosed || this.#peer !== undefined, afterMs)
      }
    }
    this.#isTrying = false
  }

  /** Ends its streams, and says goodbye once all of them are delivered or `lingerMs` is over: milliseconds, default 5,000; `Infinity`: however long it takes. */
  async close(lingerMs: number = 5_000): Promise<void> {
    check.value("lingerMs", lingerMs, TIMEOUT)
    if (this.#isClosed) return
    this.#isClosed = true
    this.#abort.abort()
    this.#host.onClose(this)
    for (const settle of this.#waiters.splice(0)) settle(undefined)
    const peer = this.#peer
    if (peer === undefined) return
    let isEnded = false
    void Promise.allSettled([...this.#streams.values()].map((stream) => stream.end())).then(() => (isEnded = true))
    await this.#host.until(() => isEnded || peer.state === "left", lingerMs)
    await peer.leave()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

/** A stream of a connection: to whatever incarnation of the peer there is. Made by `connection.stream()`. */
export class NamedStream {
  readonly label: string
  readonly #options: NamedStreamOptions
  readonly #events: Events<NamedStreamEvents>
  #stream: OutgoingStream | undefined
  /** Copies of what was accepted and is not known to be acknowledged, in order; and how many were before them. */
  #kept: { readonly type: number; readonly bytes: Uint8Array }[] = []
  #confirmed = 0

  /** @internal */
  constructor(options: NamedStreamOptions, surface: (error: unknown, where: string) => void) {
    this.label = options.label
    this.#options = options
    this.#events = new Events(["open", "unconfirmed"], (error, name) => surface(error, `the listener of "${name}"`))
  }

  /** The stream to the present incarnation. */
  get current(): OutgoingStream | undefined {
    return this.#stream
  }

  #isKeeping(): boolean {
    const { delivery = "reliable" } = this.#options
    return delivery === "reliable" || delivery === "reliable-unordered"
  }

  /** Listens to an event. Returns what ends it. */
  on<K extends keyof NamedStreamEvents>(name: K, listener: Listener<NamedStreamEvents, K>): () => void {
    return this.#events.on(name, listener)
  }

  /** As `OutgoingStream.trySend`; `not-joined` while there is no incarnation. */
  trySend(type: number, bytes: Uint8Array): SendResult
  trySend<T>(type: MessageType<T>, value: T): SendResult
  trySend(type: number | MessageType<unknown>, value: unknown): SendResult {
    const stream = this.#stream
    if (stream === undefined) return "not-joined"
    const [number, bytes] = plain(type, value)
    const result = stream.trySend(number, bytes)
    if (result === "sent" || result === "parked") this.#keep(number, bytes)
    return result
  }

  /** As `OutgoingStream.send`; rejects with `not-joined` while there is no incarnation. */
  async send(type: number, bytes: Uint8Array, options?: SendOptions): Promise<void>
  async send<T>(type: MessageType<T>, value: T, options?: SendOptions): Promise<void>
  async send(type: number | MessageType<unknown>, value: unknown, options?: SendOptions): Promise<void> {
    const stream = this.#stream
    if (stream === undefined) throw new EndpointError("not-joined", `no incarnation of the peer is joined; wait for "open"`)
    const [number, bytes] = plain(type, value)
    const sending = stream.send(number, bytes, options)
    const kept = this.#keep(number, bytes)
    try {
      await sending
    } catch (error) {
      // Cut off by the end of its stream it is handed back; given up by the caller it isn't.
      const { code } = error as EndpointError
      if (kept !== undefined && code !== "stream-closed" && code !== "not-joined") this.#kept.splice(this.#kept.indexOf(kept), 1)
      throw error
    }
  }

  #keep(type: number, bytes: Uint8Array): { readonly type: number; readonly bytes: Uint8Array } | undefined {
    if (!this.#isKeeping()) return undefined
    this.#settle()
    const kept = { type, bytes: new Uint8Array(bytes) }
    this.#kept.push(kept)
    return kept
  }

  /** Lets go of what is acknowledged: that is always the oldest. */
  #settle(): void {
    const acknowledged = this.#stream?.account.acknowledged ?? 0
    if (acknowledged === this.#confirmed) return
    this.#kept.splice(0, acknowledged - this.#confirmed)
    this.#confirmed = acknowledged
  }

  /** @internal */
  open(peer: Peer): void {
    this.#confirmed = 0
    this.#kept = []
    this.#stream = peer.open(this.#options)
    this.#events.emit("open", this.#stream)
  }

  /** @internal The peer is gone. */
  lose(): void {
    const stream = this.#stream
    if (stream === undefined) return
    this.#settle()
    const { unconfirmed } = stream.account
    const kept = this.#kept
    this.#stream = undefined
    this.#kept = []
    if (kept.length > 0)
      this.#events.emit(
        "unconfirmed",
        kept.map((message, i) => ({ ...message, wasSent: i < unconfirmed })),
      )
  }

  /** @internal */
  async end(): Promise<void> {
    await this.#stream?.end()
  }
}

function plain(type: number | MessageType<unknown>, value: unknown): [number, Uint8Array] {
  if (isMessageType(type)) return [type.type, encodeValue(type.codec, value)]
  return [type, value as Uint8Array]
}

function closedError(): EndpointError {
  return new EndpointError("closed", "the connection is closed; connect again")
}
