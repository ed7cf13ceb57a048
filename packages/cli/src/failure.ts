import { FileRefusedError } from "./file-sender.ts"

/** Exit codes of `x`. */
export const EXIT = { ok: 0, failed: 1, usage: 2, unreachable: 3, refused: 4, interrupted: 130 } as const

/** What went wrong in one line that names the cure, and the exit code for it. */
export function describeFailure(error: unknown): { readonly message: string; readonly code: number } {
  const { code = "", message = String(error), path = "" } = error as { code?: string; message?: string; path?: string }
  if (error instanceof FileRefusedError) return { message: `the receiver refused the file: ${message}`, code: EXIT.refused }
  switch (code) {
    case "ENOENT":
      return { message: `there is no file or folder "${path}"; check the path`, code: EXIT.usage }
    case "EISDIR":
      return { message: `"${path}" is a folder; name a file, or pack the folder first`, code: EXIT.usage }
    case "EACCES":
    case "EPERM":
      return {
        message: path === "" ? message : `"${path}" may not be read or written by this user; change its permissions`,
        code: EXIT.usage,
      }
    case "join-timeout":
    case "name-not-found":
      return { message, code: EXIT.unreachable }
    case "join-refused":
      return { message, code: EXIT.refused }
    case "invalid-target":
    case "invalid-option":
      return { message, code: EXIT.usage }
    case "not-joined":
      return { message: `the connection was lost: ${message}`, code: EXIT.unreachable }
    case "ABORT_ERR":
    case "aborted":
      return { message: "interrupted", code: EXIT.interrupted }
    default:
      return { message, code: EXIT.failed }
  }
}
