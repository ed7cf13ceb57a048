/** Promises that somebody waits for: each has to settle in time, and to reject with nothing but what may come. */

import { EndpointError } from "@x/endpoint"

/** Whose clock counts: a process that is suspended or no more settles nothing. */
export interface Waiter {
  readonly isGone: boolean
  /** Until then it is suspended; virtual milliseconds. */
  readonly awayUntilMs?: number
}

export interface Expectation {
  readonly owner: Waiter
  /** Virtual milliseconds, default: for as long as what it waits for lasts. */
  readonly withinMs?: number
  /** Whether what it waits for is over: then it settles at once. */
  readonly isOver?: () => boolean
  /** Also what else it may reject with, beside an `EndpointError`. */
  readonly mayReject?: (error: unknown) => boolean
}

interface Entry {
  readonly name: string
  readonly expectation: Expectation
  deadlineMs: number
  overSinceMs: number
}

/** Between what ends a thing and the turn in which its promises settle, milliseconds. */
const AT_ONCE_MS = 5

export class PromiseWatch {
  /** What was wrong, in the order in which it was seen. */
  readonly failures: string[] = []
  /** How many settled well, and how many were refused. */
  readonly counts = { resolved: 0, rejected: 0 }
  readonly #entries = new Set<Entry>()
  readonly #now: () => number
  #slackMs = 0

  constructor(now: () => number) {
    this.#now = now
  }

  /** Answers the promise of what became of it, which never rejects: the code of its error, or `undefined`. */
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

  /** So long somebody could do nothing: that counts for nobody. */
  excuse(ms: number): void {
    this.#slackMs += ms
  }

  #clock(): number {
    return this.#now() - this.#slackMs
  }

  /** Looks at all that is pending. */
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

  /** Names of what is pending, of those that wait for these. */
  pending(of: (owner: Waiter) => boolean = () => true): string[] {
    return [...this.#entries].filter(({ expectation: { owner } }) => !owner.isGone && of(owner)).map(({ name }) => name)
  }
}

export function describe(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message).split("\n").slice(0, 6).join("\n") : String(error)
}
