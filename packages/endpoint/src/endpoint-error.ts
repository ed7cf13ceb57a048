/** Those of `@x/transport` come with its `TransportError` as `cause`. */
export type EndpointErrorCode =
  | TransportCode
  | "closed"
  | "not-joined"
  | "timeout"
  | "join-timeout"
  | "join-refused"
  | "too-large"
  | "refused"
  | "dropped"
  | "aborted"
  | "bytes-gone"
  | "stream-closed"
  | "invalid-target"
  | "handler-failed"
  | "reentered"

/** The one error class of this package. The message says what to do; `cause` is what lies behind it. */
export class EndpointError extends Error {
  override readonly name = "EndpointError"
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

/** What a host or transport threw, as an error of this package: under its own code and in its own words, where it has them. */
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
