/**
 * What an application holds: peers, streams and messages, as interfaces. They refer to one another, so they are in one
 * file; the classes that implement them import only downwards.
 *
 * @module
 */

import type { SentMessages } from "@x/stream"
import type { Address } from "@x/transport/host"
import type { Delivery } from "@x/wire"
import type { ParkedMessages } from "../streams/parking-lot.ts"
import type { Listener } from "./events.ts"
import type { MessageType } from "./message-type.ts"
import type { LimitOptions, OpenOptions, PeerStats, PingOptions, ShareOptions } from "./peer-options.ts"
import type { SendLimits } from "./send-limits.ts"
import type { OutgoingEnd, OutgoingStreamEvents, SendOptions, SendResult, TrySendOptions } from "./sending.ts"
import type { WaitOptions } from "./wait.ts"

/** One incarnation of another endpoint. */
export interface Peer {
  /** 16 hexadecimal digits, new whenever the peer's process starts. */
  readonly unique: string
  /** The address that it is reached at. */
  readonly address: Address
  /** The public key that it has proved to own, 32 bytes, where members have an `identity`. */
  readonly publicKey: Uint8Array | undefined
  /**
   * `unreachable`: nothing was heard of it for `unreachableMs`. `left`: it is gone for good; another incarnation, even
   * of the same process, is another `Peer`.
   */
  readonly state: "joined" | "unreachable" | "left"
  /** Bytes of the largest message that both ends accept. */
  readonly messageBytesMax: number
  /**
   * Opens a stream to the peer. Throws `EndpointError` `not-joined`, or `refused` when the peer accepts no more
   * streams.
   */
  open(options?: OpenOptions): OutgoingStream
  /**
   * Sends answers to the peer, also later than `message.reply()` can: always the same object, which uses one stream for
   * all of them, opened with the first. After the peer has left, answers are `not-joined`; another incarnation has its
   * own.
   */
  readonly replies: Replies
  /** Sets the peer's share in what this endpoint sends; omitted options keep their value. */
  setShare(options: ShareOptions): void
  /**
   * Caps the rate of the peer, from now on; omitted options keep their value. Control packets, such as heartbeats and
   * acknowledgements, don't wait for a cap and don't count. Throws `EndpointError` `invalid-option`.
   */
  limit(options: LimitOptions): void
  /**
   * Copies of the messages of this type from the peer, from now on; of a defined type each with its `value`. It ends
   * when the peer has left and all its messages were read. A slow reader holds up the streams that it reads from. After
   * a `break`, the remaining messages wait in their streams for the next reader, or for a handler of the type, and on
   * ordered streams the messages after them wait too: a handler that does nothing lets them go.
   */
  messages(type: number): AsyncIterableIterator<ReceivedMessage>
  /** The same for messages of a defined type, each with its `value`. */
  messages<T>(type: MessageType<T>): AsyncIterableIterator<ReceivedValue<T>>
  /**
   * Asks for an answer and returns how long it took, milliseconds. Rejects with `not-joined`, `timeout` (default 10 s)
   * or `aborted`.
   */
  ping(options?: PingOptions): Promise<number>
  /**
   * Says goodbye: the peer's streams close at once on both sides, delivered or not; `flush` or `end` them first.
   * Settles when the peer has answered, or after a second.
   */
  leave(reason?: number, text?: string): Promise<void>
  /** Counters and estimates at this moment. */
  stats(): PeerStats
  /**
   * What limited what was sent to the peer, and for which part of the time, since this was last called or since the
   * first thing was sent; and which option changes it.
   */
  explain(): SendLimits
  /** The peer's unique and address, for logs. */
  toString(): string
}

