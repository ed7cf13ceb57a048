import { REASON, reasonName } from "@x/wire"
import { EndpointError } from "../errors/endpoint-error.ts"
import type { Departure } from "./endpoint-events.ts"
import { Events, type Listener } from "./events.ts"
import { type KeptMessage, KeptMessages, type UnconfirmedMessage } from "./kept-messages.ts"
import type { OutgoingStream } from "./handles.ts"
import { isMessageType, isWriting, type MessageType } from "./message-type.ts"
import type { OutgoingHandle } from "./outgoing-stream.ts"
import {
  checkMessage,
  checkSendOptions,
  checkTrySendOptions,
  type OutgoingEnd,
  type SendOptions,
  type SendResult,
  type TrySendOptions,
} from "./sending.ts"
import type { PeerHandle } from "./peer.ts"
import type { OpenOptions } from "./peer-options.ts"
import { encodeValue, type UserCode } from "./user-code.ts"

/** What `connection.stream` is told: a label, and what each incarnation's stream is opened with. */
export interface NamedStreamOptions extends OpenOptions {
  /** Names the stream, here and to the peer. */
  readonly label: string
}

/**
 * `open`: it takes messages. `waiting`: it opens by itself, once an incarnation of the peer is joined, or has room for
 * it. `ending`: no more is taken, what was is being delivered. `closed`: it opens to the next incarnation, or by
 * `reopen()`. `ended`: it doesn't open any more.
 */
export type NamedStreamState = "waiting" | "open" | "ending" | "closed" | "ended"

/** Why a stream of a connection closed, or did not open. */
export interface NamedStreamEnd {
  /**
   * It was ended, and the peer acknowledged each message that was accepted; where nothing acknowledges, that none was.
   */
  readonly isComplete: boolean
  /**
   * Why it was reset, by either side, or why the peer left: one of `REASON`, or the application's. `streamsFull`: there
   * is no room for it. `limits`: its label is too long for this peer or its path.
   */
  readonly reason: number
  /** The same in words, with the cure. */
  readonly error: EndpointError
}

/** What a named stream tells, and with what. */
export interface NamedStreamEvents {
  /** A stream to another incarnation of the peer, or another one to this, takes what is sent from now on. */
  open: (stream: OutgoingStream) => void
  /**
   * A reliable stream is over: what was accepted and never acknowledged, in order. Nothing of it is sent again by
   * itself. Comes before `closed`.
   */
  unconfirmed: (messages: readonly UnconfirmedMessage[]) => void
  /**
   * What was open is closed: once for each `open`. Or it could not be opened. `state` says how it stands by the time
   * this is told: `waiting`, it opens again by itself; `open`, it has done so already.
   */
  closed: (end: NamedStreamEnd) => void
}

/** What a named stream needs of its connection. */
export interface NamedStreamHost {
  readonly userCode: UserCode
  /** It is to be opened as soon as that can be. */
  want(stream: NamedStream): void
  /** It takes no more: its name is free for another. */
  onEnd(stream: NamedStream): void
  /** Nothing becomes of it any more. */
  onOver(stream: NamedStream): void
}

/** A stream of a connection: to whatever incarnation of the peer there is. Made by `connection.stream()`. */
export class NamedStream {
  /** Its name: one stream of the connection has it, until it is ended. */
  readonly label: string
  readonly #options: Required<OpenOptions>
  readonly #host: NamedStreamHost
  readonly #events: Events<NamedStreamEvents>
  #stream: OutgoingHandle | undefined
  #kept: KeptMessages | undefined
  #isWanted = true
  /** It was told that there is no room for it. */
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

  /** How it stands now. */
  get state(): NamedStreamState {
    const state = this.#stream?.state
    if (state === "open" || state === "ending") return state
    if (this.#isOver) return "ended"
    return this.#isWanted ? "waiting" : "closed"
  }

  /**
   * The stream to the present incarnation, while there is one. What is sent on it itself is in its `account`, and isn't
   * handed back.
   */
  get current(): OutgoingStream | undefined {
    return this.#stream
  }

  /**
   * Settles when it is over for good, with how it closed last: it was ended, or its connection or endpoint was closed.
   * Never rejects.
   */
  get closed(): Promise<NamedStreamEnd> {
    return this.#closed
  }

  /** @internal Throws if it is asked for as another than it is. */
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
    const { delivery } = this.#options
    return delivery === "reliable" || delivery === "reliable-unordered"
  }

