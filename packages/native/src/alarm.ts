/**
 * Deadlines that the kernel keeps, precise to some tens of microseconds, and set once where a timer of Node's is set
 * anew with every wait of its loop.
 *
 * @module
 */

import type { AlarmHandle, Binding } from "./binding.ts"

/** C counts microseconds in 31 bits. */
const DELAY_MS_MAX = 2_147_483

/**
 * One deadline, and a descriptor. Close it; until then it keeps the program alive, set or not, unless it is told not to
 * by `unref`.
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
   * Rings once after so many milliseconds, at least a microsecond, or some time sooner where that is more than half an
   * hour. Replaces what was set.
   */
  set(delayMs: number): void {
    this.#binding.alarmSet(this.#handle, Math.max(1, Math.ceil(Math.min(delayMs, DELAY_MS_MAX) * 1_000)))
  }

  /** It keeps the program alive, as it does at first. Again, and after `close`, does nothing. */
  ref(): void {
    if (this.#isOpen) this.#binding.alarmRef(this.#handle, true)
  }

  /** It doesn't keep the program alive. Again, and after `close`, does nothing. */
  unref(): void {
    if (this.#isOpen) this.#binding.alarmRef(this.#handle, false)
  }

  /** Again does nothing. */
  close(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.#binding.alarmClose(this.#handle)
  }
}
