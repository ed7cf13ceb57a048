import { REASON, reasonName, traitsNamed } from "@x/wire"
import { EndpointError } from "../errors/endpoint-error.ts"
import type { Departure } from "./endpoint-events.ts"
import { Events, type Listener } from "./events.ts"
import { type KeptMessage, KeptMessages, type UnconfirmedMessage, type Whose } from "./kept-messages.ts"
import type { OutgoingStream } from "./handles.ts"
import { isMessageType, isWriting, type MessageType } from "./message-type.ts"
import type { OutgoingHandle } from "./outgoing-stream.ts"
import {
  checkMessage,
  checkSendOptions,
  checkTransfer,
  checkTrySend,
  type OutgoingEnd,
  type SendOptions,
  type SendResult,
  type TrySendOptions,
} from "./sending.ts"
import type { PeerHandle } from "./peer.ts"
import type { OpenOptions } from "./peer-options.ts"
import { encodeValue, type UserCode } from "./user-code.ts"

/** Options of `connection.stream`: a label, and the options of each incarnation's stream. */
export interface NamedStreamOptions extends OpenOptions {
  /** Names the stream, here and at the peer. */
  readonly label: string
}

/**
 * `open`: it accepts messages. `waiting`: it opens by itself once an incarnation of the peer is joined, or has room for
 * it. `ending`: no more messages are accepted, and earlier ones are still being delivered. `closed`: it opens to the
 * next incarnation, or by `reopen()`. `ended`: it won't open any more.
 */
export type NamedStreamState = "waiting" | "open" | "ending" | "closed" | "ended"

/** Why a stream of a connection closed, or did not open. */
export interface NamedStreamEnd {
  /**
   * Whether it was ended and the peer acknowledged each accepted message; in modes without acknowledgements, whether it
   * was ended without any message.
   */
  readonly isComplete: boolean
  /**
   * Why it was reset, by either side, or why the peer left: one of `REASON`, or the application's own. `streamsFull`:
   * there is no room for it. `limits`: its label is too long for this peer or its path.
   */
  readonly reason: number
  /** The same in words, with a remedy. */
  readonly error: EndpointError
}

/** The events of a named stream, with their arguments. */
export interface NamedStreamEvents {
  /**
   * A stream to another incarnation of the peer, or a new one to the same incarnation, carries messages from now on.
   */
  open: (stream: OutgoingStream) => void
  /**
   * A reliable stream is over: the messages that were accepted and never acknowledged, in order. None of them is sent
   * again automatically. Comes before `closed`.
   */
  unconfirmed: (messages: readonly UnconfirmedMessage[]) => void
  /**
   * The open stream is closed: once for each `open`. Or it could not be opened. `state` says what follows: `waiting`,
   * it opens again by itself; `open`, it has already done so.
   */
  closed: (end: NamedStreamEnd) => void
}

/** What a named stream needs of its connection. */
export interface NamedStreamHost {
  readonly userCode: UserCode
  /** The stream is to be opened as soon as possible. */
  want(stream: NamedStream): void
  /** The stream accepts no more: its name is free for another. */
  onEnd(stream: NamedStream): void
  /** The stream is over for good. */
  onOver(stream: NamedStream): void
}

/** A stream of a connection: always to the present incarnation of the peer. Made by `connection.stream()`. */
export class NamedStream {
  /** Its name: only one stream of the connection has it, until that stream is ended. */
  readonly label: string
  readonly #options: Required<OpenOptions>
  readonly #host: NamedStreamHost
  readonly #events: Events<NamedStreamEvents>
  #stream: OutgoingHandle | undefined
  #kept: KeptMessages | undefined
  #isWanted = true
  /** Whether the lack of room was already reported. */
  #isHeldUp = false
  #isOver = false
  #ending: Promise<void> | undefined
  readonly #closed: Promise<NamedStreamEnd>
  #tellClosed!: (end: NamedStreamEnd) => void

  /** @internal */
  constructor(options: Required<OpenOptions>, host: NamedStreamHost) {
    this.label = options.label
    this.#options = options
    this.#host = host
    this.#events = new Events(["open", "unconfirmed", "closed"], host.userCode)
    this.#closed = new Promise((resolve) => (this.#tellClosed = resolve))
  }

