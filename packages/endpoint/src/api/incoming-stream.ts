/**
 * A stream from a peer, as its user holds it: hands over what comes, as fast as its consumers take it. The file is long
 * and the class has more than 25 fields, but it is one thing: each step asks the same few questions. Is a consumer busy
 * with a message, do messages wait, is the stream paused, stopped or over? The handler of the last message is
 * remembered here too: most messages need nothing else.
 *
 * @module
 */

import { type Delivery, REASON, reasonName } from "@x/wire"
import { check, REASON_CODE } from "../errors/check.ts"
import { Events, type Listener } from "./events.ts"
import type {
  AsyncMessageHandler,
  AsyncValueHandler,
  IncomingStream,
  IncomingStreamEvents,
  MessageHandler,
  ReceivedMessage,
  ReceivedValue,
  StreamEnd,
  ValueHandler,
} from "./handles.ts"
import { MessageHandlers } from "./message-handlers.ts"
import { type MessageQueue, StreamReaders } from "./message-queue.ts"
import { ConsumerRoom } from "./consumer-room.ts"
import { QueuedMessage, type QueueShare } from "./queue-budget.ts"
import type { MessageType } from "./message-type.ts"
import type { MessageSource } from "../streams/incoming-message.ts"
import type { IncomingState } from "../streams/incoming-state.ts"
import type { PeerState } from "../peer/peer-state.ts"
import type { Routes } from "./routes.ts"
import type { RoutedPeer, Routing } from "./routing.ts"
import type { UserCode } from "./user-code.ts"
import { WaitingMessages } from "./waiting-messages.ts"
import { readableOf } from "./web-streams.ts"

/** What an incoming stream needs of its endpoint. */
export interface IncomingHost {
  /** Finds the consumers of a message. What it finds holds until its `routes` change. */
  readonly routing: Routing
  readonly userCode: UserCode
  now(): number
  /** What a call of the protocol has caused is to be known at once. */
  absorb(): void
  readonly queuedMessagesMax: number
  readonly queuedBytesMax: number
  /** Its consumer has something that it isn't done with; or nothing any more. */
  onBehind(stream: IncomingHandle, isBehind: boolean): void
}

/** The peer that opened it, as it sees it. */
export interface StreamPeer extends RoutedPeer {
  /** What waits for its consumers of all that came of it. */
  readonly queueShare: QueueShare
  /** A stream of it is over, and messages of it wait for their consumers; or wait no more. */
  hold(stream: IncomingHandle): void
  release(stream: IncomingHandle): void
  /** A stream of it goes on only once it has another reader. */
  noteStalled(): void
}

export class IncomingHandle implements IncomingStream {
  readonly peer: StreamPeer
  readonly #peerState: PeerState
  readonly #state: IncomingState
  readonly #host: IncomingHost
  readonly #events: Events<IncomingStreamEvents>
  readonly #closed: Promise<StreamEnd>
  #settle!: (end: StreamEnd) => void
  #label: string | undefined
  #readable: ReadableStream<Uint8Array> | undefined
  #handlers: MessageHandlers | undefined
  /** Its readers, and the readers of single types. Once a stream was read, its messages are for readers alone. */
  readonly #readers: StreamReaders
  /** The handler that got the last message at once, the type of that message, and the version of the routes then. */
  #routed: MessageHandler | undefined
  #routedType = -1
  #routedVersion = -1
  readonly #routes: Routes
  /** Messages that wait for their consumer. */
  readonly #queue = new WaitingMessages()
  readonly #room: ConsumerRoom
  /** The message that its consumers have. */
  #current: QueuedMessage | undefined
  #isPaused = false
  #isPumping = false
  /** Nobody is there for the message that is next. */
  #isUnclaimed = false
  /** The endpoint was told that its consumer is behind. */
  #isBehind = false
  #isStopped = false
  #end: StreamEnd | undefined
  /** `closed` has settled. */
  #isOver = false

