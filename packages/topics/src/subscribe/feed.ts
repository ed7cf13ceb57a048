/**
 * A feed: the messages of a topic, as its subscriber reads them.
 *
 * @module
 */

import type { Delivery, IncomingStream, MessageType, Peer, ReceivedMessage } from "@x/endpoint"
import { isMessageType, REASON } from "@x/endpoint"
import { traitsNamed } from "@x/wire"
import { endedError, TopicError } from "../errors.ts"
import { Events, type Telling } from "../events.ts"
import { numberOf } from "../values.ts"
import type { End } from "../wire/codes.ts"
import { type Accepted, readEntry } from "../wire/message.ts"
import { type FeedAccount, Subscription } from "./subscription.ts"

/** Where a later feed goes on, of the same topic and for whichever process: as JSON, say, beside what was made of it. */
export interface Place {
  /** The identity of the topic's log. A publisher that restarts has another. */
  readonly log: string
  /** The position of the first message that is wanted. */
  readonly next: number
}

/** A message of a topic. */
export interface TopicMessage {
  /** Its number in the topic: each message has one more than the one before. */
  readonly position: number
  /** 0 to 65,535; the application gives it a meaning. */
  readonly type: number
  /** Its bytes, which belong to the reader. */
  readonly bytes: Uint8Array
}

/** A message of a topic of a defined type. */
export interface TopicValue<T> extends TopicMessage {
  /** The value of the bytes. */
  readonly value: T
}

/** How a feed ended. */
export interface FeedEnd {
  /** Why. */
  readonly why: End | "peer-left" | "aborted" | "protocol-error"
  /** What came of it. */
  readonly account: FeedAccount
}

/** The events of a feed, with their arguments. */
export interface FeedEvents {
  /**
   * This many messages won't come: each is told once, in order before the message behind it, as far as messages have an
   * order.
   */
  gap: (messages: number) => void
  /** It has ended, and what came was read. */
  ended: (end: FeedEnd) => void
}

/** A subscription to a topic of a peer. Made by `topics.subscribe()`. */
export interface Feed {
  /** The publisher. */
  readonly peer: Peer
  /** The name of the topic. */
  readonly topic: string
  /** What the stream of its messages promises. */
  readonly delivery: Delivery
  /** Whether it began exactly at the place that was asked for. */
  readonly resumed: boolean
  /**
   * Messages between the place that was asked for and its beginning: the log doesn't have them any more. 0 where it
   * resumed, and where the log is another: then nobody knows.
   */
  readonly missed: number
  /**
   * Where a later feed goes on behind what was read of this one. `undefined` in modes without order: there a place
   * would say nothing of what came out of order.
   */
  readonly place: Place | undefined
  /** What came of it. */
  readonly account: FeedAccount
  /** Settles once it has ended and what came was read. Never rejects. */
  readonly closed: Promise<FeedEnd>
  /** Listens to an event. Returns a function that stops listening. */
  on<K extends keyof FeedEvents>(name: K, listener: FeedEvents[K]): () => void
  /**
   * Its messages, from the one that nobody has read yet. A reader that is slow, or that isn't there, holds the stream
   * up, so the topic's policy applies. It is done after `unsubscribe` and once the topic was closed; however else the
   * feed ends, it throws a `TopicError` that says how, after the last message.
   */
  messages(): AsyncIterableIterator<TopicMessage>
  /** The same for a topic all of whose messages are of one defined type: with a message of another it throws. */
  messages<T>(type: MessageType<T>): AsyncIterableIterator<TopicValue<T>>
  /** Wants no more: what waits is dropped, and it ends at once. */
  unsubscribe(): void
}

/** What a feed needs of its subscriber. */
export interface FeedHost {
  readonly telling: Telling
  readonly entryType: number
  /** The publisher is to be told that it wants no more. */
  onUnsubscribe(): void
  /** It has ended. */
  onOver(): void
}

/** How a reader learns of an end that is none of its own doing. */
const QUIET: ReadonlySet<FeedEnd["why"]> = new Set<FeedEnd["why"]>(["unsubscribed", "topic-closed"])

