/** What can go wrong before there is a transport; afterwards errors are counted, not thrown. */
export type TransportErrorCode =
  | "address-in-use"
  | "address-not-available"
  | "permission"
  | "bind-failed"
  | "no-family"
  | "name-not-found"
  | "invalid-option"

/** The one error class of this package. The message says what to do. */
export class TransportError extends Error {
  /** Tells it from other errors, where `instanceof` doesn't: two copies of the package, say. */
  override readonly name = "TransportError"
  /** What went wrong, for a program to decide by. */
  readonly code: TransportErrorCode

  constructor(code: TransportErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.code = code
  }
}
