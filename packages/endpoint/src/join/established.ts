/**
 * What joining is told of the peers that there are, and what it tells of what came about. It knows no peer itself:
 * who makes them makes one of what is established.
 *
 * @module
 */

import type * as wire from "@x/wire"
import type { Association } from "../path/association.ts"
import type { Session } from "../path/session.ts"
import type { HalfOpen } from "./half-open.ts"
import type { JoinCall, JoinFailure, PendingJoin } from "./join-call.ts"

/** A peer as a join sees it. */
export interface KnownPeer {
  readonly session: Session
  readonly liveness: "joined" | "unreachable" | "leaving" | "left"
  /** The one in use. */
  readonly association: Association | undefined
  /** All that take datagrams. */
  readonly associations: readonly Association[]
}

/** The peers that there are. */
export interface KnownPeers {
  readonly size: number
  get(unique: Uint8Array, publicKey: Uint8Array | undefined): KnownPeer | undefined
  hasUnique(unique: Uint8Array): boolean
  /** The peer whose datagrams go to this address. */
  at(address: number): KnownPeer | undefined
  /** Others of the same key that are held for being there, where this peer answers. */
  othersAt(address: number, peer: Session): readonly KnownPeer[]
}

/** An association that is complete: of a peer that there is, or of one that is to be made. */
export interface Established {
  readonly session: Session
  readonly association: Association
  /** Bytes of the datagram that the path has shown to carry. */
  readonly carriedBytes: number
}

/** What a slot leads to while a join is under way. */
export type JoinOwner =
  | { readonly kind: "join"; readonly pending: PendingJoin }
  | { readonly kind: "half-open"; readonly entry: HalfOpen }

/** Slots for joins. */
export interface JoinSlots {
  /** `undefined`: none is free. */
  take(nowMs: number): number | undefined
  set(slot: number, owner: JoinOwner): void
  free(slot: number, nowMs: number): void
}

/** What happened, for whoever owns the peers. */
export type JoinEvent =
  /** A join of ours was accepted. `calls` wait for the peer. */
  | { readonly kind: "established"; readonly established: Established; readonly calls: readonly JoinCall[] }
  /** Calls are over: they lead to the peer of a session that there is, or to nothing. */
  | { readonly kind: "settled"; readonly calls: readonly JoinCall[]; readonly result: Session | JoinFailure }
  /** A peer that there is answers at an address where others were held to be: those are over. */
  | { readonly kind: "found"; readonly session: Session; readonly address: number }
  /** Somebody there says that it doesn't know the slot that we send to. */
  | { readonly kind: "hinted"; readonly hint: wire.Hint; readonly address: number }
