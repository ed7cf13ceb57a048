import { SOCKET_ERRORS, type SocketErrorCode, type TransportCounters } from "./transport.ts"

/** The counters as their transport changes them. */
export type MutableCounters = { -readonly [K in Exclude<keyof TransportCounters, "errors">]: number } & {
  errors: Record<SocketErrorCode, number>
}

export function createCounters(): MutableCounters {
  const errors = Object.fromEntries(SOCKET_ERRORS.map((code) => [code, 0])) as Record<SocketErrorCode, number>
  return {
    datagramsSent: 0,
    bytesSent: 0,
    datagramsReceived: 0,
    bytesReceived: 0,
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
