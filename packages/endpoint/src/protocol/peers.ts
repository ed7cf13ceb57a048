/**
 * The existing peers: makes one of what a join established, and decides which peer replaces which.
 *
 * @module
 */

import { REASON } from "@x/wire"
import type { Outbox } from "../datagram/outbox.ts"
import type { Established } from "../join/established.ts"
import type { HalfOpen } from "../join/half-open.ts"
import { compare, isSameKey, toHex } from "../keys/identity.ts"
import type { Association } from "../path/association.ts"
import type { Associations } from "../path/associations.ts"
import { hostPrefix } from "../path/host-prefix.ts"
import type { SlotTable } from "../path/slots.ts"
import type { Session } from "../path/session.ts"
import type { PeerContext } from "../peer/peer-context.ts"
import { PeerState } from "../peer/peer-state.ts"
import { PeerTable } from "./peer-table.ts"
import type { SlotOwner } from "./slot-owner.ts"
import type { Turns } from "./turns.ts"

export interface PeersParts {
  readonly unique: Uint8Array
  readonly context: PeerContext<PeerState>
  readonly slots: SlotTable<SlotOwner>
  readonly associations: Associations
  readonly outbox: Pick<Outbox, "flush">
  readonly turns: Pick<Turns, "remove">
}

/** The result of an established association. */
export interface Change {
  readonly peer: PeerState
  /** `more`: the peer existed, and has one association more. */
  readonly kind: "joined" | "replaced" | "more"
  /** The peer that is over. */
  readonly before?: PeerState
  /** Whether the peer that is over was another incarnation at the same address. */
  readonly isRestart?: boolean
}

export class Peers {
  readonly table: PeerTable = new PeerTable()
  readonly #parts: PeersParts

  constructor(parts: PeersParts) {
    this.#parts = parts
  }

  /**
   * An association is complete: it is the first of a peer, one more of it, or that of a peer that replaces another.
   * Returns the change, of which the application has to be told.
   */
  establish({ session, association, carriedBytes }: Established, nowMs: number): Change {
    association.establishedMs = nowMs
    const known = this.table.get(session.unique, session.publicKey)
    const former = this.#formerAt(association.address, session.publicKey)
    if (known?.session === session) {
      this.#own(known, association)
      this.#choose(known, association, nowMs)
      known.handleJoined(carriedBytes, nowMs)
      if (former !== undefined && former !== known) this.replace(former, REASON.restarted, nowMs)
      return { peer: known, kind: "more" }
    }
    const before = known ?? former
    const peer = new PeerState(this.#parts.context, session, this.#identityOf(session, association))
    this.#own(peer, association)
    this.#use(peer, association, nowMs)
    peer.handleJoined(carriedBytes, nowMs)
    this.table.set(peer, this.#hostOf(association))
    // A peer that is leaving was reported as left: a new one begins.
    const isReplaced = before !== undefined && (before.liveness === "joined" || before.liveness === "unreachable")
    if (before !== undefined) this.replace(before, known === undefined ? REASON.restarted : REASON.unspecified, nowMs)
    peer.isAnnounced = true
    return isReplaced ? { peer, kind: "replaced", before, isRestart: known === undefined } : { peer, kind: "joined" }
  }

  /**
   * Takes an unconfirmed association into use, since the other side may have accepted it: so it hears our goodbye. The
   * application is told nothing.
   */
  adopt({ session, association }: HalfOpen, nowMs: number): void {
    const known = this.table.get(session.unique, session.publicKey)
    if (known !== undefined && known.session !== session) return this.#parts.associations.release(association, nowMs)
    const peer = known ?? new PeerState(this.#parts.context, session, this.#identityOf(session, association))
    this.#own(peer, association)
    if (known !== undefined) return known.retire(association, nowMs)
    this.#use(peer, association, nowMs)
    this.table.set(peer, this.#hostOf(association))
  }

  /** A member is known by its key, wherever it is; others by where they joined from. */
  #identityOf({ publicKey }: Session, association: Association): string {
    return publicKey === undefined ? `host ${this.#hostOf(association)}` : `key ${toHex(publicKey)}`
  }

  #hostOf({ address }: Association): string {
    return hostPrefix(this.#parts.context.transport.addressOf(address).host)
  }

  #own(peer: PeerState, association: Association): void {
    this.#parts.slots.set(association.slot, { kind: "association", peer, association })
    association.sent.charge(peer.account.tables)
  }

  /**
   * The former peer at this address. Members with keys don't stand for each other: a peer that shows another key is
   * another peer, wherever it is.
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
   * Of two associations of one session, the one with the higher order stays; with equal orders, the one begun by the
   * smaller unique: both sides decide alike.
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

  /** The peer answers at this address: others that were assumed to be there are over. */
  found(peer: PeerState, address: number, nowMs: number): void {
    for (const other of this.table.othersAt(address, peer.session)) this.replace(other, REASON.restarted, nowMs)
  }

  replace(before: PeerState, reason: number, nowMs: number): void {
    before.presence.end(reason, "", nowMs)
    this.forget(before, nowMs)
  }

  /** A peer is over: gives back what it holds. */
  forget(peer: PeerState, nowMs: number): void {
    const { context, turns, outbox, associations } = this.#parts
    this.table.delete(peer)
    context.accounts.close(peer.account)
    turns.remove(peer)
    peer.presence.end(REASON.unspecified, "", nowMs)
    outbox.flush()
    for (const association of peer.associations) associations.release(association, nowMs)
  }
}
