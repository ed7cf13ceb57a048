/**
 * RED, random early detection: drops by chance, the more the longer the queue is on average.
 *
 * @module
 */

import { type Kinds, positive, real } from "../check.ts"
import type { Random } from "./random.ts"

/** For an AQM of kind `"red"`; lengths count the datagram that is being sent. */
export interface RedOptions {
  /** The average length of the queue up to which nothing is dropped, datagrams: 0 or more. Default 5, as in the paper. */
  readonly minPackets?: number
  /**
   * The average length at which a share of `dropRateMax` is dropped, datagrams: above 0, and more than `minPackets`.
   * From there to twice as many the share rises to all of them. Default 15: three times the least, as the paper advises.
   */
  readonly maxPackets?: number
  /**
   * The share that is dropped at `maxPackets`: 0 to 1. Default 0.1, which is what Floyd advised later; the paper has
   * 0.02.
   */
  readonly dropRateMax?: number
  /** What the newest length counts for in the average: 0 to 1. Default 0.002, as in the paper. */
  readonly averageWeight?: number
}

export const RED_OPTIONS: Kinds<RedOptions> = {
  minPackets: real(0),
  maxPackets: positive(),
  dropRateMax: real(0, 1),
  averageWeight: real(0, 1),
}

const MIN_PACKETS = 5
const MAX_PACKETS = 15
const DROP_RATE_MAX = 0.1
const AVERAGE_WEIGHT = 0.002
/** A pause in which more could have been sent is as good as one without an end. */
const IDLE_PACKETS_MAX = 1e9

/**
 * RED (Floyd and Jacobson 1993) with the option "gentle" (Floyd 2000), asked once for each datagram that
 * comes.
 */
export class Red {
  readonly #options: Required<RedOptions>
  readonly #random: Random
  #average = 0
  /** Datagrams let through since the last drop, or since the average was short. */
  #passed = 0

  constructor(options: RedOptions, random: Random) {
    const {
      minPackets = MIN_PACKETS,
      maxPackets = MAX_PACKETS,
      dropRateMax = DROP_RATE_MAX,
      averageWeight = AVERAGE_WEIGHT,
    } = options
    this.#options = { minPackets, maxPackets, dropRateMax, averageWeight }
    this.#random = random
  }

  /** The average length of the queue, datagrams. */
  get averagePackets(): number {
    return this.#average
  }

  /**
   * Whether to drop, or mark, a datagram that finds this many in the queue.
   *
   * @param idlePackets If it finds none: how many could have been sent since the last one was.
   */
  drops(packets: number, idlePackets: number): boolean {
    const { averageWeight } = this.#options
    if (packets > 0) this.#average += averageWeight * (packets - this.#average)
    else this.#average *= power(1 - averageWeight, Math.floor(Math.min(IDLE_PACKETS_MAX, idlePackets)))
    const rate = this.#dropRate()
    // Of 1 / rate datagrams one is dropped, each as likely: drops come neither in runs nor never. As the paper's text has
    // it, where its figure counts one datagram more after a drop.
    const left = 1 - this.#passed * rate
    const isDropped = rate > 0 && (left <= 0 || this.#random.chance(rate / left))
    this.#passed = isDropped || rate === 0 ? 0 : this.#passed + 1
    return isDropped
  }

  /** The share that is dropped at this average. */
  #dropRate(): number {
    const { minPackets, maxPackets, dropRateMax } = this.#options
    const average = this.#average
    if (average < minPackets) return 0
    if (average < maxPackets) return (dropRateMax * (average - minPackets)) / (maxPackets - minPackets)
    return Math.min(1, dropRateMax + ((1 - dropRateMax) * (average - maxPackets)) / maxPackets)
  }
}

/** A whole power by multiplication alone, which is the same in every engine. */
function power(base: number, exponent: number): number {
  let [result, square] = [1, base]
  for (let left = exponent; left > 0; left = Math.floor(left / 2)) {
    if (left % 2 === 1) result *= square
    square *= square
  }
  return result
}
