/**
 * Which consumer gets a message: the stream's own handler; or the readers of the stream; or the endpoint's handler and
 * the peer's readers of its type.
 *
 * @module
 */

import type { MessageHandler, Unhandled } from "./handles.ts"
import { MessageCopy, type ReplyingPeer } from "./message.ts"
import { type Handler, MessageHandlers } from "./message-handlers.ts"
import type { MessageQueue, Readers } from "./message-queue.ts"
import type { QueuedMessage } from "./queue-budget.ts"
import { Routes } from "./routes.ts"
import { Unclaimed, type WaitingStream } from "./unclaimed.ts"
import type { HandledStream, UserCode } from "./user-code.ts"

/** The peer of a stream, with its readers of a type on all its streams. */
export interface RoutedPeer extends ReplyingPeer {
  readersOf(type: number): Readers | undefined
}

/** A stream, as routing sees it. */
export interface RoutedStream extends HandledStream, WaitingStream {
  readonly peer: RoutedPeer
  handlerOf(type: number): Handler | undefined
  /** The readers of this type here, possibly none now; `undefined`: there never were any. */
  readersOf(type: number): readonly MessageQueue[] | undefined
  /** Messages that were received won't be handed over. */
  lose(messages: number): void
}

/** What this needs of its endpoint. */
export interface RoutingHost {
  readonly userCode: UserCode
  /** A stream gives up a type, since nothing handles or reads it. */
  onUnhandled(unhandled: Unhandled): void
  /** There is a deadline now, where there was none. */
  onWork(): void
  now(): number
}

export class Routing {
  readonly routes: Routes = new Routes()
  /** The handlers of the endpoint. */
  readonly handlers: MessageHandlers = new MessageHandlers(this.routes)
  /** Messages that wait for a reader or handler. */
  readonly unclaimed: Unclaimed<RoutedStream>
  readonly #userCode: UserCode
  #unhandled = 0
  readonly #dropNow: MessageHandler = ({ stream }) => this.#drop(stream as RoutedStream)

  /** `unclaimedMs`: how long messages of a type wait for a reader or handler. */
  constructor(unclaimedMs: number, host: RoutingHost) {
    this.#userCode = host.userCode
    this.unclaimed = new Unclaimed<RoutedStream>(unclaimedMs, {
      isWanted: (stream, type) => this.#isWanted(stream, type),
      onGivenUp: (unhandled) => {
        this.routes.change()
        host.onUnhandled(unhandled)
      },
      onWork: () => host.onWork(),
      now: () => host.now(),
    })
  }

  /** Messages that were dropped because nothing handled their types. */
  get unhandled(): number {
    return this.#unhandled
  }

  /**
   * Returns the handler that needs no copy, if no other consumer wants the message, or a function that drops a message
   * without a consumer. `undefined`: others want it, or may.
   */
  handlerNow(stream: RoutedStream, type: number): MessageHandler | undefined {
    const own = stream.handlerOf(type)
    if (own !== undefined) return own.now
    const readers = readersOf(stream, type)
    if (readers === undefined) {
      const handler = this.handlers.get(type)
      if (handler === undefined) return this.unclaimed.hasGivenUp(stream, type) ? this.#dropNow : undefined
      return handler.now
    }
    return readers.length > 0 ? undefined : this.#handlerOf(stream, type)?.now
  }

  /** Offers a copy to all its consumers. */
  offer(stream: RoutedStream, queued: QueuedMessage): "taken" | "offered" | "unclaimed" {
    const { type, bytes } = queued
    const own = stream.handlerOf(type)
    // A reader that appears while the handler has the message must not get it too.
    const readers = own === undefined ? readersOf(stream, type) : undefined
    const handler = own ?? this.#handlerOf(stream, type)
    if (handler === undefined && readers === undefined) {
      if (this.unclaimed.mayWait(stream, type)) return "unclaimed"
      this.#drop(stream)
      return "taken"
    }
    if (handler === undefined && readers!.length === 0) return "unclaimed"
    if (handler?.now !== undefined) {
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
      this.#userCode.handle(handler.now, type, stream, bytes, view, 0, bytes.length)
    }
    const message = new MessageCopy(type, bytes, stream.peer, stream)
    for (const reader of readers ?? []) this.#push(reader, message, queued)
    if (handler?.later !== undefined) {
      queued.hold()
      void this.#userCode.handleLater(handler.later, message).then(() => queued.letGo(true))
    }
    return handler === undefined ? "offered" : "taken"
  }

  #push(reader: MessageQueue, message: MessageCopy, queued: QueuedMessage): void {
    try {
      reader.push(message, queued)
    } catch (error) {
      this.#userCode.unread(error, message.type, message.stream as RoutedStream)
    }
  }

  /** The endpoint's handler, unless the stream has readers. */
  #handlerOf(stream: RoutedStream, type: number): Handler | undefined {
    return stream.readersOf(type) === undefined ? this.handlers.get(type) : undefined
  }

  /** Whether a message has a consumer, or its stream or type was once read: then it waits for the next one. */
  #isWanted(stream: RoutedStream, type: number): boolean {
    return (
      stream.handlerOf(type) !== undefined ||
      readersOf(stream, type) !== undefined ||
      this.handlers.get(type) !== undefined
    )
  }

  /** Drops a message that has no consumer and isn't to wait. */
  #drop(stream: RoutedStream): void {
    this.#unhandled++
    stream.lose(1)
  }
}

function readersOf(stream: RoutedStream, type: number): readonly MessageQueue[] | undefined {
  const ofPeer = stream.peer.readersOf(type)
  return stream.readersOf(type) ?? (ofPeer && [...ofPeer])
}
