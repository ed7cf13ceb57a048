import { textOf } from "@x/transport/check"

/**
 * What went wrong. The first five codes, which are about sockets, and `name-not-found` come with the `TransportError`
 * of `@x/transport` as `cause`.
 */
export type EndpointErrorCode =
  /** `bind`: another program uses the UDP port. */
  | "address-in-use"
  /** `bind`: no interface of this machine has the address. */
  | "address-not-available"
  /** `bind`: the system doesn't allow the port. */
  | "permission"
  /** `bind`: no socket of any family could be opened. */
  | "no-family"
  /** `bind`: it failed for another reason. */
  | "bind-failed"
  /** The resolver knows no address for a name. */
  | "name-not-found"
  /** An option or argument is invalid, or doesn't fit the others. Nothing has changed. */
  | "invalid-option"
  /** That is no valid target, or nobody can be joined there. */
  | "invalid-target"
  /** No peer answered a join, or the resolver didn't answer. */
  | "join-timeout"
  /** A peer refused a join, with a reason; or the target is this endpoint itself. */
  | "join-refused"
  /** The peer has left. */
  | "not-joined"
  /** The stream was ended, reset or stopped. */
  | "stream-closed"
  /** The message is larger than both ends accept: `stream.messageBytesMax`. */
  | "too-large"
  /** There is no room, and too much waits already. */
  | "refused"
  /** There is no room on a stream that doesn't wait; or the message made way for a newer one. */
  | "dropped"
  /** It took longer than the caller allowed. */
  | "timeout"
  /** The caller's signal aborted; `cause` is its reason. */
  | "aborted"
  /** The buffer of a waiting message was transferred, or has shrunk. */
  | "bytes-gone"
  /** A stream was sent on from within its own `write`. */
  | "reentered"
  /** A function of the application threw; `cause` is the error. Passed to `error` listeners. */
  | "handler-failed"
  /**
   * The bytes of a message stand for no value of its type; `cause` is what its codec threw. Passed to `error` listeners.
   */
  | "undecodable"
  /**
   * A socket of the endpoint was closed or shut down by others in the process, or by the system; others are opened.
   * Passed to `error` listeners.
   */
  | "socket-ended"
  /** The endpoint, or the connection, is closed. */
  | "closed"

/** The one error class of this package. The message says what to do; `cause` is the underlying error. */
export class EndpointError extends Error {
  /** Identifies it where `instanceof` doesn't: with two copies of the package, say. */
  override readonly name = "EndpointError"
  /** What went wrong, as a code for programs. */
  readonly code: EndpointErrorCode

  constructor(code: EndpointErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.code = code
  }
}

/** The codes of a `TransportError`. */
const TRANSPORT_CODES = [
  "address-in-use",
  "address-not-available",
  "permission",
  "bind-failed",
  "no-family",
  "name-not-found",
  "invalid-option",
] as const
type TransportCode = (typeof TRANSPORT_CODES)[number]

/** What may become of any call because of the network or a peer. */
const OUTCOMES: ReadonlySet<EndpointErrorCode> = new Set<EndpointErrorCode>([
  ...(["name-not-found", "join-timeout", "join-refused", "not-joined", "stream-closed", "too-large"] as const),
  ...(["refused", "dropped", "timeout", "closed"] as const),
])

/** Whether an error says how a call of this package ended, and not that its caller did something wrong. */
export function isOutcome(error: unknown): boolean {
  return error instanceof EndpointError && OUTCOMES.has(error.code)
}

/** Wraps an error of a host or transport in one of this package: with its code and text, if it has them. */
export function transportError(cause: unknown, otherwise: TransportCode, what: string): EndpointError {
  if (cause instanceof EndpointError) return cause
  const { code } = (cause ?? {}) as { code?: unknown }
  const own = TRANSPORT_CODES.find((known) => known === code)
  const message = textOf(cause)
  return new EndpointError(own ?? otherwise, own === undefined ? `${what}: ${message}` : message, cause)
}

/** What is told where a socket of an endpoint has ended by itself. */
export function socketEndedError(port: number, cause: unknown): EndpointError {
  return new EndpointError(
    "socket-ended",
    `a socket of UDP port ${port} was closed or shut down, and not by its endpoint (${textOf(cause)}); others are opened on that port, at once and then after 1 s to a minute until it succeeds, which "rebound" tells`,
    cause,
  )
}

/** The error with which waiting calls of a closed endpoint reject. */
export function closedError(): EndpointError {
  return new EndpointError("closed", "the endpoint is closed; bind another")
}

/** The error of a call whose signal aborted; `what` says what became of its request. */
export function abortedError({ reason }: AbortSignal, what = ""): EndpointError {
  return new EndpointError("aborted", `the caller aborted${what === "" ? "" : `; ${what}`}`, reason)
}
