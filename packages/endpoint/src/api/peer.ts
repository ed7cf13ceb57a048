import type { SentMessages } from "@x/stream"
import { type Address, onAbort } from "@x/transport/host"
import { MODE, REASON, ZERO } from "@x/wire"
import { check, REASON_CODE, TEXT } from "../errors/check.ts"
import { abortedError, EndpointError } from "../errors/endpoint-error.ts"
import type { Peer, ReceivedMessage, ReceivedValue } from "./handles.ts"
import type { IncomingHandle } from "./incoming-stream.ts"
import { Readers } from "./message-queue.ts"
import { isMessageType, type MessageType, numberOf } from "./message-type.ts"
import { OutgoingHandle, type OutgoingHost } from "./outgoing-stream.ts"
import {
  checkOpenOptions,
  LIMIT_OPTIONS,
  type LimitOptions,
  type OpenOptions,
  PING_OPTIONS,
  type PeerStats,
  type PingOptions,
  SHARE_OPTIONS,
  type ShareOptions,
} from "./peer-options.ts"
import { type QueueBudget, QueueShare } from "./queue-budget.ts"
import { ReplyStream } from "./replies.ts"
import type { Routes } from "./routes.ts"
import { toHex } from "../keys/identity.ts"
import { GOODBYE_MS } from "../peer/goodbye.ts"
import type { PeerState } from "../peer/peer-state.ts"
import type { Ping } from "../peer/pings.ts"
import type { EcnState } from "../path/ecn.ts"

const PING_MS = 10_000

const ENCODER = new TextEncoder()
const NO_BYTES = new Uint8Array(0)

/** The label of the streams that carry answers, at both ends. */
const REPLIES_LABEL = "replies"

/** What a peer needs of its endpoint. */
export interface PeerHost extends OutgoingHost {
  until(isDone: () => boolean, timeoutMs: number, call?: string): Promise<void>
  addressOf(id: number): Address
  readonly queues: QueueBudget
  readonly routes: Routes
  /** A reader or handler appeared, and messages may have waited for it. */
  claim(): void
}
import { type SendLimits, sendLimitsOf } from "./send-limits.ts"

export class PeerHandle implements Peer {
  readonly #state: PeerState
  readonly #host: PeerHost
  readonly #readers = new Map<number, Readers>()
  readonly #lost = { unconfirmed: ZERO, dropped: ZERO }
  /** What keeps the peer: it is left when the last of them lets go. */
  readonly #keepers = new Set<object>()
  #queueShare: QueueShare | undefined
  #replies: ReplyStream | undefined
  /** Streams that are over, but whose messages still wait for their consumers. */
  readonly #unread = new Set<IncomingHandle>()
  /** Pings that wait for the answer to a heartbeat. */
  readonly #pings = new Map<Ping, () => void>()
  #unique: string | undefined
  #hasLeft = false
  #address: Address | undefined

  constructor(state: PeerState, host: PeerHost) {
    this.#state = state
    this.#host = host
  }

  get unique(): string {
    return (this.#unique ??= toHex(this.#state.unique))
  }

  get address(): Address {
    if (this.state !== "left") this.#rememberAddress()
    return this.#address ?? { family: 4, host: "0.0.0.0", port: 1 }
  }

  get publicKey(): Uint8Array | undefined {
    return this.#state.publicKey?.slice()
  }

  get state(): "joined" | "unreachable" | "left" {
    const { liveness } = this.#state
    return liveness === "leaving" ? "left" : liveness
  }

  get messageBytesMax(): number {
    return this.#state.messageBytesMax
  }

  open(options: OpenOptions = {}): OutgoingHandle {
    const { delivery, label, priority, weight, lifetimeMs, resendsMax, copies, copySpreadMs } = checkOpenOptions(
      options,
      this.#state.metadataBytesMax,
    )
    const metadata = label === "" ? NO_BYTES : ENCODER.encode(label)
    if (this.state === "left") throw new EndpointError("not-joined", `the peer ${this.unique} has left; join it again`)
    const open = { mode: MODE[delivery], priority, weight, metadata, lifetimeMs, resendsMax, copies, copySpreadMs }
    const state = this.#state.outgoing.open(open, this.#host.now())
    if (state === undefined)
      throw new EndpointError(
        "refused",
        `the peer takes ${this.#state.limits.streams} streams at a time, and all peers share streamsTotalMax; end one, or raise its streamsMax or ours`,
      )
    const stream = new OutgoingHandle(this, this.#state, state, label, this.#host)
    state.owner = stream
    return stream
  }

  get replies(): ReplyStream {
    return (this.#replies ??= new ReplyStream({
      open: () => this.open({ label: REPLIES_LABEL }),
      isAsked: () => this.#isAsking(),
    }))
  }

