/**
 * What the path delivers, bytes a millisecond: the most of the present and the last cycle of probing
 * (draft-ietf-ccwg-bbr-06 §5.5.5).
 *
 * @module
 */

import { ZERO } from "@x/wire"

export class Bandwidth {
  #now = ZERO
  #before = ZERO
  #latest = ZERO

  /** The most of both cycles; 0: nothing is known. */
  get most(): number {
    return Math.max(this.#now, this.#before)
  }

  /** The rate as it was last measured, whatever limited it. */
  get latest(): number {
    return this.#latest
  }

  /** A rate was measured. One that the application limited can only show that the path carries more. */
  handleRate(rate: number, isApplicationLimited: boolean): void {
    this.#latest = rate
    if (!isApplicationLimited || rate >= this.most) this.#now = Math.max(this.#now, rate)
  }

  /** A cycle is over: what was measured before the last one is forgotten. */
  advance(rate: number): void {
    this.#before = this.#now
    this.#now = rate
  }

  /** The path has changed: it carries this much. */
  replace(rate: number): void {
    this.#now = this.#before = rate
  }
}
