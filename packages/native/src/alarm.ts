/**
 * Deadlines that the kernel keeps, precise to some tens of microseconds. An alarm is set once, whereas Node sets a
 * timer again for every wait of its loop.
 *
 * @module
 */

import type { AlarmHandle, Binding } from "./binding.ts"

/** The C code counts microseconds in 31 bits. */
const DELAY_MS_MAX = 2_147_483

/**
 * One deadline and one descriptor. Close it; until then it keeps the program alive, set or not, unless `unref` was
 * called. Once `set` or `clear` has thrown, it never rings again.
 */
export class Alarm {
  readonly #binding: Binding
  readonly #handle: AlarmHandle
  #isOpen = true

  constructor(binding: Binding, ring: () => void) {
    this.#binding = binding
    this.#handle = binding.alarmCreate(ring)
  }

  /**
   * Rings once after this many milliseconds, at least one microsecond; or sooner, if that is more than half an hour.
   * Replaces the previous delay. Throws the system's error.
   */
  set(delayMs: number): void {
    this.#binding.alarmSet(this.#handle, Math.max(1, Math.ceil(Math.min(delayMs, DELAY_MS_MAX) * 1_000)))
  }

  /** Rings no more until it is set again. Throws the system's error. */
  clear(): void {
    this.#binding.alarmSet(this.#handle, 0)
  }

  /** It keeps the program alive, as it does at first. Repeated, or after `close`, does nothing. */
  ref(): void {
    if (this.#isOpen) this.#binding.alarmRef(this.#handle, true)
  }

  /** It doesn't keep the program alive. Repeated, or after `close`, does nothing. */
  unref(): void {
    if (this.#isOpen) this.#binding.alarmRef(this.#handle, false)
  }

  /** Closes it. Repeated, does nothing. */
  close(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.#binding.alarmClose(this.#handle)
  }
}
