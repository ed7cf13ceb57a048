/** A set of mostly consecutive numbers, kept as ranges: the ids of a peer's finished streams. */
export class NumberSet {
  /** `[from, to)`, ascending, never touching. */
  readonly #ranges: number[] = []

  /** The number of ranges. */
  get ranges(): number {
    return this.#ranges.length / 2
  }

  has(number: number): boolean {
    const at = this.#search(number)
    return at < this.#ranges.length && this.#ranges[at]! <= number
  }

  add(number: number): void {
    const ranges = this.#ranges
    const at = this.#search(number)
    if (at < ranges.length && ranges[at]! <= number) return
    const joinsLeft = at > 0 && ranges[at - 1] === number
    const joinsRight = at < ranges.length && ranges[at] === number + 1
    if (joinsLeft && joinsRight) ranges.splice(at - 1, 2)
    else if (joinsLeft) ranges[at - 1] = number + 1
    else if (joinsRight) ranges[at] = number
    else ranges.splice(at, 0, number, number + 1)
  }

  /** Fills the lowest hole, to make the set smaller. */
  fillLowestHole(): void {
    if (this.#ranges.length > 2) this.#ranges.splice(1, 2)
  }

  /** The index of the first range that ends after the number. */
  #search(number: number): number {
    let low = 0
    let high = this.#ranges.length / 2
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#ranges[2 * middle + 1]! <= number) low = middle + 1
      else high = middle
    }
    return 2 * low
  }
}
