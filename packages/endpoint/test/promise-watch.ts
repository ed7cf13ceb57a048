/** Promises under observation: each has to settle in time, and may reject only with expected errors. */

import { EndpointError } from "@x/endpoint"

/** The process whose clock counts: one that is suspended or gone settles nothing. */
export interface Waiter {
  readonly isGone: boolean
  /** Until then it is suspended; virtual milliseconds. */
  readonly awayUntilMs?: number
}

export interface Expectation {
  readonly owner: Waiter
  /** Virtual milliseconds, default: as long as the thing that it waits for exists. */
  readonly withinMs?: number
  /** Whether the thing that it waits for is over: then it settles at once. */
  readonly isOver?: () => boolean
  /** Other errors that it may reject with, besides an `EndpointError`. */
  readonly mayReject?: (error: unknown) => boolean
}

interface Entry {
  readonly name: string
  readonly expectation: Expectation
  deadlineMs: number
  overSinceMs: number
}

/** Milliseconds between the end of a thing and the turn in which its promises settle. */
const AT_ONCE_MS = 5

export class PromiseWatch {
  /** The failures, in the order in which they were seen. */
  readonly failures: string[] = []
  /** How many promises resolved, and how many rejected. */
  readonly counts = { resolved: 0, rejected: 0 }
  readonly #entries = new Set<Entry>()
  readonly #now: () => number
  #slackMs = 0

  constructor(now: () => number) {
    this.#now = now
  }

  /** Returns a promise of the result, which never rejects: the code of the error, or `undefined`. */
  add(name: string, promise: Promise<unknown>, expectation: Expectation): Promise<string | undefined> {
    const { withinMs = Infinity, mayReject = () => false } = expectation
    const entry: Entry = { name, expectation, deadlineMs: this.#clock() + withinMs, overSinceMs: Infinity }
    this.#entries.add(entry)
    return promise.then(
      () => {
        this.#entries.delete(entry)
        this.counts.resolved++
        return undefined
      },
      (error: unknown) => {
        this.#entries.delete(entry)
        this.counts.rejected++
        if (error instanceof EndpointError) return error.code
        if (!mayReject(error)) this.failures.push(`${name} rejected with ${describe(error)}`)
        return "other"
      },
    )
  }

  /** A process could do nothing for this long: that time counts for no promise. */
  excuse(ms: number): void {
    this.#slackMs += ms
  }

  #clock(): number {
    return this.#now() - this.#slackMs
  }

  /** Checks everything that is pending. */
  check(): void {
    const nowMs = this.#clock()
    for (const entry of this.#entries) {
      const { owner, isOver } = entry.expectation
      if (owner.isGone) {
        this.#entries.delete(entry)
        continue
      }
      if (this.#now() < (owner.awayUntilMs ?? -Infinity)) continue
      if (entry.overSinceMs === Infinity && isOver?.() === true) entry.overSinceMs = nowMs
      const isLate = nowMs > entry.deadlineMs + AT_ONCE_MS
      if (!isLate && nowMs <= entry.overSinceMs + AT_ONCE_MS) continue
      this.#entries.delete(entry)
      this.failures.push(
        `${entry.name} is still pending, ${isLate ? "past its time" : "and what it waits for is over"}`,
      )
    }
  }

  /** The names of pending promises with such an owner. */
  pending(of: (owner: Waiter) => boolean = () => true): string[] {
    return [...this.#entries].filter(({ expectation: { owner } }) => !owner.isGone && of(owner)).map(({ name }) => name)
  }
}

export function describe(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message).split("\n").slice(0, 6).join("\n") : String(error)
}
