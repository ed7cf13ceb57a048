/**
 * Messages that found the window shut, in their order. A message that is half sent keeps its place; one that won't be
 * completed is ended as abandoned before anything else follows.
 *
 * @module
 */

import { fitsWhole, type LargeMessage, type PayloadSink } from "@x/fragment"
import { ZERO } from "@x/wire"
import type { SendCall } from "./send-call.ts"

/** What an application can see of a parking lot. */
export interface ParkedMessages {
  /** Messages that wait, including one that is half in the window. */
  readonly messages: number
  /** Bytes of the messages that wait, as far as they aren't in the window yet. */
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
  /** When it is given up, milliseconds; `Infinity`: never. */
  readonly deadlineMs: number
  /** The call that waits for it; `undefined`: none does. */
  readonly call?: SendCall
  /** Whether the call then waits for the message's receipt, once it is in the window. */
  readonly isReceipted?: boolean
  /** It was taken out again before all of it was in the window. */
  isGivenUp?: boolean
}

/** A message that has left the lot: all of it is in the stream, or it was ended half sent, or its memory is gone. */
export interface LeftMessage {
  readonly parked: ParkedMessage
  readonly how: "written" | "abandoned" | "bytes-gone"
}

export class ParkingLot implements ParkedMessages {
  readonly messagesMax: number
  readonly bytesMax: number
  readonly #parked: ParkedMessage[] = []
  /** The number of each of them, counted from 0. */
  readonly #order: number[] = []
  #bytes = 0
  #entered = ZERO
  #expired = ZERO
  #dropped = ZERO
  #deadlineMs = Infinity
  /** The first message was cancelled when a part of it was already in the stream. */
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

  /** Messages of which nothing is in the stream; and those that left the lot in that state. */
  get unbegun(): number {
    return this.#parked[0]?.message.isBegun === true ? this.#parked.length - 1 : this.#parked.length
  }

  get dropped(): number {
    return this.#dropped
  }

  /** Messages that were ever parked; and how many of them, from the first on, are no longer here. */
  get entered(): number {
    return this.#entered
  }

  get left(): number {
    return this.#order[0] ?? this.#entered
  }

  get isEmpty(): boolean {
    return this.#parked.length === 0
  }

  /** Whether a call waits for one of them. */
  get isAwaited(): boolean {
    return this.#parked.some(({ call, isGivenUp }) => call !== undefined && isGivenUp !== true)
  }

  /** The last parked message. */
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

  /** Takes the message of a call out again; a part that is already in the stream is ended. `false`: it isn't here. */
  cancel(call: SendCall): boolean {
    const at = this.#parked.findIndex((parked) => parked.call === call && parked.isGivenUp !== true)
    if (at >= 0) this.#give(at)
    return at >= 0
  }

  /** Gives up messages that waited too long; returns them. */
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

  /** Only the first can be half sent. */
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
   * Writes as much of the first message as there is room for. Returns the message that left the lot by that, or
   * `undefined`: no more can be written for now.
   */
  feed(sink: PayloadSink): LeftMessage | undefined {
    const parked = this.#parked[0]
    if (parked === undefined) return undefined
    const { message } = parked
    if (this.#isAbandoning) {
      if (!message.abandon(sink)) return undefined
      this.#isAbandoning = false
      this.#remove(0)
      return { parked, how: "abandoned" }
    }
    if (!message.isIntact) {
      this.#give(0)
      return { parked, how: "bytes-gone" }
    }
    const before = message.written
    const isDone = writeMessage(sink, message)
    this.#bytes -= (isDone ? message.length : message.written) - before
    if (!isDone) return undefined
    this.#remove(0)
    return { parked, how: "written" }
  }

  #remove(at: number): void {
    this.#parked.splice(at, 1)
    this.#order.splice(at, 1)
  }

  /** For tests. */
  assertInvariants(): void {
    // A first message that is being abandoned has no bytes left to write.
    const bytes = this.#parked.slice(this.#isAbandoning ? 1 : 0).reduce((sum, parked) => sum + unwritten(parked), 0)
    if (bytes !== this.#bytes) throw new Error(`the parking lot says ${this.#bytes} B, counted ${bytes}`)
    if (this.#parked.some(({ message }) => message.isBegun && message.isDone))
      throw new Error("a message waits although all of it is in the window")
  }

  /** No message here will be sent. Returns them, except one that was already taken out half sent. */
  clear(): ParkedMessage[] {
    this.#dropped += this.unbegun
    const cleared = this.#parked.splice(0)
    if (this.#isAbandoning) cleared.shift()
    this.#order.length = 0
    this.#bytes = 0
    this.#isAbandoning = false
    this.#deadlineMs = Infinity
    return cleared
  }
}

function unwritten({ message }: ParkedMessage): number {
  return message.length - message.written
}

/** Writes a message as far as there is room; returns whether all of it is in the stream. */
export function writeMessage(sink: PayloadSink, message: LargeMessage): boolean {
  return !message.isBegun && fitsWhole(message.length, sink.payloadBytesMax)
    ? message.writeWhole(sink)
    : message.write(sink)
}
