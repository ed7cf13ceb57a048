/**
 * What joining knows of existing peers, and how it reports results. It knows no peer object: the code above makes one
 * of what is established.
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
  /** The association in use. */
  readonly association: Association | undefined
  /** All associations that accept datagrams. */
  readonly associations: readonly Association[]
  readonly rtt: { readonly ptoMs: number }
  /** Asks for a sign of life. */
  ping(): unknown
}

/** The existing peers. */
export interface KnownPeers {
  readonly size: number
  /** Peers that joined from this host (`hostPrefix`), and those with this static key. */
  countOfHost(host: string): number
  countOfKey(publicKey: Uint8Array): number
  get(unique: Uint8Array, publicKey: Uint8Array | undefined): KnownPeer | undefined
  hasUnique(unique: Uint8Array): boolean
  /** The peer whose datagrams go to this address. */
  at(address: number): KnownPeer | undefined
  /** Other peers with the same key that are assumed to be at this address, where this peer answers. */
  othersAt(address: number, peer: Session): readonly KnownPeer[]
}

/** A complete association, of an existing peer or of one that is to be made. */
export interface Established {
  readonly session: Session
  readonly association: Association
  /** The largest datagram that the path is known to carry, bytes. */
  readonly carriedBytes: number
}

/** What a slot leads to while a join is under way. */
export type JoinOwner =
  | { readonly kind: "join"; readonly pending: PendingJoin }
  | { readonly kind: "half-open"; readonly entry: HalfOpen }

/** Slots for joins. */
export interface JoinSlots {
  /** Returns a slot, or `undefined`: none is free. */
  take(nowMs: number): number | undefined
  set(slot: number, owner: JoinOwner): void
  free(slot: number, nowMs: number): void
}

/** Results of joining, for the owner of the peers. */
export type JoinEvent =
  /** A join of ours was accepted. `calls` wait for the peer. */
  | { readonly kind: "established"; readonly established: Established; readonly calls: readonly JoinCall[] }
  /** Calls are over: they get the existing peer of a session, or none. */
  | { readonly kind: "settled"; readonly calls: readonly JoinCall[]; readonly result: Session | JoinFailure }
  /** An existing peer answers at an address where others were assumed to be: those are over. */
  | { readonly kind: "found"; readonly session: Session; readonly address: number }
  /** A source there says that it doesn't know the slot that we send to. */
  | { readonly kind: "hinted"; readonly hint: wire.Hint; readonly address: number }
