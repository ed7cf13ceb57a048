/**
 * A v4 and a v6 socket on one port, presented as one transport.
 *
 * @module
 */

import { formatHost, parseHost } from "./addresses.ts"
import { BaseTransport, DATAGRAM_BYTES_MAX } from "./base-transport.ts"
import { type BoundSocket, openBoundSocket } from "./bound-socket.ts"
import type { Address, BindOptions, Capabilities, Transport } from "./host.ts"
import type { NativeHelper } from "./native.ts"
import { checkPort } from "./options.ts"
import { TransportError } from "./transport-error.ts"

const RECEIVE_BUFFER_BYTES = 4_194_304
const SEND_BUFFER_BYTES = 1_048_576
/** A free port of one family may be taken in the other: then another one is tried. */
const PORT_TRIES = 10
/** What stands for "this machine doesn't have that family". */
const NO_FAMILY = new Set(["EAFNOSUPPORT", "EADDRNOTAVAIL", "EPROTONOSUPPORT", "ENOTSUP"])

/** Counts what the sockets of a host have read, for those who wait until they have nothing more. */
export interface Activity {
  datagrams: number
}

interface BufferSizes {
  readonly receiveBufferBytes: number
  readonly sendBufferBytes: number
}

/** Binds the sockets that the options ask for and the machine has. */
export async function bindDualSocket(options: BindOptions, helper: NativeHelper, activity: Activity): Promise<Transport> {
  const { port = 0, v4 = "0.0.0.0", v6 = "::", receiveBufferBytes = RECEIVE_BUFFER_BYTES, sendBufferBytes = SEND_BUFFER_BYTES } = options
  checkPort(port)
  const wanted = [...wantedAt(4, v4), ...wantedAt(6, v6)]
  if (wanted.length === 0) throw new TransportError("no-family", "v4 and v6 are both switched off; leave one on")
  const buffers = { receiveBufferBytes, sendBufferBytes }
  for (let tries = 1; ; tries++) {
    const sockets: BoundSocket[] = []
    const missing: string[] = []
    try {
      for (const { family, host } of wanted) {
        const samePort = sockets[0]?.address.port ?? port
        try {
          sockets.push(await openBoundSocket({ family, host, port: samePort, ...buffers }, helper))
        } catch (error) {
          const { code = "", message } = error as { code?: string; message: string }
          if (!NO_FAMILY.has(code)) throw error
          missing.push(`no v${family} socket at ${host}: ${message}`)
        }
      }
    } catch (error) {
      for (const socket of sockets) await socket.close()
      if (port === 0 && tries < PORT_TRIES && (error as { code?: string }).code === "EADDRINUSE") continue
      throw bindError(error, port)
    }
    if (sockets.length === 0) throw new TransportError("no-family", `neither v4 nor v6 can be bound here: ${missing.join("; ")}`)
    const notes =
      helper.native === undefined
        ? [`no native helper: ${helper.reason}; DF is as the system sets it, and each datagram costs a system call`]
        : []
    return new DualSocket(sockets, buffers, [...notes, ...missing], activity)
  }
}

/** The one address to bind in a family, or none. */
function wantedAt(family: 4 | 6, host: string | false): { family: 4 | 6; host: string }[] {
  if (host === false) return []
  const literal = parseHost(host)
  if (literal?.family !== family)
    throw new TransportError("invalid-option", `v${family} must be a literal IPv${family} address or false, not "${host}"`)
  return [{ family, host: formatHost(literal.bytes, literal.scope) }]
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

export class DualSocket extends BaseTransport {
  override readonly capabilities: Capabilities
  override readonly localAddresses: readonly Address[]
  readonly #sockets: readonly BoundSocket[]
  readonly #byFamily: { readonly 4: BoundSocket | undefined; readonly 6: BoundSocket | undefined }
  readonly #activity: Activity
  #isScheduled = false

  constructor(sockets: readonly BoundSocket[], asked: BufferSizes, notes: readonly string[], activity: Activity) {
    super()
    this.#sockets = sockets
    this.#byFamily = { 4: sockets.find(({ family }) => family === 4), 6: sockets.find(({ family }) => family === 6) }
    this.#activity = activity
    this.localAddresses = sockets.map(({ address }) => address)
    this.capabilities = capabilitiesOf(sockets, asked, notes)
    for (const socket of sockets) this.#listen(socket)
  }

  protected override stateOf(family: 4 | 6): "ready" | "full" | "missing" {
    const socket = this.#byFamily[family]
    if (socket === undefined) return "missing"
    return socket.isFull ? "full" : "ready"
  }

  protected override sendOne(slab: Uint8Array, offset: number, length: number, to: Address, id: number): void {
    this.#byFamily[to.family]!.send(slab, offset, length, to, id)
  }

  protected override async closeSockets(): Promise<void> {
    await Promise.all(this.#sockets.map((socket) => socket.close()))
  }

  #listen(socket: BoundSocket): void {
    socket.onDatagram = (bytes, host, port) => this.#arrive(bytes, host, port)
    socket.onWritable = () => this.becomeWritable()
    socket.onError = (cause, operation, address, bytes) => this.fail(cause, operation, address, bytes)
    socket.onAbandoned = () => this.abandon()
  }

  /** Datagrams of one turn of the loop are handed over together, once the sockets have nothing more. */
  #arrive(bytes: Uint8Array, host: string, port: number): void {
    if (this.isClosed) return
    this.#activity.datagrams++
    if (!this.#isScheduled) {
      this.#isScheduled = true
      setImmediate(() => {
        this.#isScheduled = false
        this.deliver()
      })
    }
    try {
      if (!this.hasRoom(bytes.length)) this.deliver()
    } finally {
      // The datagram isn't lost with the batch before it, whose receiver may have thrown.
      this.collect(bytes, host, port)
    }
  }
}

function capabilitiesOf(sockets: readonly BoundSocket[], asked: BufferSizes, missing: readonly string[]): Capabilities {
  const least = (field: keyof BufferSizes): number => Math.min(...sockets.map((socket) => socket[field]))
  const [receiveBufferBytes, sendBufferBytes] = [least("receiveBufferBytes"), least("sendBufferBytes")]
  const notes = [...missing]
  if (receiveBufferBytes < asked.receiveBufferBytes)
    notes.push(
      `SO_RCVBUF is ${receiveBufferBytes} B, not ${asked.receiveBufferBytes} as asked: bursts may be lost; on Linux raise net.core.rmem_max`,
    )
  if (sendBufferBytes < asked.sendBufferBytes)
    notes.push(`SO_SNDBUF is ${sendBufferBytes} B, not ${asked.sendBufferBytes} as asked; on Linux raise net.core.wmem_max`)
  return {
    families: sockets.map(({ family }) => family),
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
}
