/**
 * What users hold: peers, streams and messages, as they see them. They lead to one another, so they are in one file;
 * the classes behind them lead down only.
 *
 * @module
 */

import type { SentMessages } from "@x/stream"
import type { Address } from "@x/transport/host"
import type { Delivery } from "@x/wire"
import type { ParkedMessages } from "../streams/parking-lot.ts"
import type { Listener } from "./events.ts"
import type { MessageType } from "./message-type.ts"
import type { OpenOptions, PeerStats, PingOptions, ShareOptions } from "./peer-options.ts"
import type { OutgoingEnd, OutgoingStreamEvents, SendOptions, SendResult, TrySendOptions } from "./sending.ts"
import type { WaitOptions } from "./wait.ts"

/** One incarnation of another endpoint. */
export interface Peer {
  /** 16 hexadecimal digits, new whenever the peer's process starts. */
  readonly unique: string
  /** Where it is reached. */
  readonly address: Address
  /** The key that it has shown, 32 bytes, where members have an `identity`. */
  readonly publicKey: Uint8Array | undefined
  /**
   * `unreachable`: nothing was heard of it for `unreachableMs`. `left`: it is gone for good; its process, or another
   * one there, is another `Peer`.
   */
  readonly state: "joined" | "unreachable" | "left"
  /** Bytes of the largest message that both ends take. */
  readonly messageBytesMax: number
  /**
   * Opens a stream to the peer. Throws `EndpointError` `not-joined`, or `refused` when the peer takes no more streams.
   */
  open(options?: OpenOptions): OutgoingStream
  /**
   * Answers to it, also later than `message.reply()` does: always the same object, which sends on one stream for all of
   * them, opened with the first. After it has left they are `not-joined`; another incarnation has its own.
   */
  readonly replies: Replies
  /** Its share in what this endpoint sends; what isn't given stays. */
  setShare(options: ShareOptions): void
  /**
   * Copies of the messages of this type from the peer, from now on; of a defined type each with its `value`. Ends when
   * the peer has left and all that came of it was taken. One that reads slowly holds up the streams it reads from. What
   * it leaves, by `break`, waits in its stream for the next one, or for a handler of the type, and where there is an
   * order what follows it waits too: a handler that does nothing lets it go.
   */
  messages(type: number): AsyncIterableIterator<ReceivedMessage>
  /** The same for messages of a defined type, each with its `value`. */
  messages<T>(type: MessageType<T>): AsyncIterableIterator<ReceivedValue<T>>
  /**
   * Asks for an answer and tells how long it took, milliseconds. Rejects with `not-joined`, `timeout` (default 10 s) or
   * `aborted`.
   */
  ping(options?: PingOptions): Promise<number>
  /**
   * Says goodbye: its streams close at once on both sides, delivered or not; `flush` or `end` them first. Settles when
   * the peer answered, or after a second.
   */
  leave(reason?: number, text?: string): Promise<void>
  /** Counters and estimates, as they are now. */
  stats(): PeerStats
  /** Who and where it is, for logs. */
  toString(): string
}

