/**
 * A v4 and a v6 socket on one port, presented as one transport.
 *
 * @module
 */

import { AddressTable } from "./addresses.ts"
import { ReceiveQueue, SealerTable, SlabTable } from "./batches.ts"
import { createCounters, type MutableCounters, socketErrorCode } from "./counters.ts"
import type {
  Address,
  BindOptions,
  Capabilities,
  ReceiveBatch,
  Sealer,
  SendBatch,
  SocketError,
  Transport,
  TransportCounters,
} from "./host.ts"
import { type BoundSocket, openBoundSocket } from "./bound-socket.ts"
import type { NativeHelper } from "./native.ts"
import { TransportError } from "./transport-error.ts"

const RECEIVE_BUFFER_BYTES = 4_194_304
const SEND_BUFFER_BYTES = 1_048_576
/** A free port of one family may be taken in the other: then another one is tried. */
const PORT_TRIES = 10
/** The longest UDP payload over IPv4. */
const DATAGRAM_BYTES_MAX = 65_507
/** What stands for "this machine doesn't have that family". */
const NO_FAMILY = new Set(["EAFNOSUPPORT", "EADDRNOTAVAIL", "EPROTONOSUPPORT", "ENOTSUP"])

/** Binds the sockets that the options ask for and the machine has. */
export async function bindDualSocket(options: BindOptions, helper: NativeHelper): Promise<Transport> {
  const { port = 0, v4 = "0.0.0.0", v6 = "::", receiveBufferBytes = RECEIVE_BUFFER_BYTES, sendBufferBytes = SEND_BUFFER_BYTES } = options
  if (!(Number.isInteger(port) && port >= 0 && port <= 65_535))
    throw new TransportError("invalid-option", `port must be a whole number from 0 to 65535, not ${port}`)
  const wanted = [
    { family: 4, host: v4 },
    { family: 6, host: v6 },
  ].filter((socket): socket is { family: 4 | 6; host: string } => socket.host !== false)
  const buffers = { receiveBufferBytes, sendBufferBytes }
  for (let tries = 1; ; tries++) {
    const sockets: BoundSocket[] = []
    const notes: string[] =
      helper.native === undefined
        ? [`no native helper: ${helper.reason}; DF is as the system sets it, and each datagram costs a system call`]
        : []
    try {
      for (const { family, host } of wanted) {
        const missing = await openBoundSocket({ family, host, port: sockets[0]?.address.port ?? port, ...buffers }, helper).then(
          (socket) => void sockets.push(socket),
          (error: unknown) => {
            if (!NO_FAMILY.has((error as { code?: string }).code ?? "")) throw error
            return error as Error
          },
        )
        if (missing !== undefined) notes.push(`no v${family} socket at ${host}: ${missing.message}`)
      }
    } catch (error) {
      for (const socket of sockets) await socket.close()
      if (port === 0 && tries < PORT_TRIES && (error as { code?: string }).code === "EADDRINUSE") continue
      throw bindError(error, port)
    }
    if (sockets.length === 0)
      throw new TransportError(
        "no-family",
        `neither v4 nor v6 can be bound here: ${notes.slice(-2).join("; ") || "both were switched off"}`,
      )
    return new DualSocket(sockets, buffers, notes)
  }
}

function bindError(error: unknown, port: number): TransportError {
  const { code, message } = error as { code?: string; message: string }
  if (code === "EADDRINUSE")
    return new TransportError(
      "address-in-use",
      `port ${port} is taken; choose another, 0 for any free one, or end the program that has it`,
      error,
    )
  if (code === "EACCES" || code === "EPERM")
    return new TransportError("permission", `port ${port} needs privileges; choose one above 1023`, error)
  return new TransportError("address-not-available", `the socket can't be bound: ${message}`, error)
}

class DualSocket implements Transport {
  readonly capabilities: Capabilities
  readonly localAddresses: readonly Address[]
  readonly #sockets: readonly BoundSocket[]
  readonly #byFamily: { readonly 4: BoundSocket | undefined; readonly 6: BoundSocket | undefined }
  readonly #addresses = new AddressTable()
  readonly #sealers = new SealerTable()
  readonly #slabs = new SlabTable()
  readonly #queue = new ReceiveQueue()
  readonly #counters: MutableCounters = createCounters()
  #isScheduled = false
  #closing: Promise<void> | undefined
  #receive: (batch: ReceiveBatch) => void = () => {}
  #writable: () => void = () => {}
  #error: (error: SocketError) => void = () => {}

