/**
 * Messages that found the window shut, in the order they came. A message that is half in the stream keeps its place;
 * one that won't be completed is ended as abandoned before anything else follows.
 *
 * @module
 */

import { fitsWhole, type LargeMessage, type PayloadSink } from "@x/fragment"
import { EndpointError } from "../errors/endpoint-error.ts"

/** What one can see of a parking lot. */
export interface ParkedMessages {
  /** Messages that wait, one that is half in the window among them. */
  readonly messages: number
  /** Bytes of the messages that wait, as far as they are not in the window yet. */
  readonly bytes: number
  /** The most messages: `parkedMessagesMax` of the endpoint. */
  readonly messagesMax: number
  /** The most bytes: `parkedBytesMax` of the endpoint. */
  readonly bytesMax: number
  /** Messages whose deadline passed while they waited. */
  readonly expired: number
}

export interface ParkedMessage {
  readonly message: LargeMessage
  /** When it is to be given up, milliseconds; `Infinity`: never. */
  readonly deadlineMs: number
  /** Told once: the message is in the window, or won't ever be. */
  readonly settle: ((error: EndpointError | undefined) => void) | undefined
  /** It was taken out again before all of it was in the window. */
  isGivenUp?: boolean
}

export class ParkingLot implements ParkedMessages {
  readonly messagesMax: number
  readonly bytesMax: number
  readonly #parked: ParkedMessage[] = []
  /** Which message each of them was, counted from 0. */
  readonly #order: number[] = []
  #bytes = 0
  #entered = 0
  #expired = 0
  #dropped = 0
  #deadlineMs = Infinity
  /** The head was cancelled when a part of it was in the stream already. */
  #isAbandoning = false

  constructor(messagesMax: number, bytesMax: number) {
    this.messagesMax = messagesMax
    this.bytesMax = bytesMax
  }

  get messages(): number {
    return this.#parked.length
  }

  get bytes(): number {
    return this.#bytes
  }

  get expired(): number {
    return this.#expired
  }

  /** Messages of which nothing is in the stream; and those that left the lot like that. */
  get unbegun(): number {
    return this.#parked[0]?.message.isBegun === true ? this.#parked.length - 1 : this.#parked.length
  }

  get dropped(): number {
    return this.#dropped
  }

  /** Messages that were ever parked, and of how many from the first on none is here any more. */
  get entered(): number {
    return this.#entered
  }

  get left(): number {
    return this.#order[0] ?? this.#entered
  }

  get isEmpty(): boolean {
    return this.#parked.length === 0
  }

  /** Somebody waits for one of them. */
  get isAwaited(): boolean {
    return this.#parked.some(({ settle }) => settle !== undefined)
  }

  /** The message that was parked last. */
  get newest(): ParkedMessage | undefined {
    return this.#parked.at(-1)
  }

  /** When `expire` has something to do. */
  get deadlineMs(): number {
    return this.#deadlineMs
  }

  hasRoom(bytes: number): boolean {
    return this.#parked.length < this.messagesMax && this.#bytes + bytes <= this.bytesMax
  }

  park(parked: ParkedMessage): void {
    this.#parked.push(parked)
    this.#order.push(this.#entered++)
    this.#bytes += unwritten(parked)
    this.#deadlineMs = Math.min(this.#deadlineMs, parked.deadlineMs)
  }

  /** Takes a message out again; what is in the stream of it already is ended. */
  cancel(parked: ParkedMessage): void {
    const at = this.#parked.indexOf(parked)
    if (at >= 0) this.#give(at)
  }

  /** Gives up what waited too long; answers what it was. */
  expire(nowMs: number): ParkedMessage[] {
    if (nowMs < this.#deadlineMs) return []
    const expired = this.#parked.filter((parked, at) => parked.deadlineMs <= nowMs && !(at === 0 && this.#isAbandoning))
    for (const parked of expired) this.#give(this.#parked.indexOf(parked))
    this.#expired += expired.length
    this.#deadlineMs = Infinity
    for (const { deadlineMs } of this.#parked)
      if (deadlineMs > nowMs) this.#deadlineMs = Math.min(this.#deadlineMs, deadlineMs)
    return expired
  }

  /** Only the head can be begun. */
  #give(at: number): void {
    const parked = this.#parked[at]!
    parked.isGivenUp = true
    this.#bytes -= unwritten(parked)
    if (parked.message.isBegun) {
      this.#isAbandoning = true
    } else {
      this.#dropped++
      this.#remove(at)
    }
  }

  /**
   * Writes as much as there is room for, in order. `onLeft`: called after each that left the lot by that, in whatever
   * way.
   */
  resume(sink: PayloadSink, onLeft: () => void): void {
    for (let head = this.#parked[0]; head !== undefined; head = this.#parked[0]) {
      const { message, settle } = head
      if (this.#isAbandoning) {
        if (!message.abandon(sink)) return
        this.#isAbandoning = false
        this.#remove(0)
      } else if (message.isIntact) {
        const before = message.written
        const isDone = writeMessage(sink, message)
        this.#bytes -= (isDone ? message.length : message.written) - before
        if (!isDone) return
        this.#remove(0)
        settle?.(undefined)
      } else {
        this.#give(0)
        settle?.(bytesGone())
      }
      onLeft()
    }
  }

  #remove(at: number): void {
    this.#parked.splice(at, 1)
    this.#order.splice(at, 1)
  }

  /** For tests. */
  assertInvariants(): void {
    // A head that is being abandoned has no bytes left to write.
    const bytes = this.#parked.slice(this.#isAbandoning ? 1 : 0).reduce((sum, parked) => sum + unwritten(parked), 0)
    if (bytes !== this.#bytes) throw new Error(`the parking lot says ${this.#bytes} B, counted ${bytes}`)
  }

  /** Nothing of it will be sent. */
  clear(error: EndpointError): void {
    this.#dropped += this.unbegun
    const isAbandoning = this.#isAbandoning
    this.#order.length = 0
    this.#bytes = 0
    this.#isAbandoning = false
    this.#deadlineMs = Infinity
    // Who was cancelled half sent was told then.
    for (const [at, { settle }] of this.#parked.splice(0).entries()) if (!(at === 0 && isAbandoning)) settle?.(error)
  }
}

function unwritten({ message }: ParkedMessage): number {
  return message.length - message.written
}

function bytesGone(): EndpointError {
  return new EndpointError(
    "bytes-gone",
    "the buffer of the message was transferred, or has shrunk, before all of it was sent; it was not delivered: leave it alone until send() settles, or use trySend(), which copies",
  )
}

/** Writes a message as far as there is room; answers whether all of it is in the stream. */
export function writeMessage(sink: PayloadSink, message: LargeMessage): boolean {
  return !message.isBegun && fitsWhole(message.length, sink.payloadBytesMax)
    ? message.writeWhole(sink)
    : message.write(sink)
}
