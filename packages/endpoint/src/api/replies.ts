import { abortedError, type EndpointError } from "../errors/endpoint-error.ts"
import type { MessageType } from "./message-type.ts"
import type { OutgoingStream } from "./outgoing-stream.ts"
import {
  checkMessage,
  checkSendOptions,
  checkTrySendOptions,
  type SendOptions,
  type SendResult,
  type TrySendOptions,
} from "./sending.ts"

/** What the answers to a peer need of it. */
export interface RepliesHost {
  /** Opens the stream that they go over. Throws `EndpointError` `not-joined` or `refused`. */
  open(): OutgoingStream
  /** Whether the peer can ask: a stream of it is open, or what came of one waits for its consumer. */
  isAsked(): boolean
}

/**
 * The answers to a peer: one `reliable` stream for all of them, labelled `"replies"`, opened with the first and anew
 * after it was closed, by whomever. Once the peer has no stream open to us it is ended behind the last answer. Made by
 * a peer: `peer.replies`, and used by `message.reply()`.
 */
export class Replies {
  readonly #host: RepliesHost
  #stream: OutgoingStream | undefined
  /** The stream that is about to be ended. */
  #ending: OutgoingStream | undefined

  /** @internal */
  constructor(host: RepliesHost) {
    this.#host = host
  }

  /** The stream that takes answers, while there is one: how much waits, what became of them. */
  get current(): OutgoingStream | undefined {
    return this.#stream?.state === "open" ? this.#stream : undefined
  }

  /**
   * As `OutgoingStream.trySend`: also `not-joined` where the peer has left, `refused` where it has no room for the
   * stream.
   */
  trySend(type: number, bytes: Uint8Array, options?: TrySendOptions): SendResult
  trySend<T>(type: MessageType<T>, value: T, options?: TrySendOptions): SendResult
  trySend(type: number | MessageType<unknown>, value: unknown, options?: TrySendOptions): SendResult {
    if (this.current === undefined) {
      checkMessage(type, value)
      if (options !== undefined) checkTrySendOptions(options)
      const error = this.#open()
      if (error !== undefined) return error.code === "refused" ? "refused" : "not-joined"
    }
    return this.#stream!.trySend(type as number, value as Uint8Array, options)
  }

  /**
   * As `OutgoingStream.send`: also rejects with `not-joined` where the peer has left, `refused` where it has no room
   * for the stream.
   */
  send(type: number, bytes: Uint8Array, options?: SendOptions): Promise<void>
  send<T>(type: MessageType<T>, value: T, options?: SendOptions): Promise<void>
  /** @internal `isLent`: the bytes are good during the call only. */
  send(
    type: number | MessageType<unknown>,
    value: unknown,
    options: SendOptions | undefined,
    isLent: boolean,
  ): Promise<void>
  send(type: number | MessageType<unknown>, value: unknown, options?: SendOptions, isLent = false): Promise<void> {
    if (this.current === undefined) {
      checkMessage(type, value)
      if (options !== undefined) checkSendOptions(options)
      if (options?.signal?.aborted === true) return Promise.reject(abortedError(options.signal))
      const error = this.#open()
      if (error !== undefined) return Promise.reject(error)
    }
    return this.#stream!.send(type, value, options, isLent)
  }

  /** Answers why there is none. */
  #open(): EndpointError | undefined {
    try {
      this.#stream = this.#host.open()
    } catch (error) {
      return error as EndpointError
    }
    this.noteAsking()
    return undefined
  }

  /** @internal A stream of the peer is over: it may have been the last one to ask on. */
  noteAsking(): void {
    const stream = this.current
    if (stream !== undefined && stream !== this.#ending) void this.#end(stream)
  }

  /** Ends the stream behind what was said on it, unless the peer can ask: so late answers share one too. */
  async #end(stream: OutgoingStream): Promise<void> {
    this.#ending = stream
    try {
      // Many streams may be over at once: it is looked at once for them.
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
