/**
 * An endpoint, as its user holds it: composes what is below, and is the one way to it. The file is long, but one thing:
 * a quarter of it composes the machines, and the rest are the methods of one class as its user reads them, each of which
 * hands its call to the machine that answers it.
 *
 * @module
 */

import type { Address, BindOptions, Capabilities, Host, Transport } from "@x/transport/host"
import { DATAGRAM_BYTES_BASE, PROFILE, REASON } from "@x/wire"
import { check, checkFunction } from "../errors/check.ts"
import type { Connection, ConnectOptions } from "./connection.ts"
import { Connections, type ConnectionsHost } from "./connections.ts"
import { type Alarm, Alarms } from "./alarms.ts"
import { Driver } from "../driver.ts"
import { bindOptionsOf, bindTransport } from "./binding.ts"
import { Drain } from "./drain.ts"
import { type EndpointStats, statsOf } from "./endpoint-stats.ts"
import { abortedError, closedError, EndpointError, socketEndedError } from "../errors/endpoint-error.ts"
import { ENDPOINT_EVENTS, type EndpointEvents, type EventListener, type EventName } from "./endpoint-events.ts"
import { Events } from "./events.ts"
import { type FanOut, FanOutHandle } from "./fan-out.ts"
import { guarded } from "./guarded-congestion.ts"
import type { AsyncMessageHandler, AsyncValueHandler, MessageHandler, Peer, ValueHandler } from "./handles.ts"
import type { IncomingHost } from "./incoming-stream.ts"
import { checkPublicKey, identityOf } from "./identity.ts"
import type { JoinOptions } from "./joining.ts"
import { Joinings } from "./joinings.ts"
import type { MessageType } from "./message-type.ts"
import { checkedOptions, type EndpointOptions, type IdentityOptions, settingsOf } from "./options.ts"
import type { Settings } from "../settings.ts"
import { Outcomes } from "./outcomes.ts"
import { Routing } from "./routing.ts"
import { secretsOf } from "./secrets.ts"
import type { OutgoingHandle } from "./outgoing-stream.ts"
import { LIMIT_OPTIONS, type LimitOptions } from "./peer-options.ts"
import type { PeerHandle, PeerHost } from "./peer.ts"
import { toHex } from "../keys/identity.ts"
import type { Identity } from "../keys/sealed-handshakes.ts"
import { metadataBytesMax } from "../datagram/control-writer.ts"
import { GOODBYE_MS } from "../peer/goodbye.ts"
import { Protocol } from "../protocol/protocol.ts"
import { parseTarget, type Target } from "./target.ts"
import { REBIND_OPTIONS, Rebinding, type RebindOptions } from "./rebinding.ts"
import { QueueBudget } from "./queue-budget.ts"
import { discard } from "./take-over.ts"
import { UserCode } from "./user-code.ts"

/** What an endpoint is bound with, beside its settings. */
interface BoundOptions {
  readonly secrets: readonly Uint8Array[] | undefined
  readonly identity: IdentityOptions | undefined
  /** The transport's options, with these instead of those of `bind`. */
  readonly rebindOptions: (options: RebindOptions) => BindOptions
}

/**
 * A process on the network: peers join it and it joins peers, over one UDP port.
 *
 * @example
 * const endpoint = await Endpoint.bind({ port: 4000, protection: "checksum" })
 * endpoint.handle(CHAT, (message) => console.log(message.peer.unique, message.length))
 * const peer = await endpoint.join("node-b.example:4000")
 * peer.open().trySend(CHAT, bytes)
 */
export class Endpoint implements AsyncDisposable {
  readonly #host: Host
  readonly #transport: Transport
  readonly #settings: Settings
  readonly #protocol: Protocol
  #unique: string | undefined
  readonly #driver: Driver
  readonly #alarms: Alarms
  readonly #userCode: UserCode
  readonly #events: Events<EndpointEvents>
  readonly #routing: Routing
  readonly #outcomes: Outcomes
  readonly #drain: Drain
  readonly #rebinding: Rebinding
  readonly #queues: QueueBudget
  readonly #connections: Connections
  readonly #peerHost: PeerHost
  readonly #joinings: Joinings
  readonly #identity: Identity | undefined
  #closing: Promise<void> | undefined
  /** Stops the host from asking which call waits. */
  readonly #endWatch: (() => void) | undefined
  /** Calls of `join` that wait. */
  #joining = 0

