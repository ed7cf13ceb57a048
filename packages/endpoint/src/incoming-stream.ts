import { type Delivery, DELIVERIES, MODE, REASON, reasonName } from "@x/wire"
import { check, REASON_CODE } from "./check.ts"
import { Events, type Listener } from "./events.ts"
import type { ReceivedMessage } from "./message.ts"
import {
  type AsyncMessageHandler,
  type AsyncValueHandler,
  type MessageHandler,
  MessageHandlers,
  type ValueHandler,
} from "./message-handlers.ts"
import { MessageQueue } from "./message-queue.ts"
import type { MessageType } from "./message-type.ts"
import type { Peer } from "./peer.ts"
import type { IncomingState } from "./protocol/incoming-streams.ts"
import type { PeerState } from "./protocol/peer-state.ts"
import type { UserCode } from "./user-code.ts"
import { readableOf } from "./web-streams.ts"

export interface IncomingStreamEvents {
  /** So many messages won't come: the sender gave them up, or they waited for a consumer that is behind on a stream that doesn't wait. Each is told once. */
  gap: (messages: number) => void
}

/** How a stream ended. */
export interface StreamEnd {
  /** The sender ended it and all of it was delivered, which a stream without acknowledgements can't know. */
  readonly isComplete: boolean
  /** Why not, if it was reset or stopped; one of `REASON`, or the application's. */
  readonly reason: number
  /** Messages that were told as gaps. */
  readonly gone: number
}

/** What an incoming stream needs of its endpoint. */
export interface IncomingHost {
  /** Hands a message to who handles it; `undefined`: done, else when it will be. `bytes` may be kept if `isCopy`. */
  deliver(
    stream: IncomingStream,
    type: number,
    bytes: Uint8Array,
    view: DataView,
    offset: number,
    length: number,
    isCopy: boolean,
  ): Promise<unknown> | undefined
  readonly userCode: UserCode
  now(): number
  readonly queuedMessagesMax: number
  readonly queuedBytesMax: number
  /** What waits in the queues of all streams. */
  readonly queues: QueueBudget
  /** Messages of the stream wait for their consumer, or are with one that takes its time; or that is over. */
  onBehind(stream: IncomingStream, isBehind: boolean): void
}

/** Bytes of copies that wait for their consumers, over all streams. */
export interface QueueBudget {
  bytes: number
  readonly bytesMax: number
  /** How often a stream was held up, or dropped its oldest, for this. */
  refused: number
}

interface QueuedMessage {
  readonly type: number
  readonly bytes: Uint8Array
}

/** A stream that a peer opened to us. */
export class IncomingStream {
  readonly peer: Peer
  readonly #peerState: PeerState
  readonly #state: IncomingState
  readonly #host: IncomingHost
  readonly #events: Events<IncomingStreamEvents>
  readonly #closed: Promise<StreamEnd>
  #settle!: (end: StreamEnd) => void
  #label: string | undefined
  #readable: ReadableStream<Uint8Array> | undefined
  #handlers: MessageHandlers | undefined
  #readers: Set<MessageQueue> | undefined
  /** Messages that wait for their consumer, from `#head` on. */
  #queue: QueuedMessage[] = []
  #head = 0
  #queuedBytes = 0
  #isPaused = false
  /** A consumer that takes its time has a message. */
  #isBusy = false
  #isPumping = false
  /** The endpoint was told that its consumer is behind. */
  #isBehind = false
  #end: StreamEnd | undefined

  /** @internal */
  constructor(peer: Peer, peerState: PeerState, state: IncomingState, host: IncomingHost) {
    this.peer = peer
    this.#peerState = peerState
    this.#state = state
    this.#host = host
    this.#events = new Events(["gap"], host.userCode)
    this.#closed = new Promise((resolve) => (this.#settle = resolve))
  }

  /** The peer's number for it. */
  get id(): number {
    return this.#state.id
  }

