/**
 * Whether peers still are members (PROTOCOL.md §9): peers whose secret was removed have to join again, and static keys
 * are asked about again and again. Whom we joined was chosen by its key, and the application may never have trusted it:
 * it is expelled once it was trusted and isn't any more.
 *
 * @module
 */

import { REASON } from "@x/wire"
import type { Joins } from "../join/joins.ts"
import type { SealedHandshakes } from "../keys/sealed-handshakes.ts"
import type { PeerState } from "../peer/peer-state.ts"
import type { Turns } from "./turns.ts"

/** How long a peer whose secret was removed has to join again by another one, milliseconds. */
const RENEW_MS = 900
/** Peers whose secret is still taken, but isn't the first, are joined again this far apart, milliseconds. */
const RENEW_STEP_MS = 20
/** How often each static key is asked about, milliseconds. */
const TRUST_MS = 750

export interface StandingParts {
  readonly sealed: SealedHandshakes
  readonly joins: Pick<Joins, "dropHalfOpen">
  readonly peers: { values(): Iterable<PeerState>; readonly size: number }
  readonly turns: Pick<Turns, "wake">
}

export class Standing {
  readonly #parts: StandingParts
  /** Until when peers have to be back whose secret was removed. */
  #renewedByMs = Infinity
  /** Peers that are to join again, when there is time. */
  #toRenew: PeerState[] = []
  #renewMs = Infinity
  #trustMs: number
  /** Peers whose keys were trusted when they were last asked about. */
  readonly #trusted = new WeakSet<PeerState>()

  constructor(parts: StandingParts, nowMs: number) {
    this.#parts = parts
    this.#trustMs = nowMs + TRUST_MS
  }

  get nextTimeoutMs(): number {
    const { sealed, peers } = this.#parts
    const trustMs = sealed.identity === undefined || peers.size === 0 ? Infinity : this.#trustMs
    return Math.min(this.#renewedByMs, this.#renewMs, trustMs)
  }

  /** Joins go out under the first of these from now on, and are taken under each. */
  setSecrets(secrets: readonly Uint8Array[], nowMs: number): void {
    const { sealed, joins, peers } = this.#parts
    sealed.setSecrets(secrets)
    joins.dropHalfOpen(({ association: { psk } }) => this.#secretOf(psk) === "removed", nowMs)
    this.#toRenew = []
    this.#renewMs = this.#renewedByMs = Infinity
    for (const peer of peers.values()) {
      const secret = this.#secretOf(peer.association?.psk)
      if (secret === "removed") {
        this.#renewedByMs = nowMs + RENEW_MS
        this.#askToJoin(peer)
      } else if (secret === "taken") {
        this.#toRenew.push(peer)
        this.#renewMs = nowMs + RENEW_STEP_MS
      }
    }
  }

  #secretOf(psk: Uint8Array | undefined): ReturnType<SealedHandshakes["standingOf"]> {
    return psk === undefined ? "first" : this.#parts.sealed.standingOf(psk)
  }

  #askToJoin(peer: PeerState): void {
    if (peer.liveness === "leaving" || peer.liveness === "left") return
    peer.presence.isProbeWanted = true
    this.#parts.turns.wake(peer)
  }

  poll(nowMs: number): void {
    if (this.#renewedByMs <= nowMs) {
      this.#renewedByMs = Infinity
      for (const peer of [...this.#parts.peers.values()])
        if (this.#secretOf(peer.association?.psk) === "removed") expel(peer, "its secret was removed", nowMs)
    }
    if (this.#renewMs <= nowMs) {
      const peer = this.#toRenew.pop()
      if (peer !== undefined && this.#secretOf(peer.association?.psk) === "taken") this.#askToJoin(peer)
      this.#renewMs = this.#toRenew.length > 0 ? nowMs + RENEW_STEP_MS : Infinity
    }
    if (this.#trustMs <= nowMs)
      this.#ask((peer) => peer.association?.isOurs === false || this.#trusted.has(peer), nowMs)
  }

  /** Asks about the static key of each peer now, and expels those too that we joined and that were never trusted. */
  recheck(nowMs: number): void {
    this.#ask(() => true, nowMs)
  }

  /** A peer whose key isn't welcome any more is expelled; no answer changes nothing. */
  #ask(isConcerned: (peer: PeerState) => boolean, nowMs: number): void {
    this.#trustMs = nowMs + TRUST_MS
    const { sealed, joins, peers } = this.#parts
    const { identity } = sealed
    if (identity === undefined) return
    const answer = (key: Uint8Array | undefined): unknown => (key === undefined ? undefined : identity.trust(key))
    joins.dropHalfOpen(({ session }) => answer(session.publicKey) === false, nowMs)
    for (const peer of [...peers.values()]) {
      const isTrusted = answer(peer.publicKey)
      if (isTrusted === true) this.#trusted.add(peer)
      else if (isTrusted === false && isConcerned(peer)) expel(peer, "its key isn't welcome any more", nowMs)
    }
  }
}

/** The peer is told, and nothing more is taken of it. */
function expel(peer: PeerState, text: string, nowMs: number): void {
  peer.leave(REASON.expelled, text, nowMs)
}
