/**
 * A request that is being answered, or waits for a place: what its handler is given, and what this side knows of it.
 *
 * @module
 */

import type { IncomingStream, OutgoingStream, Peer } from "@x/endpoint"
import type { Timed } from "../alarm.ts"
import { RequestError } from "../request-error.ts"
import type { AnyRequest } from "../request-type.ts"
import type { Answers } from "./answers.ts"
import type { Calls, Identified } from "./calls.ts"
import type { Places, Share, Waiting } from "./places.ts"

/** What a handler is given beside the question. */
export interface Call {
  /** Who asks. */
  readonly peer: Peer
  /** Aborts when the asker cancels, its time is over, or it has left. Not when the request was answered. */
  readonly signal: AbortSignal
  /** How long the asker still waits, milliseconds, at least 0; `Infinity`: for ever. */
  readonly remainingMs: number
}

/** What answers it. */
export interface CallHost {
  now(): number
  /** Its handler listens: it is to be told when its time is over. */
  watch(call: AnsweredCall): void
  end(call: AnsweredCall, why: RequestError): void
}

/** Who asks. */
export interface Asker {
  readonly calls: Calls<AnsweredCall>
  readonly answers: Answers
  refuse(slot: number, generation: number, error: RequestError): void
  endIfIdle(): void
}

/** The stream that a request came on. */
export interface Origin {
  readonly stream: IncomingStream
  readonly asker: Asker
  readonly share: Share
  /** Its request that waits for a place. */
  waiting: AnsweredCall | undefined
  /** Goes on, unless something still holds it. */
  release(): void
}

/** What answers the requests of one number. */
export interface Answerer {
  readonly request: AnyRequest<unknown, unknown>
  readonly handler: (question: unknown, call: Call) => unknown
  readonly places: Places<AnsweredCall>
  /** It gives places to those that wait. */
  isServing: boolean
}

export class AnsweredCall implements Call, Identified, Waiting, Timed {
  dueMs: number = Infinity
  heapIndex: number = -1
  readonly slot: number
  readonly generation: number
  readonly answerer: Answerer
  readonly from: Origin
  /** When the asker waits no more, by our clock. */
  readonly deadlineMs: number
  readonly #host: CallHost
  /** Its question, a copy, while it waits for a place. */
  question: Uint8Array | undefined
  /** Nobody waits for the answer any more, or it was given. */
  isOver = false
  /** The stream of its parts. */
  out: OutgoingStream | undefined
  iterator: AsyncIterator<unknown> | Iterator<unknown> | undefined
  #controller: AbortController | undefined
  #why: RequestError | undefined

  constructor(head: Identified, from: Origin, answerer: Answerer, deadlineMs: number, host: CallHost) {
    this.slot = head.slot
    this.generation = head.generation
    this.from = from
    this.answerer = answerer
    this.deadlineMs = deadlineMs
    this.#host = host
  }

  get share(): Share {
    return this.from.share
  }

  get peer(): Peer {
    return this.from.stream.peer
  }

  // Made when it is asked for: most handlers don't.
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      if (this.#why !== undefined) this.#controller.abort(this.#why)
      else if (!this.isOver) this.#host.watch(this)
    }
    return this.#controller.signal
  }

  get remainingMs(): number {
    return this.deadlineMs === Infinity ? Infinity : Math.max(0, this.deadlineMs - this.#host.now())
  }

  onDue(): void {
    this.#host.end(this, new RequestError("deadline", "the asker's time is over", "maybe-done"))
  }

  /** Tells its handler that nobody waits for the answer. */
  abort(why: RequestError): void {
    this.isOver = true
    this.#why = why
    this.#controller?.abort(why)
  }
}
