/**
 * Opens sockets: from the helper's descriptor where there is one, otherwise by `dgram`.
 *
 * @module
 */

import { createSocket, type Socket } from "node:dgram"
import { normalizeAddress } from "./addresses.ts"
import type { OpenedSocket } from "./batch-transport.ts"
import { BoundSocket } from "./bound-socket.ts"
import type { NativeHelper } from "./native.ts"
import { NODE, type Runtime } from "./runtime.ts"
import { TIMER_MS_MAX } from "./timer.ts"

/** Reported for buffers whose sizes `dgram` doesn't know: the smallest default of any system. */
const BUFFERS_UNKNOWN = { receiveBufferBytes: 65_536, sendBufferBytes: 65_536 }

export interface SocketOptions {
  readonly family: 4 | 6
  readonly host: string
  readonly port: number
  readonly receiveBufferBytes: number
  readonly sendBufferBytes: number
}

/** Adds shortcomings to `notes`. Rejects with the system's error. */
export async function openSocket(
  options: SocketOptions,
  { native, runtime = NODE }: NativeHelper,
  notes: Set<string>,
): Promise<BoundSocket> {
  if (native !== undefined) {
    try {
      return await openNatively(options, native, notes)
    } catch (error) {
      // After any error plain dgram is tried. If that fails too, its error counts; otherwise this error becomes a note.
      const socket = await openPlain(options, runtime)
      notes.add(`the native helper failed (${(error as Error).message}), so that long datagrams may be fragmented`)
      return socket
    }
  }
  return openPlain(options, runtime)
}

/**
 * Opens a socket for the helper to read and send with. Until the helper has taken it over, the caller has to close it.
 */
export async function openForBatches(
  options: SocketOptions,
  native: NonNullable<NativeHelper["native"]>,
  notes: Set<string>,
): Promise<OpenedSocket> {
  const opened = native.openSocket({ ...options, v6Only: true, dontFragment: true })
  noteFragments(opened.dontFragment, options.family, notes)
  const { host, family } = options
  const address = normalizeAddress(host, opened.port) ?? { family, host, port: opened.port }
  const socket: OpenedSocket = {
    ...{ fd: opened.fd, address, facts: opened, isTaken: false },
    close: async () => {
      if (!socket.isTaken) closeNatively(native, opened.fd)
    },
  }
  return socket
}

function noteFragments(dontFragment: boolean, family: 4 | 6, notes: Set<string>): void {
  if (!dontFragment)
    notes.add(`this system doesn't set DF on a v${family} socket, so that long datagrams may be fragmented`)
}

async function openNatively(
  options: SocketOptions,
  native: NonNullable<NativeHelper["native"]>,
  notes: Set<string>,
): Promise<BoundSocket> {
  const opened = native.openSocket({ ...options, v6Only: true, dontFragment: true })
  noteFragments(opened.dontFragment, options.family, notes)
  const socket = createSocketFor(options.family)
  try {
    await listening(socket, () => socket.bind({ fd: opened.fd, exclusive: true }))
  } catch (error) {
    socket.close()
    closeNatively(native, opened.fd)
    throw error
  }
  return boundOr(socket, () => new BoundSocket(socket, options.family, opened))
}

/** What can fail after a socket is bound must not leave it open. */
function boundOr<T>(socket: Socket, make: () => T): T {
  try {
    return make()
  } catch (error) {
    socket.close()
    throw error
  }
}

/** The error to tell is the one before. */
function closeNatively(native: NonNullable<NativeHelper["native"]>, fd: number): void {
  try {
    native.close(fd)
  } catch {
    // There is nothing left to close.
  }
}

async function openPlain(options: SocketOptions, { hasBufferSizes, unrefsAtOnce }: Runtime): Promise<BoundSocket> {
  const { family, host, port } = options
  const socket = createSocketFor(family)
  // Must precede the wait for the first datagram; a timer keeps the program alive instead.
  if (!unrefsAtOnce) socket.unref()
  try {
    await listening(socket, () => socket.bind({ port, address: host, exclusive: true }))
  } catch (error) {
    socket.close()
    throw error
  }
  return boundOr(socket, () => {
    const buffers = hasBufferSizes ? setBuffers(socket, options) : BUFFERS_UNKNOWN
    const keeper = unrefsAtOnce ? undefined : setInterval(() => {}, TIMER_MS_MAX)
    return new BoundSocket(socket, family, { dontFragment: false, ...buffers }, keeper)
  })
}

function createSocketFor(family: 4 | 6): Socket {
  return createSocket({
    type: family === 4 ? "udp4" : "udp6",
    ipv6Only: family === 6,
    // Addresses are literal here, but without this every send would ask the resolver.
    lookup: (address, _options, callback) => callback(null, address, family),
  })
}

function listening(socket: Socket, bind: () => void): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once("error", reject)
    socket.once("listening", () => {
      socket.off("error", reject)
      resolve()
    })
    bind()
  })
}

/** Sets buffer sizes and reads them back, in the unit of the request: Linux reports twice the size it grants. */
function setBuffers(socket: Socket, asked: SocketOptions): { receiveBufferBytes: number; sendBufferBytes: number } {
  try {
    socket.setRecvBufferSize(asked.receiveBufferBytes)
    socket.setSendBufferSize(asked.sendBufferBytes)
  } catch {
    // Some systems refuse sizes beyond their limit: the actual size is read back, and a shortfall noted.
  }
  const unit = process.platform === "linux" ? 2 : 1
  return { receiveBufferBytes: socket.getRecvBufferSize() / unit, sendBufferBytes: socket.getSendBufferSize() / unit }
}
