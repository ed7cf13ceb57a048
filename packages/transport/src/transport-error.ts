/** What can go wrong before there is a transport; afterwards errors are counted, not thrown. */
export type TransportErrorCode =
  /** Another program has the UDP port. */
  | "address-in-use"
  /** No interface of this machine has the address. */
  | "address-not-available"
  /** The system doesn't allow the port. */
  | "permission"
  /** Binding failed for another reason. */
  | "bind-failed"
  /** No socket of any family could be had. */
  | "no-family"
  /** The resolver knows no address of the name. */
  | "name-not-found"
  /** An option that there isn't, or a value that it can't have. */
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
