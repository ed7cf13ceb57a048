/**
 * One `node:dgram` socket, bound.
 *
 * @module
 */

import type { RemoteInfo, Socket } from "node:dgram"
import { type Address, normalizeAddress } from "./addresses.ts"
import { FailedReads, isEnd } from "./socket-ends.ts"
import type { SocketError } from "./transport.ts"

/**
 * The part of a socket used here, so that a test can replace it. Not every runtime's socket has the optional functions.
 */
export type DgramSocket = Pick<Socket, "address" | "on" | "send" | "close"> &
  Partial<Pick<Socket, "getSendQueueCount" | "ref" | "unref">>

/** The properties of the socket that the system granted. */
export interface SocketFacts {
  readonly dontFragment: boolean
  readonly receiveBufferBytes: number
  readonly sendBufferBytes: number
}

/** Hears what happens to a socket. */
export interface SocketOwner {
  received(bytes: Uint8Array, host: string, port: number): void
  writable(): void
  /** `operation` `"socket"`: it moves nothing any more. */
  failed(cause: unknown, operation: SocketError["operation"], address: number, bytes: number): void
}

/** Bytes of a staging buffer: one datagram of any length. */
const STAGING_BYTES = 65_536

/**
 * The most unfinished sends where `dgram` doesn't say how many wait. An unfinished send may not be waiting: even one
 * that the system took at once finishes later.
 */
const UNFINISHED_MAX = 64

/**
 * A socket that takes datagrams one by one. `dgram` goes on using the memory of a datagram that it can't send at once,
 * and says so only afterwards. So each datagram is copied into a staging buffer (50 of the 5,600 ns that a datagram of
 * 1,400 B costs both ends). The first one that has to wait keeps that buffer, and the socket counts as full until it is
 * sent: `dgram` itself would queue without bound. Where `dgram` doesn't say how many wait, unfinished sends are
 * counted.
 */
export class BoundSocket {
  readonly address: Address
  readonly facts: SocketFacts
  readonly #socket: DgramSocket
  readonly #keeper: NodeJS.Timeout | undefined
  #owner: SocketOwner | undefined
  readonly #failedReads = new FailedReads()
  #staging = Buffer.allocUnsafeSlow(STAGING_BYTES)
  /**
   * Address and length, alternately, of the sends whose callback is still to come. Callbacks come in order, so one
   * function serves all instead of a closure for each.
   */
  readonly #sends: number[] = []
  #sendsDone = 0
  readonly #saysWhatWaits: boolean
  #unfinished = 0
  #isFull = false
  #closing: Promise<void> | undefined

  /** `keeper`: a timer that keeps the program alive instead of the socket. */
  constructor(socket: DgramSocket, family: 4 | 6, facts: SocketFacts, keeper?: NodeJS.Timeout) {
    this.#socket = socket
    this.#keeper = keeper
    this.#saysWhatWaits = socket.getSendQueueCount !== undefined
    this.facts = facts
    const { address, port } = socket.address()
    this.address = normalizeAddress(address, port) ?? { family, host: address, port }
    socket.on("message", (bytes: Buffer, from: RemoteInfo) => {
      this.#failedReads.clear()
      this.#owner?.received(bytes, from.address, from.port)
    })
    // Without a listener an error would end the process. On Windows ECONNRESET of an earlier send comes here.
    socket.on("error", (error) => this.#owner?.failed(error, this.#failedReads.add(error) ? "socket" : "receive", 0, 0))
  }

  /** Tells the owner if others have closed it. */
  check(): void {
    if (this.#closing !== undefined) return
    let cause: unknown
    try {
      // Its number may be another socket's.
      if (this.#socket.address().port === this.address.port) return
      cause = Object.assign(new Error("getsockname EBADF"), { code: "EBADF" })
    } catch (error) {
      cause = error
    }
    this.#owner?.failed(cause, "socket", 0, 0)
  }

  /** Sets the owner, which hears of events from now on. */
  attach(owner: SocketOwner): void {
    this.#owner = owner
  }

  /** A datagram waits for the system, or too many may be waiting: send no more until the owner hears `writable`. */
  get isFull(): boolean {
    return this.#isFull
  }

  send(slab: Uint8Array, offset: number, length: number, to: Address, address: number): void {
    if (!this.#saysWhatWaits) return this.#sendCounted(slab, offset, length, to, address)
    this.#staging.set(slab.subarray(offset, offset + length))
    this.#sends.push(address, length)
    try {
      this.#socket.send(this.#staging, 0, length, to.port, to.host, this.#onSent)
    } catch (error) {
      // `dgram` refuses the port or the state: the datagram is lost like any other.
      this.#sends.length -= 2
      this.#unsent(error, address, length)
      return
    }
    if (this.#socket.getSendQueueCount!() === 0) return
    this.#isFull = true
    this.#staging = Buffer.allocUnsafeSlow(STAGING_BYTES)
  }

  /** The socket keeps the program alive, where the runtime lets that be chosen. */
  ref(): void {
    ;(this.#keeper ?? this.#socket).ref?.()
  }

  unref(): void {
    ;(this.#keeper ?? this.#socket).unref?.()
  }

  close(): Promise<void> {
    this.#closing ??= new Promise((resolve) => {
      const closed = (): void => {
        clearInterval(this.#keeper)
        resolve()
      }
      try {
        this.#socket.close(closed)
      } catch {
        // It is closed already.
        closed()
      }
    })
    return this.#closing
  }

  /**
   * Any unfinished send may be waiting, and they may finish in any order: each has memory and a function of its own.
   */
  #sendCounted(slab: Uint8Array, offset: number, length: number, to: Address, address: number): void {
    this.#unfinished++
    try {
      const bytes = Buffer.from(slab.subarray(offset, offset + length))
      this.#socket.send(bytes, 0, length, to.port, to.host, (error) => this.#onFinished(error, address, length))
    } catch (error) {
      this.#unfinished--
      this.#unsent(error, address, length)
      return
    }
    if (this.#unfinished >= UNFINISHED_MAX) this.#isFull = true
  }

  #unsent(error: unknown, address: number, length: number): void {
    const owner = this.#owner
    owner?.failed(error, "send", address, length)
    if (isEnd(error)) owner?.failed(error, "socket", 0, 0)
  }

  #onFinished(error: Error | null, address: number, length: number): void {
    this.#unfinished--
    if (error !== null) this.#unsent(error, address, length)
    this.#tellIfDrained()
  }

  readonly #onSent = (error: Error | null): void => {
    const address = this.#sends[this.#sendsDone]!
    const length = this.#sends[this.#sendsDone + 1]!
    this.#sendsDone += 2
    if (this.#sendsDone === this.#sends.length) this.#sends.length = this.#sendsDone = 0
    if (error !== null) this.#unsent(error, address, length)
    this.#tellIfDrained()
  }

  #tellIfDrained(): void {
    if (!this.#isFull || this.#closing !== undefined) return
    if ((this.#saysWhatWaits ? this.#socket.getSendQueueCount!() : this.#unfinished) > 0) return
    this.#isFull = false
    this.#owner?.writable()
  }
}
