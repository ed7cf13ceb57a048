/**
 * The border to the application: every function of its own is called from here. What such a function does, it does
 * between the machines and never inside one: it may throw or reject, call anything of this package, add and take away
 * listeners, handlers and streams.
 *
 * @module
 */

import { BYTES, checkClass, checkSize } from "../errors/check.ts"
import { EndpointError } from "../errors/endpoint-error.ts"
import type { EndpointEvents } from "./endpoint-events.ts"
import type { Events, News } from "./events.ts"
import type { AsyncMessageHandler, IncomingStream, MessageHandler, ReceivedMessage } from "./handles.ts"
import { LentMessage, type ReplyingPeer } from "./message.ts"
import { isWriting, type MessageType, type WritingCodec } from "./message-type.ts"

/** What is told at a time. Listeners that cause events without end then hold up no sockets. */
const NEWS_AT_ONCE_MAX = 1_024

/** Messages up to so many bytes, which is more than most packets hold, are written in memory that is there for all. */
const DESK_BYTES = 2_048
/** Up to here a loop clears memory in less time than it takes to call `fill`. */
const CLEARED_BY_LOOP_BYTES = 128

/** Writes a message of the application's. */
export type Fill = (bytes: Uint8Array, offset: number) => unknown

/** A stream whose messages are handled. */
export interface HandledStream extends IncomingStream {
  readonly peer: ReplyingPeer
  /** Hands over what waits, as long as its consumers keep up. */
  pump(): void
}

export interface UserCodeHost {
  /** There is something for {@link UserCode.settle}: to be called soon, from outside of the application's functions. */
  onNews(): void
  /** Calls a function at the end of the turn; what it throws is an uncaught exception. */
  defer(run: () => void): void
}

export class UserCode {
  readonly #host: UserCodeHost
  /** What listeners are still to be told of. */
  readonly news: News[] = []
  /** Streams that go on to hand over what waits. */
  readonly #resumed = new Set<HandledStream>()
  readonly #message = new LentMessage()
  #desk: Desk | undefined
  #isWriting = false
  #errors: Events<EndpointEvents> | undefined
  #isTelling = false

  constructor(host: UserCodeHost) {
    this.#host = host
  }

  /** Where errors of the application's functions are told, as `error`. */
  tellErrorsTo(events: Events<EndpointEvents>): void {
    this.#errors = events
  }

  // Events.

  /** Something for listeners, who are called later: whoever says this may be a machine at work, or one of them. */
  tell(news: News): void {
    this.news.push(news)
    if (this.news.length === 1) this.#host.onNews()
  }

  /** Whether {@link UserCode.settle} has something to do. */
  get hasNews(): boolean {
    return this.news.length > 0 || this.#resumed.size > 0
  }

  /** Whether listeners are still to be told of something. */
  get isBehind(): boolean {
    return this.news.length > 0
  }

  /** Tells the listeners what happened so far, in order. Called between machines, also before each message. */
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

  /** Who listens when the telling begins is told, unless it has been taken away by then. */
  #tellOf({ events, name, args }: News): void {
    const listeners = events.listenersOf(name)
    const isError = events === this.#errors && name === "error"
    if (isError && listeners.length === 0) return this.#throw(args[0])
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

  /** A stream goes on: what waits is handed over soon, and not from within the call that said so. */
  resume(stream: HandledStream): void {
    this.#resumed.add(stream)
    this.#host.onNews()
  }

  /** All that waits for a place between machines: news, and streams that go on. What comes of it waits again. */
  settle(): void {
    this.catchUp()
    if (this.#resumed.size === 0) return
    const resumed = [...this.#resumed]
    this.#resumed.clear()
    for (const stream of resumed) stream.pump()
  }

  /** Calls the handler of a message, which gets the one object that is there for it. */
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
      // An async function is not waited for here, but its failure is told like any other.
      if (result !== undefined) this.#watch(result, false, `the handler of type ${type}`)
      if (bytes.length < length) throw new TypeError("a message's memory is not to be transferred: give away a copy()")
    } catch (error) {
      this.surface(error, `the handler of type ${type}`)
    } finally {
      message.clear()
    }
  }

  /** Calls a handler that takes its time; settles with it, and never rejects. */
  async handleLater(handler: AsyncMessageHandler, message: ReceivedMessage): Promise<void> {
    try {
      await handler(message)
    } catch (error) {
      this.surface(error, `the handler of type ${message.type}`)
    }
  }

