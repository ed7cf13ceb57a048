/**
 * Which counters are missing among those that were received: ranges, kept up to date as datagrams come. So feedback
 * lists them without a look at what came.
 *
 * @module
 */

import { double } from "@x/wire"

/** Ranges that are kept: more than feedback tells, since some of them may still come. */
const RANGES_KEPT = 256
/** Places before the oldest range that are given up together. */
const PLACES_SPARE = 256

export class MissingCounters {
  /** `[from, to)` of each range, rising; those before `#first` are forgotten. */
  readonly #from: number[] = []
  readonly #to: number[] = []
  #first = 0
  /** What is missing below this was forgotten. */
  #since = double(1)

  /** Ranges that are known. */
  get count(): number {
    return this.#to.length - this.#first
  }

  /** What is missing from this counter on is known. */
  get since(): number {
    return this.#since
  }

  /** Where the range begins that so many others lie above. */
  from(above: number): number {
    return this.#from[this.#from.length - 1 - above]!
  }

  /** And where it ends. */
  to(above: number): number {
    return this.#to[this.#to.length - 1 - above]!
  }

  /** `[from, to)`, above all that is known, is missing. */
  add(from: number, to: number): void {
    this.#from.push(from)
    this.#to.push(to)
    if (this.count > RANGES_KEPT) this.#forgetFirst()
  }

  /** A counter below the highest has come. */
  came(counter: number): void {
    let low = this.#first
    let high = this.#to.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#to[middle]! <= counter) low = middle + 1
      else high = middle
    }
    const from = this.#from[low]
    const to = this.#to[low]!
    if (from === undefined || from > counter) return
    if (from === counter && to === counter + 1) {
      this.#from.splice(low, 1)
      this.#to.splice(low, 1)
    } else if (from === counter) this.#from[low] = counter + 1
    else if (to === counter + 1) this.#to[low] = counter
    else {
      this.#to[low] = counter
      this.#from.splice(low + 1, 0, counter + 1)
      this.#to.splice(low + 1, 0, to)
      if (this.count > RANGES_KEPT) this.#forgetFirst()
    }
  }

  /** What is missing below a counter is asked for no more. */
  forgetBelow(counter: number): void {
    while (this.count > 0 && this.#to[this.#first]! <= counter) this.#forgetFirst()
    if (this.#since < counter) this.#since = counter
  }

  #forgetFirst(): void {
    this.#since = this.#to[this.#first++]!
    if (this.#first < PLACES_SPARE) return
    this.#from.splice(0, this.#first)
    this.#to.splice(0, this.#first)
    this.#first = 0
  }
}
