/**
 * Several streams that are given the same messages: each is written once, and lies in memory once, however many streams
 * send it.
 *
 * @module
 */

import { appendWhole } from "@x/fragment"
import type { PacketLog } from "@x/stream"
import { wholeHeaderBytes } from "@x/wire"
import { checkType } from "../errors/check.ts"
import { EndpointError } from "../errors/endpoint-error.ts"
import type { OutgoingStream } from "./handles.ts"
import { isMessageType, type MessageType } from "./message-type.ts"
import { OutgoingHandle, type OutgoingHost } from "./outgoing-stream.ts"
import { checkBytes } from "./sending.ts"
import { encodeValue } from "./user-code.ts"

/**
 * Streams of one endpoint that are given the same messages. What one message costs for each stream is the part of a
 * packet that it fills: numbers, headers, tags and resends are each stream's own. Its messages are numbered from 0, and
 * those that aren't released can be given to streams that come later, or that had no room. Made by `endpoint.fanOut()`.
 */
export interface FanOut {
  /** How many streams it has. */
  readonly size: number
  /** The number of the next message. */
  readonly next: number
  /**
   * Adds a stream: what is sent from now on is for it, too. It may still be sent to by itself. Throws `EndpointError`
   * `invalid-option` for a stream of another endpoint.
   */
  add(stream: OutgoingStream): void
  /** Removes a stream. Returns whether it was there. */
  delete(stream: OutgoingStream): boolean
  /**
   * Offers the next message to all streams at once; its bytes are copied once. Returns those that didn't take it, which
   * nothing has happened to: the caller gives it to them when they have room, by `give`, or sends it to them by
   * themselves. Those are streams without room, with messages parked, ended or closed (which are removed by this), of a
   * mode that gives messages up, and all streams if the message is larger than one packet. Never throws because of the
   * network; throws `EndpointError` `invalid-option` for what is no message, and what a codec throws.
   */
  trySend(type: number, bytes: Uint8Array): readonly OutgoingStream[]
  /** The same for a value of a defined type, which is encoded once. */
  trySend<T>(type: MessageType<T>, value: T): readonly OutgoingStream[]
  /** The next message is one that was, or is to be, sent to each stream by itself. */
  skip(): void
  /**
   * Gives a stream the packet that begins with a message. Returns how many messages it has; 0: no packet begins with it
   * that the stream could send, so that it is to be sent by itself; −1: there is no room now, and `drain` follows.
   */
  give(stream: OutgoingStream, message: number): number
  /** Messages below this one are not given to anybody any more: their memory is free once the streams that have them are done. */
  release(message: number): void
}

export class FanOutHandle implements FanOut {
  readonly #log: PacketLog
  readonly #host: OutgoingHost
  readonly #streams = new Set<OutgoingHandle>()
  /** Those that have no part in the present packet. */
  #apart: OutgoingHandle[] = []
  /** The largest message that all of its streams may be sent; and the largest payload that they had in common last. */
  #messageBytesMax = 0
  #payloadBytesMax = 0

  /** `host`: that of the endpoint's streams. */
  constructor(log: PacketLog, host: OutgoingHost) {
    this.#log = log
    this.#host = host
  }

  get size(): number {
    return this.#streams.size
  }

  get next(): number {
    return this.#log.high
  }

  add(stream: OutgoingStream): void {
    const handle = this.#ours(stream)
    if (this.#streams.has(handle)) return
    this.#streams.add(handle)
    this.#log.close()
  }

  #ours(stream: OutgoingStream): OutgoingHandle {
    if (stream instanceof OutgoingHandle && stream.isOf(this.#host)) return stream
    throw new EndpointError("invalid-option", "a fan-out is for streams of its own endpoint: those of `peer.open()`")
  }

  delete(stream: OutgoingStream): boolean {
    if (!(stream instanceof OutgoingHandle) || !this.#streams.delete(stream)) return false
    const at = this.#apart.indexOf(stream)
    // What one doesn't take part in goes on without it.
    if (at >= 0) this.#apart.splice(at, 1)
    else this.#log.close()
    return true
  }

  trySend(type: number, bytes: Uint8Array): readonly OutgoingStream[]
  trySend<T>(type: MessageType<T>, value: T): readonly OutgoingStream[]
  trySend(type: number | MessageType<unknown>, value: unknown): readonly OutgoingStream[] {
    if (isMessageType(type)) return this.#trySend(type.type, encodeValue(type, value))
    checkType(type)
    checkBytes(value)
    return this.#trySend(type, value)
  }

  #trySend(type: number, bytes: Uint8Array): readonly OutgoingStream[] {
    if (bytes.length <= this.#messageBytesMax && appendWhole(this.#log, type, bytes)) return this.#apart
    this.#apart = this.#begin(bytes.length)
    for (const stream of this.#apart) if (stream.state === "closed") this.#streams.delete(stream)
    if (!appendWhole(this.#log, type, bytes)) this.#log.skip()
    else for (const stream of this.#streams) stream.pushWritten()
    return this.#apart
  }

  /** Begins a packet for a message of this length, if it may be in one. Returns the streams that have no part in it. */
  #begin(length: number): OutgoingHandle[] {
    const all = [...this.#streams]
    const size = wholeHeaderBytes(length) + length
    this.#measure(all, size)
    const isFitting = length <= this.#messageBytesMax && size <= this.#payloadBytesMax
    const packet = isFitting ? this.#log.begin(size, this.#payloadBytesMax) : undefined
    return packet === undefined ? all : all.filter((stream) => !stream.share(packet))
  }

  /** What those that can be sent a message of this size have in common. With none, it stays as it was. */
  #measure(all: readonly OutgoingHandle[], size: number): void {
    if (all.length === 0) return
    this.#messageBytesMax = Infinity
    let payloadBytesMax = Infinity
    for (const stream of all) {
      if (stream.messageBytesMax < this.#messageBytesMax) this.#messageBytesMax = stream.messageBytesMax
      const bytes = stream.payloadBytesMax
      if (bytes >= size && bytes < payloadBytesMax) payloadBytesMax = bytes
    }
    if (payloadBytesMax < Infinity) this.#payloadBytesMax = payloadBytesMax
  }

  skip(): void {
    this.#log.skip()
  }

  give(stream: OutgoingStream, message: number): number {
    const packet = this.#log.packetFrom(message)
    return packet === undefined || packet.begun === 0 ? 0 : this.#ours(stream).take(packet)
  }

  release(message: number): void {
    if (message > this.#log.low) this.#log.release(message)
  }
}
