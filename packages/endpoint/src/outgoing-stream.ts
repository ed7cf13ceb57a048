import { appendWhole, fitsWhole, LargeMessage, packetsNeeded, reserveWhole, writeWhole } from "@x/fragment"
import type { PacketRange, SendStream, SentMessages } from "@x/stream"
import { onAbort } from "@x/transport/host"
import { type Delivery, DELIVERIES, MODE, REASON, reasonName, TYPE_MAX, wholeHeaderBytes } from "@x/wire"
import { ABORT_SIGNAL, check, checkFunction, checkSize, checkType, FLAG, type Kinds, REASON_CODE, TIMEOUT } from "./check.ts"
import { abortedError, EndpointError } from "./endpoint-error.ts"
import { Events, type Listener } from "./events.ts"
import { encodeValue } from "./encode-value.ts"
import { isMessageType, isWriting, type MessageType, type WritingCodec } from "./message-type.ts"
import { type ParkedMessage, type ParkedMessages, type ParkingLot, writeMessage } from "./parking-lot.ts"
import type { Peer, PeerHost } from "./peer.ts"
import type { OutgoingState } from "./protocol/outgoing-streams.ts"
import type { PeerState } from "./protocol/peer-state.ts"
import { writableOf } from "./web-streams.ts"

/**
 * What became of a message that was offered: `sent` (in the window), `parked` (copied, will follow), `dropped` (a stream that doesn't wait had no
 * room), `refused` (window and parking lot are full: try after `drain`), or nothing happened at all: `not-joined`, `closed`, `too-large`.
 */
export type SendResult = "sent" | "parked" | "dropped" | "refused" | "not-joined" | "closed" | "too-large"

export interface OutgoingStreamEvents {
  /** After a message was parked or refused: the parking lot is empty, and the window has room. Not where the stream closes first: that is `closed`. */
  drain: () => void
  /** Once: nothing is taken or delivered any more. */
  closed: (end: OutgoingEnd) => void
}

/** How a stream to a peer ended. */
export interface OutgoingEnd {
  /** It was ended, and the peer acknowledged each message that was accepted; where nothing acknowledges, that none was. */
  readonly isComplete: boolean
  /** Why it was reset, by either side: one of `REASON`, or the application's. `REASON.unspecified` if it wasn't, or nothing was said. */
  readonly reason: number
  /** What became of its messages; nothing is pending. */
  readonly account: SentMessages
}

export interface SendOptions {
  readonly signal?: AbortSignal
  /** A message that still waits after so long is given up: `timeout`. Milliseconds; default: `Infinity`, it waits for ever. */
  readonly timeoutMs?: number
  /** Settle when the peer's stream acknowledged the message, not when it is in the window. Not where nothing acknowledges: `latest`, `fire-and-forget`. */
  readonly receipt?: boolean
}

const SEND_OPTIONS: Kinds<SendOptions> = { signal: ABORT_SIGNAL, timeoutMs: TIMEOUT, receipt: FLAG }

export interface TrySendOptions {
  /** Parked, a message is given up after so long. Milliseconds; default: `Infinity`, never. */
  readonly timeoutMs?: number
}

const TRY_SEND_OPTIONS: Kinds<TrySendOptions> = { timeoutMs: TIMEOUT }

const SIGNAL_OPTIONS: Kinds<{ readonly signal?: AbortSignal }> = { signal: ABORT_SIGNAL }

/** What most calls come with isn't looked at. */
const NO_OPTIONS: SendOptions = {}

interface FlushWaiter {
  /** So many parked messages have to leave the lot first; then it is known which packets have to be acknowledged. */
  readonly parked: number
  packets: PacketRange | undefined
  readonly settle: (error: Error | undefined) => void
}

interface ReceiptWaiter {
  /** Those the message is in. */
  readonly packets: PacketRange
  readonly settle: (error: Error | undefined) => void
}

