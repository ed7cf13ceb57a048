/**
 * Sharing a queue with flows that fill it. Such a queue doesn't go away when we send less, and a model of the path
 * would give way to it. So the window follows CUBIC until the queue is gone: then each gets what it would get beside
 * itself.
 *
 * @module
 */

import { ZERO } from "@x/wire"
import { CubicCurve } from "../cubic-curve.ts"

/** Rounds without a queue after which the others are gone. */
const QUIET_ROUNDS = 2
/** After a pause of a few datagrams, as many more: what was sent in it saw no queue. */
const PAUSED_ROUNDS = 3
/** Losses of one overflow are reported for this many rounds. */
const OVERFLOW_ROUNDS = 1

export class Sharing {
  readonly #curve = new CubicCurve()
  #datagrams = ZERO
  #quietRounds = 0
  #roundsSinceCut = 0
  /** Whether none of its windows has overflown yet: a newcomer doubles its window until one does, as theirs did. */
  #isNew = true

  /** The window, in datagrams. */
  get datagrams(): number {
    return this.#datagrams
  }

  /** Begins with this many datagrams in flight. `isLossy`: by an overflow. */
  begin(datagrams: number, isLossy: boolean): void {
    this.#quietRounds = 0
    this.#roundsSinceCut = isLossy ? 0 : OVERFLOW_ROUNDS + 1
    if (isLossy) {
      this.#isNew = false
      this.#datagrams = this.#curve.reduce(datagrams)
    } else {
      this.#curve.begin(datagrams)
      this.#datagrams = datagrams
    }
  }

  /** Goes on after a pause in which little was sent. */
  resume(): void {
    this.#quietRounds = -PAUSED_ROUNDS
  }

  /** This many datagrams were delivered, and none was lost. */
  grow(delivered: number, srttMs: number, nowMs: number): void {
    if (this.#isNew) this.#datagrams += delivered
    else this.#datagrams = this.#curve.grow(this.#datagrams, delivered, srttMs, nowMs)
  }

  /** A round is over. Returns whether the others are gone. */
  handleRound(isLossy: boolean, isQuiet: boolean): boolean {
    if (isLossy && ++this.#roundsSinceCut > OVERFLOW_ROUNDS) {
      this.#isNew = false
      this.#datagrams = this.#curve.reduce(this.#datagrams)
      this.#roundsSinceCut = 0
    } else if (!isLossy) this.#roundsSinceCut++
    this.#quietRounds = isQuiet ? this.#quietRounds + 1 : 0
    return this.#quietRounds >= QUIET_ROUNDS
  }
}