  /** Listens to an event. Returns what ends it. */
  on<K extends keyof NamedStreamEvents>(name: K, listener: Listener<NamedStreamEvents, K>): () => void {
    return this.#events.on(name, listener)
  }

  /** Listens to an event until it has been told once. Returns what ends it before that. */
  once<K extends keyof NamedStreamEvents>(name: K, listener: Listener<NamedStreamEvents, K>): () => void {
    return this.#events.once(name, listener)
  }

  /**
   * As `OutgoingStream.trySend`. While it isn't open: `not-joined` where there is no incarnation, `refused` where the
   * peer has no room for the stream (try after `open`), else `closed`.
   */
  trySend(type: number, bytes: Uint8Array, options?: TrySendOptions): SendResult
  trySend<T>(type: MessageType<T>, value: T, options?: TrySendOptions): SendResult
  trySend(type: number | MessageType<unknown>, value: unknown, options?: TrySendOptions): SendResult {
    const stream = this.#stream
    if (stream === undefined) {
      checkMessage(type, value)
      if (options !== undefined) checkTrySendOptions(options)
      return this.#refusal()
    }
    // A codec may have the stream opened anew.
    const keeper = this.#kept
    if (keeper === undefined) return stream.trySend(type as number, value as Uint8Array, options)
    const [number, bytes, isOwned] = plain(type, value)
    return keeper.offer(number, bytes, isOwned, () => stream.trySend(number, bytes, options)).result
  }

  /**
   * As `OutgoingStream.send`. While it isn't open it rejects with `not-joined`, `refused` or `stream-closed`, as
   * `trySend` says them.
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
    const [number, given, isOwned] = plain(type, value)
    const bytes = isOwned ? given : new Uint8Array(given)
    const { result, kept } = keeper.offer(number, bytes, true, () => stream.send(number, bytes, options))
    return kept === undefined ? result : this.#watch(result, keeper, kept)
  }

  async #watch(sending: Promise<void>, keeper: KeptMessages, kept: KeptMessage): Promise<void> {
    try {
      await sending
    } catch (error) {
      // Cut off by the end of its stream it is handed back; given up by the caller it isn't.
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
   * Opens it anew after it was closed: now, and answers the stream, or as soon as an incarnation is joined, has room
   * for it, and what was ended there is delivered. One that is open stays. Throws `EndpointError` `stream-closed` once
   * it was ended, or its connection closed.
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
   * Ends it for good: takes no more messages; settles when all were delivered, or at once where it isn't open. Rejects
   * with `stream-closed` or `not-joined` if that can't happen any more. `connection.stream()` makes another of the same
   * label.
   */
  end(): Promise<void> {
    if (this.#ending !== undefined) return this.#ending
    const stream = this.#stream
    this.#isOver = true
    this.#isWanted = false
    this.#ending = stream === undefined ? Promise.resolve() : stream.end()
    // Whoever doesn't wait for it is not to be killed by it.
    this.#ending.catch(() => {})
    this.#host.onEnd(this)
    if (stream === undefined) this.#finish({ isComplete: true, reason: REASON.unspecified, error: endedError() })
    return this.#ending
  }

  #finish(end: NamedStreamEnd): void {
    this.#host.onOver(this)
    this.#tellClosed(end)
  }

  /** @internal Opens it, if it is to be and isn't; `false`: the peer has no room, which was told. */
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
    // It has left in the meantime, which is told.
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
    // It was cut for a path that carried more; one that the path never carried isn't tried again and again.
    const isNarrower = end.reason === REASON.pathTooSmall && stream.isPathNarrower
    this.#isWanted ||= isNarrower && !this.#isOver
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

  /** @internal What isn't delivered by now isn't waited for. */
  cut(reason: number): void {
    this.#stream?.reset(reason)
  }

  /** @internal Whether nothing more becomes of its present stream. */
  get isSettled(): boolean {
    return this.#stream === undefined || this.#stream.state === "closed"
  }

  /** Its stream is over: hands back what is unconfirmed, and tells why. */
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

/** `isOwned`: nobody else changes the bytes. What a codec gave may be memory that it uses again for the next value. */
function plain(
  type: number | MessageType<unknown>,
  value: unknown,
): [number: number, bytes: Uint8Array, isOwned: boolean] {
  if (isMessageType(type)) return [type.type, encodeValue(type, value), isWriting(type.codec)]
  return [type, value as Uint8Array, false]
}

function endedError(): EndpointError {
  return new EndpointError("stream-closed", "the stream was ended; ask its connection for another")
}
