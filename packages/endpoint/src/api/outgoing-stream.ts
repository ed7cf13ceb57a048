import { appendWhole, fitsWhole, LargeMessage, packetsNeeded, writeWhole } from "@x/fragment"
import type { PacketFilling, SendStream, SentMessages } from "@x/stream"
import { type Delivery, REASON, reasonName, TYPE_MAX, wholeHeaderBytes } from "@x/wire"
import { check, checkFunction, checkSize, checkType, REASON_CODE } from "../errors/check.ts"
import { abortedError, EndpointError } from "../errors/endpoint-error.ts"
import type { PeerState } from "../peer/peer-state.ts"
import type { OutgoingState } from "../streams/outgoing-state.ts"
import { type ParkedMessage, type ParkedMessages, type ParkingLot, writeMessage } from "../streams/parking-lot.ts"
import { Events, type Listener } from "./events.ts"
import { isMessageType, isWriting, type MessageType, numberOf } from "./message-type.ts"
import type { OutgoingStream, Peer } from "./handles.ts"
import {
  checkBytes,
  NO_OPTIONS,
  type OutgoingEnd,
  type OutgoingStreamEvents,
  SEND_OPTIONS,
  type SendOptions,
  type SendResult,
  SIGNAL_OPTIONS,
  timeoutOf,
  type TrySendOptions,
} from "./sending.ts"
import { encodeValue, type Fill, fillWith, sizeOf, type UserCode } from "./user-code.ts"
import { Wait, WAIT_OPTIONS, type WaitOptions } from "./wait.ts"
import { Waiters } from "./waiters.ts"
import { writableOf } from "./web-streams.ts"

/** What an outgoing stream needs of its endpoint. */
export interface OutgoingHost {
  now(): number
  /** What a call of the protocol has caused is to be known at once. */
  absorb(): void
  /** A stream with an open window found no memory: it is told when there is some. */
  starve(stream: OutgoingHandle): void
  /** A stream has written enough for a call of the transport: it is sent now if nothing else is under way. */
  push(peer: PeerState, state: OutgoingState): void
  readonly userCode: UserCode
}

export class OutgoingHandle implements OutgoingStream {
  readonly peer: Peer
  readonly label: string
  readonly #peerState: PeerState
  readonly #state: OutgoingState
  readonly #stream: SendStream
  readonly #openPacket: PacketFilling
  readonly #lot: ParkingLot
  readonly #host: OutgoingHost
  readonly #waiters: Waiters
  readonly #events: Events<OutgoingStreamEvents>
  #isEnded = false
  #end: OutgoingEnd | undefined
  /** Everything was delivered by then, or given up before. */
  #isFlushed = false
  #closed: Promise<OutgoingEnd> | undefined
  #tellClosed: ((end: OutgoingEnd) => void) | undefined
  #isWriting = false
  #isDrainOwed = false
  /** Whether messages may go behind others without a look at anything else; and how large they may be. */
  #mayAppend: boolean
  readonly #appendBytesMax: number

