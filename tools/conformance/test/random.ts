/** Numbers from a seed (mulberry32): one seed, one sequence, on every machine. */
export class Random {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  /** A uniform u32. */
  u32(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let mixed = this.#state
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return (mixed ^ (mixed >>> 14)) >>> 0
  }

  /** A whole number in [0, bound). */
  below(bound: number): number {
    return Math.floor(((this.u32() * 2 ** 21 + (this.u32() >>> 11)) / 2 ** 53) * bound)
  }

  /** A whole number in [least, most], with a preference for both ends. */
  between(least: number, most: number): number {
    const choice = this.below(8)
    if (choice === 0) return least
    if (choice === 1) return most
    if (choice === 2) return Math.min(most, least + this.below(4))
    if (choice === 3) return Math.max(least, most - this.below(4))
    if (choice === 4) return Math.min(most, least + this.below(300))
    return least + this.below(most - least + 1)
  }

  /** True once in `times`. */
  once(times: number): boolean {
    return this.below(times) === 0
  }

  pick<T>(choices: readonly T[]): T {
    if (choices.length === 0) throw new RangeError("nothing to pick from")
    return choices[this.below(choices.length)] as T
  }

  bytes(count: number): Uint8Array {
    const bytes = new Uint8Array(count)
    for (let index = 0; index < count; index++) bytes[index] = this.u32()
    return bytes
  }
}
