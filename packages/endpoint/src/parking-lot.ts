/**
 * Messages that found the window shut, in the order they came. A message that is half in the stream keeps its place; one that won't be
 * completed is ended as abandoned before anything else follows.
 *
 * @module
 */

import { fitsWhole, type LargeMessage, type PayloadSink, writeWhole } from "@x/fragment"

export interface ParkedMessage {
  readonly message: LargeMessage
  /** Told once: the message is in the window, or won't ever be. */
  readonly settle: ((error: Error | undefined) => void) | undefined
}

export class ParkingLot {
  readonly messagesMax: number
  readonly bytesMax: number
  readonly #parked: ParkedMessage[] = []
  /** Which message each of them was, counted from 0. */
  readonly #order: number[] = []
  #bytes = 0
  #entered = 0
  /** The head was cancelled when a part of it was in the stream already. */
  #isAbandoning = false

  constructor(messagesMax: number, bytesMax: number) {
    this.messagesMax = messagesMax
    this.bytesMax = bytesMax
  }

  get messages(): number {
    return this.#parked.length
  }

  /** Bytes of the parked messages that are not in the stream yet. */
  get bytes(): number {
    return this.#bytes
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

  hasRoom(bytes: number): boolean {
    return this.#parked.length < this.messagesMax && this.#bytes + bytes <= this.bytesMax
  }

  park(parked: ParkedMessage): void {
    this.#parked.push(parked)
    this.#order.push(this.#entered++)
    this.#bytes += parked.message.bytes.length - parked.message.written
  }

  /** Takes a message out again; what is in the stream of it already is ended. */
  cancel(parked: ParkedMessage): boolean {
    const at = this.#parked.indexOf(parked)
    if (at < 0) return false
    this.#bytes -= parked.message.bytes.length - parked.message.written
    // Only the head can be begun.
    if (parked.message.isBegun) this.#isAbandoning = true
    else this.#remove(at)
    return true
  }

  /** Writes as much as there is room for, in order. */
  resume(sink: PayloadSink): void {
    for (let head = this.#parked[0]; head !== undefined; head = this.#parked[0]) {
      if (this.#isAbandoning) {
        if (!head.message.abandon(sink)) return
        this.#isAbandoning = false
        this.#remove(0)
        continue
      }
      const before = head.message.written
      const isDone = writeMessage(sink, head.message)
      this.#bytes -= (isDone ? head.message.bytes.length : head.message.written) - before
      if (!isDone) return
      this.#remove(0)
      head.settle?.(undefined)
    }
  }

  #remove(at: number): void {
    this.#parked.splice(at, 1)
    this.#order.splice(at, 1)
  }

  /** Nothing of it will be sent. */
  clear(error: Error): void {
    this.#order.length = 0
    for (const { settle } of this.#parked.splice(0)) settle?.(error)
    this.#bytes = 0
    this.#isAbandoning = false
  }
}

/** Writes a message as far as there is room; answers whether all of it is in the stream. */
export function writeMessage(sink: PayloadSink, message: LargeMessage): boolean {
  return !message.isBegun && fitsWhole(message.bytes.length, sink.payloadBytesMax)
    ? writeWhole(sink, message.type, message.bytes)
    : message.write(sink)
}