  /**
   * Opens the sockets. Rejects with `EndpointError`: `invalid-option`, or `address-in-use`, `address-not-available`,
   * `permission`, `no-family` or `bind-failed`, with the `TransportError` that says why the port can't be had as
   * `cause`; `aborted`.
   */
  static async bind(options: EndpointOptions = {}): Promise<Endpoint> {
    const given = checkedOptions(options)
    const asked = settingsOf(given)
    const bindOptions = bindOptionsOf(given)
    const secrets = given.secrets === undefined ? undefined : secretsOf(given.secrets)
    const host = given.host ?? (await import("@x/transport")).systemHost()
    const transport = await bindTransport(host, bindOptions, given.signal)
    try {
      // The port is always said: else the transport would stay on the one before.
      const rebindOptions = ({ port = given.port ?? 0, ...options }: RebindOptions): BindOptions =>
        bindOptionsOf({ ...given, ...options, port })
      const isSplit = !transport.capabilities.dontFragment && given.datagramBytes === undefined
      // A probe that is fragmented says nothing.
      const settings = isSplit ? { ...asked, datagramBytes: DATAGRAM_BYTES_BASE } : asked
      return new Endpoint(host, transport, settings, { secrets, identity: given.identity, rebindOptions })
    } catch (error) {
      await transport.close()
      throw error
    }
  }

