import { Random } from "@x/transport/simulated"
import { pick } from "./fields.ts"

/**
 * Random choices from a seed about one matter: draws with different labels are independent. It uses no logarithm and no
 * power: their last digits differ between engines.
 */
export class Draw {
  readonly #random: Random

  constructor(seed: number, label: string) {
    this.#random = new Random(seed, label)
  }

  /** [0, 1). */
  fraction(): number {
    return this.#random.fraction()
  }

  chance(rate: number): boolean {
    return this.#random.fraction() < rate
  }

  /** From `min` to `max`. */
  uniform(min: number, max: number): number {
    return min + this.#random.fraction() * (max - min)
  }

  /** A whole number from `min` to `max`, both included. */
  whole(min: number, max: number): number {
    return min + this.#random.below(max - min + 1)
  }

  /** From 0 to twice the mean. */
  around(mean: number): number {
    return 2 * mean * this.#random.fraction()
  }

  /** From `min` to `max`, with the same probability for each doubling. */
  scale(min: number, max: number): number {
    let doublings = 0
    for (let to = 2 * min; to < max; to *= 2) doublings++
    let from = min
    for (let i = this.#random.below(doublings + 1); i > 0; i--) from *= 2
    return this.uniform(from, Math.min(2 * from, max))
  }

  pick<T>(list: readonly T[]): T {
    return pick(this.#random, list)
  }

  /** One of them, with probabilities by weight. */
  weighted<T>(list: readonly (readonly [number, T])[]): T {
    let total = 0
    for (const [weight] of list) total += weight
    let at = this.#random.fraction() * total
    for (const [weight, value] of list) if ((at -= weight) < 0) return value
    return list.at(-1)![1]
  }
}
