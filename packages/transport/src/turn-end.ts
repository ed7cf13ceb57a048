/**
 * The end of a turn of Node's event loop: a turn runs timers first, then reads the sockets, then runs this.
 *
 * @module
 */

import { performance } from "node:perf_hooks"
import { Lookout } from "./lookout.ts"
import { surface } from "./surface.ts"

/**
 * A wake-up this late shows that the program was blocked, and that more datagrams may wait than one turn reads (32 from
 * each socket).
 */
const STALL_MS = 50
/** The longest that a wake-up waits for the sockets to be empty: under steady load they never are. */
const DRAIN_MS_MAX = 250

/** A wake-up to call once its deadline has passed. */
export interface Due {
  readonly deadlineMs: number
  wake(): void
}

/**
 * Delivers datagrams, then calls due wake-ups, then deferred functions. In this order no time-out is handled before an
 * answer that has already come.
 */
export class TurnEnd {
  readonly #readers = new Set<() => boolean>()
  readonly #due = new Set<Due>()
  #deferred: (() => void)[] = []
  #isScheduled = false
  readonly #lookout = new Lookout()
  readonly #turnsToRead: number
  /** Consecutive turns in which nothing was read, while a wake-up was due. */
  #quietTurns = 0
  #drainsUntilMs = Infinity

  /**
   * `turnsToRead`: how many turns the event loop may make before it looks at the sockets, if each turn sets an
   * immediate.
   */
  constructor(turnsToRead: number = 1) {
    this.#turnsToRead = turnsToRead
  }

  /** `deliver` hands over what was read and returns whether there was anything. */
  addReader(deliver: () => boolean): void {
    this.#readers.add(deliver)
  }

  removeReader(deliver: () => boolean): void {
    this.#readers.delete(deliver)
  }

  /** Schedules the end of the turn: something was read, or there is work to do. */
  schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    setImmediate(this.#run)
  }

  /** A socket has handed over this many datagrams: the next turn comes at once, where that has paid. */
  lookOut(datagrams: number): void {
    if (this.#lookout.begin(datagrams, performance.now())) this.schedule()
  }

  defer(run: () => void): void {
    this.#deferred.push(run)
    this.schedule()
  }

  /** Calls `due.wake` at the end of the turn in which its deadline has passed. */
  wake(due: Due): void {
    this.#due.add(due)
    this.schedule()
  }

  cancel(due: Due): void {
    this.#due.delete(due)
  }

  readonly #run = (): void => {
    this.#isScheduled = false
    let hasRead = false
    for (const deliver of this.#readers) hasRead = deliver() || hasRead
    if (this.#due.size > 0) this.#wakeDue(hasRead)
    const deferred = this.#deferred
    this.#deferred = []
    for (const run of deferred) guarded(run)
    if (this.#lookout.goesOn(performance.now())) this.schedule()
  }

  #wakeDue(hasRead: boolean): void {
    const nowMs = performance.now()
    this.#quietTurns = hasRead ? 0 : this.#quietTurns + 1
    for (const due of [...this.#due].toSorted((a, b) => a.deadlineMs - b.deadlineMs)) {
      // A wake-up may cancel others.
      if (!this.#due.has(due)) continue
      if (due.deadlineMs > nowMs || this.#isDraining(due, nowMs)) this.schedule()
      else this.#call(due)
    }
    if (this.#due.size === 0) this.#drainsUntilMs = Infinity
  }

  #call(due: Due): void {
    this.#due.delete(due)
    guarded(() => due.wake())
  }

  /** Whether datagrams from before a stall may still wait. */
  #isDraining({ deadlineMs }: Due, nowMs: number): boolean {
    if (nowMs - deadlineMs < STALL_MS) return false
    if (this.#drainsUntilMs === Infinity) {
      this.#drainsUntilMs = nowMs + DRAIN_MS_MAX
      this.#quietTurns = Math.min(this.#quietTurns, 1)
    }
    return this.#quietTurns < this.#turnsToRead && nowMs < this.#drainsUntilMs
  }
}

function guarded(run: () => void): void {
  try {
    run()
  } catch (error) {
    surface(error)
  }
}
