/** Calls that wait for a join, the joins that they wait for, and their results. */

import { REASON } from "@x/wire"
import type { Address, Due, DueQueue } from "@x/transport/host"
import type { Joiner } from "./joiner.ts"

/**
 * Why a join failed: nobody answered in time; a peer refused, with its reason; or too many calls are waiting here (our
 * own `refused`).
 */
export interface JoinFailure {
  readonly kind: "timeout" | "refused" | "full"
  readonly reason: number
  readonly text: string
  /** Of those that nobody answered at: where the system refused to send the last try, with its errors. */
  readonly unsent?: readonly { readonly address: Address; readonly cause: unknown }[]
}

/**
 * One call that waits for a join, from before its addresses are known until its time is over. Several calls may wait
 * for one join.
 */
export class JoinCall implements Due {
  dueMs: number = Infinity
  heapIndex = -1
  readonly deadlineMs: number
  /** There are too many calls: this one is told so at once. */
  readonly isRefused: boolean
  /** The join that it waits for, once its addresses are known. */
  pending: PendingJoin | undefined

  constructor(deadlineMs: number, isRefused: boolean) {
    this.deadlineMs = deadlineMs
    this.isRefused = isRefused
  }
}

/** A join under way. */
export interface PendingJoin {
  readonly joiner: Joiner
  /** The calls that wait for it. It ends when none does. */
  readonly calls: Set<JoinCall>
  /** What it asks for, and where: calls with the same target share it. */
  readonly target: string
}

/** At most this many calls may wait, or twice the most peers if that is more. */
const CALLS_MIN = 1_024

/** The waiting calls. Each has a deadline of its own in the queue of what is due. */
export class JoinCalls {
  readonly #due: Pick<DueQueue<JoinCall>, "set" | "remove">
  readonly #calls = new Set<JoinCall>()
  readonly #max: number

  /** More calls than there can be peers are a mistake, and without a limit would take any amount of memory. */
  constructor(due: Pick<DueQueue<JoinCall>, "set" | "remove">, peersMax: number) {
    this.#due = due
    this.#max = Math.max(CALLS_MIN, 2 * peersMax)
  }

  begin(timeoutMs: number, nowMs: number): JoinCall {
    const call = new JoinCall(nowMs + timeoutMs, this.#calls.size >= this.#max)
    this.#calls.add(call)
    this.#due.set(call, call.isRefused ? nowMs : call.deadlineMs)
    return call
  }

  /** The call stops waiting; `false`: it wasn't. */
  end(call: JoinCall): boolean {
    this.#due.remove(call)
    return this.#calls.delete(call)
  }

  /** Ends these calls. Returns those that still waited. */
  endAll(calls: Iterable<JoinCall>): JoinCall[] {
    return [...calls].filter((call) => this.end(call))
  }

  /** Why a call failed when its time was over. */
  failureOf({ isRefused, pending }: JoinCall): JoinFailure {
    if (isRefused) return { kind: "full", reason: REASON.peersFull, text: `${this.#max} joins are under way` }
    const refusal = pending?.joiner.refusal
    return refusal === undefined
      ? { kind: "timeout", reason: REASON.timeout, text: "" }
      : { kind: "refused", ...refusal }
  }

  release(): void {
    this.endAll(this.#calls)
  }
}
