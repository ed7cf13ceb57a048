/**
 * Several streams that are given the same messages: each is written once, and lies in memory once, however many streams
 * send it.
 *
 * @module
 */

import { appendWhole } from "@x/fragment"
import type { PacketLog, SharedPacket } from "@x/stream"
import { wholeHeaderBytes } from "@x/wire"
import { whole } from "@x/transport/check"
import { check, checkType } from "../errors/check.ts"
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
   * themselves. Those are streams without room, with messages parked, ended, of a mode that gives messages up, and those
   * for which the message is too large, or larger than one packet. Closed ones are named, and removed. Never throws
   * because of the network; throws a `TypeError` for what is no message, a `RangeError` for a type that is out of range,
   * and what a codec throws, as `stream.trySend` does.
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
  /**
   * Messages below this one are not given to anybody any more: their memory is free once the streams that have them are
   * done. What isn't released is held as long as the endpoint lives, in a share that all fan-outs have together. Throws
   * `EndpointError` `invalid-option` for a number above `next`.
   */
  release(message: number): void
  /** Removes all streams, and releases all messages. */
  close(): void
}

export class FanOutHandle implements FanOut {
  readonly #log: PacketLog
  readonly #host: OutgoingHost
  readonly #streams = new Set<OutgoingHandle>()
  /** Those that have no part in the present packet. */
  #apart: readonly OutgoingHandle[] = []
  /** The present packet, or the last one. */
  #packet: SharedPacket | undefined
  /** The largest message, and the largest payload, that all can be sent that have a part in it. */
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
    // What one doesn't take part in goes on without it.
    if (this.#apart.includes(stream)) this.#apart = this.#apart.filter((other) => other !== stream)
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
    const mayAppend = bytes.length <= this.#messageBytesMax && this.#isInUse()
    if (mayAppend && appendWhole(this.#log, type, bytes)) return this.#apart
    if (!this.#begin(bytes.length)) this.#log.skip()
    else {
      appendWhole(this.#log, type, bytes)
      for (const stream of this.#streams) stream.pushWritten()
    }
    return this.#apart
  }

  /** Whether the open packet goes on: unless no stream has it, and one would take another. */
  #isInUse(): boolean {
    return this.#packet?.isTaken === true || !this.#apart.some(({ hasRoom }) => hasRoom)
  }

  /** Begins a packet for a message of this length, of all streams that have room for it. Returns whether there is one. */
  #begin(length: number): boolean {
    const size = wholeHeaderBytes(length) + length
    const able = this.#measure(length, size)
    const isFitting = length <= this.#messageBytesMax && size <= this.#payloadBytesMax
    const packet = isFitting ? this.#log.begin(size, this.#payloadBytesMax) : undefined
    this.#packet = packet
    const sharing = packet === undefined ? [] : able.filter((stream) => stream.share(packet))
    this.#apart = sharing.length === this.#streams.size ? [] : this.#others(new Set(sharing))
    for (const stream of this.#apart) if (stream.state === "closed") this.#streams.delete(stream)
    return packet !== undefined
  }

  #others(sharing: ReadonlySet<OutgoingHandle>): OutgoingHandle[] {
    return [...this.#streams].filter((stream) => !sharing.has(stream))
  }

  /**
   * Returns the streams that can be sent such a message in a packet, and notes what they have in common. Without any
   * streams, what those had that were there last, or the one that was given a packet last.
   */
  #measure(length: number, size: number): OutgoingHandle[] {
    const able: OutgoingHandle[] = []
    if (this.#streams.size === 0) {
      this.#messageBytesMax = Infinity
      return able
    }
    this.#messageBytesMax = this.#payloadBytesMax = Infinity
    for (const stream of this.#streams) {
      const { messageBytesMax, payloadBytesMax } = stream
      if (messageBytesMax < length || payloadBytesMax < size) continue
      able.push(stream)
      if (messageBytesMax < this.#messageBytesMax) this.#messageBytesMax = messageBytesMax
      if (payloadBytesMax < this.#payloadBytesMax) this.#payloadBytesMax = payloadBytesMax
    }
    if (able.length === 0) this.#messageBytesMax = this.#payloadBytesMax = 0
    return able
  }

  skip(): void {
    this.#log.skip()
  }

  give(stream: OutgoingStream, message: number): number {
    const handle = this.#ours(stream)
    // Where no stream is given messages at once, packets are as large as the last one could be sent that was behind.
    if (this.#streams.size === 0 && handle.state !== "closed") this.#payloadBytesMax = handle.payloadBytesMax
    const packet = this.#log.packetFrom(message)
    return packet === undefined || packet.begun === 0 ? 0 : handle.take(packet)
  }

  release(message: number): void {
    check.value("message", message, whole(0, this.#log.high))
    if (message > this.#log.low) this.#log.release(message)
  }

  close(): void {
    this.#streams.clear()
    this.#apart = []
    this.#log.clear()
  }
}
