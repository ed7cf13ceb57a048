import type { Refusal } from "./file-protocol.ts"

/**
 * Why a file wasn't sent: the receiver refused it (see `REFUSALS`), it left before it had stored the file, or the file
 * can't be sent: it is no regular file, or it changed while it was read.
 */
export type TransferErrorCode = Refusal | "peer-left" | "not-a-file" | "file-changed"

export class TransferError extends Error {
  override readonly name = "TransferError"
  readonly code: TransferErrorCode

  constructor(code: TransferErrorCode, message: string) {
    super(message)
    this.code = code
  }
}
