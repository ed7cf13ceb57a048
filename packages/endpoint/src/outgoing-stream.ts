import { fitsWhole, LargeMessage, packetsNeeded, reserveWhole, writeWhole } from "@x/fragment"
import type { SendStream } from "@x/stream"
import { type Delivery, DELIVERIES, MODE, REASON, reasonName, TYPE_MAX, wholeHeaderBytes } from "@x/wire"
import { EndpointError } from "./endpoint-error.ts"
import { type ParkedMessage, type ParkingLot, writeMessage } from "./parking-lot.ts"
import type { Peer } from "./peer.ts"
import type { OutgoingState } from "./protocol/outgoing-streams.ts"
import type { PeerState } from "./protocol/peer-state.ts"

/**
 * What became of a message that was offered: `sent` (in the window), `parked` (copied, will follow), `dropped` (a stream without promises had no
 * room), `refused` (window and parking lot are full: try after `flush`), or nothing happened at all: `not-joined`, `closed`, `too-large`.
 */
export type SendResult = "sent" | "parked" | "dropped" | "refused" | "not-joined" | "closed" | "too-large"

interface FlushWaiter {
  /** So many parked messages have to leave the lot first; then the edge is known below which all packets have to be acknowledged. */
  readonly parked: number
  edge: number
  readonly settle: (error: Error | undefined) => void
}

/** A stream to a peer. Made by `peer.open()`. */
export class OutgoingStream {
  readonly peer: Peer
  readonly label: string
  readonly #peerState: PeerState
  readonly #state: OutgoingState
  readonly #stream: SendStream
  readonly #lot: ParkingLot
  readonly #now: () => number
  readonly #flushes: FlushWaiter[] = []
  #ending: { readonly promise: Promise<void>; readonly settle: (error: Error | undefined) => void } | undefined
  #isEnded = false
  #isWriting = false

  /** @internal */
  constructor(peer: Peer, peerState: PeerState, state: OutgoingState, label: string, lot: ParkingLot, now: () => number) {
    this.peer = peer
    this.label = label
    this.#peerState = peerState
    this.#state = state
    this.#stream = state.stream
    this.#lot = lot
    this.#now = now
  }

  get id(): number {
    return this.#stream.id
  }

