import { checkFunction } from "../errors/check.ts"
import { EndpointError } from "../errors/endpoint-error.ts"
import type { Message, ReceivedMessage } from "./message.ts"
import { isMessageType, type MessageType, numberOf } from "./message-type.ts"
import type { Routes } from "./routes.ts"

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

/** Who handles a type: one of both. */
export type Handler =
  | { readonly now: MessageHandler; readonly later?: undefined }
  | { readonly now?: undefined; readonly later: AsyncMessageHandler }

/** Handlers by type, one for each. */
export class MessageHandlers {
  readonly #handlers = new Map<number, Handler>()
  readonly #routes: Routes

  constructor(routes: Routes) {
    this.#routes = routes
  }

  get(type: number): Handler | undefined {
    return this.#handlers.get(type)
  }

  /** Returns what takes the handler away again. */
  add(type: number | MessageType<unknown>, handler: unknown, isAsync: boolean): () => void {
    checkFunction("a handler", handler, "a function that takes the message")
    const made = isMessageType(type)
      ? ofValues(type, handler as ValueHandler<unknown>, isAsync)
      : plain(handler as MessageHandler, isAsync)
    const number = numberOf(type)
    if (this.#handlers.has(number))
      throw new EndpointError(
        "invalid-option",
        `type ${number} has a handler already; take that one away first, by what handle() returned`,
      )
    this.#handlers.set(number, made)
    this.#routes.change()
    return () => {
      if (this.#handlers.get(number) !== made) return
      this.#handlers.delete(number)
      this.#routes.change()
    }
  }
}

function plain(handler: MessageHandler, isAsync: boolean): Handler {
  return isAsync ? { later: handler as unknown as AsyncMessageHandler } : { now: handler }
}

function ofValues({ codec }: MessageType<unknown>, handler: ValueHandler<unknown>, isAsync: boolean): Handler {
  if (!isAsync) return { now: (message) => handler(codec.decode(message.bytes), message) }
  const later = handler as unknown as AsyncValueHandler<unknown>
  return { later: async (message) => later(codec.decode(message.bytes), message) }
}
