/**
 * A stream to a peer, as the application holds it: checks, options, promises. Its {@link Sender} decides what becomes
 * of a message, its {@link Acceptance} whether it is accepted at all. The file is long, but one thing: all ways to send
 * share the first checks, the fast path of small messages and what a call waits for.
 *
 * @module
 */

import { appendWhole, LargeMessage } from "@x/fragment"
import type { PacketFilling, SendStream, SentMessages, SharedPacket } from "@x/stream"
import { type Delivery, REASON, TYPE_MAX, wholeHeaderBytes } from "@x/wire"
import { check, checkFunction, checkSize, checkType, REASON_CODE } from "../errors/check.ts"
import { abortedError, EndpointError } from "../errors/endpoint-error.ts"
import type { PeerState } from "../peer/peer-state.ts"
import type { OutgoingState } from "../streams/outgoing-state.ts"
import type { ParkedMessages, ParkingLot } from "../streams/parking-lot.ts"
import type { Offered, Sender } from "../streams/sender.ts"
import { Acceptance } from "./acceptance.ts"
import { Events, type Listener } from "./events.ts"
import type { OutgoingStream, Peer } from "./handles.ts"
import { isMessageType, isWriting, type MessageType, numberOf } from "./message-type.ts"
import {
  checkBytes,
  checkTransfer,
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
import { takeOver } from "./take-over.ts"
import { encodeValue, type Fill, fillWith, sizeOf, type UserCode } from "./user-code.ts"
import { errorOf, fullLotError, noPartsError, noReceiptError, noRoomError, whatGoesOn } from "./send-errors.ts"
import { Wait, WAIT_OPTIONS, type WaitOptions } from "./wait.ts"
import { writableOf } from "./web-streams.ts"

/** What an outgoing stream needs of its endpoint. */
export interface OutgoingHost {
  now(): number
  /** Applies at once what a call of the protocol has caused. */
  absorb(): void
  /** A stream has written enough for one call of the transport: it is sent now if nothing else is under way. */
  push(peer: PeerState, state: OutgoingState): void
  /** Nobody uses these bytes any more, which are all of a buffer: their memory goes back. */
  discard(bytes: Uint8Array): void
  readonly userCode: UserCode
}

export class OutgoingHandle implements OutgoingStream {
  readonly peer: Peer
  readonly label: string
  readonly #peerState: PeerState
  readonly #state: OutgoingState
  readonly #stream: SendStream
  readonly #sender: Sender
  readonly #openPacket: PacketFilling
  readonly #lot: ParkingLot
  readonly #acceptance: Acceptance
  readonly #host: OutgoingHost
  readonly #events: Events<OutgoingStreamEvents>
  #end: OutgoingEnd | undefined
  #closed: Promise<OutgoingEnd> | undefined
  #tellClosed: ((end: OutgoingEnd) => void) | undefined
  #isWriting = false
  /** Whether a message may be appended to the open packet without further checks; and how large it may be. */
  #mayAppend: boolean
  readonly #appendBytesMax: number

  constructor(peer: Peer, peerState: PeerState, state: OutgoingState, label: string, host: OutgoingHost) {
    this.peer = peer
    this.label = label
    this.#peerState = peerState
    this.#state = state
    this.#stream = state.stream
    this.#sender = state.sender
    this.#openPacket = state.stream.openPacket
    this.#lot = state.sender.lot
    this.#acceptance = new Acceptance(peer, peerState, state)
    this.#host = host
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
    return this.#acceptance.state
  }

  get parked(): ParkedMessages {
    return this.#lot
  }

  get unacknowledgedBytes(): number {
    return this.#stream.unackedBytes
  }

  get account(): SentMessages {
    return this.#sender.account
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
    if (options?.transfer === true) return this.#transfer(type, value, timeoutMs)
    if (isMessageType(type)) return this.#trySendValue(type, value, timeoutMs)
    this.#checkCall(type)
    checkBytes(value)
    return this.#offer(type, value, timeoutMs)
  }

  /** Offers a message whose memory goes with it, if it is accepted. */
  #transfer(type: number | MessageType<unknown>, value: unknown, timeoutMs: number): SendResult {
    checkTransfer(type, value)
    this.#checkCall(type as number)
    const result = this.#offer(type as number, value, timeoutMs, true)
    if (result === "parked") this.#lot.newest!.message.adopt(takeOver(value))
    // What is in the window isn't needed any more.
    else if (result === "sent" && value.length > 0) this.#host.discard(value)
    return result
  }

  /**
   * The fast path of most small messages: appends them to the open packet. `false`: the message takes the other path,
   * which also reports what is wrong.
   */
  #append(type: number | MessageType<unknown>, value: unknown): boolean {
    return (
      this.#mayAppend &&
      this.#lot.isEmpty &&
      typeof type === "number" &&
      type >>> 0 === type &&
      type <= TYPE_MAX &&
      value instanceof Uint8Array &&
      // An empty one takes the other path: it may have lost its bytes.
      (value.length - 1) >>> 0 < this.#appendBytesMax &&
      appendWhole(this.#openPacket, type, value)
    )
  }

  #trySendValue(message: MessageType<unknown>, value: unknown, timeoutMs: number): SendResult {
    const { type, codec } = message
    this.#checkCall(type)
    if (!isWriting(codec)) return this.#offer(type, encodeValue(message, value), timeoutMs)
    const size = sizeOf(codec, value, type)
    const fill = fillWith(codec, value, type)
    return this.#acceptance.refusal(size) ?? this.#writeWith(type, size, fill, timeoutMs)
  }

  /** Lets the application write a message, into memory that holds nothing else, and offers it. */
  #writeWith(type: number, size: number, fill: Fill, timeoutMs: number): SendResult {
    let bytes: Uint8Array
    this.#isWriting = true
    this.#mayAppend = false
    try {
      bytes = this.#host.userCode.write(size, fill)
    } finally {
      this.#isWriting = false
      this.#mayAppend = this.#isReliable() && !this.#sender.isEnded
    }
    return this.#append(type, bytes) ? "sent" : this.#offer(type, bytes, timeoutMs)
  }

  #offer(type: number, bytes: Uint8Array, timeoutMs: number, isGiven = false): SendResult {
    const refusal = this.#acceptance.refusal(bytes.length)
    if (refusal !== undefined) return refusal
    if (!this.#isReliable()) return this.#sendNow(type, bytes) ? "sent" : "dropped"
    return this.#offered(this.#sender.offer(type, bytes, this.#deadlineOf(timeoutMs), isGiven))
  }

  #offered(how: Offered): Offered {
    if (how === "sent") {
      this.#peerState.outgoing.written(this.#state)
      this.#push()
      return how
    }
    if (how === "parked") this.#touch()
    this.#peerState.outgoing.starve(this.#state)
    return how
  }

  /** In a mode that doesn't wait, a message is sent whole or not at all. */
  #sendNow(type: number, bytes: Uint8Array): boolean {
    const isSent = this.#sender.sendNow(type, bytes, this.#stream.traits.givesUp ? this.#host.now() : 0)
    if (isSent) this.#touch()
    // A message that was given up for this one may be one whose receipt is awaited.
    this.#tellSettled()
    return isSent
  }

  #touch(): void {
    this.#peerState.outgoing.touch(this.#state)
  }

  /** Sends while the application writes much in one turn: then the other side works in parallel, not afterwards. */
  #push(): void {
    const stream = this.#stream
    if (stream.queuedPackets * stream.payloadBytesMax < PUSH_BYTES || this.#peerState.isHeldBack) return
    this.#host.push(this.#peerState, this.#state)
  }

  // As one of several streams that are given the same messages.

  /** Whether it is one of the endpoint that has this host. */
  isOf(host: OutgoingHost): boolean {
    return this.#host === host
  }

  get payloadBytesMax(): number {
    return this.#stream.payloadBytesMax
  }

  /** Whether it would take a packet now, if there is one. */
  get hasRoom(): boolean {
    return this.#mayAppend && this.#lot.isEmpty && this.#stream.roomPackets > 0
  }

  /** Takes part in a packet from its beginning; `false`: it has no room. */
  share(packet: SharedPacket): boolean {
    if (!this.#mayAppend || !this.#lot.isEmpty || !this.#stream.share(packet)) return false
    this.#peerState.outgoing.written(this.#state)
    return true
  }

  /** Takes a packet that others have written, as it is: see `FanOut.give`. */
  take(packet: SharedPacket): number {
    const stream = this.#stream
    if (!this.#mayAppend || stream.state !== "open") return 0
    const { messageBytesMax } = this
    if (packet.bytes > stream.payloadBytesMax || packet.largestBytes > sizeOfWhole(messageBytesMax)) return 0
    if (!this.#lot.isEmpty || !stream.isWindowOpen) return this.#refuseLater()
    packet.shut()
    if (this.share(packet)) {
      this.#push()
      return packet.begun
    }
    // The packet may lie in a larger slot than one of its own would: then nothing else is in the way.
    return stream.roomPackets > 0 ? 0 : this.#refuseLater()
  }

  #refuseLater(): -1 {
    this.#offered(this.#sender.refuse())
    return -1
  }

  /** A packet was begun, and those before it may be enough to be sent. */
  pushWritten(): void {
    this.#push()
  }

  #deadlineOf(timeoutMs: number): number {
    return timeoutMs === Infinity ? Infinity : this.#host.now() + timeoutMs
  }

  send(type: number, bytes: Uint8Array, options?: SendOptions): Promise<void>
  send<T>(type: MessageType<T>, value: T, options?: SendOptions): Promise<void>
  send(type: number | MessageType<unknown>, value: unknown, options: SendOptions = NO_OPTIONS): Promise<void> {
    return this.#send(type, value, options, false)
  }

  /** Like `send`, but the bytes are valid only during the call. */
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
    // A codec may use the memory of its bytes again for the next value.
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
    if (receipt && !this.#stream.traits.isAcknowledged) throw noReceiptError(this.delivery)
    if (signal?.aborted) return Promise.reject(abortedError(signal))
    const refusal = this.#acceptance.refusal(bytes.length)
    if (refusal !== undefined) return Promise.reject(this.#acceptance.errorOf(refusal, bytes.length))
    const message = new LargeMessage(type, bytes)
    const isReliable = this.#isReliable()
    if (isReliable ? this.#sender.write(message) : this.#sendNow(type, bytes)) {
      this.#touch()
      if (!receipt) return Promise.resolve()
      const wait = new Wait(signal, this.#deadlineOf(timeoutMs))
      this.#sender.awaitReceipt(message, wait)
      return this.#awaited(wait)
    }
    if (!isReliable) return Promise.reject(noRoomError(this.delivery))
    if (!this.#sender.mayPark(message)) {
      this.#sender.refuse()
      this.#peerState.outgoing.starve(this.#state)
      return Promise.reject(fullLotError(this.#lot.messages))
    }
    if (isReused) message.keep()
    const wait = new Wait(signal, this.#deadlineOf(timeoutMs))
    this.#sender.park({ message, deadlineMs: wait.deadlineMs, call: wait, isReceipted: receipt })
    this.#peerState.outgoing.starve(this.#state)
    return this.#awaited(wait)
  }

  /** The promise of a call that waits in the sender. */
  #awaited(wait: Wait): Promise<void> {
    wait.onAbort = (error) => {
      const what = this.#sender.cancel(wait)
      wait.settle(error(whatGoesOn(what ?? "message")))
      // Messages that waited after this one go on.
      if (what !== "message") return
      this.#peerState.outgoing.progress(this.#state, this.#host.now())
      this.onProgress()
    }
    this.#touch()
    return wait.promise
  }

  write(type: number, size: number, fill: (bytes: Uint8Array, offset: number) => void): SendResult {
    this.#checkCall(type)
    checkSize(size)
    checkFunction("fill", fill, "a function that writes the message")
    const refusal = this.#acceptance.refusal(size)
    if (refusal !== undefined) return refusal
    return this.#sender.mayBeTaken(size)
      ? this.#writeWith(type, size, fill, Infinity)
      : this.#offered(this.#sender.refuse())
  }

  /**
   * Whether there is room for a message. In modes where older messages make way for it, that shows only when it is
   * written.
   */
  writable(type: number, options?: { readonly signal?: AbortSignal }): WritableStream<Uint8Array>
  writable<T>(type: MessageType<T>, options?: { readonly signal?: AbortSignal }): WritableStream<T>
  writable(
    type: number | MessageType<unknown>,
    options: { readonly signal?: AbortSignal } = {},
  ): WritableStream<unknown> {
    const { signal } = check.options("writable", options, SIGNAL_OPTIONS)
    numberOf(type)
    if (!(this.#stream.traits.isOrdered && this.#stream.traits.waits)) throw noPartsError(this.delivery)
    return writableOf(this, type, this.#peerState.messageBytesMax, signal)
  }

  flush(options: WaitOptions = NO_OPTIONS): Promise<void> {
    const { signal, timeoutMs = Infinity } =
      options === NO_OPTIONS ? options : check.options("flush", options, WAIT_OPTIONS)
    if (signal?.aborted) return Promise.reject(abortedError(signal))
    if (this.state === "closed")
      return this.#sender.isFlushed ? Promise.resolve() : Promise.reject(this.#acceptance.closedError)
    if (this.#lot.isEmpty && this.#stream.isPast(this.#stream.high)) return Promise.resolve()
    const wait = new Wait(signal, this.#deadlineOf(timeoutMs))
    this.#sender.awaitFlush(wait)
    return this.#awaited(wait)
  }

  end(options: WaitOptions = NO_OPTIONS): Promise<void> {
    const { signal, timeoutMs = Infinity } =
      options === NO_OPTIONS ? options : check.options("end", options, WAIT_OPTIONS)
    const promise = this.#endOrFail(signal, timeoutMs)
    // A caller that doesn't wait must not crash by an unhandled rejection.
    promise.catch(() => {})
    return promise
  }

  #endOrFail(signal: AbortSignal | undefined, timeoutMs: number): Promise<void> {
    if (signal?.aborted) return Promise.reject(abortedError(signal))
    if (this.state === "closed")
      return this.#stream.wasReset ? Promise.reject(this.#acceptance.closedError) : Promise.resolve()
    this.#mayAppend = false
    if (this.#sender.end(this.#host.now())) this.#touch()
    const wait = new Wait(signal, this.#deadlineOf(timeoutMs))
    this.#sender.awaitEnd(wait)
    return this.#awaited(wait)
  }

  reset(reason: number = REASON.aborted): void {
    check.value("reason", reason, REASON_CODE)
    if (this.state === "closed") return
    this.#stream.reset(reason, this.#host.now())
    this.#touch()
    this.onProgress()
  }

  /** A call that waits. */
  get waitingCall(): string | undefined {
    const what = this.#sender.waitsFor
    if (what === undefined) return undefined
    return what === "flush" || what === "end" ? `stream.${what}()` : "stream.send()"
  }

  /** Gives the fate of single messages. */
  get sendStream(): SendStream {
    return this.#stream
  }

  get lot(): ParkingLot {
    return this.#lot
  }

  /** How it ended, once it has. */
  get outcome(): OutgoingEnd | undefined {
    return this.#end
  }

  /** Something was acknowledged, a deadline passed, or the stream closed: waiting calls are told. */
  onProgress(): void {
    for (let spent = this.#sender.spent.pop(); spent !== undefined; spent = this.#sender.spent.pop())
      this.#host.discard(spent)
    if (this.state === "closed") return this.#close()
    this.#tellSettled()
    if (!this.#sender.takeDrain()) {
      // Another stream may have taken the memory since this one was to be told of it.
      if (this.#sender.isStarved) this.#peerState.outgoing.starve(this.#state)
      return
    }
    this.#peerState.outgoing.full.note(this.#state)
    this.#events.emit("drain")
  }

  #close(): void {
    if (this.#end !== undefined) return
    this.#sender.close()
    const { wasReset, reason } = this.#stream
    const { account } = this
    this.#end = { isComplete: !wasReset && account.acknowledged === account.accepted, reason, account }
    this.#tellSettled()
    this.#tellClosed?.(this.#end)
    this.#events.emit("closed", this.#end)
  }

  /** Settles the calls that no longer wait. */
  #tellSettled(): void {
    const { settled } = this.#sender
    if (settled.length === 0) return
    // Each was given to the sender as a `Wait`.
    for (const it of settled.splice(0))
      (it.call as Wait).settle(it.outcome === "closed" ? this.#acceptance.closedError : errorOf(it))
  }

  #checkCall(type: number): void {
    if (this.#isWriting)
      throw new EndpointError(
        "reentered",
        "the stream is being written to: send after `write` has returned, or on another stream",
      )
    checkType(type)
  }

  /** The error for calls that come once it accepts no more. */
  get closedError(): EndpointError {
    return this.#acceptance.closedError
  }

  get messageBytesMax(): number {
    return this.#acceptance.messageBytesMax
  }
}

/** Bytes of a whole message of this many, header included. */
function sizeOfWhole(bytes: number): number {
  return wholeHeaderBytes(bytes) + bytes
}

/** Somewhat more than one segmentation offload takes through the network stack. */
const PUSH_BYTES = 65_536
