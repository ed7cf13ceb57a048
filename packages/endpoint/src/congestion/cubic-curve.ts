/**
 * The growth of a window after a loss (RFC 9438): back to where the loss was as a cubic function of time, slowly around
 * it, and then on. It never grows more slowly than Reno would. Windows are counted in datagrams.
 *
 * @module
 */

import { ZERO } from "@x/wire"

/** How fast the curve rises, datagrams a cubic second (RFC 9438 §5.1). */
const RISE = 0.4
/** What is left of the window after a loss (§4.6). */
export const REDUCTION = 0.7
/** With that reduction, Reno has to grow by this part of a datagram in a round trip to be fair to itself (§4.3). */
const RENO_GROWTH = (3 * (1 - REDUCTION)) / (1 + REDUCTION)
/** In a round trip the window grows by this factor at most (§4.2). */
const STEP_MAX = 1.5

export class CubicCurve {
  /** The window of the last loss; less, where it was already less than at the one before. */
  #most = ZERO
  /** The time of the curve's origin, and how long it takes from there to the window of the loss, seconds. */
  #beganMs = -Infinity
  #plateauS = ZERO
  /** The window that Reno would have, and the window before the loss. */
  #reno = ZERO
  #before = ZERO

  /** A loss at this window. Returns the window from now on. */
  reduce(datagrams: number): number {
    // Somebody else needs the room: it is given up sooner (§4.7).
    this.#most = datagrams < this.#most ? (datagrams * (1 + REDUCTION)) / 2 : datagrams
    this.#before = datagrams
    this.#beganMs = -Infinity
    return datagrams * REDUCTION
  }

  /** The window grows from here on, by no loss: the end of slow start. */
  begin(datagrams: number): void {
    this.#most = datagrams
    this.#before = datagrams
    this.#beganMs = -Infinity
  }

  /** The window wasn't used for this long: time that doesn't count. */
  pause(ms: number): void {
    this.#beganMs += ms
  }

  /** This many datagrams were delivered. Returns the window from now on. */
  grow(datagrams: number, delivered: number, rttMs: number, nowMs: number): number {
    if (this.#beganMs === -Infinity) {
      this.#beganMs = nowMs
      this.#plateauS = cubeRoot(Math.max(0, this.#most - datagrams) / RISE)
      this.#reno = datagrams
    }
    this.#reno += ((this.#reno < this.#before ? RENO_GROWTH : 1) * delivered) / datagrams
    const target = this.#at((nowMs - this.#beganMs + rttMs) / 1_000)
    const bounded = Math.min(Math.max(target, datagrams), datagrams * STEP_MAX)
    return Math.max(datagrams + ((bounded - datagrams) / datagrams) * delivered, this.#reno)
  }

  #at(seconds: number): number {
    const after = seconds - this.#plateauS
    return RISE * after * after * after + this.#most
  }
}

/** How long the curve takes back to a window at which there was a loss, milliseconds (RFC 9438 §4.2). */
export function regainMs(datagrams: number): number {
  return 1_000 * cubeRoot((datagrams * (1 - REDUCTION)) / RISE)
}

/** By Newton's method, of a number from 0: `Math.cbrt` rounds differently between engines. */
function cubeRoot(x: number): number {
  if (!(x > 0)) return 0
  let root = Math.max(1, x)
  for (let next = root; ; root = next) {
    next = (2 * root + x / (root * root)) / 3
    // From above it comes down until rounding stops it.
    if (!(next < root)) return root
  }
}
