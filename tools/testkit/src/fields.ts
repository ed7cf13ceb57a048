/** Values for fields, with a preference for those near an edge. */
import type { Random } from "@x/transport/simulated"
import { NUMBER_MAX } from "@x/wire"

export function pick<T>(random: Random, choices: readonly T[]): T {
  return choices[random.below(choices.length)]!
}

/** A whole number in [least, most]. */
export function between(random: Random, least: number, most: number): number {
  switch (random.below(8)) {
    case 0:
      return least
    case 1:
      return most
    case 2:
      return Math.max(least, most - random.below(4))
    case 3:
      return least + random.below(most - least + 1)
    default:
      return Math.min(most, least + random.below(40))
  }
}

export function u16(random: Random): number {
  return between(random, 0, 0xffff)
}

export function u32(random: Random): number {
  return between(random, 0, 0xffff_ffff)
}

/** A packet number or counter: mostly one of a young stream. */
export function number(random: Random): number {
  return random.below(4) === 0 ? between(random, 0, NUMBER_MAX) : random.below(100)
}

export function bytes(random: Random, length: number): Uint8Array {
  const out = new Uint8Array(length)
  random.fill(out)
  return out
}

/** Not all zero. */
export function identity(random: Random): Uint8Array {
  const out = bytes(random, 8)
  out[0]! |= 1
  return out
}