  /** Its present state. */
  get state(): NamedStreamState {
    const state = this.#stream?.state
    if (state === "open" || state === "ending") return state
    if (this.#isOver) return "ended"
    return this.#isWanted ? "waiting" : "closed"
  }

  /**
   * The stream to the present incarnation, while there is one. Messages sent directly on it count in its `account`, and
   * aren't handed back.
   */
  get current(): OutgoingStream | undefined {
    return this.#stream
  }

  /**
   * Settles when it is over for good, with its last close: it was ended, or its connection or endpoint was closed.
   * Never rejects.
   */
  get closed(): Promise<NamedStreamEnd> {
    return this.#closed
  }

  /** @internal Throws if the requested options differ from its own. */
  checkSame(options: Required<OpenOptions>): void {
    for (const [name, value] of Object.entries(this.#options)) {
      const other: unknown = options[name as keyof OpenOptions]
      if (other === value) continue
      throw new EndpointError(
        "invalid-option",
        `the stream "${this.label}" is there with ${name} ${value}, not ${String(other)}: ask for it with the same options, end() it first, or take another label`,
      )
    }
  }

  #isKeeping(): boolean {
    return traitsNamed(this.#options.delivery).waits
  }

  /** Listens to an event. Returns a function that stops listening. */
  on<K extends keyof NamedStreamEvents>(name: K, listener: Listener<NamedStreamEvents, K>): () => void {
    return this.#events.on(name, listener)
  }

  /** Listens to an event until it has happened once. Returns a function that stops listening before that. */
  once<K extends keyof NamedStreamEvents>(name: K, listener: Listener<NamedStreamEvents, K>): () => void {
    return this.#events.once(name, listener)
  }

  /**
   * Like `OutgoingStream.trySend`. While it isn't open: `not-joined` if no incarnation is joined, `refused` if the peer
   * has no room for the stream (try after `open`), otherwise `closed`.
   */
  trySend(type: number, bytes: Uint8Array, options?: TrySendOptions): SendResult
  trySend<T>(type: MessageType<T>, value: T, options?: TrySendOptions): SendResult
  trySend(type: number | MessageType<unknown>, value: unknown, options?: TrySendOptions): SendResult {
    const stream = this.#stream
    if (stream === undefined) {
      checkTrySend(type, value, options)
      return this.#refusal()
    }
    // A codec may open the stream anew.
    const keeper = this.#kept
    if (keeper === undefined) return stream.trySend(type as number, value as Uint8Array, options)
    if (options?.transfer === true) {
      checkTransfer(type, value)
      options = { ...options, transfer: false }
      return keeper.offer(type as number, value, "given", () => stream.trySend(type as number, value, options)).result
    }
    const [number, bytes, whose] = plain(type, value)
    return keeper.offer(number, bytes, whose, () => stream.trySend(number, bytes, options)).result
  }

  /**
   * Like `OutgoingStream.send`. While it isn't open it rejects with `not-joined`, `refused` or `stream-closed`, in the
   * same cases as `trySend`.
   */
  send(type: number, bytes: Uint8Array, options?: SendOptions): Promise<void>
  send<T>(type: MessageType<T>, value: T, options?: SendOptions): Promise<void>
  send(type: number | MessageType<unknown>, value: unknown, options?: SendOptions): Promise<void> {
    const stream = this.#stream
    if (stream === undefined) {
      checkMessage(type, value)
      if (options !== undefined) checkSendOptions(options)
      return Promise.reject(this.#refusalError())
    }
    const keeper = this.#kept
    if (keeper === undefined || !(isMessageType(type) || value instanceof Uint8Array))
      return stream.send(type as number, value as Uint8Array, options)
    const [number, given, whose] = plain(type, value)
    const bytes = whose === "ours" ? given : new Uint8Array(given)
    const { result, kept } = keeper.offer(number, bytes, "ours", () => stream.send(number, bytes, options))
    return kept === undefined ? result : this.#watch(result, keeper, kept)
  }

  async #watch(sending: Promise<void>, keeper: KeptMessages, kept: KeptMessage): Promise<void> {
    try {
      await sending
    } catch (error) {
      // A message that the end of its stream cut off is handed back; one that the caller gave up isn't.
      const { code } = error as EndpointError
      if (code === "aborted" || code === "timeout") keeper.forget(kept)
      throw error
    }
  }

  #refusal(): "not-joined" | "refused" | "closed" {
    if (this.#isOver || !this.#isWanted) return "closed"
    return this.#isHeldUp ? "refused" : "not-joined"
  }

  #refusalError(): EndpointError {
    if (this.#isOver) return endedError()
    if (!this.#isWanted)
      return new EndpointError("stream-closed", `the stream "${this.label}" is closed; reopen() opens it anew`)
    if (this.#isHeldUp)
      return new EndpointError("refused", `the peer has no room for the stream "${this.label}" now; wait for "open"`)
    return new EndpointError("not-joined", `no incarnation of the peer is joined; wait for "open"`)
  }

  /**
   * Opens it anew after it was closed. It opens now, and the stream is returned; or as soon as an incarnation is
   * joined, has room for it, and has received what was ended there. An open stream stays open. Throws `EndpointError`
   * `stream-closed` once the stream was ended, or its connection closed.
   */
  reopen(): OutgoingStream | undefined {
    if (this.#isOver) throw endedError()
    if (this.state === "open") return this.#stream
    this.#isWanted = true
    const end = this.#stream?.outcome
    if (end !== undefined) this.#release(end, false)
    this.#host.want(this)
    return this.#stream?.state === "open" ? this.#stream : undefined
  }

  /**
   * Ends it for good: accepts no more messages; settles when all were delivered, or at once if it isn't open. Rejects
   * with `stream-closed` or `not-joined` if that can't happen any more. `connection.stream()` makes another one with
   * the same label.
   */
  end(): Promise<void> {
    if (this.#ending !== undefined) return this.#ending
    const stream = this.#stream
    this.#isOver = true
    this.#isWanted = false
    this.#ending = stream === undefined ? Promise.resolve() : stream.end()
    // A caller that doesn't wait must not crash by an unhandled rejection.
    this.#ending.catch(() => {})
    this.#host.onEnd(this)
    if (stream === undefined) this.#finish({ isComplete: true, reason: REASON.unspecified, error: endedError() })
    return this.#ending
  }

  #finish(end: NamedStreamEnd): void {
    this.#host.onOver(this)
    this.#tellClosed(end)
  }

  /** @internal Opens it, if it should be open and isn't; `false`: the peer has no room, which was reported. */
  open(peer: PeerHandle): boolean {
    if (!this.#isWanted || this.#stream !== undefined) return true
    let stream: OutgoingHandle
    try {
      stream = peer.open(this.#options)
    } catch (error) {
      return this.#miss(error as EndpointError)
    }
    this.#isWanted = this.#isHeldUp = false
    this.#stream = stream
    this.#kept = this.#isKeeping() ? new KeptMessages(stream) : undefined
    void stream.closed.then((end) => this.#onClosed(stream, end))
    this.#events.emit("open", stream)
    return true
  }

  #miss(error: EndpointError): boolean {
    // The peer has left in the meantime, which is reported separately.
    if (error.code === "not-joined") return true
    const isFull = error.code === "refused"
    if (isFull && this.#isHeldUp) return false
    this.#isHeldUp = isFull
    this.#isWanted = isFull
    this.#events.emit("closed", { isComplete: false, reason: isFull ? REASON.streamsFull : REASON.limits, error })
    return !isFull
  }

  #onClosed(stream: OutgoingHandle, end: OutgoingEnd): void {
    if (this.#stream !== stream) return
    this.#release(end, false)
    if (this.#isWanted) this.#host.want(this)
  }

  /** @internal The peer is gone. */
  lose({ reason }: Departure): void {
    if (!this.#isOver) this.#isWanted = true
    this.#isHeldUp = false
    const stream = this.#stream
    if (stream !== undefined)
      this.#release(stream.outcome ?? { isComplete: false, reason, account: stream.account }, true)
  }

  /** @internal Messages that aren't delivered by now are no longer waited for. */
  cut(reason: number): void {
    this.#stream?.reset(reason)
  }

  /** @internal Whether its present stream is settled. */
  get isSettled(): boolean {
    return this.#stream === undefined || this.#stream.state === "closed"
  }

  /** Its stream is over: hands back unconfirmed messages, and reports why. */
  #release({ isComplete, reason }: OutgoingEnd, hasLeft: boolean): void {
    const messages = this.#kept?.unconfirmed() ?? []
    this.#stream = this.#kept = undefined
    const end = { isComplete, reason, error: this.#endError(reason, hasLeft) }
    if (messages.length > 0) this.#events.emit("unconfirmed", messages)
    if (this.#isOver) this.#finish(end)
    this.#events.emit("closed", end)
  }

  #endError(reason: number, hasLeft: boolean): EndpointError {
    const why = reasonName(reason)
    if (this.#isOver) return endedError()
    if (hasLeft)
      return new EndpointError(
        "not-joined",
        `the peer left (${why}); the stream "${this.label}" opens to its next incarnation`,
      )
    const next = this.#isWanted ? "it is opened anew" : "reopen() opens it anew"
    return new EndpointError("stream-closed", `the stream "${this.label}" was closed (${why}); ${next}`)
  }
}

/** A codec may use the memory of its bytes again for the next value. */
function plain(type: number | MessageType<unknown>, value: unknown): [number: number, bytes: Uint8Array, whose: Whose] {
  if (isMessageType(type)) return [type.type, encodeValue(type, value), isWriting(type.codec) ? "ours" : "lent"]
  return [type, value as Uint8Array, "lent"]
}

function endedError(): EndpointError {
  return new EndpointError("stream-closed", "the stream was ended; ask its connection for another")
}
