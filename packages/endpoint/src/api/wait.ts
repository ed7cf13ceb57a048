import { onAbort } from "@x/transport/host"
import { ABORT_SIGNAL, type Kinds, TIMEOUT } from "../errors/check.ts"
import { abortedError, type EndpointError } from "../errors/endpoint-error.ts"

/** How long a call waits, where it may be given up: what was begun goes on. */
export interface WaitOptions {
  /** Stops waiting: `aborted`. */
  readonly signal?: AbortSignal
  /** Stops waiting after so long: `timeout`. Milliseconds; default: `Infinity`, for ever. */
  readonly timeoutMs?: number
}

export const WAIT_OPTIONS: Kinds<WaitOptions> = { signal: ABORT_SIGNAL, timeoutMs: TIMEOUT }

/** Somebody who waits for something: told once, by whatever comes first, and then nothing of it is left anywhere. */
export class Wait {
  readonly promise: Promise<void>
  readonly deadlineMs: number
  /** Takes back what is waited for, as it is at the time, and answers what to say: the caller's signal aborted. */
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
