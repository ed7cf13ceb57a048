/**
 * Losses that have nothing to do with how much is sent, as on radio links: learned from rounds in which there was no
 * queue. BBR would take 2 % of loss for a full path, and lose its rate on a link that loses 5 % whatever is sent.
 *
 * @module
 */

import type { Round } from "./round.ts"

/** More than this on top of what chance explains is congestion (draft-ietf-ccwg-bbr-06 §2.5, BBR.LossThresh). */
export const LOSS_SLACK = 0.02
/** Chance isn't the same in each round: a quarter more than usual, and two standard deviations, is still chance. */
const USUAL_FACTOR = 1.25
const DEVIATIONS = 2
/** A path that loses more than this by chance isn't learned. */
const RATE_MAX = 0.3
/** The weight of a round: some more for each datagram in it. */
const WEIGHT_MIN = 0.02
const WEIGHT_MAX = 0.25
const WEIGHT_DATAGRAMS = 1_000
/** Rounds before losses can be told apart. */
const ROUNDS_MIN = 3

export class ChanceLoss {
  #rate = 0
  #rounds = 0

  /** The part of the datagrams that is lost by chance: 0 to 1. */
  get rate(): number {
    return this.#rate
  }

  /** Whether losses can be told apart: enough rounds without queue were seen. */
  get isKnown(): boolean {
    return this.#rounds >= ROUNDS_MIN
  }

  /** A round is over. `isQuiet`: there was no queue; otherwise it can only show that less is lost than was believed. */
  handleRound(round: Round, isQuiet: boolean, datagramBytes: number): void {
    if (isQuiet) this.#rounds++
    else if (round.lossRate >= this.#rate) return
    const usual = Math.min(WEIGHT_MAX, WEIGHT_MIN + round.sentBytes / datagramBytes / WEIGHT_DATAGRAMS)
    // The first rounds count alike: otherwise what is known after a few would be far below what is lost.
    const weight = isQuiet ? Math.max(usual, 1 / this.#rounds) : usual
    this.#rate += weight * (Math.min(RATE_MAX, round.lossRate) - this.#rate)
  }

  /** The most bytes of these that chance, and `slack` of them on top, explains. */
  explains(bytes: number, slack: number, datagramBytes: number): number {
    const datagrams = bytes / datagramBytes
    const rate = this.#rate
    const deviation = Math.sqrt(datagrams * rate * (1 - rate))
    const explained = datagramBytes * (datagrams * (USUAL_FACTOR * rate + slack) + DEVIATIONS * deviation)
    // With slack a single datagram proves nothing, however few were sent.
    return slack > 0 ? Math.max(explained, datagramBytes) : explained
  }
}