/** A stream to a peer. Made by `peer.open()`. */
export interface OutgoingStream {
  /** Whom it goes to. */
  readonly peer: Peer
  /** What it was called when it was opened; the peer sees it too. */
  readonly label: string
  /** Our number for it, from 1; new for each stream to the peer. */
  readonly id: number
  /** What it promises. */
  readonly delivery: Delivery
  /** `open`; `ending`: no more is taken, what was is being delivered; `closed`. */
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
   * Settles once nothing is taken or delivered any more, for whatever reason: the peer has all, either side reset it,
   * the peer left. Never rejects.
   */
  readonly closed: Promise<OutgoingEnd>
  /** Listens to an event. Returns what ends it. */
  on<K extends keyof OutgoingStreamEvents>(name: K, listener: Listener<OutgoingStreamEvents, K>): () => void
  /** Listens to an event until it has been told once. Returns what ends it before that. */
  once<K extends keyof OutgoingStreamEvents>(name: K, listener: Listener<OutgoingStreamEvents, K>): () => void
  /**
   * Offers a message. Never waits, never throws because of the network; what it can't send at once it copies. A stream
   * that is `latest` takes each, as `sent`, and drops what it replaces: of 10,000 in one turn one goes out.
   * `account.dropped` counts them.
   */
  trySend(type: number, bytes: Uint8Array, options?: TrySendOptions): SendResult
  /** The same for a value of a defined type. */
  trySend<T>(type: MessageType<T>, value: T, options?: TrySendOptions): SendResult
  /**
   * Sends a message; settles once: when it is in the window, or with an `EndpointError`. The bytes are borrowed until
   * then: transferred meanwhile, they are `bytes-gone`. Waits its turn behind messages that were offered before; an
   * abort takes it out of the queue, also half sent, and no other message gets its bytes.
   */
  send(type: number, bytes: Uint8Array, options?: SendOptions): Promise<void>
  /** The same for a value of a defined type. */
  send<T>(type: MessageType<T>, value: T, options?: SendOptions): Promise<void>
  /**
   * Lets the application write a message of `size` bytes: `fill` gets memory and an offset in it, all zeros, lent to it
   * for the call. Not called while the window is shut. If it throws, or is async, nothing was sent.
   */
  write(type: number, size: number, fill: (bytes: Uint8Array, offset: number) => void): SendResult
  /**
   * A payload of any size as a web stream: chunks go out as messages of this type, as the window allows; for a defined
   * type chunks are values, each a message. Closing it ends the stream and settles when all was delivered; aborting it
   * resets the stream at once, and the peer never takes it for complete. Errors when the stream closes in any other
   * way. For `reliable` streams. `signal` aborts it: by the standard `pipeTo(writable, { signal })` waits for the chunk
   * under way first, and that for the reader.
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
   * Settles when everything accepted so far is acknowledged by the peer (or given up, or where nothing answers: sent);
   * rejects if that can't happen any more, or when the caller stops waiting.
   */
  flush(options?: WaitOptions): Promise<void>
  /**
   * Takes no more messages; settles when all were delivered and the peer closed the stream; rejects if that can't
   * happen any more, or when the caller stops waiting. Called again it settles alike.
   */
  end(options?: WaitOptions): Promise<void>
  /** Gives up: the peer drops what it hasn't handed over, and is told why. */
  reset(reason?: number): void
  /** Bytes of the largest message that the stream can take: where nothing waits it has to fit the window. */
  readonly messageBytesMax: number
}

/**
 * The answers to a peer: one `reliable` stream for all of them, labelled `"replies"`, opened with the first and anew
 * after it was closed, by whomever. Once the peer has no stream open to us it is ended behind the last answer. Made by
 * a peer: `peer.replies`, and used by `message.reply()`.
 */
export interface Replies {
  /** The stream that takes answers, while there is one: how much waits, what became of them. */
  readonly current: OutgoingStream | undefined
  /**
   * As `OutgoingStream.trySend`: also `not-joined` where the peer has left, `refused` where it has no room for the
   * stream.
   */
  trySend(type: number, bytes: Uint8Array, options?: TrySendOptions): SendResult
  /** The same for a value of a defined type. */
  trySend<T>(type: MessageType<T>, value: T, options?: TrySendOptions): SendResult
  /**
   * As `OutgoingStream.send`: also rejects with `not-joined` where the peer has left, `refused` where it has no room
   * for the stream.
   */
  send(type: number, bytes: Uint8Array, options?: SendOptions): Promise<void>
  /** The same for a value of a defined type. */
  send<T>(type: MessageType<T>, value: T, options?: SendOptions): Promise<void>
}