  private constructor(
    host: Host,
    transport: Transport,
    settings: Settings,
    { secrets, identity, rebindOptions }: BoundOptions,
  ) {
    this.#host = host
    this.#transport = transport
    this.#settings = settings
    this.#userCode = new UserCode({ onNews: () => this.#driver.news(), defer: (run) => host.defer(run) })
    this.#events = new Events(ENDPOINT_EVENTS, this.#userCode)
    this.#userCode.tellErrorsTo(this.#events)
    this.#routing = new Routing(settings.unclaimedMs, {
      userCode: this.#userCode,
      onUnhandled: (unhandled) => this.#events.emit("unhandled", unhandled),
      onWork: () => this.#driver.news(),
      now: () => host.now(),
    })
    this.#alarms = new Alarms({ userCode: this.#userCode, onWork: () => this.#driver.work() })
    this.#driver = new Driver(host, transport, this.#userCode, {
      unclaimed: this.#routing.unclaimed,
      alarms: this.#alarms,
    })
    this.#identity = identity && identityOf(identity, host, this.#userCode)
    this.#queues = new QueueBudget(settings.queuedBytesTotalMax, (run) => host.defer(run))
    this.#connections = new Connections(this.#connectionsHost())
    this.#peerHost = this.#hostOfPeers()
    this.#outcomes = new Outcomes({
      peers: this.#peerHost,
      incoming: this.#incomingHost(),
      events: this.#events,
      connections: this.#connections,
      application: this,
      letGo: (peer) => this.#connections.letGo(peer),
    })
    const congestion = guarded(settings.congestion, (error) => this.#userCode.surface(error, "congestion"))
    this.#protocol = new Protocol({
      settings: { ...settings, congestion },
      transport,
      queues: this.#queues,
      random: () => host.random(),
      cookies: { entropy: (out) => host.entropy(out), hmacSha256: (key, data) => host.crypto.hmacSha256(key, data) },
      ...(secrets === undefined ? {} : { keys: { crypto: host.crypto, secrets, identity: this.#identity } }),
      nowMs: host.now(),
      onWork: () => this.#driver.work(),
    })
    this.#joinings = new Joinings({
      ...{ host, transport, settings, identity: this.#identity, protocol: this.#protocol, outcomes: this.#outcomes },
      until: (isDone, timeoutMs) => this.#driver.until(isDone, timeoutMs),
      checkOpen: (signal) => this.#checkOpen(signal),
    })
    this.#drain = new Drain({
      ...{ host, driver: this.#driver, lingerMs: settings.lingerMs },
      peers: () => this.#protocol.peers.values(),
      onFinishing: () => this.#routing.unclaimed.finish(),
    })
    this.#driver.start(this.#protocol, this.#outcomes)
    this.#rebinding = new Rebinding({
      transport,
      now: () => host.now(),
      wait: (ms) => this.#driver.until(() => this.#closing !== undefined, ms),
      isClosed: () => this.#closing !== undefined,
      bindOptions: rebindOptions,
      port: () => this.port,
      onRebound: () => {
        this.#protocol.rebound(host.now())
        this.#events.emit("rebound", this.addresses)
        this.#driver.work()
      },
    })
    this.#driver.onSendFailed = (code) => this.#rebinding.noteFailure(code)
    this.#driver.onSocketEnd = (cause) => {
      if (this.#rebinding.noteEnd()) this.#userCode.tellError(socketEndedError(this.port, cause))
    }
    this.#endWatch = host.watchWaits?.(() => this.#waitingCall())
  }

  #hostOfPeers(): PeerHost {
    return {
      now: () => this.#host.now(),
      until: (isDone, timeoutMs, call) => this.#driver.until(isDone, timeoutMs, call),
      addressOf: (id) => this.#transport.addressOf(id),
      push: (peer, state) => this.#driver.push(peer, state),
      discard: (bytes) => discard(bytes, this.#host),
      absorb: () => this.#driver.absorb(),
      userCode: this.#userCode,
      queues: this.#queues,
      routes: this.#routing.routes,
      claim: () => this.#routing.unclaimed.claim(),
    }
  }

  #incomingHost(): IncomingHost {
    return {
      routing: this.#routing,
      userCode: this.#userCode,
      now: () => this.#host.now(),
      absorb: () => this.#driver.absorb(),
      queuedMessagesMax: this.#settings.queuedMessagesMax,
      queuedBytesMax: this.#settings.queuedBytesMax,
      onBehind: (stream, isBehind) => this.#drain.note(stream, isBehind),
    }
  }

  #connectionsHost(): ConnectionsHost {
    const { profile, datagramBytes, lingerMs } = this.#settings
    const isClosed = (): boolean => this.isClosed
    return {
      get isClosed() {
        return isClosed()
      },
      checkTarget: (target, publicKey) => {
        this.#checkOpen()
        parseTarget(target)
        checkPublicKey(publicKey, this.#identity, this.#host)
      },
      join: async (target, options, known) => this.#outcomes.peerOf(await this.#joinings.join(target, options, known)),
      until: (isDone, timeoutMs, call) => this.#driver.until(isDone, timeoutMs, call),
      random: () => this.#host.random(),
      now: () => this.#host.now(),
      ...{ userCode: this.#userCode, lingerMs, labelBytesMax: metadataBytesMax(profile, datagramBytes) },
    }
  }

  /** 16 hexadecimal digits, new for every bound endpoint: a restarted process is never taken for the one before. */
  get unique(): string {
    return (this.#unique ??= toHex(this.#protocol.unique))
  }

  /** Where it is bound, one address for each family. */
  get addresses(): readonly Address[] {
    return this.#transport.localAddresses
  }

  /** The UDP port of its sockets. */
  get port(): number {
    return this.#transport.localAddresses[0]!.port
  }

  /** What its transport can do here, and in `notes` what it can't, with cause and cure. */
  get capabilities(): Capabilities {
    return this.#transport.capabilities
  }

  /**
   * Milliseconds of the clock that it runs by, which never goes back, with fractions; its origin is arbitrary. On a
   * simulated host it is the network's. For layers above: they take time from here, and never from the system.
   */
  now(): number {
    return this.#host.now()
  }

  /**
   * Makes an alarm on the same clock, which calls `ring` at the deadline that `at` gives it, until it is given another.
   * A failure of `ring` is an `error`, as of any function of the application.
   */
  alarm(ring: () => unknown): Alarm {
    checkFunction("ring", ring, "a function that the alarm calls")
    return this.#alarms.make(ring)
  }

  /** Makes a fan-out: several streams, to whatever peers, that are given the same messages. It has none to begin with. */
  fanOut(): FanOut {
    return new FanOutHandle(this.#protocol.packetLog(), this.#peerHost)
  }

  /** The peers that are joined or unreachable. */
  get peers(): readonly Peer[] {
    return [...this.#protocol.peers.values()]
      .filter(({ liveness }) => liveness === "joined" || liveness === "unreachable")
      .map((state) => this.#outcomes.peerOf(state))
  }

  /** Whether `close` was called. */
  get isClosed(): boolean {
    return this.#closing !== undefined
  }

  /**
   * Handles messages of a type from all peers: one handler for a type. It is called at once, in order within a stream,
   * with a message object that is valid during the call; for a defined type with the value, and the message. Returns
   * what takes the handler away again.
   */
  handle(type: number, handler: MessageHandler): () => void
  handle<T>(type: MessageType<T>, handler: ValueHandler<T>): () => void
  handle(type: number | MessageType<unknown>, handler: unknown): () => void {
    return this.#addHandler(type, handler, false)
  }

  /**
   * As `handle`, for a function that takes its time: it gets copies, and each stream's next message waits until what it
   * returned has settled. What comes in the meantime waits up to `queuedMessagesMax`; then the stream's sender does.
   * Other streams go on.
   */
  handleAsync(type: number, handler: AsyncMessageHandler): () => void
  handleAsync<T>(type: MessageType<T>, handler: AsyncValueHandler<T>): () => void
  handleAsync(type: number | MessageType<unknown>, handler: unknown): () => void {
    return this.#addHandler(type, handler, true)
  }

  #addHandler(type: number | MessageType<unknown>, handler: unknown, isAsync: boolean): () => void {
    const remove = this.#routing.handlers.add(type, handler, isAsync)
    this.#routing.unclaimed.claim()
    return remove
  }

  /** Listens to an event. Returns what ends it. */
  on<K extends EventName>(name: K, listener: EventListener<K>): () => void {
    return this.#events.on(name, listener)
  }

  /** Listens to an event until it has been told once. Returns what ends it before that. */
  once<K extends EventName>(name: K, listener: EventListener<K>): () => void {
    return this.#events.once(name, listener)
  }

  /**
   * Associates with the endpoint at a target, within `timeoutMs` from the call on. A name's addresses are asked in a
   * race; the first to answer is taken. Joins to the same addresses share what is asked, and there is one peer for an
   * incarnation, however it is joined. One that is joined already comes back once it has answered, after a round trip;
   * where it answers at another address than it is reached by, it is reached there from then on, and its streams go on.
   * Rejects with `EndpointError` `join-timeout`, `join-refused`, `invalid-target`, `invalid-option`, `name-not-found`,
   * `refused` (too many joins are under way), `aborted` or `closed`.
   *
   * Settles just after `joined` was told here. The other side tells its own about half a round trip later, once it has
   * heard that its answer was taken; until then it has no such peer. What either side sends on a reliable stream after
   * its own `joined` arrives, unless the peer is told as `left`.
   */
  async join(target: Target, options: JoinOptions = {}): Promise<Peer> {
    this.#joining++
    let peer: PeerHandle
    try {
      peer = this.#outcomes.peerOf(await this.#joinings.join(target, options))
    } finally {
      this.#joining--
    }
    // The application has it from here on: no connection says goodbye to it.
    peer.keep(this)
    return peer
  }

  /**
   * A handle on the peer at a target, across its restarts: it joins, joins again when the peer is gone, opens the named
   * streams anew and hands back what was unconfirmed. Throws `EndpointError` `invalid-target`, `invalid-option` or
   * `closed`.
   */
  connect(target: Target, options: ConnectOptions = {}): Connection {
    return this.#connections.connect(target, options)
  }

  #isKeyed(): boolean {
    return this.#settings.profile >= PROFILE.mac
  }

  /** By which members know us, 32 bytes; `undefined` without `identity`. */
  get publicKey(): Uint8Array | undefined {
    return this.#identity?.own.publicKey.slice()
  }

  #checkOpen(signal?: AbortSignal): void {
    if (this.#closing !== undefined) throw closedError()
    if (signal?.aborted) throw abortedError(signal)
  }

  /**
   * Goes on over other sockets, as after the machine has come into another network: by the options of `bind`, or of the
   * last `rebind`, and these. A given port stays, unless another program takes it meanwhile; without one, it is another.
   * Each peer hears from the new sockets at once, and follows; streams go on. It also happens by itself when the system
   * says that the address of the sockets is gone, again after 1 s to a minute until it succeeds (`rebound`). Rejects with
   * `EndpointError` as `bind` does, or `closed`: then the sockets before are used on, or, if they had to be closed for
   * their port, none until a later `rebind` succeeds.
   */
  async rebind(options: RebindOptions = {}): Promise<void> {
    this.#checkOpen()
    await this.#rebinding.rebind(check.options("rebind", options, REBIND_OPTIONS))
  }

  /**
   * Caps the rate of all peers together, from now on; omitted options keep their value. Throws `EndpointError`
   * `invalid-option`.
   */
  limit(options: LimitOptions): void {
    const { sendRateBytesPerSecondMax: send, receiveRateBytesPerSecondMax: receive } = check.options(
      "limit",
      options,
      LIMIT_OPTIONS,
    )
    this.#checkOpen()
    if (send !== undefined) this.#protocol.limitSending(send)
    if (receive !== undefined) this.#protocol.limitReceiving(receive, this.#host.now())
  }

  /**
   * For a layer above that calls functions of the application: what one of them threw is told as `error`, as if the
   * endpoint had called it. `where` names the function, as in "the answer to request 17".
   */
  reportFailure(cause: unknown, where: string): void {
    this.#userCode.surface(cause, where)
  }

  /** Counters and sizes, as they are now. */
  stats(): EndpointStats {
    return statsOf({
      ...{ protocol: this.#protocol, transport: this.#transport, driver: this.#driver, queues: this.#queues },
      ...{ routing: this.#routing, userCode: this.#userCode, rebinding: this.#rebinding },
    })
  }

  /**
   * Replaces the secrets: joins go out under the first from now on, and are taken under each. Peers that joined by
   * another one than the first are joined again by that, and their streams go on; a peer whose secret was left out, and
   * which isn't back within a second, is told as `left` (`REASON.expelled`). To go from one to another give all members
   * `[old, new]`, then all `[new, old]`, then all `[new]`: nobody notices. Throws `EndpointError` `invalid-option` for what can't be one, and for an endpoint that was bound
   * without.
   */
  setSecrets(secrets: readonly (Uint8Array | string)[]): void {
    this.#checkOpen()
    if (!this.#isKeyed()) throw new EndpointError("invalid-option", "this endpoint was bound without secrets")
    this.#protocol.setSecrets(secretsOf(secrets), this.#host.now())
  }

  /**
   * Says goodbye to a peer that is no longer wanted, with `REASON.expelled`, and takes nothing more of it from now on:
   * `left` tells of it here, and there. It may join again unless `trust` refuses its key, or its secret was removed.
   * `text`: at most 256 bytes of UTF-8, for people to read. Settles when the goodbye was answered, or after a second;
   * never rejects. Nothing happens to a peer that has left.
   */
  expel(peer: Peer, text = ""): Promise<void> {
    return peer.leave(REASON.expelled, text)
  }

  /**
   * Asks `trust` about the key of each peer now, and expels those whose key it refuses. It is asked once a second anyway;
   * but peers that we joined by their key, and that it never trusted, are expelled by this alone.
   */
  recheck(): void {
    this.#checkOpen()
    this.#protocol.recheck(this.#host.now())
  }

  /**
   * Lets the program end although the endpoint is open, as `unref` of Node's sockets does: when nothing else keeps it
   * going, it ends, without goodbye, and whatever still waits for this endpoint, a `close` too, never settles. Does
   * nothing on a simulated host. Again, and in any order with `ref`, is fine.
   */
  unref(): this {
    this.#driver.unref()
    this.#transport.unref?.()
    return this
  }

  /** The endpoint keeps the program going until it is closed, as it does from the beginning: takes back `unref`. */
  ref(): this {
    this.#driver.ref()
    this.#transport.ref?.()
    return this
  }

  /**
   * Joins no more, ends the streams of connections, and delivers what was accepted, on all streams; what it has
   * acknowledged is handed over, and handlers that take their time are waited for. Streams whose consumers are behind
   * when the former is done, or half of `lingerMs` over, take no more: their senders are told by their end. Once all is
   * done, or `lingerMs` over, it says goodbye to all peers, which takes a second at most, and closes the sockets. What
   * waits for its consumer even then is handed over as that gets to it. Always settles, never rejects; a second call
   * returns the same promise.
   */
  close(): Promise<void> {
    if (this.#closing === undefined) {
      let settle!: () => void
      this.#closing = new Promise((resolve) => (settle = resolve))
      void this.#close().finally(settle)
    }
    return this.#closing
  }

  async #close(): Promise<void> {
    this.#connections.close()
    this.#joinings.close()
    await this.#drain.run(() => this.#protocol.leave(REASON.closing, this.#host.now()))
    this.#driver.absorb()
    await this.#driver.until(
      () => [...this.#protocol.peers.values()].every(({ presence }) => presence.isSettled),
      GOODBYE_MS,
    )
    this.#protocol.release(this.#host.now())
    this.#driver.stop()
    this.#userCode.settle()
    await this.#transport.close()
    this.#endWatch?.()
  }

  /** A call of the user that waits for time to pass. */
  #waitingCall(): string | undefined {
    if (this.#closing !== undefined) return "endpoint.close()"
    if (this.#joining > 0) return "endpoint.join()"
    if (this.#connections.isAwaited) return "connection.joined()"
    const { waitingCall } = this.#driver
    if (waitingCall !== undefined) return waitingCall
    for (const peer of this.#protocol.peers.values()) {
      for (const { owner } of peer.outgoing.all()) {
        const call = (owner as OutgoingHandle | undefined)?.waitingCall
        if (call !== undefined) return call
      }
    }
    return undefined
  }

  /** As `close()`: for `await using`. */
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
}
