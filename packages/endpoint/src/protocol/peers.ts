/**
 * The peers that there are: makes one of what a join established, and decides what replaces what.
 *
 * @module
 */

import { REASON } from "@x/wire"
import type { Outbox } from "../datagram/outbox.ts"
import type { Established } from "../join/established.ts"
import type { HalfOpen } from "../join/half-open.ts"
import { compare, isSameKey } from "../keys/identity.ts"
import type { Association } from "../path/association.ts"
import type { Associations } from "../path/associations.ts"
import type { SlotTable } from "../path/slots.ts"
import { type PeerContext, PeerState } from "../peer/peer-state.ts"
import { PeerTable } from "./peer-table.ts"
import type { SlotOwner } from "./slot-owner.ts"
import type { Turns } from "./turns.ts"

export interface PeersParts {
  readonly unique: Uint8Array
  readonly context: PeerContext
  readonly slots: SlotTable<SlotOwner>
  readonly associations: Associations
  readonly outbox: Pick<Outbox, "flush">
  readonly turns: Pick<Turns, "remove">
}

/** What became of an association that was established. */
export interface Change {
  readonly peer: PeerState
  /** `more`: the peer was there, and has one association more. */
  readonly kind: "joined" | "replaced" | "more"
  /** The peer that is over. */
  readonly before?: PeerState
  /** It was of another incarnation at the same address. */
  readonly isRestart?: boolean
}

export class Peers {
  readonly table: PeerTable = new PeerTable()
  readonly #parts: PeersParts

  constructor(parts: PeersParts) {
    this.#parts = parts
  }

  /**
   * An association is complete: it may be the peer's first, one more, or that of a peer which replaces another. The
   * application is to be told of what changed.
   */
  establish({ session, association, carriedBytes }: Established, nowMs: number): Change {
    association.establishedMs = nowMs
    const known = this.table.get(session.unique, session.publicKey)
    const former = this.#formerAt(association.address, session.publicKey)
    if (known?.session === session) {
      this.#own(known, association)
      known.path.show(carriedBytes)
      this.#choose(known, association, nowMs)
      if (former !== undefined && former !== known) this.replace(former, REASON.restarted, nowMs)
      return { peer: known, kind: "more" }
    }
    const before = known ?? former
    const peer = new PeerState(this.#parts.context, session)
    this.#own(peer, association)
    peer.path.show(carriedBytes)
    this.#use(peer, association, nowMs)
    this.table.set(peer)
    // A peer that is leaving was reported as left: what comes now begins anew.
    const isReplaced = before !== undefined && (before.liveness === "joined" || before.liveness === "unreachable")
    if (before !== undefined) this.replace(before, known === undefined ? REASON.restarted : REASON.unspecified, nowMs)
    peer.isAnnounced = true
    return isReplaced ? { peer, kind: "replaced", before, isRestart: known === undefined } : { peer, kind: "joined" }
  }

  /**
   * Takes into use what nobody has confirmed, since the other side may have accepted it: so it hears our goodbye. The
   * application is told nothing.
   */
  adopt({ session, association }: HalfOpen, nowMs: number): void {
    const known = this.table.get(session.unique, session.publicKey)
    if (known !== undefined && known.session !== session) return this.#parts.associations.release(association, nowMs)
    const peer = known ?? new PeerState(this.#parts.context, session)
    this.#own(peer, association)
    if (known !== undefined) return known.retire(association, nowMs)
    this.#use(peer, association, nowMs)
    this.table.set(peer)
  }

  #own(peer: PeerState, association: Association): void {
    this.#parts.slots.set(association.slot, { kind: "association", peer, association })
  }

  /**
   * The peer that we had at this address. Members with keys of their own don't stand for each other: a peer that shows
   * another key is another one, wherever it is.
   */
  #formerAt(address: number, publicKey: Uint8Array | undefined): PeerState | undefined {
    const former = this.table.at(address)
    return former !== undefined && isSameKey(former.publicKey, publicKey) ? former : undefined
  }

  #use(peer: PeerState, association: Association, nowMs: number): void {
    this.table.move(peer, association.address)
    peer.use(association, nowMs)
  }

  /**
   * Of two associations of one session that of the higher order stays, and of two of the same the one begun by the
   * smaller unique: both sides see it alike.
   */
  #choose(peer: PeerState, association: Association, nowMs: number): void {
    const current = peer.association
    const oursStays = compare(this.#parts.unique, peer.unique) < 0
    const isAbove =
      current === undefined ||
      (association.order === current.order
        ? association.isOurs === current.isOurs || association.isOurs === oursStays
        : association.order > current.order)
    if (isAbove) this.#use(peer, association, nowMs)
    else peer.retire(association, nowMs)
  }

  /** The peer answers at this address: others that were held for being there are over. */
  found(peer: PeerState, address: number, nowMs: number): void {
    for (const other of this.table.othersAt(address, peer.session)) this.replace(other, REASON.restarted, nowMs)
  }

  replace(before: PeerState, reason: number, nowMs: number): void {
    before.end(reason, "", nowMs)
    this.forget(before, nowMs)
  }

  /** A peer is over: gives back what it holds. */
  forget(peer: PeerState, nowMs: number): void {
    const { turns, outbox, associations } = this.#parts
    this.table.delete(peer)
    turns.remove(peer)
    peer.end(REASON.unspecified, "", nowMs)
    outbox.flush()
    for (const association of peer.associations) associations.release(association, nowMs)
  }
}