  /**
   * Has the application write a message of `size` bytes; answers them, good until the next one is written. It never
   * gets memory that anything else is in: what it leaves out is zero, and what it writes beyond or later is nobody's.
   */
  write(size: number, fill: Fill): Uint8Array {
    const isWriting = this.#isWriting
    // One that writes another message meanwhile, on another stream, goes on with its own after that.
    const desk = isWriting || size > DESK_BYTES ? undefined : (this.#desk ??= new Desk())
    const bytes = desk?.clear(size) ?? new Uint8Array(size)
    this.#isWriting = true
    try {
      writeInto(desk?.bytes ?? bytes, fill)
    } finally {
      this.#isWriting = isWriting
      // It was transferred to somebody else.
      if (desk?.bytes.length === 0) this.#desk = undefined
    }
    return bytes
  }

  // Decisions.

  /** Asks whether a member is welcome. Only `true`, at once, is a yes. */
  trusts(trust: (publicKey: Uint8Array) => boolean, publicKey: Uint8Array): boolean {
    try {
      const answer: unknown = trust(publicKey.slice())
      if (typeof answer === "boolean") return answer
      const isPromise = isThenable(answer)
      // It was refused: what becomes of the promise matters to nobody.
      if (isPromise) Promise.resolve(answer).then(undefined, () => {})
      const how = isPromise ? "by a promise" : typeof answer
      throw new TypeError(`trust has to answer true or false at once, not ${how}`)
    } catch (error) {
      this.surface(error, "trust")
      return false
    }
  }

  // Failures.

  /** An error of the application's own: told once, and everything goes on. */
  surface(cause: unknown, where: string): void {
    this.#fail(cause, false, where)
  }

  /** `isUnheard`: those who listen to errors have failed themselves. */
  #fail(cause: unknown, isUnheard: boolean, where: string): void {
    const error = new EndpointError("handler-failed", `${where} threw: ${textOf(cause)}`, cause)
    if (!isUnheard && this.#errors?.has("error") === true) this.#errors.emit("error", error)
    else this.#throw(error)
  }

  #throw(error: unknown): void {
    this.#host.defer(() => {
      throw error
    })
  }

  /** What a function returned may be a promise, of any kind, that rejects. */
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

/** How many bytes a value takes. Throws as {@link encodeValue} does. */
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
 * The bytes of a value, in memory of their own where the codec writes. Throws `EndpointError` `invalid-option` for a
 * value that the codec refuses, `TypeError` or `RangeError` for a codec that gives no bytes.
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

/** Has a codec write a value. The {@link Fill} throws as {@link encodeValue} does. */
export function fillWith(codec: WritingCodec<unknown>, value: unknown, type: number): Fill {
  return (bytes, offset) => {
    try {
      return codec.write(value, bytes, offset)
    } catch (cause) {
      throw encodingError(type, value, cause)
    }
  }
}

/** What a codec threw for a value; an error of ours says by itself what to do. */
function encodingError(type: number, value: unknown, cause: unknown): EndpointError {
  if (cause instanceof EndpointError) return cause
  const given = value === null || value === undefined ? String(value) : `this ${typeof value}`
  return new EndpointError(
    "invalid-option",
    `a message of type ${type} can't be made of ${given}: ${textOf(cause)}`,
    cause,
  )
}

/** Memory that messages are written in before they go into packets; always the same, so that a view can be kept. */
class Desk {
  readonly bytes = new Uint8Array(DESK_BYTES)
  readonly #view = new DataView(this.bytes.buffer)
  /** The first so many bytes: made once, a view costs more than what else is done for a message. */
  readonly #firsts: (Uint8Array | undefined)[] = Array.from({ length: DESK_BYTES + 1 }, () => undefined)

  /** The first so many bytes, all zeros. */
  clear(size: number): Uint8Array {
    if (size > CLEARED_BY_LOOP_BYTES) this.bytes.fill(0, 0, size)
    else for (let at = 0; at < size; at += 8) this.#view.setFloat64(at, 0)
    return (this.#firsts[size] ??= this.bytes.subarray(0, size))
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  if (value === null || (typeof value !== "object" && typeof value !== "function")) return false
  return typeof (value as PromiseLike<unknown>).then === "function"
}

/** Anything can be thrown, also what has no text. */
function textOf(cause: unknown): string {
  try {
    return String(cause instanceof Error ? cause.message : cause)
  } catch {
    return "what can't be shown as text"
  }
}