  get #isUnreliable(): boolean {
    return this.#stream.mode === MODE["fire-and-forget"]
  }

  get delivery(): Delivery {
    return DELIVERIES[this.#stream.mode]!
  }

  /** `open`; `ending`: no more is taken, what was is being delivered; `closed`. */
  get state(): "open" | "ending" | "closed" {
    if (this.#stream.state === "closed" || this.#stream.state === "resetting") return "closed"
    return this.#isEnded ? "ending" : "open"
  }

  /** Messages and bytes that wait for the window. */
  get parkedMessages(): number {
    return this.#lot.messages
  }

  get parkedBytes(): number {
    return this.#lot.bytes
  }

  /** Bytes in the window: written and not acknowledged. */
  get unacknowledgedBytes(): number {
    return this.#stream.unackedBytes
  }

  /** Offers a message. Never waits, never throws because of the network; what it can't send at once it copies. */
  trySend(type: number, bytes: Uint8Array): SendResult {
    this.#checkCall(type)
    checkBytes(bytes)
    const refusal = this.#refusal(bytes.length)
    if (refusal !== undefined) return refusal
    const isWhole = fitsWhole(bytes.length, this.#stream.payloadBytesMax)
    if (isWhole && this.#lot.isEmpty && writeWhole(this.#stream, type, bytes)) {
      this.#peerState.outgoing.touch(this.#state)
      return "sent"
    }
    const message = new LargeMessage(type, bytes)
    if (this.#isUnreliable) return this.#sendNow(message)
    const fits = isWhole || this.#fitsWindow(bytes.length)
    if (this.#lot.isEmpty && fits && this.#write(message)) return "sent"
    if (!this.#lot.hasRoom(bytes.length)) return "refused"
    if (this.#lot.isEmpty && !fits) this.#write(message)
    message.keep()
    this.#lot.park({ message, settle: undefined })
    return "parked"
  }

  /** Whether all of it goes into the window as it is. */
  #fitsWindow(bytes: number): boolean {
    return packetsNeeded(bytes, this.#stream.payloadBytesMax) <= this.#stream.roomPackets
  }

  /** A fire-and-forget message goes whole or not at all. */
  #sendNow(message: LargeMessage): SendResult {
    const { length } = message.bytes
    if (!fitsWhole(length, this.#stream.payloadBytesMax) && !this.#fitsWindow(length)) return "dropped"
    return this.#write(message) ? "sent" : "dropped"
  }

  /**
   * Sends a message; settles once: when it is in the window, or with an `EndpointError`. The bytes are borrowed until then. Waits its turn behind
   * messages that were offered before; an abort takes it out of the queue, also half sent, and no other message gets its bytes.
   */
  send(type: number, bytes: Uint8Array, { signal }: { readonly signal?: AbortSignal } = {}): Promise<void> {
    this.#checkCall(type)
    checkBytes(bytes)
    if (signal?.aborted) return Promise.reject(aborted(signal))
    const refusal = this.#refusal(bytes.length)
    if (refusal !== undefined) return Promise.reject(this.#refusalError(refusal, bytes.length))
    const message = new LargeMessage(type, bytes)
    if (this.#isUnreliable) {
      return this.#sendNow(message) === "sent"
        ? Promise.resolve()
        : Promise.reject(new EndpointError("dropped", "the stream has no room now and does not wait: it is fire-and-forget"))
    }
    if (this.#lot.isEmpty && this.#write(message)) return Promise.resolve()
    if (!this.#lot.hasRoom(bytes.length) && !(this.#lot.isEmpty && message.isBegun)) {
      return Promise.reject(
        new EndpointError(
          "refused",
          `${this.#lot.messages} messages wait already; wait for one of them, or raise parkedMessagesMax or parkedBytesMax`,
        ),
      )
    }
    return this.#wait(message, signal)
  }

  #wait(message: LargeMessage, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        this.#lot.cancel(parked)
        reject(aborted(signal!))
        this.#resume()
      }
      const settle = (error: Error | undefined): void => {
        signal?.removeEventListener("abort", onAbort)
        if (error === undefined) resolve()
        else reject(error)
      }
      const parked: ParkedMessage = { message, settle }
      signal?.addEventListener("abort", onAbort, { once: true })
      this.#lot.park(parked)
    })
  }

  /**
   * Lets the application write a message of `size` bytes straight into the packet: `fill` gets memory and an offset in it. Not called unless the
   * message can be taken now. If it throws, nothing was sent.
   */
  write(type: number, size: number, fill: (bytes: Uint8Array, offset: number) => void): SendResult {
    this.#checkCall(type)
    if (!(Number.isInteger(size) && size >= 0)) throw new RangeError(`size must be a whole number of bytes, not ${size}`)
    const refusal = this.#refusal(size)
    if (refusal !== undefined) return refusal
    const refused = this.#isUnreliable ? "dropped" : "refused"
    if (!fitsWhole(size, this.#stream.payloadBytesMax)) {
      const isPossible = this.#fitsWindow(size) || (!this.#isUnreliable && this.#lot.hasRoom(size))
      if (!this.#lot.isEmpty || !isPossible) return refused
      const bytes = new Uint8Array(size)
      this.#fill(fill, bytes, 0)
      return this.trySend(type, bytes)
    }
    const offset = this.#lot.isEmpty ? reserveWhole(this.#stream, type, size) : -1
    if (offset < 0) return refused
    this.#fill(fill, this.#stream.slab, offset)
    this.#stream.commit(wholeHeaderBytes(size) + size)
    this.#peerState.outgoing.touch(this.#state)
    return "sent"
  }

  #fill(fill: (bytes: Uint8Array, offset: number) => void, bytes: Uint8Array, offset: number): void {
    this.#isWriting = true
    try {
      fill(bytes, offset)
    } finally {
      this.#isWriting = false
    }
  }

  /** Settles when everything accepted so far is acknowledged by the peer; rejects if that can't happen any more. */
  flush(): Promise<void> {
    if (this.state === "closed") return this.#stream.isDrained ? Promise.resolve() : Promise.reject(this.#closedError())
    if (this.#stream.isDrained && this.#lot.isEmpty) return Promise.resolve()
    return new Promise((resolve, reject) => {
      const settle = (error: Error | undefined): void => (error === undefined ? resolve() : reject(error))
      this.#flushes.push({ parked: this.#lot.entered, edge: this.#lot.isEmpty ? this.#stream.high : Infinity, settle })
    })
  }

  /** Takes no more messages; settles when all were delivered and the peer closed the stream. */
  end(): Promise<void> {
    if (this.#ending !== undefined) return this.#ending.promise
    if (this.state === "closed") return Promise.reject(this.#closedError())
    let settle!: (error: Error | undefined) => void
    const promise = new Promise<void>((resolve, reject) => {
      settle = (error) => (error === undefined ? resolve() : reject(error))
    })
    // Whoever doesn't wait for it is not to be killed by it.
    promise.catch(() => {})
    this.#ending = { promise, settle }
    this.#isEnded = true
    this.#endIfDrained()
    return promise
  }

  #endIfDrained(): void {
    if (!this.#isEnded || !this.#lot.isEmpty || this.#stream.state !== "open") return
    this.#stream.end(this.#now())
    this.#peerState.outgoing.touch(this.#state)
  }

  /** Gives up: the peer drops what it hasn't handed over, and is told why. */
  reset(reason: number = REASON.aborted): void {
    if (this.state === "closed") return
    this.#stream.reset(reason, this.#now())
    this.#peerState.outgoing.touch(this.#state)
    this.onProgress()
  }

  /** @internal Something was acknowledged, or the stream closed. */
  onProgress(): void {
    if (this.state === "closed") return this.#close()
    this.#resume()
    const { low, high } = this.#stream
    for (const waiter of this.#flushes) if (waiter.edge === Infinity && this.#lot.left >= waiter.parked) waiter.edge = high
    while (this.#flushes.length > 0 && this.#flushes[0]!.edge <= low) this.#flushes.shift()!.settle(undefined)
  }

  #close(): void {
    const isComplete = this.#stream.state === "closed" && this.#isEnded && this.#stream.reason === REASON.unspecified
    const error = this.#closedError()
    this.#lot.clear(error)
    for (const { settle } of this.#flushes.splice(0)) settle(isComplete ? undefined : error)
    this.#ending?.settle(isComplete ? undefined : error)
  }

  #resume(): void {
    if (!this.#lot.isEmpty) {
      this.#lot.resume(this.#stream)
      this.#peerState.outgoing.touch(this.#state)
    }
    this.#endIfDrained()
  }

  #write(message: LargeMessage): boolean {
    const isDone = writeMessage(this.#stream, message)
    if (isDone || message.isBegun) this.#peerState.outgoing.touch(this.#state)
    return isDone
  }

  #checkCall(type: number): void {
    if (this.#isWriting)
      throw new EndpointError("reentered", "the stream is being written to: send after `write` has returned, or on another stream")
    if (!(Number.isInteger(type) && type >= 0 && type <= TYPE_MAX))
      throw new RangeError(`a message type must be a whole number from 0 to ${TYPE_MAX}, not ${type}`)
  }

  #refusal(bytes: number): "closed" | "not-joined" | "too-large" | undefined {
    if (this.state !== "open") return this.peer.state === "left" ? "not-joined" : "closed"
    return bytes > this.#peerState.messageBytesMax ? "too-large" : undefined
  }

  #refusalError(refusal: "closed" | "not-joined" | "too-large", bytes: number): EndpointError {
    if (refusal === "too-large")
      return new EndpointError(
        "too-large",
        `a message of ${bytes} B is above the limit of ${this.#peerState.messageBytesMax} B; raise messageBytesMax at both ends, or send it in parts`,
      )
    if (refusal === "not-joined") return new EndpointError("not-joined", `the peer ${this.peer.unique} has left; join it again`)
    return this.#closedError()
  }

  #closedError(): EndpointError {
    if (this.#isEnded && this.#stream.state !== "resetting" && this.peer.state !== "left")
      return new EndpointError("stream-closed", "the stream was ended; open another")
    const why = reasonName(this.#stream.reason)
    return new EndpointError(
      this.peer.state === "left" ? "not-joined" : "stream-closed",
      `the stream was closed (${why}); open another${this.peer.state === "left" ? " after joining again" : ""}`,
    )
  }
}

function checkBytes(bytes: Uint8Array): void {
  if (!(bytes instanceof Uint8Array)) throw new TypeError("a message is a Uint8Array; encode text and other values first")
}

function aborted(signal: AbortSignal): EndpointError {
  return new EndpointError("aborted", "the caller aborted", signal.reason)
}
