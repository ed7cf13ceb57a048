/**
 * What holds back what is sent to a peer, and how long each thing did: so that nobody has to guess which option helps.
 *
 * @module
 */

import { double, ZERO } from "@x/wire"

/**
 * What limits a peer: the `application`, which has nothing more to send; the `window` of a stream; `congestion`, the
 * window of the controller; its `pace`; a `cap` of the rate; the `consumer` at the other end, which is behind; `memory` for packets; our
 * `socket`, which is full; or what the `peer` can take at once.
 */
export type SendLimit =
  | "application"
  | "window"
  | "congestion"
  | "pace"
  | "cap"
  | "consumer"
  | "memory"
  | "socket"
  | "peer"

/** Not copies of one object: each copy would have a shape of its own. */
function zeros(): Record<SendLimit, number> {
  return {
    application: ZERO,
    ...{ window: ZERO, congestion: ZERO, pace: ZERO, cap: ZERO },
    ...{ consumer: ZERO, memory: ZERO, socket: ZERO, peer: ZERO },
  }
}

/** How long each limit held, since it was last asked. */
export class Limiting {
  #limit: SendLimit = "application"
  /** −1: nothing was sent yet. */
  #sinceMs = double(-1)
  #beganMs = double(-1)
  #heldMs = zeros()

  /** What limits now. */
  get limit(): SendLimit {
    return this.#limit
  }

  /** From now on this is the limit. Called once a turn. */
  set(limit: SendLimit, nowMs: number): void {
    if (limit === this.#limit && this.#beganMs >= 0) return
    this.#count(nowMs)
    this.#limit = limit
  }

  #count(nowMs: number): void {
    if (this.#beganMs < 0) this.#beganMs = this.#sinceMs = nowMs
    this.#heldMs[this.#limit] += nowMs - this.#sinceMs
    this.#sinceMs = nowMs
  }

  /** Milliseconds for which each limit held since this was last called, or since the beginning, and all of them. */
  take(nowMs: number): { readonly ms: number; readonly heldMs: Readonly<Record<SendLimit, number>> } {
    this.#count(nowMs)
    const heldMs = this.#heldMs
    const ms = nowMs - this.#beganMs
    this.#heldMs = zeros()
    this.#beganMs = nowMs
    return { ms, heldMs }
  }
}
