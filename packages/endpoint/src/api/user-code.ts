/**
 * The border to the application: all its functions are called from here. They run between the machines and never inside
 * one, so they may throw or reject, call anything of this package, and add or remove listeners, handlers and streams.
 * `handle` takes the seven properties of a message as arguments: no object is made for a message.
 *
 * @module
 */

import { isThenable, textOf } from "@x/transport/check"
import { REASON } from "@x/wire"
import { BYTES, checkClass, checkSize } from "../errors/check.ts"
import { EndpointError, isOutcome } from "../errors/endpoint-error.ts"
import type { EndpointEvents } from "./endpoint-events.ts"
import type { Events, News } from "./events.ts"
import type { AsyncMessageHandler, IncomingStream, MessageHandler, ReceivedMessage } from "./handles.ts"
import { LentMessage, type ReplyingPeer } from "./message.ts"
import { isWriting, type MessageType, Undecodable, type WritingCodec } from "./message-type.ts"

/** Events told at a time, so that listeners that cause events without end don't hold up the sockets. */
const NEWS_AT_ONCE_MAX = 1_024

/** Messages of up to this many bytes, more than most packets hold, are written in shared memory. */
const DESK_BYTES = 2_048
/** Up to this many bytes, a loop clears memory in less time than a call of `fill` takes. */
const CLEARED_BY_LOOP_BYTES = 128

/** Writes a message of the application. */
export type Fill = (bytes: Uint8Array, offset: number) => unknown

/** A stream whose messages are handled. */
export interface HandledStream extends IncomingStream {
  readonly peer: ReplyingPeer
  /** Hands over waiting messages, as long as their consumers keep up. */
  pump(): void
  /** Messages that were received won't be handed over. */
  lose(messages: number): void
}

export interface UserCodeHost {
  /**
   * {@link UserCode.settle} has something to do: it is to be called soon, from outside of the application's functions.
   */
  onNews(): void
  /** Calls a function at the end of the turn; an error that it throws is an uncaught exception. */
  defer(run: () => void): void
}

export class UserCode {
  readonly #host: UserCodeHost
  /** Events that listeners have not been told yet. */
  readonly news: News[] = []
  /** Streams that go on handing over waiting messages. */
  readonly #resumed = new Set<HandledStream>()
  readonly #message = new LentMessage()
  #desk: Desk | undefined
  #isWriting = false
  #errors: Events<EndpointEvents> | undefined
  #isTelling = false
  /** Messages whose bytes stood for no value of their types. */
  undecodable = 0
  /** Errors that nobody listened to, and that weren't thrown. */
  untold = 0

  constructor(host: UserCodeHost) {
    this.#host = host
  }

  /** Sets where errors of the application's functions are told, as `error`. */
  tellErrorsTo(events: Events<EndpointEvents>): void {
    this.#errors = events
  }

  // Events.

  /** Queues an event for listeners, which are called later: the caller may be a machine at work, or a listener. */
  tell(news: News): void {
    this.news.push(news)
    if (this.news.length === 1) this.#host.onNews()
  }

  /** Whether {@link UserCode.settle} has something to do. */
  get hasNews(): boolean {
    return this.news.length > 0 || this.#resumed.size > 0
  }

  /** Whether some events have not been told yet. */
  get isBehind(): boolean {
    return this.news.length > 0
  }

  /** Tells the listeners all events so far, in order. Called between machines, also before each message. */
  catchUp(): void {
    if (this.news.length > 0) this.#tellAll()
  }

  #tellAll(): void {
    if (this.#isTelling) return
    this.#isTelling = true
    const most = Math.max(NEWS_AT_ONCE_MAX, this.news.length)
    let told = 0
    while (told < this.news.length && told < most) this.#tellOf(this.news[told++]!)
    this.news.splice(0, told)
    this.#isTelling = false
    if (this.news.length > 0) this.#host.onNews()
  }

