import type { SentMessages } from "@x/stream"
import { type Address, onAbort } from "@x/transport/host"
import { type Delivery, DELIVERIES, MODE, REASON } from "@x/wire"
import {
  ABORT_SIGNAL,
  check,
  type Kinds,
  oneOf,
  orInfinity,
  positive,
  PRIORITY,
  REASON_CODE,
  TEXT,
  TIMEOUT,
  WEIGHT,
  whole,
} from "../errors/check.ts"
import { abortedError, EndpointError } from "../errors/endpoint-error.ts"
import type { IncomingStream } from "./incoming-stream.ts"
import type { ReceivedMessage, ReceivedValue } from "./message.ts"
import { Readers } from "./message-queue.ts"
import { isMessageType, type MessageType, numberOf } from "./message-type.ts"
import { OutgoingStream } from "./outgoing-stream.ts"
import { ParkingLot } from "../streams/parking-lot.ts"
import { type QueueBudget, QueueShare } from "./queue-budget.ts"
import { Replies } from "./replies.ts"
import type { Routes } from "./routes.ts"
import { toHex } from "../keys/identity.ts"
import type { OutgoingState } from "../streams/outgoing-streams.ts"
import { GOODBYE_MS } from "../peer/goodbye.ts"
import type { PeerState } from "../peer/peer-state.ts"
import type { UserCode } from "./user-code.ts"

/** What a stream to a peer is opened with. */
export interface OpenOptions {
  /**
   * What the stream promises, default `"reliable"`: each message, once and in order; `"reliable-unordered"`: each as
   * soon as it is whole; `"best-effort"`: in order, the oldest are given up where there is no room; `"latest"`: only
   * the newest, one that is unsent makes way for the next, which `account.dropped` alone tells; `"fire-and-forget"`:
   * once or not at all, in any order.
   */
  readonly delivery?: Delivery
  /** Told to the peer with the stream; at most 1024 bytes of UTF-8, less where datagrams are smaller; default empty. */
  readonly label?: string
  /** 0 to 255, higher goes first; default 128. */
  readonly priority?: number
  /** Share among the streams of the same priority, 1 to 100, default 1. */
  readonly weight?: number
  /**
   * `best-effort` only: a message is given up once it is so old, milliseconds above 0 (twice that, while it is half
   * sent). Default: `Infinity`, never.
   */
  readonly lifetimeMs?: number
  /**
   * `best-effort` only: a message is given up once a packet of it was resent so often, from 0. Default: `Infinity`,
   * never.
   */
  readonly resendsMax?: number
}

const OPEN_OPTIONS: Kinds<OpenOptions> = {
  delivery: oneOf(...DELIVERIES),
  label: TEXT,
  priority: PRIORITY,
  weight: WEIGHT,
  lifetimeMs: orInfinity(positive(), "never"),
  resendsMax: orInfinity(whole(0), "never"),
}

/** A peer's share in what is sent. */
export interface ShareOptions {
  /** 0 to 255: peers of a higher one go first; to begin with 128. */
  readonly priority?: number
  /** 1 to 100: counts among peers of the same priority; to begin with 1. */
  readonly weight?: number
}

const SHARE_OPTIONS: Kinds<ShareOptions> = { priority: PRIORITY, weight: WEIGHT }

/** How long `peer.ping` waits. */
export interface PingOptions {
  /** Gives it up: it rejects with `aborted`. */
  readonly signal?: AbortSignal
  /** Milliseconds, default 10,000; `Infinity`: until the peer has left. */
  readonly timeoutMs?: number
}

const PING_OPTIONS: Kinds<PingOptions> = { signal: ABORT_SIGNAL, timeoutMs: TIMEOUT }

/**
 * What was sent to a peer and came of it, as things stand. Bytes of datagrams are of UDP payload, prefix and tag
 * included.
 */
