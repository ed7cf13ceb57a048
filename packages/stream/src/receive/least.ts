/**
 * The least of many numbers, known without a look at all of them as long as one that is equal to it is left.
 *
 * @module
 */
export class Least {
  #value = Infinity
  #count = 0
  #isKnown = true

  /** The least; `Infinity`: there is none. Only while it is known. */
  get value(): number {
    return this.#value
  }

  /** Whether it is known: otherwise all have to be added anew, after `clear`. */
  get isKnown(): boolean {
    return this.#isKnown
  }

  /** There are none. */
  clear(): void {
    this.#value = Infinity
    this.#count = 0
    this.#isKnown = true
  }

  /** The least, and how many are equal to it. */
  set(value: number, count: number): void {
    this.#value = value
    this.#count = count
    this.#isKnown = true
  }

  /** There is one more. `Infinity` counts as none. */
  add(value: number): void {
    if (value > this.#value || value === Infinity) return
    this.#count = value === this.#value ? this.#count + 1 : 1
    this.#value = value
  }

  /** One that was added is gone. */
  remove(value: number): void {
    if (value === this.#value && value < Infinity && --this.#count === 0) this.#isKnown = false
  }
}
