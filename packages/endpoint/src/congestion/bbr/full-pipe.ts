/**
 * Whether the path is full: more is sent, and no more is delivered (draft-ietf-ccwg-bbr-06 §5.3.1.2).
 *
 * @module
 */

import { ZERO } from "@x/wire"

/** The rate has to grow by this factor in one of three rounds. */
const GROWTH = 1.25
const ROUNDS = 3

export class FullPipe {
  #rate = ZERO
  #rounds = 0

  /** Rounds in which the rate hasn't grown. */
  get rounds(): number {
    return this.#rounds
  }

  get isFull(): boolean {
    return this.#rounds >= ROUNDS
  }

  begin(rate: number): void {
    this.#rate = rate
    this.#rounds = 0
  }

  /** A round is over in which this rate was measured. `isCounted`: the path was all that limited it. */
  handleRound(rate: number, isCounted: boolean): void {
    if (rate >= GROWTH * this.#rate) this.begin(rate)
    else if (isCounted) this.#rounds++
  }
}