/** A stream to a peer. Made by `peer.open()`. */
export class OutgoingStream {
  readonly peer: Peer
  readonly label: string
  readonly #peerState: PeerState
  readonly #state: OutgoingState
  readonly #stream: SendStream
  readonly #lot: ParkingLot
  readonly #host: PeerHost
  readonly #flushes: FlushWaiter[] = []
  readonly #receipts: ReceiptWaiter[] = []
  readonly #events: Events<OutgoingStreamEvents>
  #ending: { readonly promise: Promise<void>; readonly settle: (error: Error | undefined) => void } | undefined
  #isEnded = false
  #end: OutgoingEnd | undefined
  #closed: Promise<OutgoingEnd> | undefined
  #tellClosed: ((end: OutgoingEnd) => void) | undefined
  #isWriting = false
  #isDrainOwed = false
  /** Whether messages may go behind others without a look at anything else; and how large they may be. */
  #mayAppend: boolean
  readonly #appendBytesMax: number

  /** @internal */
  constructor(peer: Peer, peerState: PeerState, state: OutgoingState, label: string, lot: ParkingLot, host: PeerHost) {
    this.peer = peer
    this.label = label
    this.#peerState = peerState
    this.#state = state
    this.#stream = state.stream
    this.#lot = lot
    this.#host = host
    this.#mayAppend = this.#isReliable()
    this.#appendBytesMax = peerState.messageBytesMax
    this.#events = new Events(["drain", "closed"], (error, name) => host.surface(error, `the listener of "${name}"`))
  }

  get id(): number {
    return this.#stream.id
  }

