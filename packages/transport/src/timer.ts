import { performance } from "node:perf_hooks"
import type { WakeUp } from "./host.ts"
import type { Due, TurnEnd } from "./turn-end.ts"

/** The shortest wait of `setTimeout`, in milliseconds. */
export const TIMER_MS = 1
/** The longest wait, in milliseconds: `setTimeout` treats anything longer as 1 ms. */
export const TIMER_MS_MAX: number = 2 ** 31 - 1

/** Rings once after a delay, or sooner if the delay is very long. Setting it again replaces the previous delay. */
export interface Alarm {
  set(delayMs: number): void
  /** Whether it keeps the program alive; at first it does. */
  ref(): void
  unref(): void
  /** Releases the system's resources. */
  close(): void
}

/**
 * One deadline on one alarm. The alarm is set again only for an earlier deadline, so moving a deadline back is free. On
 * a Node timer it may be late by the timer's coarseness: to spin until the deadline would take a whole CPU, and leave
 * too little when datagrams come.
 */
export class Timer implements WakeUp, Due {
  readonly #turnEnd: TurnEnd
  readonly #wake: () => void
  readonly #openAlarm: (ring: () => void) => Alarm
  #deadlineMs = Infinity
  #alarm: Alarm | undefined
  #firesMs = Infinity
  #isRef = true

  constructor(
    turnEnd: TurnEnd,
    wake: () => void,
    openAlarm: (ring: () => void) => Alarm = (ring) => new NodeAlarm(ring),
  ) {
    this.#turnEnd = turnEnd
    this.#wake = wake
    this.#openAlarm = openAlarm
  }

  get deadlineMs(): number {
    return this.#deadlineMs
  }

  at(deadlineMs: number): void {
    // NaN compares false with any time: such a deadline would be neither due nor still to come.
    if (Number.isNaN(deadlineMs)) throw new RangeError("a deadline is a number of milliseconds, not NaN")
    this.#deadlineMs = deadlineMs
    this.#turnEnd.cancel(this)
    if (deadlineMs === Infinity) this.#close()
    else if (deadlineMs < this.#firesMs) this.#set()
  }

  ref(): void {
    this.#isRef = true
    this.#alarm?.ref()
  }

  unref(): void {
    this.#isRef = false
    this.#alarm?.unref()
  }

  wake(): void {
    this.#deadlineMs = Infinity
    this.#firesMs = Infinity
    try {
      this.#wake()
    } finally {
      if (this.#deadlineMs === Infinity) this.#close()
    }
  }

  #set(): void {
    const remainingMs = this.#deadlineMs - performance.now()
    if (remainingMs <= 0) {
      this.#turnEnd.wake(this)
      return
    }
    this.#firesMs = this.#deadlineMs
    this.#alarm ??= this.#open()
    this.#alarm.set(remainingMs)
  }

  #open(): Alarm {
    const alarm = this.#openAlarm(this.#ring)
    if (!this.#isRef) alarm.unref()
    return alarm
  }

  #close(): void {
    this.#alarm?.close()
    this.#alarm = undefined
    this.#firesMs = Infinity
  }

  /** The alarm may have been set for an earlier deadline, or may ring early: Node counts from the start of the turn. */
  readonly #ring = (): void => {
    this.#firesMs = Infinity
    if (this.#deadlineMs < Infinity) this.#set()
  }
}

class NodeAlarm implements Alarm {
  readonly #ring: () => void
  #timer: NodeJS.Timeout | undefined
  #isRef = true

  constructor(ring: () => void) {
    this.#ring = ring
  }

  set(delayMs: number): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(this.#ring, Math.min(TIMER_MS_MAX, Math.max(TIMER_MS, Math.ceil(delayMs))))
    // Not every runtime's timers have `unref`.
    if (!this.#isRef) this.#timer.unref?.()
  }

  ref(): void {
    this.#isRef = true
    this.#timer?.ref?.()
  }

  unref(): void {
    this.#isRef = false
    this.#timer?.unref?.()
  }

  close(): void {
    clearTimeout(this.#timer)
  }
}