/** A stream to a peer. Made by `peer.open()`. */
export interface OutgoingStream {
  /** The peer that it sends to. */
  readonly peer: Peer
  /** The label that it was opened with; the peer sees it too. */
  readonly label: string
  /** Our number for the stream, from 1; new for each stream to the peer. */
  readonly id: number
  /** What the stream promises. */
  readonly delivery: Delivery
  /** `open`; `ending`: no more messages are accepted, and earlier ones are still being delivered; `closed`. */
  readonly state: "open" | "ending" | "closed"
  /** Messages that wait for the window. */
  readonly parked: ParkedMessages
  /** Bytes in the window: written and not acknowledged. */
  readonly unacknowledgedBytes: number
  /**
   * What became of the messages that were `sent` or `parked`, exact at all times: `accepted` is the sum of the others.
   */
  readonly account: SentMessages
  /**
   * Settles once nothing is accepted or delivered any more, whatever the reason: the peer has everything, either side
   * reset the stream, the peer left. Never rejects.
   */
  readonly closed: Promise<OutgoingEnd>
  /** Listens to an event. Returns a function that stops listening. */
  on<K extends keyof OutgoingStreamEvents>(name: K, listener: Listener<OutgoingStreamEvents, K>): () => void
  /** Listens to an event until it has happened once. Returns a function that stops listening before that. */
  once<K extends keyof OutgoingStreamEvents>(name: K, listener: Listener<OutgoingStreamEvents, K>): () => void
  /**
   * Offers a message. Never waits, never throws because of the network; it copies what it can't send at once, unless
   * the memory goes with the message (`transfer`): for large ones, of which the caller has no further need. A
   * `latest` stream accepts each message as `sent`, and drops the one that it replaces: of 10,000 in one turn one goes
   * out. `account.dropped` counts them.
   */
  trySend(type: number, bytes: Uint8Array, options?: TrySendOptions): SendResult
  /** The same for a value of a defined type. */
  trySend<T>(type: MessageType<T>, value: T, options?: TrySendOptions): SendResult
  /**
   * Sends a message. Settles once: when the message is in the window, or with an `EndpointError`. The bytes are
   * borrowed until then: if they are transferred meanwhile, it rejects with `bytes-gone`. The message waits behind
   * those that were offered before. An abort takes it out of the queue, even half sent, and no other message gets its
   * bytes.
   */
  send(type: number, bytes: Uint8Array, options?: SendOptions): Promise<void>
  /** The same for a value of a defined type. */
  send<T>(type: MessageType<T>, value: T, options?: SendOptions): Promise<void>
  /**
   * Lets the application write a message of `size` bytes: `fill` gets memory and an offset in it, all zeros, lent for
   * the call. It is not called while the window is shut. If it throws, or is async, nothing is sent.
   */
  write(type: number, size: number, fill: (bytes: Uint8Array, offset: number) => void): SendResult
  /**
   * A payload of any size as a web stream: chunks go out as messages of this type, as the window allows; for a defined
   * type chunks are values, each of them a message. Closing it ends the stream, and settles when everything was
   * delivered. Aborting it resets the stream at once, and the peer never takes it for complete. It errors when the
   * stream closes in any other way. Only for `reliable` streams. `signal` aborts it: the standard
   * `pipeTo(writable, { signal })` first waits for the chunk under way, which waits for the reader.
   */
  writable(
    type: number,
    options?: {
      readonly signal?: AbortSignal
    },
  ): WritableStream<Uint8Array>
  /** The same for a defined type: chunks are values, each a message. */
  writable<T>(
    type: MessageType<T>,
    options?: {
      readonly signal?: AbortSignal
    },
  ): WritableStream<T>
  /**
   * Settles when everything accepted so far is acknowledged by the peer (or given up; in modes without
   * acknowledgements: sent). Rejects if that can't happen any more, or when the caller stops waiting.
   */
  flush(options?: WaitOptions): Promise<void>
  /**
   * Accepts no more messages; settles when all were delivered and the peer closed the stream. Rejects if that can't
   * happen any more, or when the caller stops waiting. Further calls give the same result.
   */
  end(options?: WaitOptions): Promise<void>
  /** Gives up the stream: the peer drops messages that it hasn't handed over, and gets the reason. */
  reset(reason?: number): void
  /** Bytes of the largest message that the stream accepts: in modes that don't wait, it has to fit the window. */
  readonly messageBytesMax: number
}

/**
 * The answers to a peer: one `reliable` stream for all of them, labelled `"replies"`. It is opened with the first
 * answer, and anew after it was closed, by either side. Once the peer has no stream open to us, it is ended after the
 * last answer. Each peer has one: `peer.replies`, which `message.reply()` uses.
 */