  get delivery(): Delivery {
    return DELIVERIES[this.#stream.mode]!
  }

  /** `open`; `ending`: no more is taken, what was is being delivered; `closed`. */
  get state(): "open" | "ending" | "closed" {
    if (this.#stream.state === "closed" || this.#stream.state === "resetting") return "closed"
    return this.#isEnded ? "ending" : "open"
  }

  /** Messages that wait for the window. */
  get parked(): ParkedMessages {
    return this.#lot
  }

  /** Bytes in the window: written and not acknowledged. */
  get unacknowledgedBytes(): number {
    return this.#stream.unackedBytes
  }

  /** What became of the messages that were `sent` or `parked`, exact at all times: `accepted` is the sum of the others. */
  get account(): SentMessages {
    const { accepted, acknowledged, unconfirmed, dropped, pending } = this.#stream.messages
    const { unbegun, dropped: left } = this.#lot
    return { accepted: accepted + unbegun + left, acknowledged, unconfirmed, dropped: dropped + left, pending: pending + unbegun }
  }

  /** Settles once nothing is taken or delivered any more, for whatever reason: the peer has all, either side reset it, the peer left. Never rejects. */
  get closed(): Promise<OutgoingEnd> {
    return (this.#closed ??= this.#end === undefined ? new Promise((resolve) => (this.#tellClosed = resolve)) : Promise.resolve(this.#end))
  }

  /** Listens to an event. Returns what ends it. */
  on<K extends keyof OutgoingStreamEvents>(name: K, listener: Listener<OutgoingStreamEvents, K>): () => void {
    return this.#events.on(name, listener)
  }

  #isReliable(): boolean {
    return this.#stream.mode >= MODE.reliable
  }

  /** Offers a message. Never waits, never throws because of the network; what it can't send at once it copies. */
  trySend(type: number, bytes: Uint8Array, options?: TrySendOptions): SendResult
  trySend<T>(type: MessageType<T>, value: T, options?: TrySendOptions): SendResult
  trySend(type: number | MessageType<unknown>, value: unknown, options?: TrySendOptions): SendResult {
    const timeoutMs = options === undefined ? Infinity : timeoutOf(options)
    if (this.#append(type, value)) return "sent"
    if (typeof type !== "number") return this.#trySendValue(type, value, timeoutMs)
    this.#checkCall(type)
    checkBytes(value)
    return this.#offer(type, value, timeoutMs, false)
  }

  /** The way of most small messages: behind others in a packet that is open. `false`: they take the other, which also says what is wrong. */
  #append(type: number | MessageType<unknown>, value: unknown): boolean {
    return (
      this.#mayAppend &&
      this.#lot.isEmpty &&
      typeof type === "number" &&
      type >>> 0 === type &&
      type <= TYPE_MAX &&
      value instanceof Uint8Array &&
      value.length <= this.#appendBytesMax &&
      appendWhole(this.#stream, type, value)
    )
  }

  #trySendValue({ type, codec }: MessageType<unknown>, value: unknown, timeoutMs: number): SendResult {
    this.#checkCall(type)
    if (!isWriting(codec)) return this.#offer(type, codec.encode(value), timeoutMs, false)
    const size = codec.size(value)
    const refusal = this.#refusal(size)
    if (refusal !== undefined) return refusal
    if (fitsWhole(size, this.#stream.payloadBytesMax) && this.#writeWith(type, size, codec, value)) return "sent"
    return this.#offer(type, encodeValue(codec, value), timeoutMs, true)
  }

  #writeWith(type: number, size: number, codec: WritingCodec<unknown>, value: unknown): boolean {
    return this.#writeSmall(type, size, (bytes, offset) => codec.write(value, bytes, offset)) === "sent"
  }

  /** `isOwned`: the bytes are ours, and need no copy. */
  #offer(type: number, bytes: Uint8Array, timeoutMs: number, isOwned: boolean): SendResult {
    const refusal = this.#refusal(bytes.length)
    if (refusal !== undefined) return refusal
    const isWhole = fitsWhole(bytes.length, this.#stream.payloadBytesMax)
    if (!this.#isReliable()) return this.#sendNow(type, bytes)
    if (isWhole && this.#lot.isEmpty && writeWhole(this.#stream, type, bytes)) {
      this.#peerState.outgoing.touch(this.#state)
      this.#push()
      return "sent"
    }
    const message = new LargeMessage(type, bytes)
    const fits = isWhole || this.#fitsWindow(bytes.length)
    if (this.#lot.isEmpty && fits && this.#write(message)) {
      this.#push()
      return "sent"
    }
    if (!message.isBegun && !this.#lot.hasRoom(bytes.length)) return this.#noRoom()
    if (this.#lot.isEmpty && !fits) this.#write(message)
    if (!isOwned) message.keep()
    this.#park({ message, deadlineMs: this.#host.now() + timeoutMs, settle: undefined })
    return "parked"
  }

  /** Who writes much in one turn has it sent while it writes: the other side then works beside it and not after it. */
  #push(): void {
    const stream = this.#stream
    if (stream.queuedPackets * stream.payloadBytesMax >= PUSH_BYTES) this.#host.push(this.#peerState, this.#state)
  }

  #park(parked: ParkedMessage): void {
    this.#isDrainOwed = true
    this.#lot.park(parked)
    this.#state.deadlineMs = this.#lot.deadlineMs
    this.#peerState.outgoing.touch(this.#state)
    this.#starve()
  }

  /** The window is open and yet there was no room: the memory of all streams is used up. It is told when there is some. */
  #starve(): void {
    if (this.#stream.isStarved) this.#host.starve(this)
  }

  /** Whether all of it goes into the window as it is. */
  #fitsWindow(bytes: number): boolean {
    return packetsNeeded(bytes, this.#stream.payloadBytesMax) <= this.#stream.roomPackets
  }

  /** Where nothing waits, a message goes whole or not at all. */
  #sendNow(type: number, bytes: Uint8Array): SendResult {
    if (!this.#makeWay(bytes.length)) return "dropped"
    return this.#write(new LargeMessage(type, bytes)) ? "sent" : "dropped"
  }

  /** Makes room by what the mode allows to give up; `false`: there is none. */
  #makeWay(bytes: number): boolean {
    const stream = this.#stream
    const { mode, payloadBytesMax } = stream
    if (mode === MODE.latest) return stream.supersede(packetsNeeded(bytes, payloadBytesMax))
    const isWhole = fitsWhole(bytes, payloadBytesMax)
    if (mode !== MODE["best-effort"]) return isWhole || this.#fitsWindow(bytes)
    stream.setTime(this.#host.now())
    if (isWhole && stream.reserve(wholeHeaderBytes(bytes) + bytes) >= 0) return true
    const { settledMessages } = stream
    const hasRoom = stream.makeRoom(packetsNeeded(bytes, payloadBytesMax))
    if (stream.settledMessages > settledMessages) this.#settleReceipts()
    return hasRoom
  }

  /**
   * Sends a message; settles once: when it is in the window, or with an `EndpointError`. The bytes are borrowed until then. Waits its turn behind
   * messages that were offered before; an abort takes it out of the queue, also half sent, and no other message gets its bytes.
   */
  send(type: number, bytes: Uint8Array, options?: SendOptions): Promise<void>
  send<T>(type: MessageType<T>, value: T, options?: SendOptions): Promise<void>
  send(type: number | MessageType<unknown>, value: unknown, options: SendOptions = NO_OPTIONS): Promise<void> {
    const {
      signal,
      timeoutMs = Infinity,
      receipt = false,
    } = options === NO_OPTIONS ? options : check.options("send", options, SEND_OPTIONS)
    let bytes: Uint8Array
    if (isMessageType(type)) {
      bytes = encodeValue(type.codec, value)
      type = type.type
    } else {
      checkBytes(value)
      bytes = value
    }
    this.#checkCall(type)
    if (receipt && this.#stream.mode <= MODE.latest)
      throw new EndpointError("invalid-option", `nothing acknowledges messages of a stream that is ${this.delivery}: there is no receipt`)
    if (signal?.aborted) return Promise.reject(abortedError(signal))
    const refusal = this.#refusal(bytes.length)
    if (refusal !== undefined) return Promise.reject(this.#refusalError(refusal, bytes.length))
    if (!this.#isReliable()) {
      if (this.#sendNow(type, bytes) === "sent") return receipt ? this.#receipt(bytes.length) : Promise.resolve()
      return Promise.reject(new EndpointError("dropped", `the stream has no room now and does not wait: it is ${this.delivery}`))
    }
    const message = new LargeMessage(type, bytes)
    if (this.#lot.isEmpty && this.#write(message)) return receipt ? this.#receipt(bytes.length) : Promise.resolve()
    if (!this.#lot.hasRoom(bytes.length) && !(this.#lot.isEmpty && message.isBegun)) {
      this.#noRoom()
      return Promise.reject(
        new EndpointError(
          "refused",
          `${this.#lot.messages} messages wait already; wait for "drain", or raise parkedMessagesMax or parkedBytesMax`,
        ),
      )
    }
    return this.#wait(message, signal, timeoutMs, receipt)
  }

  #wait(message: LargeMessage, signal: AbortSignal | undefined, timeoutMs: number, receipt: boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const forget =
        signal &&
        onAbort(signal, () => {
          this.#lot.cancel(parked)
          reject(abortedError(signal))
          this.#resume()
        })
      const settle = (error: Error | undefined): void => {
        forget?.()
        if (error !== undefined) reject(error)
        else if (receipt) this.#receipt(message.bytes.length).then(resolve, reject)
        else resolve()
      }
      const parked: ParkedMessage = { message, deadlineMs: this.#host.now() + timeoutMs, settle }
      this.#park(parked)
    })
  }

  /** Settles when the message that was written last is acknowledged. */
  #receipt(bytes: number): Promise<void> {
    const to = this.#stream.high
    // A message may share its first packet's place with none: one packet more than it takes at most does no harm.
    const from = to - (fitsWhole(bytes, this.#stream.payloadBytesMax) ? 1 : packetsNeeded(bytes, this.#stream.payloadBytesMax) + 1)
    return new Promise((resolve, reject) => {
      const settle = (error: Error | undefined): void => (error === undefined ? resolve() : reject(error))
      this.#receipts.push({ packets: this.#follow(Math.max(from, this.#stream.low), to), settle })
    })
  }

  #settleReceipts(): void {
    const receipts = this.#receipts
    if (receipts.length === 0) return
    const { mode, low } = this.#stream
    let kept = 0
    for (let i = 0; i < receipts.length; i++) {
      const receipt = receipts[i]!
      const { from, to } = receipt.packets
      const isGone = mode === MODE["best-effort"] && this.#stream.isGone(from, to)
      if (!isGone && !(mode === MODE["reliable-unordered"] ? this.#stream.isSettled(from, to) : low >= to)) {
        receipts[kept++] = receipt
        continue
      }
      this.#stream.unfollow(receipt.packets)
      receipt.settle(
        isGone
          ? new EndpointError("dropped", "the message was given up for newer ones, or for its age; it may have been delivered")
          : undefined,
      )
    }
    receipts.length = kept
  }

  /**
   * Lets the application write a message of `size` bytes straight into the packet: `fill` gets memory and an offset in it. Not called unless the
   * message can be taken now. If it throws, nothing was sent.
   */
  write(type: number, size: number, fill: (bytes: Uint8Array, offset: number) => void): SendResult {
    this.#checkCall(type)
    checkSize(size)
    checkFunction("fill", fill, "a function that writes the message")
    const refusal = this.#refusal(size)
    if (refusal !== undefined) return refusal
    if (fitsWhole(size, this.#stream.payloadBytesMax)) return this.#writeSmall(type, size, fill)
    const isPossible = !this.#isReliable() || (this.#lot.isEmpty && (this.#fitsWindow(size) || this.#lot.hasRoom(size)))
    if (!isPossible) return this.#noRoom()
    const bytes = new Uint8Array(size)
    this.#fill(fill, bytes, 0)
    return this.#offer(type, bytes, Infinity, true)
  }

  #writeSmall(type: number, size: number, fill: (bytes: Uint8Array, offset: number) => void): SendResult {
    if (!this.#isReliable() && !this.#makeWay(size)) return "dropped"
    const offset = this.#lot.isEmpty ? reserveWhole(this.#stream, type, size) : -1
    if (offset < 0) return this.#noRoom()
    this.#fill(fill, this.#stream.slab, offset)
    // The application may have closed it in the meantime.
    if (this.#stream.state !== "open") return "closed"
    this.#stream.commit(wholeHeaderBytes(size) + size)
    this.#peerState.outgoing.touch(this.#state)
    return "sent"
  }

  #noRoom(): SendResult {
    if (!this.#isReliable()) return "dropped"
    this.#isDrainOwed = true
    this.#starve()
    return "refused"
  }

  #fill(fill: (bytes: Uint8Array, offset: number) => void, bytes: Uint8Array, offset: number): void {
    this.#isWriting = true
    this.#mayAppend = false
    try {
      fill(bytes, offset)
    } finally {
      this.#isWriting = false
      this.#mayAppend = this.#isReliable() && !this.#isEnded
    }
  }

  /**
   * A payload of any size as a web stream: chunks go out as messages of this type, as the window allows. Closing it ends the stream and settles when all
   * was delivered; aborting it resets the stream at once, and the peer never takes it for complete. Errors when the stream closes in any other way. For
   * `reliable` streams. `signal` aborts it: by the standard `pipeTo(writable, { signal })` waits for the chunk under way first, and that for the reader.
   */
  writable(type: number, options: { readonly signal?: AbortSignal } = {}): WritableStream<Uint8Array> {
    const { signal } = check.options("writable", options, SIGNAL_OPTIONS)
    checkType(type)
    if (this.#stream.mode !== MODE.reliable)
      throw new EndpointError(
        "invalid-option",
        `a payload in parts needs all of them in order: open the stream as "reliable", not "${this.delivery}"`,
      )
    return writableOf(this, type, this.#peerState.messageBytesMax, signal)
  }

  /** Settles when everything accepted so far is acknowledged by the peer (or given up, or where nothing answers: sent); rejects if that can't happen any more. */
  flush(): Promise<void> {
    if (this.state === "closed") return this.#outcome()
    if (this.#stream.isDrained && this.#lot.isEmpty) return Promise.resolve()
    return new Promise((resolve, reject) => {
      const settle = (error: Error | undefined): void => (error === undefined ? resolve() : reject(error))
      this.#flushes.push({ parked: this.#lot.entered, packets: this.#lot.isEmpty ? this.#followAll() : undefined, settle })
    })
  }

  /** What has been written so far. */
  #followAll(): PacketRange {
    return this.#follow(this.#stream.low, this.#stream.high)
  }

  #follow(from: number, to: number): PacketRange {
    const packets = { from, to }
    this.#stream.follow(packets)
    return packets
  }

  /** Takes no more messages; settles when all were delivered and the peer closed the stream. */
  end(): Promise<void> {
    if (this.#ending !== undefined) return this.#ending.promise
    if (this.state === "closed") return this.#outcome()
    let settle!: (error: Error | undefined) => void
    const promise = new Promise<void>((resolve, reject) => {
      settle = (error) => (error === undefined ? resolve() : reject(error))
    })
    // Whoever doesn't wait for it is not to be killed by it.
    promise.catch(() => {})
    this.#ending = { promise, settle }
    this.#isEnded = true
    this.#mayAppend = false
    this.#endIfDrained()
    return promise
  }

  #endIfDrained(): void {
    if (!this.#isEnded || !this.#lot.isEmpty || this.#stream.state !== "open") return
    this.#stream.end(this.#host.now())
    this.#peerState.outgoing.touch(this.#state)
  }

  /** Gives up: the peer drops what it hasn't handed over, and is told why. */
  reset(reason: number = REASON.aborted): void {
    check.value("reason", reason, REASON_CODE)
    if (this.state === "closed") return
    this.#stream.reset(reason, this.#host.now())
    this.#peerState.outgoing.touch(this.#state)
    this.onProgress()
  }

  /** @internal What has become of single messages is asked there. */
  get sendStream(): SendStream {
    return this.#stream
  }

  /** @internal */
  get lot(): ParkingLot {
    return this.#lot
  }

  /** @internal How it ended, once it has. */
  get outcome(): OutgoingEnd | undefined {
    return this.#end
  }

  /** @internal Something was acknowledged, a deadline passed, or the stream closed. */
  onProgress(): void {
    if (this.state === "closed") return this.#close()
    this.#expire()
    this.#resume()
    this.#settleReceipts()
    if (this.#flushes.length > 0) this.#settleFlushes()
    if (!this.#isDrainOwed || !this.#lot.isEmpty) return
    if (this.#stream.roomPackets === 0) return this.#starve()
    this.#isDrainOwed = false
    this.#events.emit("drain")
  }

  #settleFlushes(): void {
    for (const waiter of this.#flushes)
      if (waiter.packets === undefined && this.#lot.left >= waiter.parked) waiter.packets = this.#followAll()
    for (;;) {
      const packets = this.#flushes[0]?.packets
      if (packets === undefined || packets.to > this.#stream.low) return
      this.#stream.unfollow(packets)
      this.#flushes.shift()!.settle(undefined)
    }
  }

  #expire(): void {
    if (this.#lot.deadlineMs === Infinity) return
    for (const { settle } of this.#lot.expire(this.#host.now()))
      settle?.(new EndpointError("timeout", "the message waited for the window longer than its timeoutMs; it was not delivered"))
    this.#state.deadlineMs = this.#lot.deadlineMs
  }

  /** Once it is closed: `undefined` where it was ended and the peer answered that, else what those get that waited for it. */
  #failure(): EndpointError | undefined {
    return this.#stream.wasReset ? this.closedError : undefined
  }

  #outcome(): Promise<void> {
    const failure = this.#failure()
    return failure === undefined ? Promise.resolve() : Promise.reject(failure)
  }

  #close(): void {
    if (this.#end !== undefined) return
    const failure = this.#failure()
    this.#state.deadlineMs = Infinity
    this.#lot.clear(failure ?? this.closedError)
    const { account } = this
    this.#end = {
      isComplete: failure === undefined && account.acknowledged === account.accepted,
      reason: this.#stream.reason,
      account,
    }
    for (const { settle } of this.#flushes.splice(0)) settle(failure)
    for (const { settle } of this.#receipts.splice(0)) settle(failure)
    this.#ending?.settle(failure)
    this.#tellClosed?.(this.#end)
    this.#events.emit("closed", this.#end)
  }

  #resume(): void {
    if (!this.#lot.isEmpty) {
      this.#lot.resume(this.#stream)
      this.#state.deadlineMs = this.#lot.deadlineMs
      this.#peerState.outgoing.touch(this.#state)
      if (!this.#lot.isEmpty) this.#starve()
    }
    this.#endIfDrained()
  }

  #write(message: LargeMessage): boolean {
    const isDone = writeMessage(this.#stream, message)
    if (isDone || message.isBegun) this.#peerState.outgoing.touch(this.#state)
    return isDone
  }

  #checkCall(type: number): void {
    if (this.#isWriting)
      throw new EndpointError("reentered", "the stream is being written to: send after `write` has returned, or on another stream")
    checkType(type)
  }

  /** Bytes of the largest message that the stream can take: where nothing waits it has to fit the window. */
  get messageBytesMax(): number {
    const { messageBytesMax } = this.#peerState
    if (this.#isReliable()) return messageBytesMax
    const { windowPackets, payloadBytesMax } = this.#stream
    return Math.min(messageBytesMax, windowPackets * (payloadBytesMax - PIECE_ROOM_BYTES))
  }

  #refusal(bytes: number): "closed" | "not-joined" | "too-large" | undefined {
    if (this.state !== "open") return this.peer.state === "left" ? "not-joined" : "closed"
    return bytes > this.messageBytesMax ? "too-large" : undefined
  }

  #refusalError(refusal: "closed" | "not-joined" | "too-large", bytes: number): EndpointError {
    if (refusal === "too-large") {
      const cure = this.#isReliable()
        ? "raise messageBytesMax at both ends, or send it in parts"
        : "raise windowBytes and windowPackets, or open the stream as reliable"
      return new EndpointError("too-large", `a message of ${bytes} B is above the limit of ${this.messageBytesMax} B; ${cure}`)
    }
    if (refusal === "not-joined") return new EndpointError("not-joined", `the peer ${this.peer.unique} has left; join it again`)
    return this.closedError
  }

  /** @internal What is said to those who want something of it once it takes no more. */
  get closedError(): EndpointError {
    if (this.#isEnded && !this.#stream.wasReset && this.peer.state !== "left")
      return new EndpointError("stream-closed", "the stream was ended; open another")
    const why = reasonName(this.#stream.reason)
    return new EndpointError(
      this.peer.state === "left" ? "not-joined" : "stream-closed",
      `the stream was closed (${why}); open another${this.peer.state === "left" ? " after joining again" : ""}`,
    )
  }
}

/** As much as goes through the network stack as one with segmentation offload, and some more. */
const PUSH_BYTES = 65_536

/** Of the longest header of a piece that isn't the first. */
const PIECE_ROOM_BYTES = 14

/** Many messages may have a time-out: most of those take the short way. */
function timeoutOf(options: TrySendOptions): number {
  let names = 0
  for (const name in options) names += name === "timeoutMs" ? 1 : 2
  if (names === 1 && TIMEOUT.has(options.timeoutMs)) return options.timeoutMs
  return check.options("trySend", options, TRY_SEND_OPTIONS).timeoutMs ?? Infinity
}

export function checkBytes(bytes: unknown): asserts bytes is Uint8Array {
  if (!(bytes instanceof Uint8Array))
    throw new TypeError("a message is a Uint8Array; encode text and other values first, or define a message type")
}
