import type { RequestError } from "@x/rpc"
import type { Judge } from "./judge.ts"
import { Overdue } from "./overdue.ts"

/** The code with which a handler says by itself that it has done nothing. */
export const OWN_REFUSAL = "planned-refusal"

/** Codes that a request of this mix may fail with. */
const CODES = new Set<string>([
  ...["no-handler", "busy", "failed", "too-large", "deadline", "aborted", "left", "stream-closed", "closed"],
  OWN_REFUSAL,
])

/** One request, as it is seen by who asks and by who is asked. */
export class RequestLedger {
  readonly id: number
  readonly question: string
  /** Until when it has to be answered, by the clock of its process. */
  readonly dueMs: number
  readonly isIdempotent: boolean
  /** Whether somebody waits for it now: a reader of parts may be busy with the last. */
  isAwaited = true
  isOver = false
  parts = 0
  readonly overdue: Overdue = new Overdue()
  readonly #judge: Judge
  #begun = 0
  /** The handlers that were called, less those that are over. */
  #isNotDone = false

  constructor(id: number, question: string, dueMs: number, isIdempotent: boolean, judge: Judge) {
    this.id = id
    this.question = question
    this.dueMs = dueMs
    this.isIdempotent = isIdempotent
    this.#judge = judge
  }

  get name(): string {
    return `request "${this.question.trimEnd()}"`
  }

  /** A handler is called with it. */
  begin(): void {
    this.#begun++
    this.#judge.check(!this.#isNotDone, "not-done", () => `${this.name} was told as not done, and is being answered`)
    this.#judge.check(
      this.#begun === 1 || (this.isIdempotent && this.#begun <= 4),
      "request-once",
      () => `${this.name} is being answered for the ${this.#begun}. time`,
    )
  }

  answered(isOwn: boolean): void {
    this.#settle()
    this.#judge.check(
      isOwn && this.#begun > 0,
      "request-answer",
      () => `${this.name} has an answer that isn't its own; it was begun ${this.#begun} times`,
    )
  }

  /** A part came: each is its number, and what was asked. */
  part(isNext: boolean): void {
    this.#judge.check(isNext, "parts", () => `${this.name}: part ${this.parts} isn't the next`)
    this.parts++
  }

  /** Its parts ended well, or their reader has left; `promised`: how many there are. */
  ended(promised: number): void {
    this.#settle()
    this.#judge.check(this.parts === promised, "parts", () => `${this.name} ended with ${this.parts} of ${promised}`)
  }

  failed(error: unknown): void {
    this.#settle()
    const { code, outcome } = error as RequestError
    const isExpected = error instanceof Error && error.name === "RequestError" && CODES.has(code)
    this.#judge.check(isExpected, "request-once", () => `${this.name} failed with ${String(code)}: ${String(error)}`)
    if (outcome !== "not-done" || code === OWN_REFUSAL) return
    this.#isNotDone = true
    this.#judge.check(this.#begun === 0, "not-done", () => `${this.name} was told as not done (${code}), and was begun`)
  }

  #settle(): void {
    this.#judge.check(!this.isOver, "request-once", () => `${this.name} ended twice`)
    this.isOver = true
  }

  /** After a turn of its process. */
  check(nowMs: number): void {
    const isLate = this.isAwaited && !this.isOver && nowMs > this.dueMs
    this.#judge.check(
      !this.overdue.see(isLate, nowMs),
      "request-deadline",
      () => `${this.name} is outstanding ${nowMs - this.dueMs} ms after its deadline`,
    )
  }
}