export interface PeerStats {
  /** Round trip, smoothed, milliseconds; 100 before the first sample. */
  readonly rttMs: number
  /** The least round trip seen, milliseconds; `Infinity` before the first sample. */
  readonly rttMinMs: number
  /** How far round trips are from the smoothed one, smoothed: milliseconds. */
  readonly rttVarianceMs: number
  /** Datagrams sent, resends included. */
  readonly datagramsSent: number
  /** Bytes of the datagrams sent. */
  readonly bytesSent: number
  /** Genuine datagrams that came, no duplicates. */
  readonly datagramsReceived: number
  /** Bytes of the datagrams that came. */
  readonly bytesReceived: number
  /** Packets with data, resends included. */
  readonly packetsSent: number
  /** Packets of these that were sent before. */
  readonly packetsResent: number
  /** Statuses that asked for missing packets. */
  readonly naksReceived: number
  /** Bytes of datagrams with data that are under way, as far as is known. */
  readonly inFlightBytes: number
  /** Bytes that may be under way: what the congestion controller says, and what the peer takes. */
  readonly windowBytes: number
  /** Bytes that may go out in a millisecond, by the congestion controller; `Infinity`: as fast as the window opens. */
  readonly paceBytesPerMs: number
  /** Bytes of datagrams that feedback told of as arrived. */
  readonly bytesDelivered: number
  /** Bytes of datagrams that feedback told of as lost. */
  readonly bytesLost: number
  /** Streams to it. */
  readonly streamsOut: number
  /** Streams from it. */
  readonly streamsIn: number
}

const PING_MS = 10_000

const ENCODER = new TextEncoder()

/** Of the streams that answers go over, at both ends. */
const REPLIES_LABEL = "replies"

/** What a peer needs of its endpoint. */
export interface PeerHost {
  now(): number
  until(isDone: () => boolean, timeoutMs: number, call?: string): Promise<void>
  addressOf(id: number): Address
  readonly parkedMessagesMax: number
  readonly parkedBytesMax: number
  /** What a call of the protocol has caused is to be known at once. */
  absorb(): void
  /** A stream with an open window found no memory: it is told when there is some. */
  starve(stream: OutgoingStream): void
  /** A stream has written enough for a call of the transport: it is sent now if nothing else is under way. */
  push(peer: PeerState, state: OutgoingState): void
  readonly userCode: UserCode
  readonly queues: QueueBudget
  readonly routes: Routes
  /** Somebody reads or handles messages that may have waited for that. */
  claim(): void
}

/** One incarnation of another endpoint. */
export class Peer {
  readonly #state: PeerState
  readonly #host: PeerHost
  readonly #readers = new Map<number, Readers>()
  readonly #lost = { unconfirmed: 0, dropped: 0 }
  /** Who wants it to stay: it is left when the last of them lets go. */
  readonly #keepers = new Set<object>()
  #queueShare: QueueShare | undefined
  #replies: Replies | undefined
  /** Streams that are over, and whose messages still wait for their consumers. */
  readonly #unread = new Set<IncomingStream>()
  #unique: string | undefined
  #hasLeft = false
  #address: Address | undefined

  /** @internal */
  constructor(state: PeerState, host: PeerHost) {
    this.#state = state
    this.#host = host
  }

  /** 16 hexadecimal digits, new whenever the peer's process starts. */
  get unique(): string {
    return (this.#unique ??= toHex(this.#state.unique))
  }

  /** Where it is reached. */
  get address(): Address {
    if (this.state !== "left") this.#rememberAddress()
    return this.#address ?? { family: 4, host: "0.0.0.0", port: 1 }
  }

  /** The key that it has shown, 32 bytes, where members have an `identity`. */
  get publicKey(): Uint8Array | undefined {
    return this.#state.publicKey?.slice()
  }

  /**
   * `unreachable`: nothing was heard of it for `unreachableMs`. `left`: it is gone for good; its process, or another
   * one there, is another `Peer`.
   */
  get state(): "joined" | "unreachable" | "left" {
    const { liveness } = this.#state
    return liveness === "leaving" ? "left" : liveness
  }

  /** Bytes of the largest message that both ends take. */
  get messageBytesMax(): number {
    return this.#state.messageBytesMax
  }

  /**
   * Opens a stream to the peer. Throws `EndpointError` `not-joined`, or `refused` when the peer takes no more streams.
   */
  open(options: OpenOptions = {}): OutgoingStream {
    const { delivery, label, priority, weight, lifetimeMs, resendsMax } = checkOpenOptions(
      options,
      this.#state.metadataBytesMax,
    )
    const metadata = ENCODER.encode(label)
    if (this.state === "left") throw new EndpointError("not-joined", `the peer ${this.unique} has left; join it again`)
    const open = { mode: MODE[delivery], priority, weight, metadata, lifetimeMs, resendsMax }
    const state = this.#state.outgoing.open(open, this.#host.now())
    if (state === undefined)
      throw new EndpointError(
        "refused",
        `the peer takes ${this.#state.limits.streams} streams at a time, and all peers share streamsTotalMax; end one, or raise its streamsMax or ours`,
      )
    const stream = new OutgoingStream(
      this,
      this.#state,
      state,
      label,
      new ParkingLot(this.#host.parkedMessagesMax, this.#host.parkedBytesMax),
      this.#host,
    )
    state.owner = stream
    return stream
  }

  /**
   * Answers to it, also later than `message.reply()` does: always the same object, which sends on one stream for all of
   * them, opened with the first. After it has left they are `not-joined`; another incarnation has its own.
   */
  get replies(): Replies {
    return (this.#replies ??= new Replies({
      open: () => this.open({ label: REPLIES_LABEL }),
      isAsked: () => this.#isAsking(),
    }))
  }

