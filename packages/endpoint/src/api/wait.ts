import { onAbort } from "@x/transport/host"
import { ABORT_SIGNAL, type Kinds, TIMEOUT } from "../errors/check.ts"
import { abortedError, type EndpointError } from "../errors/endpoint-error.ts"

/** How long a call waits, if its caller may stop waiting: the operation itself goes on. */
export interface WaitOptions {
  /** Stops waiting: `aborted`. */
  readonly signal?: AbortSignal
  /** Stops waiting after this time: `timeout`. Milliseconds; default: `Infinity`, for ever. */
  readonly timeoutMs?: number
}

export const WAIT_OPTIONS: Kinds<WaitOptions> = { signal: ABORT_SIGNAL, timeoutMs: TIMEOUT }

/** A caller that waits: it is told once, by whatever comes first, and then no trace of it is left. */
export class Wait {
  readonly promise: Promise<void>
  readonly deadlineMs: number
  /**
   * Called when the caller's signal aborts: takes back what is waited for, in its present phase. `error` makes the
   * error.
   */
  onAbort: (error: (what: string) => EndpointError) => void = () => {}
  readonly #forget: (() => void) | undefined
  #resolve!: () => void
  #reject!: (error: EndpointError) => void

  constructor(signal: AbortSignal | undefined, deadlineMs: number) {
    this.deadlineMs = deadlineMs
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    this.#forget = signal && onAbort(signal, () => this.onAbort((what) => abortedError(signal, what)))
  }

  settle(error: EndpointError | undefined): void {
    this.#forget?.()
    if (error === undefined) this.#resolve()
    else this.#reject(error)
  }
}
