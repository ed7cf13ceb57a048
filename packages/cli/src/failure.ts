import { REFUSALS } from "./file-protocol.ts"
import { printable } from "./text.ts"
import { TransferError, type TransferErrorCode } from "./transfer-error.ts"

/** Exit codes of `x`. */
export const EXIT = { ok: 0, failed: 1, usage: 2, unreachable: 3, content: 4, refused: 5, interrupted: 130 } as const

export const EXIT_HELP = `Exit codes:
  0  done
  1  failed: the message says why
  2  wrong use: an argument, or a file or folder named by one
  3  nobody answers, or the peer went away
  4  the file arrived changed and was not stored
  5  the peer refused
  130  interrupted`

/** A command can't go on, for a reason without an error of its own. */
export class CommandError extends Error {
  override readonly name = "CommandError"
  readonly exitCode: number

  constructor(exitCode: number, message: string) {
    super(message)
    this.exitCode = exitCode
  }
}

export interface Failure {
  readonly message: string
  readonly exitCode: number
}

/**
 * What went wrong, in one line that names the remedy, and its exit code. Errors of the cleanup follow in the same line.
 */
export function describeFailure(error: unknown): Failure {
  const [first, ...others] = inOrder(error).map(judge)
  const { message, exitCode } = first!
  const rest = others.filter((other) => other.message !== message).map((other) => `; and then: ${other.message}`)
  return { message: printable(message + rest.join("")), exitCode }
}

/** Errors in the order they happened: at the end of a block with `using`, the last error contains the first. */
function inOrder(error: unknown): unknown[] {
  // By its name: the class exists only from Node 24 on.
  if (!(error instanceof Error && error.name === "SuppressedError")) return [error]
  const { error: later, suppressed } = error as Error & { readonly error: unknown; readonly suppressed: unknown }
  return [...inOrder(suppressed), ...inOrder(later)]
}

function judge(error: unknown): Failure {
  if (error instanceof CommandError) return error
  if (error instanceof TransferError) {
    const isRefusal = (REFUSALS as readonly string[]).includes(error.code)
    return {
      message: `${isRefusal ? "refused by the receiver: " : ""}${error.message}`,
      exitCode: TRANSFER_EXIT[error.code] ?? EXIT.refused,
    }
  }
  const {
    code = "",
    message = String(error),
    path = "",
  } = Object(error) as { code?: string; message?: string; path?: string }
  switch (code) {
    case "EISDIR":
      return { message: `a folder can't be read as a file; name a file`, exitCode: EXIT.usage }
    case "ENOENT":
      return { message: `there is no file or folder "${path}"; check the path`, exitCode: EXIT.usage }
    case "EACCES":
    case "EPERM":
      return path === ""
        ? { message, exitCode: EXIT.failed }
        : {
            message: `"${path}" may not be read or written by this user; change its permissions, or the user`,
            exitCode: EXIT.usage,
          }
    case "join-timeout":
    case "name-not-found":
      return { message, exitCode: EXIT.unreachable }
    case "not-joined":
      return { message: `the peer went away: ${message}`, exitCode: EXIT.unreachable }
    case "join-refused":
      return { message, exitCode: EXIT.refused }
    case "invalid-target":
    case "invalid-option":
      return { message, exitCode: EXIT.usage }
    case "ABORT_ERR":
    case "aborted":
      return { message: "interrupted", exitCode: EXIT.interrupted }
    default:
      return { message, exitCode: EXIT.failed }
  }
}

const TRANSFER_EXIT: Partial<Record<TransferErrorCode, number>> = {
  content: EXIT.content,
  ended: EXIT.unreachable,
  "peer-left": EXIT.unreachable,
  "not-a-file": EXIT.usage,
  "file-changed": EXIT.failed,
}
