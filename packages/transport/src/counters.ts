import { SOCKET_ERRORS, type SocketErrorCode, type TransportCounters } from "./transport.ts"

/** The counters as their transport changes them. */
export type MutableCounters = { -readonly [K in Exclude<keyof TransportCounters, "errors">]: number } & {
  errors: Record<SocketErrorCode, number>
}

/** Totals pass 2^31 in seconds. They begin as doubles: V8 would give up all code that counts when they became some. */
const NONE = new Float64Array(1)[0]!

export function createCounters(): MutableCounters {
  const errors = Object.fromEntries(SOCKET_ERRORS.map((code) => [code, 0])) as Record<SocketErrorCode, number>
  return {
    datagramsSent: NONE,
    bytesSent: NONE,
    datagramsReceived: NONE,
    bytesReceived: NONE,
    datagramsUnsendable: 0,
    datagramsDropped: 0,
    errors,
  }
}

const KNOWN = new Set<string>(SOCKET_ERRORS)

/** The name under which an error of the system is counted. */
export function socketErrorCode(error: unknown): SocketErrorCode {
  const code = (error as { code?: unknown } | null)?.code
  return typeof code === "string" && KNOWN.has(code) ? (code as SocketErrorCode) : "other"
}