export interface Replies {
  /** The stream that carries the answers, while there is one: shows how much waits, and what became of the answers. */
  readonly current: OutgoingStream | undefined
  /**
   * Like `OutgoingStream.trySend`; also `not-joined` if the peer has left, and `refused` if it has no room for the
   * stream.
   */
  trySend(type: number, bytes: Uint8Array, options?: TrySendOptions): SendResult
  /** The same for a value of a defined type. */
  trySend<T>(type: MessageType<T>, value: T, options?: TrySendOptions): SendResult
  /**
   * Like `OutgoingStream.send`; also rejects with `not-joined` if the peer has left, and with `refused` if it has no
   * room for the stream.
   */
  send(type: number, bytes: Uint8Array, options?: SendOptions): Promise<void>
  /** The same for a value of a defined type. */
  send<T>(type: MessageType<T>, value: T, options?: SendOptions): Promise<void>
}

/** The events of a stream from a peer, with their arguments. */
export interface IncomingStreamEvents {
  /**
   * This many messages won't come: the sender gave them up, or they waited for a slow consumer on a stream that doesn't
   * wait. Each message is reported once. Messages dropped because nothing handles their type are reported by
   * `unhandled` of the endpoint.
   */
  gap: (messages: number) => void
}

/** How a stream ended. */
export interface StreamEnd {
  /** Whether the sender ended it and everything was delivered; a stream without acknowledgements can't know that. */
  readonly isComplete: boolean
  /** Why not, if it was reset or stopped: one of `REASON`, or the application's own. */
  readonly reason: number
  /** Messages that were reported as gaps, or dropped because nothing handled them, or by `stop`. */
  readonly gone: number
}

/** A stream that a peer opened to us. */
export interface IncomingStream {
  /** The peer that opened it. */
  readonly peer: Peer
  /** The peer's number for it. */
  readonly id: number
  /** What the stream promises, as its sender chose. */
  readonly delivery: Delivery
  /** The label that the peer gave it; empty while the opening is still under way. */
  readonly label: string
  /** Messages received so far, including those that still wait. */
  readonly delivered: number
  /**
   * Messages that won't come, as `gap` reports them, or that were dropped because nothing handled them, or by `stop`.
   */
  readonly gone: number
  /**
   * Messages that wait for their consumer, and their bytes; the message that the consumer is working on doesn't count.
   */
  get queued(): {
    /** How many wait, at most `queuedMessagesMax` of the endpoint. */
    readonly messages: number
    /** Their bytes; the last message may take them beyond `queuedBytesMax`. */
    readonly bytes: number
  }
  /**
   * Settles when no more messages will come and all received ones were taken, or with `stop`. Until then it counts as
   * one of the streams of its peer.
   */
  readonly closed: Promise<StreamEnd>
  /** Listens to an event. Returns a function that stops listening. */
  on<K extends keyof IncomingStreamEvents>(name: K, listener: Listener<IncomingStreamEvents, K>): () => void
  /** Listens to an event until it has happened once. Returns a function that stops listening before that. */
  once<K extends keyof IncomingStreamEvents>(name: K, listener: Listener<IncomingStreamEvents, K>): () => void
  /** Like `endpoint.handle`, for this stream alone: takes precedence over the endpoint's handler of the type. */
  handle(type: number, handler: MessageHandler): () => void
  /** As `endpoint.handle` of a defined type, for this stream alone. */
  handle<T>(type: MessageType<T>, handler: ValueHandler<T>): () => void
  /** Like `endpoint.handleAsync`, for this stream alone. */
  handleAsync(type: number, handler: AsyncMessageHandler): () => void
  /** As `endpoint.handleAsync` of a defined type, for this stream alone. */
  handleAsync<T>(type: MessageType<T>, handler: AsyncValueHandler<T>): () => void
  /**
   * Copies of the messages of this stream that have no handler here, from now on. The stream then belongs to its
   * readers, and no handler of the endpoint gets its messages any more. After a `break`, the remaining messages wait
   * for the next reader, and so do those that come in between; to drop them, call `stop`. Two readers at the same time
   * get each message both. A slow reader holds up the sender, on streams that wait. With a type: only messages of this
   * type, of a defined type each with its `value`; the others are not affected.
   */
  messages(type?: number): AsyncIterableIterator<ReceivedMessage>
  /** The same for messages of a defined type, each with its `value`. */
  messages<T>(type: MessageType<T>): AsyncIterableIterator<ReceivedValue<T>>
  /**
   * The bytes of its messages as a web stream: closes if all were delivered, errors if the stream ended in any other
   * way. Cancelling stops the sender.
   */
  readonly readable: ReadableStream<Uint8Array>
  /**
   * Nothing is handed over until `resume`. Messages wait, up to the bound of the stream; then the sender waits, or the
   * oldest message is dropped. Meanwhile no time passes for messages that nothing handles: their time starts again with
   * `resume`.
   */
  pause(): void
  /** Ends `pause`: waiting messages are handed over, in order. */
  resume(): void
  /** Whether `pause` was called, and `resume` not since then. */
  readonly isPaused: boolean
  /**
   * Tells the sender to stop. Messages on their way, and those that wait, are dropped. `closed` settles at once. A
   * handler keeps the message that it has. Once the stream is over, `stop` drops waiting messages; a second call does
   * nothing more.
   */
  stop(reason?: number): void
  /** The stream and its peer, for logs. */
  toString(): string
}