  constructor(peer: StreamPeer, peerState: PeerState, state: IncomingState, host: IncomingHost) {
    this.peer = peer
    this.#peerState = peerState
    this.#state = state
    this.#host = host
    this.#room = new ConsumerRoom(state, this.#queue, peer, host)
    this.#routes = host.routing.routes
    this.#readers = new StreamReaders(this.#routes)
    this.#events = new Events(["gap"], host.userCode)
    this.#closed = new Promise((resolve) => (this.#settle = resolve))
  }

  get id(): number {
    return this.#state.id
  }

  get delivery(): Delivery {
    return this.#state.stream.traits.name
  }

  get label(): string {
    // Until the opening came, which a message may overtake, it is not known.
    if (!this.#state.isAnnounced) return ""
    return (this.#label ??= new TextDecoder().decode(this.#state.metadata))
  }

  get delivered(): number {
    return this.#state.delivered
  }

  get gone(): number {
    return this.#state.gone
  }

  /** Messages that wait for their consumer, and their bytes; that which it has isn't among them. */
  get queued(): {
    /** How many wait, at most `queuedMessagesMax` of the endpoint. */
    readonly messages: number
    /** Bytes of these; the last one may take them beyond `queuedBytesMax`. */
    readonly bytes: number
  } {
    return { messages: this.#queue.count, bytes: this.#queue.bytes }
  }

  get closed(): Promise<StreamEnd> {
    return this.#closed
  }

  on<K extends keyof IncomingStreamEvents>(name: K, listener: Listener<IncomingStreamEvents, K>): () => void {
    return this.#events.on(name, listener)
  }

  once<K extends keyof IncomingStreamEvents>(name: K, listener: Listener<IncomingStreamEvents, K>): () => void {
    return this.#events.once(name, listener)
  }

  handle(type: number, handler: MessageHandler): () => void
  handle<T>(type: MessageType<T>, handler: ValueHandler<T>): () => void
  handle(type: number | MessageType<unknown>, handler: unknown): () => void {
    return this.#addHandler(type, handler, false)
  }

  handleAsync(type: number, handler: AsyncMessageHandler): () => void
  handleAsync<T>(type: MessageType<T>, handler: AsyncValueHandler<T>): () => void
  handleAsync(type: number | MessageType<unknown>, handler: unknown): () => void {
    return this.#addHandler(type, handler, true)
  }

  #addHandler(type: number | MessageType<unknown>, handler: unknown, isAsync: boolean): () => void {
    const remove = (this.#handlers ??= new MessageHandlers(this.#host.routing.routes)).add(type, handler, isAsync)
    this.claim()
    return remove
  }

  messages(type?: number): AsyncIterableIterator<ReceivedMessage>
  messages<T>(type: MessageType<T>): AsyncIterableIterator<ReceivedValue<T>>
  messages(type?: number | MessageType<unknown>): AsyncIterableIterator<ReceivedMessage> {
    const reader = this.#readers.open(type)
    if (this.#isOver) reader.end()
    this.claim()
    return reader
  }

  get readable(): ReadableStream<Uint8Array> {
    return (this.#readable ??= readableOf(this))
  }

  pause(): void {
    this.#isPaused = true
    this.#host.routing.unclaimed.suspend(this)
  }

  resume(): void {
    this.#isPaused = false
    this.#queue.recall()
    this.#host.userCode.resume(this)
  }

  get isPaused(): boolean {
    return this.#isPaused
  }

  stop(reason: number = REASON.aborted): void {
    check.value("reason", reason, REASON_CODE)
    if (this.#isOver) return
    this.#isStopped = true
    if (this.#end !== undefined) this.#end = { ...this.#end, isComplete: false, reason }
    this.lose(this.#queue.count)
    this.#queue.clear()
    for (const readers of [...this.#readers.all, this.peer.readersOf(this.#current?.type ?? -1) ?? []])
      for (const reader of readers) reader.drop(this)
    this.#peerState.incoming.stop(this.#state, reason)
    this.#host.absorb()
    // One that is over already waited for its consumer alone.
    this.#finish()
    this.#noteBehind()
  }

  /** Messages that came won't be handed over. */
  lose(messages: number): void {
    this.#peerState.incoming.drop(this.#state, messages)
  }

  /** Takes no more, and acknowledges no more; what waits is still handed over. */
  finish(reason: number): void {
    this.#peerState.acknowledge(this.#host.now())
    this.#peerState.incoming.stop(this.#state, reason)
    this.#host.absorb()
  }

  #noteBehind(): void {
    const isBehind = this.#current !== undefined || (this.#queue.ready > 0 && !this.#isUnclaimed)
    if (isBehind === this.#isBehind) return
    this.#isBehind = isBehind
    this.#host.onBehind(this, isBehind)
  }

  /** Nothing waits, nobody is busy with it, and nobody wants it to wait. */
  #isIdle(): boolean {
    return !this.#isPaused && this.#current === undefined && !this.#isPumping && this.#queue.ready === 0
  }

  /** Most messages have the type of the one before, and the same handler. */
  #handlerNow(type: number): MessageHandler | undefined {
    const { version } = this.#routes
    if (type === this.#routedType && version === this.#routedVersion) return this.#routed
    this.#routedType = type
    this.#routedVersion = version
    return (this.#routed = this.#host.routing.handlerNow(this, type))
  }

  /**
   * A message has come, and others behind it in its packet; the bytes are valid until the next is asked for.
   */
  take(source: MessageSource): void {
    const { message } = source
    const { userCode } = this.#host
    do {
      const { type, bytes, offset, length } = message
      const handler = this.#isIdle() ? this.#handlerNow(type) : undefined
      if (handler === undefined) this.#keep(type, bytes, offset, length)
      else userCode.handle(handler, type, this, bytes, message.view, offset, length)
    } while (!userCode.isBehind && source.next())
  }

  /** A copy of it waits for its consumer. */
  #keep(type: number, bytes: Uint8Array, offset: number, length: number): void {
    const isWaiting = this.#state.stream.traits.waits
    if (!isWaiting && this.#queue.count === 0 && this.#room.shareBytes <= 0) return this.#drop(1)
    this.#queue.push(
      new QueuedMessage(this.peer.queueShare, type, new Uint8Array(bytes.subarray(offset, offset + length))),
    )
    if (!isWaiting) this.#dropOldest()
    else if (this.#state.room !== undefined || this.#room.isFilling) this.#tellRoom()
    if (!this.#isUnclaimed) this.pump()
    else if (!this.#isPaused) this.#host.routing.unclaimed.note(this, type)
    this.#noteBehind()
  }

  /**
   * Whether there is a place for a message of a type that has come; else it is asked for again once there is.
   * Asked when memory is short.
   */
  mayTake(type: number): boolean {
    if (this.#room.shareBytes > 0 || (this.#isIdle() && this.#handlerNow(type) !== undefined)) return true
    this.#tellRoom()
    return false
  }

  /** A stream that doesn't wait keeps the newest. */
  #dropOldest(): void {
    let dropped = 0
    for (; this.#queue.count > 1 && this.#room.isFull; dropped++) this.#queue.dropOldest().release()
    if (dropped === 0) return
    // It may have been the one that nobody was there for.
    this.#isUnclaimed = false
    this.#drop(dropped)
  }

  #drop(messages: number): void {
    this.lose(messages)
    this.gap(messages)
  }

  /** What its consumers have room for has changed, or is asked for. */
  #tellRoom(isServed = false): void {
    if (this.#end !== undefined) return
    this.#room.tell(this, isServed)
    this.#peerState.incoming.roomChanged(this.#state)
  }

  /** There may be room in the budget of all streams again. */
  roomReturned(): number {
    this.#tellRoom(true)
    return this.#room.letBytes
  }

  /** Somebody reads or handles what nobody did, or it isn't to wait any more: it is handed over soon. */
  claim(): void {
    const { userCode, routing } = this.#host
    const { unclaimed } = routing
    unclaimed.recheck(this)
    if (this.#queue.count === 0) return
    this.#isUnclaimed = false
    this.#queue.recall()
    this.#noteBehind()
    userCode.resume(this)
  }

  /** Hands over what waits, as long as its consumers keep up. */
  pump(): void {
    if (this.#isPumping) return
    this.#isPumping = true
    this.#isUnclaimed = false
    try {
      while (this.#mayHandOver()) this.#offer(this.#queue.shift())
    } finally {
      this.#isPumping = false
    }
    this.#noteBehind()
    this.#finish()
  }

  /** What it holds has no consumer now, or only readers of this stream. */
  get isStalled(): boolean {
    return this.#isUnclaimed || this.#readers.hasOwn || (this.#queue.ready === 0 && this.#current === undefined)
  }

  /** What the application is told before the next message may pause the stream, or stop it. */
  #mayHandOver(): boolean {
    this.#host.userCode.catchUp()
    return !this.#isPaused && this.#current === undefined && !this.#isUnclaimed && this.#queue.ready > 0
  }

  #offer(message: QueuedMessage): void {
    this.#current = message
    this.#room.currentBytes = message.bytes.length
    message.offer(this.#settled)
    const verdict = this.#host.routing.offer(this, message)
    this.#isUnclaimed = verdict === "unclaimed"
    message.letGo(verdict === "taken")
    if (this.#isUnclaimed) this.#await()
  }

  /** The message that is next waits for somebody. Where there is an order, those behind it do too. */
  #await(): void {
    if (!this.#state.stream.traits.isOrdered) {
      this.#queue.setAside()
      this.#isUnclaimed = false
    }
    this.#host.routing.unclaimed.add(this)
    this.peer.noteStalled()
  }

  /** Its consumers are done with a message; if none of them took it, it is the next one's. */
  readonly #settled = (message: QueuedMessage, wasTaken: boolean): void => {
    this.#current = undefined
    this.#room.currentBytes = 0
    if (wasTaken || this.#isStopped) {
      if (!wasTaken) this.lose(1)
      message.release()
    } else {
      this.#queue.putBack(message)
    }
    if (this.#state.room !== undefined) this.#tellRoom()
    // Whoever was done last may be within a call of its own.
    if (!this.#isPumping) void Promise.resolve().then(() => this.pump())
  }

  /** The stream's own handler of a type. */
  handlerOf(type: number): ReturnType<MessageHandlers["get"]> {
    return this.#handlers?.get(type)
  }

  /** The readers of a type here, perhaps none now; `undefined`: there never was one. */
  readersOf(type: number): readonly MessageQueue[] | undefined {
    return this.#readers.of(type)
  }

  gap(messages: number): void {
    this.#events.emit("gap", messages)
  }

  /** No more will come. */
  settle(isComplete: boolean, reason: number): void {
    this.#end = { isComplete: isComplete && this.#state.gone === 0, reason, gone: this.#state.gone }
    const { budget } = this.peer.queueShare
    budget.forget(this)
    if (this.#state.room !== undefined) budget.told--
    this.peer.hold(this)
    this.#finish()
  }

  /** Over once what came was taken, or isn't wanted. */
  #finish(): void {
    if (this.#end === undefined) return
    const isRead = this.#current === undefined && this.#queue.count === 0
    if (isRead) this.#peerState.incoming.read(this.#state)
    if (this.#isOver || !(isRead || this.#isStopped)) return this.isStalled ? this.peer.noteStalled() : undefined
    this.#isOver = true
    this.#host.routing.unclaimed.suspend(this)
    // Messages that were dropped from the queue after the end count too.
    const { gone } = this.#state
    this.#settle({ ...this.#end, isComplete: this.#end.isComplete && gone === 0, gone })
    for (const readers of this.#readers.all) readers.end()
    this.peer.release(this)
  }

  toString(): string {
    return `stream ${this.id} "${this.label}" from ${this.peer.unique} (${this.delivery}${this.#state.stream.state === "closed" ? `, ${reasonName(this.#state.stopping.reason)}` : ""})`
  }
}
