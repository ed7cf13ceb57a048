/**
 * Who joins in the name of a peer that we have may be somebody else, who only knows its unique: so the peer is asked
 * where it is, and no join takes its place while it answers (PROTOCOL.md §7).
 *
 * @module
 */

import type { KnownPeer } from "./established.ts"

/** How long an answer is waited for: this many PTO, at least and at most so many milliseconds. */
const WAIT_PTO = 6
const WAIT_MS_MIN = 500
const WAIT_MS_MAX = 1_000
/** A peer is asked no more often than this for the tries of joins, milliseconds: a question may be lost. */
const ASK_MS = 100

interface Doubt {
  /** Since when the peer hasn't answered. */
  sinceMs: number
  askedMs: number
}

export class Doubts {
  readonly #doubts = new WeakMap<KnownPeer, Doubt>()

  /**
   * Whether the peer may be replaced by who joins at this address: it is there itself, or it was asked for long enough
   * and hasn't answered. Otherwise it is asked, and the join will be repeated. `slotInUse`: the slot of its association,
   * if it is the peer that joins, 0 if that isn't shown: nobody else is told.
   */
  mayReplace(peer: KnownPeer, address: number, slotInUse: number, nowMs: number): boolean {
    const { associations } = peer
    if (peer.liveness === "leaving" || peer.liveness === "left" || associations.length === 0) return true
    if (associations.some((it) => it.address === address || (it.slot === slotInUse && slotInUse !== 0))) return true
    const heardMs = Math.max(...associations.map(({ lastReceivedMs }) => lastReceivedMs))
    let doubt = this.#doubts.get(peer)
    if (doubt === undefined) this.#doubts.set(peer, (doubt = { sinceMs: nowMs, askedMs: -Infinity }))
    else if (heardMs > doubt.sinceMs) doubt.sinceMs = nowMs
    if (nowMs >= doubt.sinceMs + Math.min(WAIT_MS_MAX, Math.max(WAIT_MS_MIN, WAIT_PTO * peer.rtt.ptoMs))) return true
    if (nowMs < doubt.askedMs + ASK_MS) return false
    doubt.askedMs = nowMs
    peer.ping()
    return false
  }
}