/** What a stream from a peer tells, and with what. */
export interface IncomingStreamEvents {
  /**
   * So many messages won't come: the sender gave them up, or they waited for a consumer that is behind on a stream that
   * doesn't wait. Each is told once. What is dropped because nobody handles its type is `unhandled` of the endpoint.
   */
  gap: (messages: number) => void
}

/** How a stream ended. */
export interface StreamEnd {
  /** The sender ended it and all of it was delivered, which a stream without acknowledgements can't know. */
  readonly isComplete: boolean
  /** Why not, if it was reset or stopped; one of `REASON`, or the application's. */
  readonly reason: number
  /** Messages that were told as gaps, or dropped: since nobody handled them, or by `stop`. */
  readonly gone: number
}

/** A stream that a peer opened to us. */
export interface IncomingStream {
  /** Who opened it. */
  readonly peer: Peer
  /** The peer's number for it. */
  readonly id: number
  /** What it promises, as its sender chose. */
  readonly delivery: Delivery
  /** What the peer called it when opening; empty while the opening is still under way. */
  readonly label: string
  /** Messages that came so far, those that still wait among them. */
  readonly delivered: number
  /** Messages that won't come, as `gap` tells them, or that were dropped: since nobody handled them, or by `stop`. */
  readonly gone: number
  /** Messages that wait for their consumer, and their bytes; that which it has isn't among them. */
  get queued(): {
    /** How many wait, at most `queuedMessagesMax` of the endpoint. */
    readonly messages: number
    /** Bytes of these; the last one may take them beyond `queuedBytesMax`. */
    readonly bytes: number
  }
  /**
   * Settles when no more messages will come and those that came were taken, or with `stop`. Until then it counts as one
   * of the streams of its peer.
   */
  readonly closed: Promise<StreamEnd>
  /** Listens to an event. Returns what ends it. */
  on<K extends keyof IncomingStreamEvents>(name: K, listener: Listener<IncomingStreamEvents, K>): () => void
  /** Listens to an event until it has been told once. Returns what ends it before that. */
  once<K extends keyof IncomingStreamEvents>(name: K, listener: Listener<IncomingStreamEvents, K>): () => void
  /** As `endpoint.handle`, for this stream alone: comes before the endpoint's handler of the type. */
  handle(type: number, handler: MessageHandler): () => void
  /** As `endpoint.handle` of a defined type, for this stream alone. */
  handle<T>(type: MessageType<T>, handler: ValueHandler<T>): () => void
  /** As `endpoint.handleAsync`, for this stream alone. */
  handleAsync(type: number, handler: AsyncMessageHandler): () => void
  /** As `endpoint.handleAsync` of a defined type, for this stream alone. */
  handleAsync<T>(type: MessageType<T>, handler: AsyncValueHandler<T>): () => void
  /**
   * Copies of the messages of this stream that have no handler here, from now on: they are its readers', and no handler
   * of the endpoint gets them any more. What a reader leaves, by `break`, waits for the next one, and so does what
   * comes in between; who wants no more of it calls `stop`. Two who read at once get each message both. One that reads
   * slowly holds up its sender, on streams that wait. With a type: those of this type only, of a defined type each with
   * its `value`; the others go where they went.
   */
  messages(type?: number): AsyncIterableIterator<ReceivedMessage>
  /** The same for messages of a defined type, each with its `value`. */
  messages<T>(type: MessageType<T>): AsyncIterableIterator<ReceivedValue<T>>
  /**
   * The bytes of its messages as a web stream: closes if all were delivered, errors if it ended in any other way.
   * Cancelling stops the sender.
   */
  readonly readable: ReadableStream<Uint8Array>
  /**
   * Nothing is handed over until `resume`. What comes waits, up to the bound of the stream; then its sender does, or
   * the oldest is dropped. Meanwhile no time passes for messages that nobody handles: theirs begins again with
   * `resume`.
   */
  pause(): void
  /** Ends `pause`: what waits is handed over, in order. */
  resume(): void
  /** Whether `pause` was called, and `resume` not since. */
  readonly isPaused: boolean
  /**
   * Tells the sender to stop; messages on their way, and those that wait, are dropped. `closed` settles at once. What a
   * handler has is still its. Once the stream is over it drops what waits; twice does no more than once.
   */
  stop(reason?: number): void
  /** What and whose it is, for logs. */
  toString(): string
}