  /**
   * Answers of the peer to us ask for nothing: otherwise two peers that ask each other would keep their streams open
   * for ever.
   */
  #isAsking(): boolean {
    if (this.#unread.size > 0) return true
    for (const { stream, consumer } of this.#state.incoming.all())
      if (stream.state === "open" && (consumer as IncomingHandle | undefined)?.label !== REPLIES_LABEL) return true
    return false
  }

  setShare(options: ShareOptions): void {
    const { priority = this.#state.priority, weight = this.#state.weight } = check.options(
      "setShare",
      options,
      SHARE_OPTIONS,
    )
    this.#state.priority = priority
    this.#state.weight = weight
  }

  limit(options: LimitOptions): void {
    const { sendRateBytesPerSecondMax: send, receiveRateBytesPerSecondMax: receive } = check.options(
      "limit",
      options,
      LIMIT_OPTIONS,
    )
    if (send !== undefined) this.#state.limitSending(send)
    if (receive !== undefined) this.#state.receiveCap.limit(receive, this.#host.now())
  }

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

  async ping(options: PingOptions = {}): Promise<number> {
    const { signal, timeoutMs = PING_MS } = check.options("ping", options, PING_OPTIONS)
    if (this.state === "left") throw new EndpointError("not-joined", `the peer ${this.unique} has left; join it again`)
    if (signal?.aborted) throw abortedError(signal)
    const startMs = this.#host.now()
    let isSettled = false
    return new Promise((resolve, reject) => {
      const settle = (act: () => void): void => {
        isSettled = true
        this.#pings.delete(asked)
        this.#state.pings.end(asked)
        forget?.()
        act()
      }
      const forget = signal && onAbort(signal, () => settle(() => reject(abortedError(signal))))
      const asked = this.#state.ping()
      this.#pings.set(asked, () => settle(() => resolve(this.#host.now() - startMs)))
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

  async leave(reason: number = REASON.closing, text = ""): Promise<void> {
    check.value("reason", reason, REASON_CODE)
    check.value("text", text, TEXT)
    this.#state.leave(reason, text, this.#host.now())
    this.#host.absorb()
    await this.#host.until(() => this.#state.presence.isSettled, GOODBYE_MS, "peer.leave()")
  }

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
      packetsCopied: this.#state.outgoing.packetsCopied,
      naksReceived: this.#state.outgoing.naksReceived,
      inFlightBytes: this.#state.association?.sent.inFlightBytes ?? 0,
      datagramBytes: this.#state.datagramBytesMax,
      windowBytes: this.#state.path.gate.windowBytes,
      paceBytesPerMs: this.#state.path.gate.paceBytesPerMs,
      bytesDelivered: associations.reduce((total, { sent }) => total + sent.deliveredBytes, 0),
      bytesLost: associations.reduce((total, { sent }) => total + sent.lostBytes, 0),
      ecn: shownEcn(this.#state.association?.ecn.state),
      marksOut: associations.reduce((total, { ecn }) => total + ecn.marked, 0),
      marksIn: associations.reduce((total, { ceReceived }) => total + ceReceived, 0),
      addressMoves: this.#state.moves.count,
      addressesRefused: this.#state.moves.failed,
      memory: { ...this.#state.charges, queues: this.#queueShare?.charged ?? 0 },
      streamsOut: this.#state.outgoing.count,
      streamsIn: this.#state.incoming.count,
    }
  }

  explain(): SendLimits {
    return sendLimitsOf(this.#state.path.limiting, this.#host.now())
  }

  toString(): string {
    return `peer ${this.unique} at ${this.address.host} port ${this.address.port} (${this.state})`
  }

  readersOf(type: number): Readers | undefined {
    return this.#readers.size === 0 ? undefined : this.#readers.get(type)
  }

  /** The share of all its messages that wait for their consumers. */
  get queueShare(): QueueShare {
    return (this.#queueShare ??= new QueueShare(this.#host.queues, this.#state.account.identity))
  }

  /** Whether `open` would find room for a stream. */
  get hasRoom(): boolean {
    return this.#state.outgoing.hasRoom
  }

  keep(by: object): void {
    this.#keepers.add(by)
  }

  letGo(by: object): void {
    this.#keepers.delete(by)
  }

  isKeptBy(keeper: object): boolean {
    return this.#keepers.has(keeper)
  }

  /** Whether something keeps the peer; and whether a stream is open in either direction. */
  get isKept(): boolean {
    return this.#keepers.size > 0
  }

  get hasStreams(): boolean {
    return this.#state.outgoing.isUsed || this.#state.incoming.isUsed
  }

  /** A stream to the peer was cut off. */
  account({ unconfirmed, dropped }: SentMessages): void {
    this.#lost.unconfirmed += unconfirmed
    this.#lost.dropped += dropped
  }

  /** Messages that the streams that were cut off left behind. */
  get lost(): { readonly unconfirmed: number; readonly dropped: number } {
    return this.#lost
  }

  /** The peer has left; this was its address. */
  settle(address: Address | undefined): void {
    this.#address = address ?? this.#address
    this.#hasLeft = true
    this.#endQueues()
  }

  /** A heartbeat was answered. */
  noteAnswer(ping: Ping): void {
    this.#pings.get(ping)?.()
  }

  /** A stream of the peer is over, and its messages wait for their consumers; or no longer wait. */
  hold(stream: IncomingHandle): void {
    this.#unread.add(stream)
  }

  release(stream: IncomingHandle): void {
    if (this.#unread.delete(stream)) this.#endQueues()
    this.#replies?.noteAsking()
  }

  /** A stream of the peer goes on only when a new reader or handler appears. */
  noteStalled(): void {
    this.#endQueues()
  }

  /** Whether no more messages will come from it: it has left, and all its messages were taken. */
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

/** The steps of a test are nobody's business. */
function shownEcn(state: EcnState = "off"): PeerStats["ecn"] {
  return state === "waiting" || state === "unknown" ? "testing" : state
}
