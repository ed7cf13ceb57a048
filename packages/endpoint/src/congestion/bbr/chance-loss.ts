/**
 * Losses that have nothing to do with how much is sent, as on radio links: learned from rounds in which there was no
 * queue. BBR would take 2 % of loss for a full path, and lose its rate on a link that loses 5 % whatever is sent.
 *
 * @module
 */

import { ZERO } from "@x/wire"
import type { Round } from "./round.ts"

/** More than this on top of what chance explains is congestion (draft-ietf-ccwg-bbr-06 §2.5, BBR.LossThresh). */
export const LOSS_SLACK = 0.02
/** Chance isn't the same in each round: a quarter more than usual, and two standard deviations, is still chance. */
const USUAL_FACTOR = 1.25
const DEVIATIONS = 2
/** Rounds with a queue prove that less is lost if they lost this many standard deviations less. */
const PROOF_DEVIATIONS = 3
/** A path that loses more than this by chance isn't learned. */
const RATE_MAX = 0.3
/** The weight of a round: some more for each datagram in it. */
const WEIGHT_MIN = 0.02
const WEIGHT_MAX = 0.25
const WEIGHT_DATAGRAMS = 1_000
/** Rounds before losses can be told apart. */
const ROUNDS_MIN = 3

export class ChanceLoss {
  #rate = ZERO
  #rounds = 0
  /** Rounds with a queue, since they last proved anything. */
  readonly #queued = { sentBytes: ZERO, lostBytes: ZERO }

  /** The part of the datagrams that is lost by chance: 0 to 1. */
  get rate(): number {
    return this.#rate
  }

  /** Whether losses can be told apart: enough rounds without queue were seen. */
  get isKnown(): boolean {
    return this.#rounds >= ROUNDS_MIN
  }

  /** A round is over. `isQuiet`: there was no queue. */
  handleRound(round: Round, isQuiet: boolean, datagramBytes: number): void {
    if (!isQuiet) return this.#handleQueuedRound(round, datagramBytes)
    this.#rounds++
    const usual = Math.min(WEIGHT_MAX, WEIGHT_MIN + round.sentBytes / datagramBytes / WEIGHT_DATAGRAMS)
    // The first rounds count alike: otherwise what is known after a few would be far below what is lost.
    const weight = Math.max(usual, 1 / this.#rounds)
    this.#rate += weight * (Math.min(RATE_MAX, round.lossRate) - this.#rate)
  }

  /**
   * A round with a queue can only show that chance loses less: but a single one lost less by chance, and would only ever
   * make the rate smaller. So rounds count together, until they prove it or show that it isn't so.
   */
  #handleQueuedRound({ sentBytes, lostBytes }: Round, datagramBytes: number): void {
    const queued = this.#queued
    queued.sentBytes += sentBytes
    queued.lostBytes += lostBytes
    if (queued.sentBytes === 0) return
    const lossRate = queued.lostBytes / queued.sentBytes
    const rate = this.#rate
    const deviation = Math.sqrt((rate * (1 - rate) * datagramBytes) / queued.sentBytes)
    const isLess = lossRate < rate - PROOF_DEVIATIONS * deviation
    if (isLess) this.#rate = lossRate
    if (isLess || lossRate >= rate) queued.sentBytes = queued.lostBytes = 0
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
