import { type Address, parseHost } from "./addresses.ts"
import { BatchTransport } from "./batch-transport.ts"
import { type BindOptions, completeBindOptions } from "./bind-options.ts"
import type { SocketFacts } from "./bound-socket.ts"
import { DualSocket } from "./dual-socket.ts"
import type { Transport } from "./transport.ts"
import type { NativeHelper } from "./native.ts"
import { openForBatches, openSocket, type SocketOptions } from "./open-socket.ts"
import { NODE } from "./runtime.ts"
import type { Reopen, Sockets } from "./reopen.ts"
import { checkScope } from "./scope.ts"
import { TransportError } from "./transport-error.ts"
import type { TurnEnd } from "./turn-end.ts"

/** How many ports to try: a port that is free in one family may be taken in the other. */
const PORT_TRIES = 10

interface Opened {
  readonly address: Address
  readonly facts: SocketFacts
  close(): Promise<void>
}

/** How to open sockets, and how to make a transport of them. */
interface Way<T extends Opened> {
  open(options: SocketOptions, helper: NativeHelper, notes: Set<string>): Promise<T>
  make(opened: Sockets<T>, reopen: Reopen<T>): Transport
}

/** Binds the sockets that the options ask for and the machine has. */
export async function bindDualSocket(
  options: BindOptions,
  helper: NativeHelper,
  turnEnd: TurnEnd,
  open: typeof openSocket = openSocket,
): Promise<Transport> {
  const asked = completeBindOptions(options)
  const { native, runtime = NODE } = helper
  const singly: Way<Awaited<ReturnType<typeof openSocket>>> = {
    open,
    make: (opened, reopen) => new DualSocket(opened, reopen, turnEnd),
  }
  if (native?.canBatch !== true || native.openChannel === undefined) {
    const isSystems = native !== undefined && runtime.note === undefined
    return bindFreely(
      asked,
      helper,
      singly,
      isSystems ? "datagrams go one by one: the native helper has batches on Linux only" : undefined,
    )
  }
  const { openChannel } = native
  try {
    return await bindFreely(asked, helper, {
      open: (socket, _, notes) => openForBatches(socket, native, notes),
      make: (opened, reopen) => new BatchTransport({ ...opened, reopen, turnEnd, openChannel }),
    })
  } catch (error) {
    // An address or a port that can't be had from the system can't be had through dgram either. After any other error
    // dgram may succeed, and the error becomes a note.
    if (error instanceof TransportError && error.code !== "bind-failed") throw error
    return bindFreely(asked, helper, singly, `datagrams go one by one (${(error as Error).message})`)
  }
}

async function bindFreely<T extends Opened>(
  asked: Required<BindOptions>,
  helper: NativeHelper,
  way: Way<T>,
  note?: string,
): Promise<Transport> {
  const opened = await openFreely(asked, helper, way, note)
  try {
    return way.make(opened, reopenBy(asked, helper, way, note))
  } catch (error) {
    await Promise.all(opened.sockets.map((socket) => socket.close()))
    throw bindError(error, asked.port)
  }
}

function reopenBy<T extends Opened>(
  bound: Required<BindOptions>,
  helper: NativeHelper,
  way: Way<T>,
  note?: string,
): Reopen<T> {
  let asked = bound
  const isTaken = (error: unknown): boolean => error instanceof TransportError && error.code === "address-in-use"
  return async (options, release) => {
    const wanted = completeBindOptions({ ...asked, ...options })
    const open = (port: number): Promise<Sockets<T>> => openFreely({ ...wanted, port }, helper, way, note)
    const opened = await open(wanted.port)
      .catch(async (error: unknown) => {
        if (!isTaken(error)) throw error
        await release()
        return open(wanted.port)
      })
      .catch((error: unknown) => {
        if (!isTaken(error)) throw error
        return open(0)
      })
    asked = wanted
    return opened
  }
}

