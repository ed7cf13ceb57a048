export type EndpointErrorCode =
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
  | "invalid-option"
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

/** What a call rejects with whose signal aborted; `what` became of what it asked for. */
export function abortedError({ reason }: AbortSignal, what = ""): EndpointError {
  return new EndpointError("aborted", `the caller aborted${what === "" ? "" : `; ${what}`}`, reason)
}