/**
 * A message as a handler sees it: one reused object, valid only during the synchronous call. To keep it longer, use
 * `copy()`, or copy the fields of interest.
 */
export interface Message {
  /** 0 to 65,535; the application gives it a meaning. */
  readonly type: number
  /** The peer that sent it. */
  readonly peer: Peer
  /** The stream that it came on. */
  readonly stream: IncomingStream
  /**
   * The memory that the message lies in: its bytes are `[offset, offset + length)`. Reading fields here allocates
   * nothing. Other messages lie in it too: give `postMessage` a `copy()`, never transfer this buffer.
   */
  readonly view: DataView
  /** Where its bytes begin in `view`. */
  readonly offset: number
  /** The number of its bytes, from 0. */
  readonly length: number
  /** The bytes without a copy; overwritten after the call. */
  readonly bytes: Uint8Array
  /** A copy of the bytes, to keep. */
  copy(): Uint8Array
  /**
   * Answers the sender, over the one `reliable` stream for all answers to a peer, `peer.replies`. Like its `send`, but
   * the bytes are borrowed only during the call, so they may be the message's own. Settles when the answer is in the
   * window, or acknowledged; rejects like `send`: `not-joined` if the peer has left, `refused` if too many answers
   * wait. Only during the handler's call, like everything here: to answer later, take
   * `const { replies } = message.peer`.
   */
  reply(type: number, bytes: Uint8Array, options?: SendOptions): Promise<void>
  /** The same with a value of a defined type. */
  reply<T>(type: MessageType<T>, value: T, options?: SendOptions): Promise<void>
}

/** A message to keep. */
export interface ReceivedMessage {
  /** 0 to 65,535; the application gives it a meaning. */
  readonly type: number
  /** Its bytes, a copy that belongs to the receiver. */
  readonly bytes: Uint8Array
  /** The peer that sent it. */
  readonly peer: Peer
  /** The stream that it came on. */
  readonly stream: IncomingStream
  /** Like `reply` of the message that a handler gets, but at any time. */
  reply(type: number, bytes: Uint8Array, options?: SendOptions): Promise<void>
  /** The same with a value of a defined type. */
  reply<T>(type: MessageType<T>, value: T, options?: SendOptions): Promise<void>
}

/** A message of a defined type to keep, as `messages(TYPE)` yields it. */
export interface ReceivedValue<T> extends ReceivedMessage {
  /** The value of the bytes. A reader never gets a message that its codec doesn't decode. */
  readonly value: T
}

/** Called at once with the reused message. */
export type MessageHandler = (message: Message) => unknown
/** Called with a copy; the stream's next message waits until the returned promise has settled. */
export type AsyncMessageHandler = (message: ReceivedMessage) => PromiseLike<unknown>
/** Called at once with the decoded value and the reused message. */
export type ValueHandler<T> = (value: T, message: Message) => unknown
/** Called with the decoded value and a copy; the stream's next message waits until the returned promise has settled. */
export type AsyncValueHandler<T> = (value: T, message: ReceivedMessage) => PromiseLike<unknown>

/** Messages of a type that nothing handles or reads, and that are dropped. */
export interface Unhandled {
  /** The stream that they came on; `stream.peer` sent them. */
  readonly stream: IncomingStream
  /** 0 to 65,535. */
  readonly type: number
  /** What happened, and what to do. */
  readonly text: string
}