async function openFreely<T extends Opened>(
  asked: Required<BindOptions>,
  helper: NativeHelper,
  way: Way<T>,
  note?: string,
): Promise<Sockets<T>> {
  for (let tries = 1; ; tries++) {
    try {
      return await openOnce(asked, helper, way, new Set(note === undefined ? [] : [note]))
    } catch (error) {
      if (asked.port !== 0 || tries === PORT_TRIES || codeOf(error) !== "EADDRINUSE") throw bindError(error, asked.port)
    }
  }
}

async function openOnce<T extends Opened>(
  asked: Required<BindOptions>,
  helper: NativeHelper,
  way: Way<T>,
  notes: Set<string>,
): Promise<Sockets<T>> {
  const { port, receiveBufferBytes, sendBufferBytes } = asked
  const { native, reason, runtime = NODE } = helper
  const sockets: T[] = []
  if (runtime.note !== undefined) notes.add(runtime.note)
  if (native === undefined && runtime.helper !== "nothing")
    notes.add(`there is no native helper, so that long datagrams may be fragmented (${reason})`)
  try {
    for (const family of [4, 6] as const) {
      const host = family === 4 ? asked.v4 : asked.v6
      if (host === false) continue
      checkScope(parseHost(host)?.scope ?? "", (message) => new TransportError("invalid-option", message))
      try {
        sockets.push(
          await way.open(
            { family, host, port: sockets[0]?.address.port ?? port, receiveBufferBytes, sendBufferBytes },
            helper,
            notes,
          ),
        )
      } catch (error) {
        if (!isFamilyMissing(error, host)) throw error
        notes.add(`there is no v${family} socket: ${(error as Error).message}`)
      }
    }
    if (sockets.length === 0)
      throw new TransportError(
        "no-family",
        `no socket can be bound: ${[...notes].join("; ")}; configure an address on this machine`,
      )
    for (const { address, facts } of runtime.hasBufferSizes ? sockets : []) {
      noteShortfall(
        notes,
        `SO_RCVBUF of v${address.family}`,
        facts.receiveBufferBytes,
        receiveBufferBytes,
        "net.core.rmem_max",
      )
      noteShortfall(
        notes,
        `SO_SNDBUF of v${address.family}`,
        facts.sendBufferBytes,
        sendBufferBytes,
        "net.core.wmem_max",
      )
    }
    return { sockets, notes: [...notes] }
  } catch (error) {
    await Promise.all(sockets.map((socket) => socket.close()))
    throw error
  }
}

/** Whether the machine lacks the family, not only the requested address. */
function isFamilyMissing(error: unknown, host: string): boolean {
  const code = codeOf(error)
  if (code === "EAFNOSUPPORT" || code === "EPROTONOSUPPORT") return true
  return code === "EADDRNOTAVAIL" && ["0.0.0.0", "::", "127.0.0.1", "::1"].includes(host)
}

function noteShortfall(notes: Set<string>, what: string, gotBytes: number, askedBytes: number, limit: string): void {
  if (gotBytes >= askedBytes) return
  const cure = process.platform === "linux" ? `; raise ${limit}` : ""
  notes.add(`${what} is ${gotBytes} B, not ${askedBytes} B as asked, so that a burst may be lost${cure}`)
}

function bindError(error: unknown, port: number): TransportError {
  if (error instanceof TransportError) return error
  switch (codeOf(error)) {
    case "EADDRINUSE":
      return new TransportError(
        "address-in-use",
        `UDP port ${port} is taken; choose another, 0 for any free one, or end the program that has it`,
        error,
      )
    case "EACCES":
    case "EPERM":
      return new TransportError(
        "permission",
        `UDP port ${port} may not be bound; choose one above 1023, or run with the right to bind it`,
        error,
      )
    case "EADDRNOTAVAIL":
      return new TransportError(
        "address-not-available",
        `this machine has no such address: ${(error as Error).message}`,
        error,
      )
    default:
      return new TransportError("bind-failed", `the socket can't be bound: ${(error as Error).message}`, error)
  }
}

function codeOf(error: unknown): unknown {
  return (error as { readonly code?: unknown } | null)?.code
}