export class FeedHandle implements Feed {
  readonly topic: string
  readonly resumed: boolean
  readonly missed: number
  readonly #stream: IncomingStream
  readonly #log: string
  readonly #subscription: Subscription
  readonly #isOrdered: boolean
  readonly #host: FeedHost
  readonly #events: Events<FeedEvents>
  /** Messages that won't come, of which nobody was told yet. */
  #unheard = 0
  readonly #reader: AsyncIterableIterator<ReceivedMessage>
  readonly closed: Promise<FeedEnd>
  #settle!: (end: FeedEnd) => void
  /** The next message of the stream, which was asked for. */
  #ahead: Promise<IteratorResult<ReceivedMessage>> | undefined
  /** Calls of readers: one after the other. */
  #turn: Promise<unknown> = Promise.resolve()
  /** Why no more will come, and where the topic was then. */
  #why: { readonly why: FeedEnd["why"]; readonly end: number | undefined; readonly cause: unknown } | undefined
  #isRead = false
  #isOver = false

  constructor(topic: string, stream: IncomingStream, accepted: Accepted, isOrdered: boolean, host: FeedHost) {
    this.topic = topic
    this.resumed = accepted.resumed
    this.missed = accepted.missed
    this.#stream = stream
    this.#log = accepted.log
    this.#isOrdered = isOrdered
    this.#subscription = new Subscription(accepted, isOrdered)
    this.#host = host
    this.#events = new Events(["gap", "ended"], host.telling)
    this.closed = new Promise((resolve) => (this.#settle = resolve))
    // It belongs to its readers from now on: nothing is dropped before there is one.
    this.#reader = stream.messages()
    void stream.closed.then(() => this.#streamOver())
  }

  get peer(): Peer {
    return this.#stream.peer
  }

  get delivery(): Delivery {
    return this.#stream.delivery
  }

  get place(): Place | undefined {
    return this.#isOrdered ? { log: this.#log, next: this.#subscription.next } : undefined
  }

  get account(): FeedAccount {
    return this.#subscription.account
  }

  on<K extends keyof FeedEvents>(name: K, listener: FeedEvents[K]): () => void {
    const forget = this.#events.on(name, listener)
    if (name === "gap" && this.#unheard > 0) {
      const messages = this.#unheard
      this.#unheard = 0
      this.#tellGap(messages)
    }
    return forget
  }

  messages(): AsyncIterableIterator<TopicMessage>
  messages<T>(type: MessageType<T>): AsyncIterableIterator<TopicValue<T>>
  messages(type?: MessageType<unknown>): AsyncIterableIterator<TopicMessage> {
    if (type !== undefined) numberOf(type)
    return new FeedReader(() => this.#next(type))
  }

  #next(type: MessageType<unknown> | undefined): Promise<IteratorResult<TopicMessage>> {
    const next = this.#turn.then(() => this.#read(type))
    this.#turn = next.catch(() => {})
    return next
  }

  async #read(type: MessageType<unknown> | undefined): Promise<IteratorResult<TopicMessage>> {
    while (!this.#isOver) {
      const { value, done } = await this.#ask()
      this.#ahead = undefined
      // oxlint-disable-next-line typescript/no-unnecessary-condition -- it may have ended meanwhile
      if (this.#isOver) break
      if (done === true) {
        this.#isRead = true
        this.#finish()
        // The stream may be over before the publisher has said why.
        if (!this.#isOver) await this.closed
        break
      }
      const message = this.#take(value, type)
      if (message !== undefined) return { value: message, done: false }
    }
    return this.#last()
  }

  #last(): IteratorResult<TopicMessage> {
    const { why, cause } = this.#why!
    if (QUIET.has(why)) return { value: undefined, done: true }
    if (why === "aborted") throw new TopicError(why, "the caller aborted the feed", cause)
    if (why === "peer-left") throw new TopicError(why, `the publisher of ${JSON.stringify(this.topic)} has left`)
    if (why === "protocol-error") throw new TopicError(why, "the publisher sent what can't be", cause)
    throw endedError(this.topic, why)
  }

  #ask(): Promise<IteratorResult<ReceivedMessage>> {
    return (this.#ahead ??= this.#reader.next())
  }

  #take(received: ReceivedMessage, type: MessageType<unknown> | undefined): TopicMessage | undefined {
    const entry = received.type === this.#host.entryType ? readEntry(received.bytes) : undefined
    const taken = entry && this.#subscription.take(entry.position)
    if (entry === undefined || taken === undefined) {
      this.#fail(new TypeError(`a message of type ${received.type} isn't the topic's next one`))
      return undefined
    }
    if (taken.gap > 0) this.#tellGap(taken.gap)
    return type === undefined ? entry : this.#decoded(entry, type)
  }

  #decoded(entry: TopicMessage, type: MessageType<unknown>): TopicValue<unknown> | undefined {
    const { position, bytes } = entry
    try {
      if (isMessageType(type) && type.type !== entry.type)
        throw new TypeError(`a message is of type ${entry.type}, not ${type.type}`)
      return { position, type: entry.type, bytes, value: type.codec.decode(bytes) }
    } catch (cause) {
      this.#fail(cause)
      return undefined
    }
  }

  #fail(cause: unknown): void {
    this.#stop("protocol-error", REASON.protocolError, cause)
  }

