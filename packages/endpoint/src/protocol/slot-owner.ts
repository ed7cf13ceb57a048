import type { JoinOwner } from "../join/established.ts"
import type { Association } from "../path/association.ts"
import type { PeerState } from "../peer/peer-state.ts"

/** A complete association, and its peer. */
export interface AssociationOwner {
  readonly kind: "association"
  readonly peer: PeerState
  readonly association: Association
}

/** What a slot leads to. */
export type SlotOwner = AssociationOwner | JoinOwner