  /** Its answers to us ask nothing: two who ask each other would keep their streams open for ever. */
  #isAsking(): boolean {
    if (this.#unread.size > 0) return true
    for (const { stream, consumer } of this.#state.incoming.all())
      if (stream.state === "open" && (consumer as IncomingStream | undefined)?.label !== REPLIES_LABEL) return true
    return false
  }

  /** Its share in what this endpoint sends; what isn't given stays. */
  setShare(options: ShareOptions): void {
    const { priority = this.#state.priority, weight = this.#state.weight } = check.options(
      "setShare",
      options,
      SHARE_OPTIONS,
    )
    this.#state.priority = priority
    this.#state.weight = weight
  }

  /**
   * Copies of the messages of this type from the peer, from now on; of a defined type each with its `value`. Ends when
   * the peer has left and all that came of it was taken. One that reads slowly holds up the streams it reads from. What
   * it leaves, by `break`, waits in its stream for the next one, or for a handler of the type, and where there is an
   * order what follows it waits too: a handler that does nothing lets it go.
   */
  messages(type: number): AsyncIterableIterator<ReceivedMessage>
  messages<T>(type: MessageType<T>): AsyncIterableIterator<ReceivedValue<T>>
  messages(type: number | MessageType<unknown>): AsyncIterableIterator<ReceivedMessage> {
    const number = numberOf(type)
    const readers = this.#readers.get(number) ?? new Readers(this.#host.routes)
    this.#readers.set(number, readers)
    const reader = readers.open(isMessageType(type) ? type : undefined)
    this.#host.claim()
    if (this.#isOver()) reader.end()
    return reader
  }

  /**
   * Asks for an answer and tells how long it took, milliseconds. Rejects with `not-joined`, `timeout` (default 10 s) or
   * `aborted`.
   */
  async ping(options: PingOptions = {}): Promise<number> {
    const { signal, timeoutMs = PING_MS } = check.options("ping", options, PING_OPTIONS)
    if (this.state === "left") throw new EndpointError("not-joined", `the peer ${this.unique} has left; join it again`)
    if (signal?.aborted) throw abortedError(signal)
    const startMs = this.#host.now()
    let isSettled = false
    return new Promise((resolve, reject) => {
      const settle = (act: () => void): void => {
        isSettled = true
        cancel()
        forget?.()
        act()
      }
      const forget = signal && onAbort(signal, () => settle(() => reject(abortedError(signal))))
      const cancel = this.#state.ping(() => settle(() => resolve(this.#host.now() - startMs)))
      void this.#host
        .until(() => isSettled || this.state === "left", timeoutMs, "peer.ping()")
        .then(() => {
          if (isSettled) return
          const hasLeft = this.state === "left"
          const message = hasLeft
            ? `the peer ${this.unique} has left`
            : `no answer from ${this.unique} within ${timeoutMs} ms`
          settle(() => reject(new EndpointError(hasLeft ? "not-joined" : "timeout", message)))
        })
    })
  }

  /**
   * Says goodbye: its streams close at once on both sides, delivered or not; `flush` or `end` them first. Settles when
   * the peer answered, or after a second.
   */
  async leave(reason: number = REASON.closing, text = ""): Promise<void> {
    check.value("reason", reason, REASON_CODE)
    check.value("text", text, TEXT)
    this.#state.leave(reason, text, this.#host.now())
    this.#host.absorb()
    await this.#host.until(() => this.#state.isSettled, GOODBYE_MS, "peer.leave()")
  }

  /** Counters and estimates, as they are now. */
  stats(): PeerStats {
    const { rtt, associations } = this.#state
    const sum = (field: "datagramsSent" | "bytesSent" | "datagramsReceived" | "bytesReceived"): number =>
      associations.reduce((total, association) => total + association[field], 0)
    return {
      rttMs: rtt.srttMs,
      rttMinMs: rtt.minMs,
      rttVarianceMs: rtt.varianceMs,
      datagramsSent: sum("datagramsSent"),
      bytesSent: sum("bytesSent"),
      datagramsReceived: sum("datagramsReceived"),
      bytesReceived: sum("bytesReceived"),
      packetsSent: this.#state.outgoing.packetsSent,
      packetsResent: this.#state.outgoing.packetsResent,
      naksReceived: this.#state.outgoing.naksReceived,
      inFlightBytes: this.#state.association?.sent.inFlightBytes ?? 0,
      windowBytes: this.#state.windowBytes,
      paceBytesPerMs: this.#state.paceBytesPerMs,
      bytesDelivered: associations.reduce((total, { sent }) => total + sent.deliveredBytes, 0),
      bytesLost: associations.reduce((total, { sent }) => total + sent.lostBytes, 0),
      streamsOut: this.#state.outgoing.count,
      streamsIn: this.#state.incoming.count,
    }
  }

  /** Who and where it is, for logs. */
  toString(): string {
    return `peer ${this.unique} at ${this.address.host} port ${this.address.port} (${this.state})`
  }

  /** @internal */
  readersOf(type: number): Readers | undefined {
    return this.#readers.size === 0 ? undefined : this.#readers.get(type)
  }

  /** @internal What waits for its consumers of all that came of it. */
  get queueShare(): QueueShare {
    return (this.#queueShare ??= new QueueShare(this.#host.queues))
  }

  /** @internal */
  get payloadBytesMax(): number {
    return this.#state.payloadBytesMax
  }

  /** @internal Whether `open` would find room for a stream. */
  get hasRoom(): boolean {
    return this.#state.outgoing.hasRoom
  }

  /** @internal */
  keep(by: object): void {
    this.#keepers.add(by)
  }

  /** @internal */
  letGo(by: object): void {
    this.#keepers.delete(by)
  }

  /** @internal */
  isKeptBy(keeper: object): boolean {
    return this.#keepers.has(keeper)
  }

  /** @internal Whether somebody wants it to stay; and whether a stream is open in either direction. */
  get isKept(): boolean {
    return this.#keepers.size > 0
  }

  /** @internal */
  get hasStreams(): boolean {
    return this.#state.outgoing.isUsed || this.#state.incoming.isUsed
  }

  /** @internal A stream to it was cut off. */
  account({ unconfirmed, dropped }: SentMessages): void {
    this.#lost.unconfirmed += unconfirmed
    this.#lost.dropped += dropped
  }

  /** @internal What those left behind. */
  get lost(): { readonly unconfirmed: number; readonly dropped: number } {
    return this.#lost
  }

  /** @internal The peer has left, which was reached at this address. */
  settle(address: Address | undefined): void {
    this.#address = address ?? this.#address
    this.#hasLeft = true
    this.#endQueues()
  }

  /** @internal A stream of it is over, and messages of it wait for their consumers; or wait no more. */
  hold(stream: IncomingStream): void {
    this.#unread.add(stream)
  }

  /** @internal */
  release(stream: IncomingStream): void {
    if (this.#unread.delete(stream)) this.#endQueues()
    this.#replies?.noteAsking()
  }

  /** @internal A stream of it goes on only when somebody reads it who doesn't yet. */
  noteStalled(): void {
    this.#endQueues()
  }

  /** No more messages will come of it: it has left, and what came before was taken. */
  #isOver(): boolean {
    if (!this.#hasLeft) return false
    for (const { isStalled } of this.#unread) if (!isStalled) return false
    return true
  }

  #endQueues(): void {
    if (!this.#isOver()) return
    for (const readers of [...this.#readers.values()]) readers.end()
  }

  #rememberAddress(): void {
    const id = this.#state.association?.address
    if (id !== undefined) this.#address = this.#host.addressOf(id)
  }
}

/** The options of a stream, complete. Throws `EndpointError` `invalid-option`. */
export function checkOpenOptions(options: OpenOptions, labelBytesMax: number): Required<OpenOptions> {
  const {
    delivery = "reliable",
    label = "",
    priority = 128,
    weight = 1,
    lifetimeMs = Infinity,
    resendsMax = Infinity,
  } = check.options("the stream", options, OPEN_OPTIONS)
  if (delivery !== "best-effort" && (lifetimeMs !== Infinity || resendsMax !== Infinity))
    throw new EndpointError("invalid-option", `lifetimeMs and resendsMax are for "best-effort", not "${delivery}"`)
  const { length } = ENCODER.encode(label)
  if (length > labelBytesMax)
    throw new EndpointError("invalid-option", `label must have at most ${labelBytesMax} bytes of UTF-8, not ${length}`)
  return { delivery, label, priority, weight, lifetimeMs, resendsMax }
}