  get delivery(): Delivery {
    return DELIVERIES[this.#state.stream.mode]!
  }

  /** What the peer called it when opening; empty while the opening is still under way. */
  get label(): string {
    // Until the opening came, which a message may overtake, it is not known.
    if (!this.#state.isAnnounced) return ""
    return (this.#label ??= new TextDecoder().decode(this.#state.metadata))
  }

  /** Messages that came so far, those that still wait among them; and that were told as gaps. */
  get delivered(): number {
    return this.#state.delivered
  }

  get gone(): number {
    return this.#state.gone
  }

  /** Messages that wait for their consumer, and their bytes. */
  get queued(): { readonly messages: number; readonly bytes: number } {
    return { messages: this.#queue.length - this.#head, bytes: this.#queuedBytes }
  }

  /** Settles when no more messages will come and those that came were taken. */
  get closed(): Promise<StreamEnd> {
    return this.#closed
  }

  /** Listens to an event. Returns what ends it. */
  on<K extends keyof IncomingStreamEvents>(name: K, listener: Listener<IncomingStreamEvents, K>): () => void {
    return this.#events.on(name, listener)
  }

  /** As `endpoint.handle`, for this stream alone: comes before the endpoint's handler of the type. */
  handle(type: number, handler: MessageHandler): () => void
  handle<T>(type: MessageType<T>, handler: ValueHandler<T>): () => void
  handle(type: number | MessageType<unknown>, handler: unknown): () => void {
    return (this.#handlers ??= new MessageHandlers()).add(type, handler, false)
  }

  /** As `endpoint.handleAsync`, for this stream alone. */
  handleAsync(type: number, handler: AsyncMessageHandler): () => void
  handleAsync<T>(type: MessageType<T>, handler: AsyncValueHandler<T>): () => void
  handleAsync(type: number | MessageType<unknown>, handler: unknown): () => void {
    return (this.#handlers ??= new MessageHandlers()).add(type, handler, true)
  }

  /** Copies of the messages of this stream that have no handler here, from now on. One that reads slowly holds up its sender, on streams that wait. */
  messages(): AsyncIterableIterator<ReceivedMessage> {
    const readers = (this.#readers ??= new Set())
    const reader: MessageQueue = new MessageQueue(() => readers.delete(reader))
    if (this.#end === undefined) readers.add(reader)
    else reader.end()
    return reader
  }

  /** The bytes of its messages as a web stream: closes if all were delivered, errors if it ended in any other way. Cancelling stops the sender. */
  get readable(): ReadableStream<Uint8Array> {
    return (this.#readable ??= readableOf(this))
  }

  /** Nothing is handed over until `resume`. What comes waits, up to the bound of the stream; then its sender does, or the oldest is dropped. */
  pause(): void {
    this.#isPaused = true
  }

  resume(): void {
    this.#isPaused = false
    this.#host.userCode.resume(this)
  }

  get isPaused(): boolean {
    return this.#isPaused
  }

  /** Tells the sender to stop; messages on their way, and those that wait, are dropped. */
  stop(reason: number = REASON.aborted): void {
    check.value("reason", reason, REASON_CODE)
    const waiting = this.#queue.length - this.#head
    this.#state.delivered -= waiting
    this.#state.gone += waiting
    this.#count(-this.#queuedBytes)
    this.#queue = []
    this.#head = 0
    this.#peerState.incoming.stop(this.#state, reason)
    // One that is over already waited for its consumer alone.
    this.#finish()
    this.#noteBehind()
  }

  /** @internal Takes no more, and acknowledges no more; what waits is still handed over. */
  finish(reason: number): void {
    this.#peerState.incoming.acknowledge(this.#host.now())
    this.#peerState.incoming.stop(this.#state, reason)
  }

  #noteBehind(): void {
    const isBehind = this.#isBusy || this.#head < this.#queue.length
    if (isBehind === this.#isBehind) return
    this.#isBehind = isBehind
    this.#host.onBehind(this, isBehind)
  }

  /** @internal A message has come; the bytes are valid during the call. */
  take(type: number, bytes: Uint8Array, view: DataView, offset: number, length: number): void {
    if (!this.#isPaused && !this.#isBusy && !this.#isPumping && this.#head === this.#queue.length) {
      this.#deliver(type, bytes, view, offset, length, false)
      return
    }
    this.#queue.push({ type, bytes: new Uint8Array(bytes.subarray(offset, offset + length)) })
    this.#count(length)
    this.#bound()
    this.#noteBehind()
  }

  #count(bytes: number): void {
    this.#queuedBytes += bytes
    // What is left of a stream that is over is its consumer's alone: it may never come for it.
    if (this.#end === undefined) this.#host.queues.bytes += bytes
  }

  /** Pushes back, or drops the oldest, once too much waits. */
  #bound(): void {
    if (this.#state.stream.mode >= MODE.reliable) {
      if (this.#state.room !== undefined || this.#isHalfFull() || this.#isFull()) this.#tellRoom()
      return
    }
    let dropped = 0
    while (this.#isFull() && this.#queue.length - this.#head > 1) {
      this.#shift()
      dropped++
    }
    if (dropped === 0) return
    this.#state.delivered -= dropped
    this.#state.gone += dropped
    this.gap(dropped)
  }

  #isFull(): boolean {
    const messages = this.#queue.length - this.#head
    const { queues, queuedMessagesMax, queuedBytesMax } = this.#host
    // Of what is to be the latest nobody wants the one before.
    if (this.#state.stream.mode === MODE.latest) return messages > 1
    if (messages >= queuedMessagesMax || this.#queuedBytes >= queuedBytesMax) return true
    // A stream with nothing of its own goes on: nobody else would tell it when there is room.
    if (messages === 0 || queues.bytes < queues.bytesMax) return false
    queues.refused++
    return true
  }

  /** From then on the sender is told how much there is room for: what it sends beyond that would be refused, and all of it sent again. */
  #isHalfFull(): boolean {
    const { queuedMessagesMax, queuedBytesMax } = this.#host
    return 2 * (this.#queue.length - this.#head) >= queuedMessagesMax || 2 * this.#queuedBytes >= queuedBytesMax
  }

  #tellRoom(): void {
    const { queuedMessagesMax: messagesMax, queuedBytesMax: bytesMax } = this.#host
    const room = (this.#state.room ??= { messages: 0, bytes: 0, messagesMax, bytesMax, isWaiting: false })
    const waiting = this.#queue.length - this.#head
    room.messages = this.#isFull() ? 0 : messagesMax - waiting
    room.bytes = bytesMax - this.#queuedBytes
    room.isWaiting = waiting === 0
    this.#peerState.incoming.roomChanged(this.#state)
  }

  #shift(): QueuedMessage {
    const message = this.#queue[this.#head++]!
    this.#count(-message.bytes.length)
    // Once in a while, so that each costs little.
    if (this.#head === this.#queue.length || this.#head >= 1_024) {
      this.#queue.splice(0, this.#head)
      this.#head = 0
    }
    return message
  }

  #deliver(type: number, bytes: Uint8Array, view: DataView, offset: number, length: number, isCopy: boolean): void {
    const pending = this.#host.deliver(this, type, bytes, view, offset, length, isCopy)
    if (pending === undefined) return
    this.#isBusy = true
    this.#noteBehind()
    const done = (): void => {
      this.#isBusy = false
      this.pump()
    }
    pending.then(done, (error: unknown) => {
      this.#host.userCode.surface(error, `the handler of type ${type}`)
      done()
    })
  }

  /** @internal Hands over what waits, as long as its consumers keep up. */
  pump(): void {
    if (this.#isPumping) return
    this.#isPumping = true
    try {
      while (this.#mayHandOver()) {
        const { type, bytes } = this.#shift()
        this.#deliver(type, bytes, new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), 0, bytes.length, true)
        if (this.#state.room !== undefined) this.#tellRoom()
      }
    } finally {
      this.#isPumping = false
    }
    this.#noteBehind()
    this.#finish()
  }

  /** What the application is told before the next message may pause the stream, or stop it. */
  #mayHandOver(): boolean {
    this.#host.userCode.catchUp()
    return !this.#isPaused && !this.#isBusy && this.#head < this.#queue.length
  }

  /** @internal Who handles a message of this type here. */
  handlerOf(type: number): ReturnType<MessageHandlers["get"]> {
    return this.#handlers?.get(type)
  }

  /** @internal */
  get readers(): ReadonlySet<MessageQueue> | undefined {
    return this.#readers === undefined || this.#readers.size === 0 ? undefined : this.#readers
  }

  /** @internal */
  gap(messages: number): void {
    this.#events.emit("gap", messages)
  }

  /** @internal No more will come. */
  settle(isComplete: boolean, reason: number): void {
    if (this.#end === undefined) this.#host.queues.bytes -= this.#queuedBytes
    this.#end = { isComplete: isComplete && this.#state.gone === 0, reason, gone: this.#state.gone }
    this.peer.hold(this)
    this.#finish()
  }

  /** Over once what came was taken. */
  #finish(): void {
    if (this.#end === undefined || this.#head < this.#queue.length || this.#isBusy) return
    // Messages that were dropped from the queue after the end count too.
    const { gone } = this.#state
    this.#settle({ ...this.#end, isComplete: this.#end.isComplete && gone === 0, gone })
    for (const reader of [...(this.#readers ?? [])]) reader.end()
    this.peer.release(this)
  }

  toString(): string {
    return `stream ${this.id} "${this.label}" from ${this.peer.unique} (${this.delivery}${this.#state.stream.state === "closed" ? `, ${reasonName(this.#state.stopReason)}` : ""})`
  }
}
