import { performance } from "node:perf_hooks"
import type { WakeUp } from "./host.ts"
import type { Due, TurnEnd } from "./turn-end.ts"

/** The shortest wait of `setTimeout`, in milliseconds. */
export const TIMER_MS = 1
/** The longest wait, in milliseconds: `setTimeout` treats anything longer as 1 ms. */
export const TIMER_MS_MAX: number = 2 ** 31 - 1

/**
 * Rings once after a delay, or sooner if the delay is very long. Setting it again replaces the previous delay. The
 * system may refuse any call but `close`, which then throws: then it never rings again.
 */
export interface Alarm {
  set(delayMs: number): void
  /** Rings no more until it is set again. */
  clear(): void
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
 *
 * The alarm is kept, without a deadline too, since the process may be out of descriptors when the next deadline comes.
 * Where there is none to be had, or the one that is there fails, a Node timer takes its place until there is no deadline.
 */
export class Timer implements WakeUp, Due {
  readonly #turnEnd: TurnEnd
  readonly #wake: () => void
  readonly #openAlarm: (ring: () => void) => Alarm
  #deadlineMs = Infinity
  #alarm: Alarm | undefined
  #firesMs = Infinity
  #isRef = true
  /** Whether the alarm keeps the program alive. */
  #isHolding = true
  #fallbacks = 0

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

  get fallbacks(): number {
    return this.#fallbacks
  }

  at(deadlineMs: number): void {
    // NaN compares false with any time: such a deadline would be neither due nor still to come.
    if (Number.isNaN(deadlineMs)) throw new RangeError("a deadline is a number of milliseconds, not NaN")
    this.#deadlineMs = deadlineMs
    this.#turnEnd.cancel(this)
    if (deadlineMs === Infinity) this.#rest()
    else if (deadlineMs < this.#firesMs) this.#set()
  }

  ref(): void {
    this.#isRef = true
    this.#hold(this.#deadlineMs < Infinity)
  }

  unref(): void {
    this.#isRef = false
    this.#hold(false)
  }

  close(): void {
    this.#deadlineMs = Infinity
    this.#turnEnd.cancel(this)
    this.#drop()
  }

  wake(): void {
    this.#deadlineMs = Infinity
    this.#firesMs = Infinity
    try {
      this.#wake()
    } finally {
      if (this.#deadlineMs === Infinity) this.#rest()
    }
  }

  #set(): void {
    const remainingMs = this.#deadlineMs - performance.now()
    if (remainingMs <= 0) {
      this.#turnEnd.wake(this)
      return
    }
    this.#firesMs = this.#deadlineMs
    try {
      const alarm = this.#alarm ?? this.#use(this.#openAlarm(this.#ring))
      alarm.set(remainingMs)
    } catch {
      this.#fallbacks++
      this.#alarm?.close()
      this.#use(new NodeAlarm(this.#ring)).set(remainingMs)
    }
    this.#hold(this.#isRef)
  }

  #use(alarm: Alarm): Alarm {
    this.#isHolding = true
    return (this.#alarm = alarm)
  }

  #hold(isHolding: boolean): void {
    if (this.#isHolding === isHolding || this.#alarm === undefined) return
    this.#isHolding = isHolding
    if (isHolding) this.#alarm.ref()
    else this.#alarm.unref()
  }

  /** There is no deadline: the alarm stays, and doesn't keep the program alive. */
  #rest(): void {
    const isSet = this.#firesMs < Infinity
    this.#firesMs = Infinity
    this.#hold(false)
    if (this.#alarm instanceof NodeAlarm) this.#drop()
    if (!isSet) return
    try {
      this.#alarm?.clear()
    } catch {
      this.#drop()
    }
  }

  #drop(): void {
    this.#firesMs = Infinity
    this.#alarm?.close()
    this.#alarm = undefined
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

  clear(): void {
    clearTimeout(this.#timer)
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
    this.clear()
  }
}
