/** Turns of a process, and the time between them, in which what is due may still be done. */
const TURNS = 3
const GRACE_MS = 100

/**
 * Tells what a process should have done by now from what it had no turn for: a process may be suspended, and its clock
 * may jump.
 */
export class Overdue {
  #turns = 0
  #sinceMs = 0

  /** After a turn: whether something is overdue, for the third turn in a row. */
  see(isOverdue: boolean, nowMs: number): boolean {
    if (!isOverdue) {
      this.#turns = 0
      return false
    }
    if (this.#turns++ === 0) this.#sinceMs = nowMs
    return this.#turns > TURNS && nowMs - this.#sinceMs > GRACE_MS
  }
}
