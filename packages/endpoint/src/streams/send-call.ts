/** Calls of the application that wait for something of a stream to a peer, and how that ends. */

/** A call that waits; its caller knows it again. */
export interface SendCall {
  /** When it has waited long enough, milliseconds; `Infinity`: never. */
  readonly deadlineMs: number
}

/**
 * `done`: what it waited for has happened. `given-up`: its message was, for newer ones or for its age. `late`: it has
 * waited long enough. `bytes-gone`: the memory of its message is. `closed`: the stream was closed before.
 */
export type CallOutcome = "done" | "given-up" | "late" | "bytes-gone" | "closed"

/** A call that waits no more. */
export interface SettledCall {
  readonly call: SendCall
  /** What it waited for: that its message is in the window, a receipt, all that was accepted, or the end. */
  readonly what: "message" | "receipt" | "flush" | "end"
  readonly outcome: CallOutcome
}