  constructor(
    sockets: readonly BoundSocket[],
    asked: { readonly receiveBufferBytes: number; readonly sendBufferBytes: number },
    notes: string[],
  ) {
    this.#sockets = sockets
    this.#byFamily = { 4: sockets.find(({ address }) => address.family === 4), 6: sockets.find(({ address }) => address.family === 6) }
    this.localAddresses = sockets.map(({ address }) => address)
    const least = (field: "receiveBufferBytes" | "sendBufferBytes"): number => Math.min(...sockets.map((socket) => socket[field]))
    const [receiveBufferBytes, sendBufferBytes] = [least("receiveBufferBytes"), least("sendBufferBytes")]
    if (receiveBufferBytes < asked.receiveBufferBytes)
      notes.push(
        `SO_RCVBUF is ${receiveBufferBytes} B, not ${asked.receiveBufferBytes} as asked: bursts may be lost; on Linux raise net.core.rmem_max`,
      )
    if (sendBufferBytes < asked.sendBufferBytes)
      notes.push(`SO_SNDBUF is ${sendBufferBytes} B, not ${asked.sendBufferBytes} as asked; on Linux raise net.core.wmem_max`)
    this.capabilities = {
      families: sockets.map(({ address }) => address.family),
      dontFragment: sockets.every(({ dontFragment }) => dontFragment),
      gso: false,
      gro: false,
      batch: false,
      timerMs: 1,
      datagramBytesMax: DATAGRAM_BYTES_MAX,
      receiveBufferBytes,
      sendBufferBytes,
      notes,
    }
    for (const socket of sockets) this.#listen(socket)
  }

  get counters(): TransportCounters {
    return this.#counters
  }

  registerSlab(bytes: Uint8Array): number {
    return this.#slabs.register(bytes)
  }

  releaseSlab(slab: number): void {
    this.#slabs.release(slab)
  }

  internAddress({ host, port }: Address): number {
    return this.#addresses.intern(host, port)
  }

  retainAddress(address: number): void {
    this.#addresses.retain(address)
  }

  releaseAddress(address: number): void {
    this.#addresses.release(address)
  }

  addressOf(address: number): Address {
    return this.#addresses.address(address)
  }

  registerSealer(sealer: Sealer): number {
    return this.#sealers.register(sealer)
  }

  releaseSealer(sealer: number): void {
    this.#sealers.release(sealer)
  }

  send(batch: SendBatch): number {
    for (let row = 0; row < batch.count; row++) {
      const to = batch.address[row]!
      const address = this.#addresses.address(to)
      const socket = this.#byFamily[address.family]
      if (socket?.isFull) return row
      const slab = this.#slabs.get(batch.slab[row]!)
      const offset = batch.offset[row]!
      let length = batch.length[row]!
      if (batch.sealer[row]! !== 0) {
        const sealer = this.#sealers.get(batch.sealer[row]!)
        sealer.seal(slab, offset, length)
        length += sealer.tagBytes
      }
      if (socket === undefined || this.#closing !== undefined) {
        this.#counters.datagramsUnsendable++
        continue
      }
      this.#counters.datagramsSent++
      this.#counters.bytesSent += length
      socket.send(slab, offset, length, address, to)
    }
    return batch.count
  }

  open(batch: ReceiveBatch): void {
    this.#sealers.open(batch)
  }

  onReceive(receive: (batch: ReceiveBatch) => void): void {
    this.#receive = receive
  }

  onWritable(writable: () => void): void {
    this.#writable = writable
  }

  onError(error: (error: SocketError) => void): void {
    this.#error = error
  }

  close(): Promise<void> {
    this.#closing ??= Promise.all(this.#sockets.map((socket) => socket.close())).then(() => undefined)
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #listen(socket: BoundSocket): void {
    socket.onDatagram = (bytes, host, port) => this.#arrive(bytes, host, port)
    socket.onWritable = () => this.#writable()
    socket.onError = (cause, operation, address, bytes) => {
      const code = socketErrorCode(cause)
      this.#counters.errors[code]++
      this.#error({ code, operation, address, bytes, cause })
    }
  }

  /** Datagrams of one turn of the loop are handed over together, once the sockets have nothing more. */
  #arrive(bytes: Uint8Array, host: string, port: number): void {
    if (this.#closing !== undefined) return
    this.#counters.datagramsReceived++
    this.#counters.bytesReceived += bytes.length
    const address = this.#addresses.seen(host, port)
    if (!this.#queue.push(bytes, address)) {
      this.#deliver()
      this.#queue.push(bytes, address)
    }
    if (this.#isScheduled) return
    this.#isScheduled = true
    setImmediate(() => {
      this.#isScheduled = false
      this.#deliver()
    })
  }

  #deliver(): void {
    if (this.#closing === undefined) this.#queue.deliver(this.#receive)
  }
}
