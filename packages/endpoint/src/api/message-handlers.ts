import { checkFunction } from "../errors/check.ts"
import { EndpointError } from "../errors/endpoint-error.ts"
import type { AsyncMessageHandler, AsyncValueHandler, MessageHandler, ValueHandler } from "./handles.ts"
import { decodeValue, isMessageType, type MessageType, numberOf } from "./message-type.ts"
import type { Routes } from "./routes.ts"

/** The handler of a type: one of the two kinds. */
export type Handler =
  | { readonly now: MessageHandler; readonly later?: undefined }
  | { readonly now?: undefined; readonly later: AsyncMessageHandler }

/** Handlers by type, at most one for each. */
export class MessageHandlers {
  readonly #handlers = new Map<number, Handler>()
  readonly #routes: Routes

  constructor(routes: Routes) {
    this.#routes = routes
  }

  get(type: number): Handler | undefined {
    return this.#handlers.get(type)
  }

  /** Returns a function that removes the handler. */
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

function ofValues(type: MessageType<unknown>, handler: ValueHandler<unknown>, isAsync: boolean): Handler {
  if (!isAsync) return { now: (message) => handler(decodeValue(type, message.bytes), message) }
  const later = handler as unknown as AsyncValueHandler<unknown>
  return { later: async (message) => later(decodeValue(type, message.bytes), message) }
}