  /** The listeners at the beginning of the telling are called, unless they were removed by then. */
  #tellOf({ events, name, args }: News): void {
    const listeners = events.listenersOf(name)
    const isError = events === this.#errors && name === "error"
    if (isError && listeners.length === 0) return this.#unheard(args[0] as EndpointError)
    for (const registration of listeners) {
      if (!registration.isOn) continue
      try {
        this.#watch(registration.listener(...args), isError, `the listener of "${name}"`)
      } catch (error) {
        this.#fail(error, isError, `the listener of "${name}"`)
      }
    }
  }

  // Messages.

  /** A stream goes on: its waiting messages are handed over soon, and not from within this call. */
  resume(stream: HandledStream): void {
    this.#resumed.add(stream)
    this.#host.onNews()
  }

  /**
   * Does everything that waits for a place between machines: events, and streams that go on. What this causes waits
   * again.
   */
  settle(): void {
    this.catchUp()
    if (this.#resumed.size === 0) return
    const resumed = [...this.#resumed]
    this.#resumed.clear()
    for (const stream of resumed) stream.pump()
  }

  /** Calls the handler of a message, with the one reused object. */
  handle(
    handler: MessageHandler,
    type: number,
    stream: HandledStream,
    bytes: Uint8Array,
    view: DataView,
    offset: number,
    length: number,
  ): void {
    const message = this.#message
    message.set(type, stream.peer, stream, bytes, view, offset, length)
    try {
      const result = handler(message)
      // An async function is not waited for here, but its failure is reported like any other.
      if (result !== undefined) this.#watch(result, false, `the handler of type ${type}`)
      if (bytes.length < length) throw new TypeError("a message's memory is not to be transferred: give away a copy()")
    } catch (error) {
      if (error instanceof Undecodable) this.#refuse(error, type, stream, 1)
      else this.surface(error, `the handler of type ${type}`)
    } finally {
      message.clear()
    }
  }

  /** Calls an async handler; settles with it, and never rejects. */
  async handleLater(handler: AsyncMessageHandler, message: ReceivedMessage): Promise<void> {
    try {
      await handler(message)
    } catch (error) {
      if (error instanceof Undecodable) this.#refuse(error, message.type, message.stream as HandledStream, 1)
      else this.surface(error, `the handler of type ${message.type}`)
    }
  }

  /** A reader can't be given a message: `error` says why. */
  unread(error: unknown, type: number, stream: HandledStream): void {
    if (error instanceof Undecodable) this.#refuse(error, type, stream, 0)
    else this.surface(error, `the reader of type ${type}`)
  }

  /** Stops a stream whose messages mean nothing here: the other side is told why. `lost`: messages that nobody gets. */
  #refuse({ cause }: Undecodable, type: number, stream: HandledStream, lost: number): void {
    this.undecodable++
    if (lost > 0) stream.lose(lost)
    this.tellError(
      new EndpointError(
        "undecodable",
        `a message of type ${type} can't be decoded (${textOf(cause)}), so it was dropped and its stream stopped: ${String(stream)}; both ends have to define the type alike`,
        cause,
      ),
    )
    stream.stop(REASON.undecodable)
  }

  /**
   * Lets the application write a message of `size` bytes, and returns them, valid until the next one is written. The
   * application never gets memory that holds anything else: bytes that it leaves out are zero, and bytes that it writes
   * outside its range or later reach no message.
   */
  write(size: number, fill: Fill): Uint8Array {
    const isWriting = this.#isWriting
    // If `fill` writes another message meanwhile, on another stream, it goes on with its own memory after that.
    const desk = isWriting || size > DESK_BYTES ? undefined : (this.#desk ??= new Desk())
    const bytes = desk?.clear(size) ?? new Uint8Array(size)
    this.#isWriting = true
    try {
      writeInto(desk?.bytes ?? bytes, fill)
    } finally {
      this.#isWriting = isWriting
      // The memory was transferred.
      if (desk?.bytes.length === 0) this.#desk = undefined
    }
    return bytes
  }

  // Alarms.

  /** Calls the function of an alarm; what it returns is watched like a listener's. */
  ring(alarm: () => unknown): void {
    try {
      this.#watch(alarm(), false, "the function of an alarm")
    } catch (error) {
      this.surface(error, "the function of an alarm")
    }
  }

  // Decisions.

  /** Asks whether a member may join, or stay; `undefined`: it answered nothing, synchronously. */
  trusts(trust: (publicKey: Uint8Array) => boolean, publicKey: Uint8Array): boolean | undefined {
    try {
      const answer: unknown = trust(publicKey.slice())
      if (typeof answer === "boolean") return answer
      const isPromise = isThenable(answer)
      // The join was refused: the result of the promise doesn't matter.
      if (isPromise) Promise.resolve(answer).then(undefined, () => {})
      const how = isPromise ? "by a promise" : typeof answer
      throw new TypeError(`trust has to answer true or false at once, not ${how}`)
    } catch (error) {
      this.surface(error, "trust")
      return undefined
    }
  }

  // Failures.

  /** An error of the application's function: reported once, and everything goes on. */
  surface(cause: unknown, where: string): void {
    this.#fail(cause, false, where)
  }

  /** Tells an error that isn't the application's own: where nobody listens it is only counted. */
  tellError(error: EndpointError): void {
    if (this.#errors !== undefined && (this.#errors.has("error") || this.isBehind)) this.#errors.emit("error", error)
    else this.untold++
  }

  /** `isUnheard`: the listeners of errors have failed themselves. */
  #fail(cause: unknown, isUnheard: boolean, where: string): void {
    const error = new EndpointError("handler-failed", `${where} threw: ${textOf(cause)}`, cause)
    if (!isUnheard && this.#errors?.has("error") === true) this.#errors.emit("error", error)
    else this.#unheard(error)
  }

  /**
   * Only what the application's own code has thrown ends its program where nobody listens: what a peer sends or does, or
   * the network, never does.
   */
  #unheard(error: EndpointError): void {
    if (error.code === "handler-failed" && !isOutcome(error.cause)) this.#throw(error)
    else this.untold++
  }

  #throw(error: unknown): void {
    this.#host.defer(() => {
      throw error
    })
  }

  /** A function may return a promise of any kind that rejects. */
  #watch(result: unknown, isUnheard: boolean, where: string): void {
    if (!isThenable(result)) return
    Promise.resolve(result).then(undefined, (error: unknown) => this.#fail(error, isUnheard, where))
  }
}

