/** What can go wrong before there is a transport. Later errors are counted, not thrown. */
export type TransportErrorCode =
  /** Another program uses the UDP port. */
  | "address-in-use"
  /** No interface of this machine has the address. */
  | "address-not-available"
  /** The system doesn't allow the port. */
  | "permission"
  /** Binding failed for another reason. */
  | "bind-failed"
  /** No socket of any family could be opened. */
  | "no-family"
  /** The resolver knows no address of the name. */
  | "name-not-found"
  /** An unknown option, or an invalid value of one. */
  | "invalid-option"

/** The one error class of this package. The message says what to do. */
export class TransportError extends Error {
  /** Identifies the error even where `instanceof` fails, as with two copies of the package. */
  override readonly name = "TransportError"
  /** What went wrong, for programs to test. */
  readonly code: TransportErrorCode

  constructor(code: TransportErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.code = code
  }
}
