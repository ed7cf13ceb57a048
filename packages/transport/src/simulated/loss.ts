/**
 * Which datagrams a link loses, by chance or by a list.
 *
 * @module
 */

import { group, type Kinds, oneOf, required, whole } from "../check.ts"
import { PROBABILITY } from "./check.ts"
import type { Random } from "./random.ts"

const INDEX = whole(0)

/**
 * Loss in bursts (Gilbert–Elliott): a link is in a good state, and now and then in a bad one. All three options are
 * required.
 */
export interface BurstOptions {
  /** Probability, with each datagram, that the bad state begins: 0 to 1. */
  readonly enterRate: number
  /** Probability, with each datagram, that the bad state ends: 0 to 1. */
  readonly leaveRate: number
  /** Share of the datagrams lost in the bad state: 0 to 1. */
  readonly lossRate: number
}

/** What a link loses. */
export interface LossOptions {
  /** Share of the datagrams lost, each by itself. */
  readonly lossRate?: number
  /**
   * Loss in bursts: in the bad state `lossRate` of the datagrams are lost. The state begins and ends with these
   * probabilities, drawn for each datagram.
   */
  readonly burst?: BurstOptions
  /** Exactly these datagrams are lost: numbers on this link, from 0. */
  readonly dropList?: readonly number[]
  /**
   * Where datagrams are lost: `"before"` the queue, so that the lost ones cost no rate, or `"behind"` it, as on a radio
   * link behind its router: they wait for their turn, use the rate and then are lost. Default `"before"`; matters only
   * with a rate, a policer or a bottleneck.
   */
  readonly lossPlace?: "before" | "behind"
}

export const LOSS_OPTIONS: Kinds<LossOptions> = {
  lossRate: PROBABILITY,
  burst: group<BurstOptions>({
    enterRate: required(PROBABILITY),
    leaveRate: required(PROBABILITY),
    lossRate: required(PROBABILITY),
  }),
  dropList: {
    takes: "a list of whole numbers from 0",
    has: (value): value is readonly number[] => Array.isArray(value) && value.every((index) => INDEX.has(index)),
  },
  lossPlace: oneOf("before", "behind"),
}

/** How a datagram is lost. */
export type LossFate = "lost" | "burst" | "listed"

/** The losses of one direction. */
export class Loss {
  readonly #random: Random
  #isBad = false

  constructor(random: Random) {
    this.#random = random
  }

  /** The fate of the datagram with this number. */
  fateOf(index: number, { lossRate = 0, burst, dropList }: LossOptions): LossFate | "delivered" {
    const random = this.#random
    if (dropList?.includes(index) === true) return "listed"
    if (burst !== undefined) {
      this.#isBad = this.#isBad ? !random.chance(burst.leaveRate) : random.chance(burst.enterRate)
      if (this.#isBad && random.chance(burst.lossRate)) return "burst"
    }
    return random.chance(lossRate) ? "lost" : "delivered"
  }
}
