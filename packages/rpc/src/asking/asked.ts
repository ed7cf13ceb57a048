import type { OutgoingStream } from "@x/endpoint"
import type { Timed } from "../alarm.ts"
import type { Outcome, RequestError } from "../request-error.ts"
import type { AnyRequest } from "../request-type.ts"
import type { Slotted } from "./outstanding.ts"

/** Makes the error of a request that is given up, once it is known whether it was sent. */
export type Why = (outcome: Outcome) => RequestError

/** What has the request in its table. */
export interface AskedHost {
  onDeadline(asked: Asked): void
}

/** A request that waits for its answer. */
export abstract class Asked implements Slotted, Timed {
  slot = 0
  generation = 0
  dueMs: number = Infinity
  heapIndex: number = -1
  readonly request: AnyRequest<unknown, unknown>
  host: AskedHost | undefined
  /** The stream that it went on. */
  stream: OutgoingStream | undefined
  /** Takes it out of the parking lot, where it waits for room. */
  parked: AbortController | undefined
  /** Why it is given up, while it isn't known yet whether it was sent after all. */
  why: Why | undefined
  /** Forgets the caller's signal; of one that waits for a connection: forgets that it waits. */
  forget: (() => void) | undefined
  /** It waits no more. */
  isDone = false

  constructor(request: AnyRequest<unknown, unknown>) {
    this.request = request
  }

  onDue(): void {
    this.host!.onDeadline(this)
  }

  /** The answer's bytes, valid during the call. */
  abstract answer(bytes: Uint8Array): void
  /** `isAtOnce`: what came of its answer is of no use any more. */
  abstract fail(error: RequestError, isAtOnce: boolean): void
}