function writeInto(bytes: Uint8Array, fill: Fill): void {
  const { length } = bytes
  const result = fill(bytes, 0)
  if (bytes.length !== length) throw new TypeError("the memory that a message is written in is lent: copy it")
  if (result === undefined || !isThenable(result)) return
  Promise.resolve(result).then(undefined, () => {})
  throw new TypeError("a message is written at once, not by an async function: its memory is another's after the call")
}

/** The number of bytes of a value. Throws like {@link encodeValue}. */
export function sizeOf(codec: WritingCodec<unknown>, value: unknown, type: number): number {
  let size
  try {
    size = codec.size(value)
  } catch (cause) {
    throw encodingError(type, value, cause)
  }
  checkSize(size)
  return size
}

/**
 * The bytes of a value, in memory of their own if the codec writes. Throws `EndpointError` `invalid-option` for a value
 * that the codec refuses, `TypeError` or `RangeError` for a codec that returns no bytes.
 */
export function encodeValue({ type, codec }: MessageType<unknown>, value: unknown): Uint8Array {
  if (isWriting(codec)) {
    const bytes = new Uint8Array(sizeOf(codec, value, type))
    writeInto(bytes, fillWith(codec, value, type))
    return bytes
  }
  let bytes
  try {
    bytes = codec.encode(value)
  } catch (cause) {
    throw encodingError(type, value, cause)
  }
  return checkClass.value("what encode returns", bytes, BYTES)
}

/** Makes a codec write a value. The {@link Fill} throws like {@link encodeValue}. */
export function fillWith(codec: WritingCodec<unknown>, value: unknown, type: number): Fill {
  return (bytes, offset) => {
    try {
      return codec.write(value, bytes, offset)
    } catch (cause) {
      throw encodingError(type, value, cause)
    }
  }
}

/** The error for what a codec threw for a value; our own errors already say what to do. */
function encodingError(type: number, value: unknown, cause: unknown): EndpointError {
  if (cause instanceof EndpointError) return cause
  const given = value === null || value === undefined ? String(value) : `this ${typeof value}`
  return new EndpointError(
    "invalid-option",
    `a message of type ${type} can't be made of ${given}: ${textOf(cause)}`,
    cause,
  )
}

/**
 * Memory that messages are written in before they go into packets; always the same, so that views of it can be kept.
 */
class Desk {
  readonly bytes = new Uint8Array(DESK_BYTES)
  readonly #view = new DataView(this.bytes.buffer)
  /**
   * Views of the first 0, 1, 2 … bytes. Each is made once: a view costs more than everything else that is done for a
   * message.
   */
  readonly #firsts: (Uint8Array | undefined)[] = Array.from({ length: DESK_BYTES + 1 }, () => undefined)

  /** Returns the first `size` bytes, all zeros. */
  clear(size: number): Uint8Array {
    if (size > CLEARED_BY_LOOP_BYTES) this.bytes.fill(0, 0, size)
    else for (let at = 0; at < size; at += 8) this.#view.setFloat64(at, 0)
    return (this.#firsts[size] ??= this.bytes.subarray(0, size))
  }
}
