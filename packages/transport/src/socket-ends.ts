/**
 * Sockets that end by themselves: others in the process closed their descriptor, they were shut down, or the system took
 * them away.
 *
 * @module
 */

/** Errors of a socket that moves nothing any more. */
const ENDS = new Set<unknown>(["EBADF", "ENOTSOCK", "EPIPE", "ENOTCONN", "ECONNABORTED"])

/** Errors that come with reading, and are of a datagram that was sent. */
const OF_DATAGRAMS = new Set<unknown>(["ECONNRESET", "ECONNREFUSED", "EMSGSIZE"])

/** Whether a socket with this error moves nothing any more. */
export function isEnd(cause: unknown): boolean {
  return ENDS.has(codeOf(cause))
}

/** So many reads that fail one after the other: the loop would go on with them without end. */
const FAILED_READS_MAX = 64

/** Counts the reads of a socket that fail one after the other. */
export class FailedReads {
  #count = 0

  /** Returns whether the socket counts as ended. */
  add(cause: unknown): boolean {
    if (isEnd(cause)) return true
    if (!OF_DATAGRAMS.has(codeOf(cause))) this.#count++
    return this.#count >= FAILED_READS_MAX
  }

  /** Something was read. */
  clear(): void {
    this.#count = 0
  }
}

/** A socket that was closed by others is never readable again, and where nothing is sent nothing else shows that. */
const CHECK_MS = 1_000

/** Looks at sockets from time to time, without keeping the program alive. Returns what ends that. */
export function checkOften(check: () => void): () => void {
  const timer = setInterval(check, CHECK_MS)
  timer.unref?.()
  return () => clearInterval(timer)
}

function codeOf(cause: unknown): unknown {
  return (cause as { readonly code?: unknown } | null)?.code
}
