import { performance } from "node:perf_hooks"
import type { WakeUp } from "./host.ts"
import type { Due, TurnEnd } from "./turn-end.ts"

/** The least that `setTimeout` can wait. */
export const TIMER_MS = 1
/** The most: `setTimeout` takes a longer time for 1 ms. */
const TIMER_MS_MAX = 2 ** 31 - 1

/** One deadline over one timer, which is set anew only for an earlier deadline: moving a deadline back is free. */
export class Timer implements WakeUp, Due {
  readonly #turnEnd: TurnEnd
  readonly #wake: () => void
  #deadlineMs = Infinity
  #timer: NodeJS.Timeout | undefined
  #firesMs = Infinity

  constructor(turnEnd: TurnEnd, wake: () => void) {
    this.#turnEnd = turnEnd
    this.#wake = wake
  }

  get deadlineMs(): number {
    return this.#deadlineMs
  }

  at(deadlineMs: number): void {
    this.#deadlineMs = deadlineMs
    this.#turnEnd.cancel(this)
    if (deadlineMs === Infinity) this.#clear()
    else if (deadlineMs < this.#firesMs) this.#set()
  }

  wake(): void {
    this.#deadlineMs = Infinity
    this.#clear()
    this.#wake()
  }

  #set(): void {
    clearTimeout(this.#timer)
    const nowMs = performance.now()
    const remainingMs = this.#deadlineMs - nowMs
    if (remainingMs <= TIMER_MS / 2) {
      this.#clear()
      // What a timer is too coarse for, turns of the loop wait for.
      this.#turnEnd.wake(this)
      return
    }
    const waitMs = Math.min(TIMER_MS_MAX, Math.max(TIMER_MS, Math.ceil(remainingMs)))
    this.#firesMs = nowMs + waitMs
    this.#timer = setTimeout(this.#fire, waitMs)
  }

  #clear(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#firesMs = Infinity
  }

  /** The timer may have been set for an earlier deadline, or come early: Node counts from when the turn began. */
  readonly #fire = (): void => {
    this.#timer = undefined
    this.#firesMs = Infinity
    this.#set()
  }
}
