import { parseHost } from "./addresses.ts"
import { completeBindOptions } from "./bind-options.ts"
import type { BoundSocket } from "./bound-socket.ts"
import { DualSocket } from "./dual-socket.ts"
import type { BindOptions, Transport } from "./host.ts"
import type { NativeHelper } from "./native.ts"
import { openSocket } from "./open-socket.ts"
import { checkScope } from "./scope.ts"
import { TransportError } from "./transport-error.ts"
import type { TurnEnd } from "./turn-end.ts"

/** A port that is free in one family may be taken in the other: then another is tried. */
const PORT_TRIES = 10

/** Binds the sockets that the options ask for and the machine has. */
export async function bindDualSocket(
  options: BindOptions,
  helper: NativeHelper,
  turnEnd: TurnEnd,
  open: typeof openSocket = openSocket,
): Promise<Transport> {
  const asked = completeBindOptions(options)
  for (let tries = 1; ; tries++) {
    try {
      return await bindOnce(asked, helper, turnEnd, open)
    } catch (error) {
      if (asked.port !== 0 || tries === PORT_TRIES || codeOf(error) !== "EADDRINUSE") throw bindError(error, asked.port)
    }
  }
}

async function bindOnce(asked: Required<BindOptions>, helper: NativeHelper, turnEnd: TurnEnd, open: typeof openSocket): Promise<Transport> {
  const { port, receiveBufferBytes, sendBufferBytes } = asked
  const sockets: BoundSocket[] = []
  const notes = new Set<string>()
  if (helper.native === undefined) notes.add(`there is no native helper, so that long datagrams may be fragmented (${helper.reason})`)
  try {
    for (const family of [4, 6] as const) {
      const host = family === 4 ? asked.v4 : asked.v6
      if (host === false) continue
      checkScope(parseHost(host)?.scope ?? "", (message) => new TransportError("invalid-option", message))
      try {
        sockets.push(
          await open({ family, host, port: sockets[0]?.address.port ?? port, receiveBufferBytes, sendBufferBytes }, helper, notes),
        )
      } catch (error) {
        if (!isFamilyMissing(error, host)) throw error
        notes.add(`there is no v${family} socket: ${(error as Error).message}`)
      }
    }
    if (sockets.length === 0)
      throw new TransportError("no-family", `no socket can be bound: ${[...notes].join("; ")}; configure an address on this machine`)
  } catch (error) {
    await Promise.all(sockets.map((socket) => socket.close()))
    throw error
  }
  for (const { address, facts } of sockets) {
    noteShortfall(notes, `SO_RCVBUF of v${address.family}`, facts.receiveBufferBytes, receiveBufferBytes, "net.core.rmem_max")
    noteShortfall(notes, `SO_SNDBUF of v${address.family}`, facts.sendBufferBytes, sendBufferBytes, "net.core.wmem_max")
  }
  return new DualSocket(sockets, [...notes], turnEnd)
}

/** Whether the machine lacks the family, rather than the one address that was asked for. */
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
      return new TransportError("address-not-available", `this machine has no such address: ${(error as Error).message}`, error)
    default:
      return new TransportError("bind-failed", `the socket can't be bound: ${(error as Error).message}`, error)
  }
}

function codeOf(error: unknown): unknown {
  return (error as { readonly code?: unknown } | null)?.code
}
