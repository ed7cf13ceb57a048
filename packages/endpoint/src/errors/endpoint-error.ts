/**
 * What went wrong. The first five, which are about sockets, and `name-not-found` come with the `TransportError` of
 * `@x/transport` as `cause`.
 */
export type EndpointErrorCode =
  /** `bind`: another program has the UDP port. */
  | "address-in-use"
  /** `bind`: no interface of this machine has the address. */
  | "address-not-available"
  /** `bind`: the system doesn't allow the port. */
  | "permission"
  /** `bind`: no socket of any family could be had. */
  | "no-family"
  /** `bind`: it failed for another reason. */
  | "bind-failed"
  /** The resolver knows no address of a name. */
  | "name-not-found"
  /** What was given is none, or doesn't go together. Nothing has changed. */
  | "invalid-option"
  /** That is no target, or nobody can be joined there. */
  | "invalid-target"
  /** Nobody answered a join, or the resolver didn't. */
  | "join-timeout"
  /** Somebody said no to a join, and why; or it is this endpoint itself. */
  | "join-refused"
  /** The peer has left. */
  | "not-joined"
  /** The stream was ended, reset or stopped. */
  | "stream-closed"
  /** The message is larger than both ends take: `stream.messageBytesMax`. */
  | "too-large"
  /** There is no room, and what waits is too much already. */
  | "refused"
  /** There is no room on a stream that doesn't wait; or the message made way for a newer one. */
  | "dropped"
  /** It took longer than the caller allowed. */
  | "timeout"
  /** The caller's signal; `cause` is its reason. */
  | "aborted"
  /** The buffer of a message that waited was transferred, or has shrunk. */
  | "bytes-gone"
  /** A stream was sent on from within its own `write`. */
  | "reentered"
  /** A function of the application threw; `cause` is what. Given to `error` listeners. */
  | "handler-failed"
  /** The endpoint, or the connection, is closed. */
  | "closed"

/** The one error class of this package. The message says what to do; `cause` is what lies behind it. */
export class EndpointError extends Error {
  /** Tells it from other errors, where `instanceof` doesn't: two copies of the package, say. */
  override readonly name = "EndpointError"
  /** What went wrong, for a program to decide by. */
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

/**
 * What a host or transport threw, as an error of this package: under its own code and in its own words, where it has
 * them.
 */
export function transportError(cause: unknown, otherwise: TransportCode, what: string): EndpointError {
  if (cause instanceof EndpointError) return cause
  const { code } = (cause ?? {}) as { code?: unknown }
  const own = TRANSPORT_CODES.find((known) => known === code)
  const message = cause instanceof Error ? cause.message : String(cause)
  return new EndpointError(own ?? otherwise, own === undefined ? `${what}: ${message}` : message, cause)
}

/** What waits for an endpoint that is closed rejects with. */
export function closedError(): EndpointError {
  return new EndpointError("closed", "the endpoint is closed; bind another")
}

/** What a call rejects with whose signal aborted; `what` became of what it asked for. */
export function abortedError({ reason }: AbortSignal, what = ""): EndpointError {
  return new EndpointError("aborted", `the caller aborted${what === "" ? "" : `; ${what}`}`, reason)
}
