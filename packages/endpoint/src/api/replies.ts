import { abortedError, type EndpointError } from "../errors/endpoint-error.ts"
import type { MessageType } from "./message-type.ts"
import type { Replies } from "./handles.ts"
import type { OutgoingHandle } from "./outgoing-stream.ts"
import {
  checkMessage,
  checkSendOptions,
  checkTrySend,
  type SendOptions,
  type SendResult,
  type TrySendOptions,
} from "./sending.ts"

/** What the answers to a peer need of it. */
export interface RepliesHost {
  /** Opens the stream that carries the answers. Throws `EndpointError` `not-joined` or `refused`. */
  open(): OutgoingHandle
  /** Whether the peer can ask: one of its streams is open, or messages of one wait for their consumer. */
  isAsked(): boolean
}

export class ReplyStream implements Replies {
  readonly #host: RepliesHost
  #stream: OutgoingHandle | undefined
  /** The stream that is about to be ended. */
  #ending: OutgoingHandle | undefined

  constructor(host: RepliesHost) {
    this.#host = host
  }

  get current(): OutgoingHandle | undefined {
    return this.#stream?.state === "open" ? this.#stream : undefined
  }

  trySend(type: number, bytes: Uint8Array, options?: TrySendOptions): SendResult
  trySend<T>(type: MessageType<T>, value: T, options?: TrySendOptions): SendResult
  trySend(type: number | MessageType<unknown>, value: unknown, options?: TrySendOptions): SendResult {
    if (this.current === undefined) {
      checkTrySend(type, value, options)
      const error = this.#open()
      if (error !== undefined) return error.code === "refused" ? "refused" : "not-joined"
    }
    return this.#stream!.trySend(type as number, value as Uint8Array, options)
  }

  send(type: number, bytes: Uint8Array, options?: SendOptions): Promise<void>
  send<T>(type: MessageType<T>, value: T, options?: SendOptions): Promise<void>
  send(type: number | MessageType<unknown>, value: unknown, options?: SendOptions): Promise<void> {
    return this.#failure(type, value, options) ?? this.#stream!.send(type as number, value as Uint8Array, options)
  }

  /** Like `send`, but the bytes are valid only during the call. */
  sendLent(type: number | MessageType<unknown>, value: unknown, options?: SendOptions): Promise<void> {
    return this.#failure(type, value, options) ?? this.#stream!.sendLent(type, value, options)
  }

  /** Opens the stream, if there is none; returns why it can't be used. */
  #failure(
    type: number | MessageType<unknown>,
    value: unknown,
    options: SendOptions | undefined,
  ): Promise<void> | undefined {
    if (this.current !== undefined) return undefined
    checkMessage(type, value)
    if (options !== undefined) checkSendOptions(options)
    if (options?.signal?.aborted === true) return Promise.reject(abortedError(options.signal))
    const error = this.#open()
    return error && Promise.reject(error)
  }

  /** Returns why there is none. */
  #open(): EndpointError | undefined {
    try {
      this.#stream = this.#host.open()
    } catch (error) {
      return error as EndpointError
    }
    this.noteAsking()
    return undefined
  }

  /** A stream of the peer is over: it may have been the last one that it could ask on. */
  noteAsking(): void {
    const stream = this.current
    if (stream !== undefined && stream !== this.#ending) void this.#end(stream)
  }

  /** Ends the stream after the last answer, unless the peer can ask. So late answers share a stream too. */
  async #end(stream: OutgoingHandle): Promise<void> {
    this.#ending = stream
    try {
      // Many streams may be over at once: they are checked only once.
      await Promise.resolve()
      while (stream.account.pending > 0 && !this.#host.isAsked()) await stream.flush()
      if (!this.#host.isAsked()) void stream.end()
    } catch {
      // It was closed meanwhile: the next answer opens another.
    } finally {
      if (this.#ending === stream) this.#ending = undefined
    }
  }
}