  constructor(
    peer: Peer,
    peerState: PeerState,
    state: OutgoingState,
    label: string,
    lot: ParkingLot,
    host: OutgoingHost,
  ) {
    this.peer = peer
    this.label = label
    this.#peerState = peerState
    this.#state = state
    this.#stream = state.stream
    this.#openPacket = state.stream.openPacket
    this.#lot = lot
    this.#host = host
    this.#waiters = new Waiters(this.#stream, lot, () => {
      this.#arm()
      this.#peerState.outgoing.touch(this.#state)
    })
    this.#mayAppend = this.#isReliable()
    this.#appendBytesMax = peerState.messageBytesMax
    this.#events = new Events(["drain", "closed"], host.userCode)
  }

  get id(): number {
    return this.#stream.id
  }

  get delivery(): Delivery {
    return this.#stream.traits.name
  }

  get state(): "open" | "ending" | "closed" {
    if (this.#stream.state === "closed" || this.#stream.state === "resetting") return "closed"
    return this.#isEnded ? "ending" : "open"
  }

  get parked(): ParkedMessages {
    return this.#lot
  }

  get unacknowledgedBytes(): number {
    return this.#stream.unackedBytes
  }

  get account(): SentMessages {
    const { accepted, acknowledged, unconfirmed, dropped, pending } = this.#stream.messages
    const { unbegun, dropped: left } = this.#lot
    return {
      accepted: accepted + unbegun + left,
      acknowledged,
      unconfirmed,
      dropped: dropped + left,
      pending: pending + unbegun,
    }
  }

  get closed(): Promise<OutgoingEnd> {
    return (this.#closed ??=
      this.#end === undefined ? new Promise((resolve) => (this.#tellClosed = resolve)) : Promise.resolve(this.#end))
  }

  on<K extends keyof OutgoingStreamEvents>(name: K, listener: Listener<OutgoingStreamEvents, K>): () => void {
    return this.#events.on(name, listener)
  }

  once<K extends keyof OutgoingStreamEvents>(name: K, listener: Listener<OutgoingStreamEvents, K>): () => void {
    return this.#events.once(name, listener)
  }

  #isReliable(): boolean {
    return this.#stream.traits.waits
  }

  trySend(type: number, bytes: Uint8Array, options?: TrySendOptions): SendResult
  trySend<T>(type: MessageType<T>, value: T, options?: TrySendOptions): SendResult
  trySend(type: number | MessageType<unknown>, value: unknown, options?: TrySendOptions): SendResult {
    return options === undefined && this.#append(type, value) ? "sent" : this.#trySend(type, value, options)
  }

  #trySend(type: number | MessageType<unknown>, value: unknown, options: TrySendOptions | undefined): SendResult {
    const timeoutMs = options === undefined ? Infinity : timeoutOf(options)
    if (isMessageType(type)) return this.#trySendValue(type, value, timeoutMs)
    this.#checkCall(type)
    checkBytes(value)
    return this.#offer(type, value, timeoutMs, false)
  }

  /**
   * The way of most small messages: behind others in a packet that is open. `false`: they take the other, which also
   * says what is wrong.
   */
  #append(type: number | MessageType<unknown>, value: unknown): boolean {
    return (
      this.#mayAppend &&
      this.#lot.isEmpty &&
      typeof type === "number" &&
      type >>> 0 === type &&
      type <= TYPE_MAX &&
      value instanceof Uint8Array &&
      // An empty one is looked at: it may have lost its bytes.
      (value.length - 1) >>> 0 < this.#appendBytesMax &&
      appendWhole(this.#openPacket, type, value)
    )
  }

  #trySendValue(message: MessageType<unknown>, value: unknown, timeoutMs: number): SendResult {
    const { type, codec } = message
    this.#checkCall(type)
    if (!isWriting(codec)) return this.#offer(type, encodeValue(message, value), timeoutMs, false)
    const size = sizeOf(codec, value, type)
    const fill = fillWith(codec, value, type)
    return this.#refusal(size) ?? this.#writeWith(type, size, fill, timeoutMs)
  }

  /** Has the application write a message, in memory where nothing else is, and offers it. */
  #writeWith(type: number, size: number, fill: Fill, timeoutMs: number): SendResult {
    let bytes: Uint8Array
    this.#isWriting = true
    this.#mayAppend = false
    try {
      bytes = this.#host.userCode.write(size, fill)
    } finally {
      this.#isWriting = false
      this.#mayAppend = this.#isReliable() && !this.#isEnded
    }
    return this.#append(type, bytes) ? "sent" : this.#offer(type, bytes, timeoutMs, false)
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
    this.#park({ message, deadlineMs: this.#deadlineOf(timeoutMs), settle: undefined })
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
    this.#arm()
    this.#peerState.outgoing.touch(this.#state)
    this.#starve()
  }

  #arm(): void {
    this.#state.deadlineMs = Math.min(this.#lot.deadlineMs, this.#waiters.deadlineMs)
  }

  #deadlineOf(timeoutMs: number): number {
    return timeoutMs === Infinity ? Infinity : this.#host.now() + timeoutMs
  }

  /**
   * The window is open and yet there was no room: the memory of all streams is used up. It is told when there is some.
   */
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
    const { traits, payloadBytesMax } = stream
    if (traits.isNewestOnly) return stream.supersede(packetsNeeded(bytes, payloadBytesMax))
    const isWhole = fitsWhole(bytes, payloadBytesMax)
    if (!traits.givesUp) return isWhole || this.#fitsWindow(bytes)
    stream.setTime(this.#host.now())
    if (isWhole && stream.reserve(wholeHeaderBytes(bytes) + bytes) >= 0) return true
    const { settledMessages } = stream
    const hasRoom = stream.makeRoom(packetsNeeded(bytes, payloadBytesMax))
    if (stream.settledMessages > settledMessages) this.#waiters.settle()
    return hasRoom
  }

  send(type: number, bytes: Uint8Array, options?: SendOptions): Promise<void>
  send<T>(type: MessageType<T>, value: T, options?: SendOptions): Promise<void>
  send(type: number | MessageType<unknown>, value: unknown, options: SendOptions = NO_OPTIONS): Promise<void> {
    return this.#send(type, value, options, false)
  }

  /** As `send`; but the bytes are good during the call only. */
  sendLent(type: number | MessageType<unknown>, value: unknown, options: SendOptions = NO_OPTIONS): Promise<void> {
    return this.#send(type, value, options, true)
  }

  #send(type: number | MessageType<unknown>, value: unknown, options: SendOptions, isLent: boolean): Promise<void> {
    const {
      signal,
      timeoutMs = Infinity,
      receipt = false,
    } = options === NO_OPTIONS ? options : check.options("send", options, SEND_OPTIONS)
    let bytes: Uint8Array
    // What a codec gave may be memory that it uses again for the next value.
    let isReused = isLent
    if (isMessageType(type)) {
      bytes = encodeValue(type, value)
      isReused = !isWriting(type.codec)
      type = type.type
    } else {
      checkBytes(value)
      bytes = value
    }
    this.#checkCall(type)
    if (receipt && !this.#stream.traits.isAcknowledged)
      throw new EndpointError(
        "invalid-option",
        `nothing acknowledges messages of a stream that is ${this.delivery}: there is no receipt`,
      )
    if (signal?.aborted) return Promise.reject(abortedError(signal))
    const refusal = this.#refusal(bytes.length)
    if (refusal !== undefined) return Promise.reject(this.#refusalError(refusal, bytes.length))
    const message = new LargeMessage(type, bytes)
    const isReliable = this.#isReliable()
    if (isReliable ? this.#lot.isEmpty && this.#write(message) : this.#sendNow(type, bytes) === "sent") {
      if (!receipt) return Promise.resolve()
      const wait = new Wait(signal, this.#deadlineOf(timeoutMs))
      this.#awaitReceipt(message, wait)
      return wait.promise
    }
    if (!isReliable)
      return Promise.reject(
        new EndpointError("dropped", `the stream has no room now and does not wait: it is ${this.delivery}`),
      )
    if (!this.#lot.hasRoom(bytes.length) && !(this.#lot.isEmpty && message.isBegun)) {
      this.#noRoom()
      return Promise.reject(
        new EndpointError(
          "refused",
          `${this.#lot.messages} messages wait already; wait for "drain", or raise parkedMessagesMax or parkedBytesMax`,
        ),
      )
    }
    if (isReused) message.keep()
    return this.#wait(message, new Wait(signal, this.#deadlineOf(timeoutMs)), receipt)
  }

  /** Parks a message. */
  #wait(message: LargeMessage, wait: Wait, receipt: boolean): Promise<void> {
    const settle = (error: EndpointError | undefined): void => {
      if (error === undefined && receipt) this.#awaitReceipt(message, wait)
      else wait.settle(error)
    }
    const parked: ParkedMessage = { message, deadlineMs: wait.deadlineMs, settle }
    wait.onAbort = (error) => {
      this.#lot.cancel(parked)
      wait.settle(error("the message was not delivered"))
      this.onProgress()
    }
    this.#park(parked)
    return wait.promise
  }

  /** Of the message that was written last. */
  #awaitReceipt({ length }: LargeMessage, wait: Wait): void {
    const { high, low, payloadBytesMax } = this.#stream
    // A message may share its first packet's place with none: one packet more than it takes at most does no harm.
    const from = high - (fitsWhole(length, payloadBytesMax) ? 1 : packetsNeeded(length, payloadBytesMax) + 1)
    this.#waiters.addReceipt(wait, Math.max(from, low), high)
  }

  write(type: number, size: number, fill: (bytes: Uint8Array, offset: number) => void): SendResult {
    this.#checkCall(type)
    checkSize(size)
    checkFunction("fill", fill, "a function that writes the message")
    const refusal = this.#refusal(size)
    if (refusal !== undefined) return refusal
    return this.#mayBeTaken(size) ? this.#writeWith(type, size, fill, Infinity) : this.#noRoom()
  }

  /** Whether there is room for a message. Where older ones make way for it that is seen only once it is there. */
  #mayBeTaken(size: number): boolean {
    const stream = this.#stream
    const isWhole = fitsWhole(size, stream.payloadBytesMax)
    const { waits, givesUp, isNewestOnly } = stream.traits
    if (!waits) return givesUp || isNewestOnly || this.#fitsWindow(size)
    if (!this.#lot.isEmpty) return false
    if (isWhole) return stream.roomBehind(wholeHeaderBytes(size) + size) >= 0 || stream.roomPackets > 0
    return this.#fitsWindow(size) || this.#lot.hasRoom(size)
  }

  #noRoom(): SendResult {
    if (!this.#isReliable()) return "dropped"
    this.#isDrainOwed = true
    this.#starve()
    return "refused"
  }

  writable(type: number, options?: { readonly signal?: AbortSignal }): WritableStream<Uint8Array>
  writable<T>(type: MessageType<T>, options?: { readonly signal?: AbortSignal }): WritableStream<T>
  writable(
    type: number | MessageType<unknown>,
    options: { readonly signal?: AbortSignal } = {},
  ): WritableStream<unknown> {
    const { signal } = check.options("writable", options, SIGNAL_OPTIONS)
    numberOf(type)
    if (!(this.#stream.traits.isOrdered && this.#stream.traits.waits))
      throw new EndpointError(
        "invalid-option",
        `a payload in parts needs all of them in order: open the stream as "reliable", not "${this.delivery}"`,
      )
    return writableOf(this, type, this.#peerState.messageBytesMax, signal)
  }

  flush(options: WaitOptions = NO_OPTIONS): Promise<void> {
    const { signal, timeoutMs = Infinity } =
      options === NO_OPTIONS ? options : check.options("flush", options, WAIT_OPTIONS)
    if (signal?.aborted) return Promise.reject(abortedError(signal))
    if (this.state === "closed") return this.#isFlushed ? Promise.resolve() : Promise.reject(this.closedError)
    if (this.#lot.isEmpty && this.#stream.isPast(this.#stream.high)) return Promise.resolve()
    const wait = new Wait(signal, this.#deadlineOf(timeoutMs))
    this.#waiters.addFlush(wait)
    return wait.promise
  }

  end(options: WaitOptions = NO_OPTIONS): Promise<void> {
    const { signal, timeoutMs = Infinity } =
      options === NO_OPTIONS ? options : check.options("end", options, WAIT_OPTIONS)
    const promise = this.#endOrFail(signal, timeoutMs)
    // Whoever doesn't wait for it is not to be killed by it.
    promise.catch(() => {})
    return promise
  }

  #endOrFail(signal: AbortSignal | undefined, timeoutMs: number): Promise<void> {
    if (signal?.aborted) return Promise.reject(abortedError(signal))
    if (this.state === "closed") return this.#outcome()
    this.#isEnded = true
    this.#mayAppend = false
    this.#endIfDrained()
    const wait = new Wait(signal, this.#deadlineOf(timeoutMs))
    this.#waiters.addEnd(wait)
    return wait.promise
  }

  #endIfDrained(): void {
    if (!this.#isEnded || !this.#lot.isEmpty || this.#stream.state !== "open") return
    this.#stream.end(this.#host.now())
    this.#peerState.outgoing.touch(this.#state)
  }

  reset(reason: number = REASON.aborted): void {
    check.value("reason", reason, REASON_CODE)
    if (this.state === "closed") return
    this.#stream.reset(reason, this.#host.now())
    this.#peerState.outgoing.touch(this.#state)
    this.onProgress()
  }

  /** A call that waits. */
  get waitingCall(): string | undefined {
    const { first } = this.#waiters
    if (first !== undefined) return first === "receipt" ? "stream.send()" : `stream.${first}()`
    return this.#lot.isAwaited ? "stream.send()" : undefined
  }

  /** What has become of single messages is asked there. */
  get sendStream(): SendStream {
    return this.#stream
  }

  get lot(): ParkingLot {
    return this.#lot
  }

  /** Its packets were cut for a path that carried more. */
  get isPathNarrower(): boolean {
    return this.#peerState.payloadBytesMax < this.#stream.payloadBytesMax
  }

  /** How it ended, once it has. */
  get outcome(): OutgoingEnd | undefined {
    return this.#end
  }

  /** The window is open, and there is no memory for a packet: others have it. */
  get isStarved(): boolean {
    return this.#stream.isStarved
  }

  /** Something was acknowledged, a deadline passed, or the stream closed. */
  onProgress(): void {
    if (this.state === "closed") return this.#close()
    this.#expire()
    this.#resume()
    this.#waiters.settle()
    if (!this.#isDrainOwed || !this.#lot.isEmpty) return
    if (this.#stream.roomPackets === 0) return this.#starve()
    this.#isDrainOwed = false
    this.#events.emit("drain")
  }

  #expire(): void {
    if (this.#state.deadlineMs === Infinity) return
    const nowMs = this.#host.now()
    for (const { settle } of this.#lot.expire(nowMs))
      settle?.(
        new EndpointError(
          "timeout",
          "the message waited for the window longer than its timeoutMs; it was not delivered",
        ),
      )
    this.#waiters.expire(nowMs)
    this.#arm()
  }

  /**
   * Once it is closed: `undefined` where it was ended and the peer answered that, else what those get that waited for
   * it.
   */
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
    this.#isFlushed = failure === undefined || (this.#lot.isEmpty && this.#stream.wasDrained)
    this.#state.deadlineMs = Infinity
    this.#lot.clear(failure ?? this.closedError)
    const { account } = this
    this.#end = {
      isComplete: failure === undefined && account.acknowledged === account.accepted,
      reason: this.#stream.reason,
      account,
    }
    this.#waiters.close(failure)
    this.#tellClosed?.(this.#end)
    this.#events.emit("closed", this.#end)
  }

  #resume(): void {
    if (!this.#lot.isEmpty) {
      this.#lot.resume(this.#stream, this.#waiters.mark)
      this.#arm()
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
      throw new EndpointError(
        "reentered",
        "the stream is being written to: send after `write` has returned, or on another stream",
      )
    checkType(type)
  }

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
      return new EndpointError(
        "too-large",
        `a message of ${bytes} B is above the limit of ${this.messageBytesMax} B; ${cure}`,
      )
    }
    if (refusal === "not-joined")
      return new EndpointError("not-joined", `the peer ${this.peer.unique} has left; join it again`)
    return this.closedError
  }

  /** For tests: throws where the numbers contradict each other. */
  assertInvariants(): void {
    const { accepted, acknowledged, unconfirmed, dropped, pending } = this.account
    if (accepted !== acknowledged + unconfirmed + dropped + pending)
      throw new Error("the account of an outgoing stream does not balance")
    this.#waiters.assertInvariants()
    this.#lot.assertInvariants()
  }

  /** What is said to those who want something of it once it takes no more. */
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