  /** All of the stream was read: nobody has to ask for its end. */
  async #streamOver(): Promise<void> {
    const { done } = await this.#ask()
    if (done !== true) return
    this.#isRead = true
    this.#finish()
  }

  /** The publisher says that no more will come, or it has left. */
  end(why: FeedEnd["why"], end: number | undefined): void {
    this.#why ??= { why, end, cause: undefined }
    this.#finish()
  }

  /** Messages won't come where their order doesn't show it. */
  gap(messages: number): void {
    const gone = this.#subscription.skip(messages)
    if (gone > 0) this.#tellGap(gone)
  }

  /** What may have been skipped before its caller was given the feed is told to the first who listens. */
  #tellGap(messages: number): void {
    this.#events.emitLater(
      "gap",
      () => [messages],
      () => void (this.#unheard += messages),
    )
  }

  unsubscribe(): void {
    this.#stop("unsubscribed", REASON.closing, undefined)
  }

  /** Nothing can be told the publisher any more: it goes on unless its stream is stopped. */
  cut(): void {
    this.#stop("stream-closed", REASON.closing, undefined)
  }

  /** The caller gives it up. */
  abort(cause: unknown): void {
    this.#stop("aborted", REASON.closing, cause)
  }

  #stop(why: FeedEnd["why"], reason: number, cause: unknown): void {
    if (this.#isOver) return
    const isTold = this.#why !== undefined
    this.#why = { why, end: this.#why?.end, cause }
    this.#isRead = true
    if (!isTold) this.#host.onUnsubscribe()
    this.#stream.stop(reason)
    this.#finish()
  }

  #finish(): void {
    if (this.#isOver || this.#why === undefined || !this.#isRead) return
    this.#isOver = true
    const gap = this.#subscription.finish(this.#why.end)
    if (gap > 0) this.#tellGap(gap)
    // Of a topic that was closed everything comes, where it is waited for. If not, its end isn't a quiet one.
    if (gap > 0 && this.#why.why === "topic-closed" && traitsNamed(this.delivery).waits)
      this.#why = { ...this.#why, why: this.peer.state === "left" ? "peer-left" : "stream-closed" }
    const end = { why: this.#why.why, account: this.account }
    this.#events.emit("ended", end)
    this.#host.onOver()
    this.#settle(end)
  }
}

/** One reader of a feed. After `return` the feed goes on, and another may read. */
class FeedReader implements AsyncIterableIterator<TopicMessage> {
  readonly #next: () => Promise<IteratorResult<TopicMessage>>
  #isDone = false

  constructor(next: () => Promise<IteratorResult<TopicMessage>>) {
    this.#next = next
  }

  async next(): Promise<IteratorResult<TopicMessage>> {
    return this.#isDone ? { value: undefined, done: true } : this.#next()
  }

  async return(): Promise<IteratorResult<TopicMessage>> {
    this.#isDone = true
    return { value: undefined, done: true }
  }

  [Symbol.asyncIterator](): this {
    return this
  }
}