/**
 * A message as a handler sees it: one object, reused, valid during the synchronous call only. What is needed longer is
 * copied: `copy()`, or the fields of interest.
 */
export interface Message {
  /** 0 to 65,535; what it means is the application's. */
  readonly type: number
  /** Who sent it. */
  readonly peer: Peer
  /** The stream that it came on. */
  readonly stream: IncomingStream
  /**
   * The memory the message lies in: its bytes are `[offset, offset + length)`. Reading fields here allocates nothing.
   * Other messages lie there too: to `postMessage` give a `copy()`, its buffer is not to be transferred.
   */
  readonly view: DataView
  /** Where its bytes begin in `view`. */
  readonly offset: number
  /** How many bytes it has, from 0. */
  readonly length: number
  /** The bytes without a copy; overwritten after the call. */
  readonly bytes: Uint8Array
  /** The bytes to keep. */
  copy(): Uint8Array
  /**
   * Answers who sent it, over the one `reliable` stream that there is for all answers to a peer, `peer.replies`: as
   * `send` of that, but the bytes are borrowed during the call only, so they may be the message's own. Settles when the
   * answer is in the window, or acknowledged; rejects as `send` does: `not-joined` where the peer has left, `refused`
   * where too many answers wait. During the handler's call only, as everything here: for later take `const { replies }
   * = message.peer`.
   */
  reply(type: number, bytes: Uint8Array, options?: SendOptions): Promise<void>
  /** The same with a value of a defined type. */
  reply<T>(type: MessageType<T>, value: T, options?: SendOptions): Promise<void>
}

/** A message to keep. */
export interface ReceivedMessage {
  /** 0 to 65,535; what it means is the application's. */
  readonly type: number
  /** Its bytes, a copy that is the receiver's own. */
  readonly bytes: Uint8Array
  /** Who sent it. */
  readonly peer: Peer
  /** The stream that it came on. */
  readonly stream: IncomingStream
  /** As `reply` of the message that a handler gets, at any time. */
  reply(type: number, bytes: Uint8Array, options?: SendOptions): Promise<void>
  /** The same with a value of a defined type. */
  reply<T>(type: MessageType<T>, value: T, options?: SendOptions): Promise<void>
}

/** A message of a defined type to keep: what `messages(TYPE)` gives. */
export interface ReceivedValue<T> extends ReceivedMessage {
  /**
   * What the bytes stand for, decoded when it is first asked for. Throws what the codec throws for bytes that stand for
   * nothing: the sender's mistake.
   */
  readonly value: T
}

/** Called at once with the reused message. */
export type MessageHandler = (message: Message) => unknown
/** Called with a copy; the stream's next message waits until what it returns has settled. */
export type AsyncMessageHandler = (message: ReceivedMessage) => PromiseLike<unknown>
/** Called at once with the value that the bytes stand for, and the reused message. */
export type ValueHandler<T> = (value: T, message: Message) => unknown
/**
 * Called with the value that the bytes stand for, and a copy; the stream's next message waits until what it returns has
 * settled.
 */
export type AsyncValueHandler<T> = (value: T, message: ReceivedMessage) => PromiseLike<unknown>

/** Messages of a type that nobody handles or reads, and that are dropped. */
export interface Unhandled {
  /** Where they came; `stream.peer` sent them. */
  readonly stream: IncomingStream
  /** 0 to 65,535. */
  readonly type: number
  /** What happened, and what to do. */
  readonly text: string
}
