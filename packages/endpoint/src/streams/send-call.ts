/** Calls of the application that wait for something of a stream to a peer, and their outcomes. */

/** A call that waits; its caller recognises it. */
export interface SendCall {
  /** When it has waited long enough, milliseconds; `Infinity`: never. */
  readonly deadlineMs: number
}

/**
 * `done`: what it waited for has happened. `given-up`: its message was given up, for newer ones or for its age. `late`:
 * it has waited long enough. `bytes-gone`: the memory of its message is gone. `closed`: the stream was closed before.
 */
export type CallOutcome = "done" | "given-up" | "late" | "bytes-gone" | "closed"

/** A call that no longer waits. */
export interface SettledCall {
  readonly call: SendCall
  /** What it waited for: its message in the window, a receipt, everything accepted, or the end. */
  readonly what: "message" | "receipt" | "flush" | "end"
  readonly outcome: CallOutcome
}
