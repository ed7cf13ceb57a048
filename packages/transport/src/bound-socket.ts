/**
 * One `node:dgram` socket, bound: from the helper's descriptor where there is one, else as `dgram` makes it.
 *
 * @module
 */

import { createSocket, type RemoteInfo, type Socket } from "node:dgram"
import type { Address, SocketError } from "./host.ts"
import { normalizeAddress } from "./addresses.ts"
import type { NativeHelper } from "./native.ts"

export interface SocketOptions {
  readonly family: 4 | 6
  readonly host: string
  readonly port: number
  readonly receiveBufferBytes: number
  readonly sendBufferBytes: number
}

/** Rejects with the system's error. */
export async function openBoundSocket(options: SocketOptions, helper: NativeHelper): Promise<BoundSocket> {
  const { family } = options
  // Every send would ask the resolver even for literal addresses.
  const socket = createSocket({
    type: family === 4 ? "udp4" : "udp6",
    ipv6Only: family === 6,
    lookup: (address, _options, callback) => callback(null, address, family),
  })
  try {
    return await bind(socket, options, helper)
  } catch (error) {
    socket.close()
    throw error
  }
}

async function bind(socket: Socket, options: SocketOptions, helper: NativeHelper): Promise<BoundSocket> {
  const { family, host, port } = options
  const opened = helper.native?.openSocket({ ...options, v6Only: true, dontFragment: true })
  await new Promise<void>((resolve, reject) => {
    socket.once("error", reject)
    socket.once("listening", () => {
      socket.off("error", reject)
      resolve()
    })
    try {
      if (opened === undefined) socket.bind({ port, address: host, exclusive: true })
      // Exclusive, or a worker of a cluster would ask the primary process, which has no such descriptor.
      else socket.bind({ fd: opened.fd, exclusive: true })
    } catch (error) {
      if (opened !== undefined) helper.native!.close(opened.fd)
      reject(error as Error)
    }
  })
  if (opened !== undefined) return new BoundSocket(socket, family, opened)
  return new BoundSocket(socket, family, { dontFragment: false, ...setBuffers(socket, options) })
}

/** Asks for buffer sizes and reads back, in the unit of the request: Linux shows twice of what it gives. */
function setBuffers(
  socket: Socket,
  { receiveBufferBytes, sendBufferBytes }: SocketOptions,
): { receiveBufferBytes: number; sendBufferBytes: number } {
  const attempt = (set: () => void): void => {
    try {
      set()
    } catch {
      // Refused: what is there is read back below, and a shortfall is reported.
    }
  }
  attempt(() => socket.setRecvBufferSize(receiveBufferBytes))
  attempt(() => socket.setSendBufferSize(sendBufferBytes))
  const unit = process.platform === "linux" ? 2 : 1
  return { receiveBufferBytes: socket.getRecvBufferSize() / unit, sendBufferBytes: socket.getSendBufferSize() / unit }
}

/** Bytes of a staging buffer: one datagram of any length. */
const STAGING_BYTES = 65_536

/** What was found out when the socket was made. */
export interface SocketFacts {
  readonly dontFragment: boolean
  readonly receiveBufferBytes: number
  readonly sendBufferBytes: number
}

/**
 * A socket that takes datagrams one by one. `dgram` keeps the memory of a datagram that it can't send at once; so each is copied into a buffer of
 * our own (40 ns beside the 4 µs of the system call), and the first that has to wait makes the socket full until it is gone.
 */
export class BoundSocket implements SocketFacts {
  readonly family: 4 | 6
  readonly address: Address
  readonly dontFragment: boolean
  readonly receiveBufferBytes: number
  readonly sendBufferBytes: number
  onDatagram: (bytes: Uint8Array, host: string, port: number) => void = () => {}
  onWritable: () => void = () => {}
  onError: (cause: unknown, operation: SocketError["operation"], address: number, bytes: number) => void = () => {}
  /** A datagram was still waiting when the socket was closed. */
  onAbandoned: () => void = () => {}
  readonly #socket: Socket
  #staging = Buffer.allocUnsafeSlow(STAGING_BYTES)
  /** Destination and length of the sends whose callback is to come, in their order. */
  readonly #sends: number[] = []
  #sendsDone = 0
  #isFull = false
  #closing: Promise<void> | undefined

  constructor(socket: Socket, family: 4 | 6, facts: SocketFacts) {
    this.#socket = socket
    this.family = family
    const { address, port } = socket.address()
    this.address = normalizeAddress(address, port) ?? { family, host: address, port }
    this.dontFragment = facts.dontFragment
    this.receiveBufferBytes = facts.receiveBufferBytes
    this.sendBufferBytes = facts.sendBufferBytes
    socket.on("message", (bytes: Buffer, { address, port }: RemoteInfo) => this.onDatagram(bytes, address, port))
    // Without a listener an error of the socket would end the process; on Windows ECONNRESET of a former send comes here.
    socket.on("error", (error) =>
      this.onError(error, (error as { syscall?: string }).syscall?.startsWith("recv") ? "receive" : "socket", 0, 0),
    )
  }

  /** A datagram waits for the system: take none until `onWritable`. */
  get isFull(): boolean {
    return this.#isFull
  }

  /** Sends at most {@link STAGING_BYTES}. */
  send(slab: Uint8Array, offset: number, length: number, to: Address, id: number): void {
    const staging = this.#staging
    staging.set(slab.subarray(offset, offset + length))
    this.#sends.push(id, length)
    try {
      this.#socket.send(staging, 0, length, to.port, to.host, this.#onSent)
    } catch (error) {
      // Thrown for a bad port or a socket that is closed: a lost datagram like others.
      this.#sends.length -= 2
      this.onError(error, "send", id, length)
      return
    }
    if (this.#socket.getSendQueueCount() === 0) return
    this.#isFull = true
    this.#staging = Buffer.allocUnsafeSlow(STAGING_BYTES)
  }

  readonly #onSent = (error: Error | null): void => {
    const id = this.#sends[this.#sendsDone]!
    const length = this.#sends[this.#sendsDone + 1]!
    this.#sendsDone += 2
    if (this.#sendsDone === this.#sends.length) this.#sends.length = this.#sendsDone = 0
    try {
      if ((error as NodeJS.ErrnoException | null)?.code === "ECANCELED") this.onAbandoned()
      else if (error !== null) this.onError(error, "send", id, length)
    } finally {
      this.#drain()
    }
  }

  #drain(): void {
    if (!this.#isFull || this.#closing !== undefined || this.#socket.getSendQueueCount() > 0) return
    this.#isFull = false
    this.onWritable()
  }

  close(): Promise<void> {
    this.#closing ??= new Promise((resolve) => this.#socket.close(() => resolve()))
    return this.#closing
  }
}
