/** Those who wait for a join, what they wait for, and what comes of it. */

import { REASON } from "@x/wire"
import type { Due, DueQueue } from "../schedule/due-queue.ts"
import type { Joiner } from "./joiner.ts"

/**
 * Why a join failed: nobody answered in time; somebody refused, with its reason; or too many are under way here (a
 * `refused` of our own).
 */
export interface JoinFailure {
  readonly kind: "timeout" | "refused" | "full"
  readonly reason: number
  readonly text: string
}

/**
 * One who waits for a join, from before it is known where to ask until its time is over. Several may wait for one
 * join.
 */
export class JoinCall implements Due {
  dueMs: number = Infinity
  heapIndex = -1
  readonly deadlineMs: number
  /** There are too many: it is told so at once. */
  readonly isRefused: boolean
  /** What it waits for, once it is known where to ask. */
  pending: PendingJoin | undefined

  constructor(deadlineMs: number, isRefused: boolean) {
    this.deadlineMs = deadlineMs
    this.isRefused = isRefused
  }
}

/** A join under way. */
export interface PendingJoin {
  readonly joiner: Joiner
  /** Those who wait for it. It ends when nobody does. */
  readonly calls: Set<JoinCall>
  /** What it asks, and where: calls that ask the same share it. */
  readonly target: string
}

/** This many may wait for joins at a time, or twice as many as there may be peers. */
const CALLS_MIN = 1_024

/** Those who wait. Each has a deadline of its own in the queue of what is due. */
export class JoinCalls {
  readonly #due: Pick<DueQueue<JoinCall>, "set" | "remove">
  readonly #calls = new Set<JoinCall>()
  readonly #max: number

  /** More joins at a time than there can be peers are a mistake, and would take as much memory as it likes. */
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

  /** It waits no longer; `false`: it didn't. */
  end(call: JoinCall): boolean {
    this.#due.remove(call)
    return this.#calls.delete(call)
  }

  /** Answers those that still waited. */
  endAll(calls: Iterable<JoinCall>): JoinCall[] {
    return [...calls].filter((call) => this.end(call))
  }

  /** Why a call failed whose time is over. */
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
