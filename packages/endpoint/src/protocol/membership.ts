/**
 * Decides which peers there are: applies the results of joins, and reports the changes.
 *
 * @module
 */

import type * as wire from "@x/wire"
import type { Established, JoinEvent } from "../join/established.ts"
import type { HalfOpen } from "../join/half-open.ts"
import type { ReceivedDatagram } from "../join/handshake-reader.ts"
import type { JoinCall } from "../join/join-call.ts"
import type { Joins } from "../join/joins.ts"
import type { JoinTarget } from "../join/ours.ts"
import type { Session } from "../path/session.ts"
import type { PeerState } from "../peer/peer-state.ts"
import type { EventSink } from "../streams/stream-events.ts"
import type { JoinResult, ProtocolEvent } from "./events.ts"
import type { Change, Peers } from "./peers.ts"
import type { SlotOwner } from "./slot-owner.ts"
import type { Turns } from "./turns.ts"

export interface MembershipParts {
  readonly joins: Joins
  readonly peers: Peers
  readonly slots: { get(slot: number): SlotOwner | undefined }
  readonly turns: Turns
  readonly events: EventSink<ProtocolEvent>
  /** How long a join asks which incarnation is at an address, milliseconds. */
  readonly probeMs: number
  /** Counts a dropped packet. */
  drop(reason: wire.DropReason): void
}

export class Membership {
  readonly #parts: MembershipParts

  constructor(parts: MembershipParts) {
    this.#parts = parts
  }

  /** Applies the results of joins. */
  settle(nowMs: number): void {
    const { joins } = this.#parts
    for (let event = joins.pollEvent(); event !== undefined; event = joins.pollEvent()) this.#settleOne(event, nowMs)
  }

  /** Asks the peer at one of these addresses to associate. */
  ask(call: JoinCall, target: JoinTarget, nowMs: number): void {
    this.#parts.joins.ask(call, target, nowMs)
    this.settle(nowMs)
  }

  /** Takes in a datagram outside an association, addressed to this slot; 0: to none. */
  receive(datagram: ReceivedDatagram, slot: number, nowMs: number): void {
    const dropped = this.#take(datagram, slot, nowMs)
    if (dropped !== undefined) this.#parts.drop(dropped)
    this.settle(nowMs)
  }

  #take(datagram: ReceivedDatagram, slot: number, nowMs: number): wire.DropReason | undefined {
    const { joins, slots } = this.#parts
    const owner = slot === 0 ? undefined : slots.get(slot)
    if (slot !== 0 && owner === undefined) return "unknown-slot"
    // The source can't be answered: it is no address we know how to write.
    if (datagram.address === 0) return "unexpected"
    // Answers to a join that is over have no seed to check them with any more.
    if (owner !== undefined && owner.kind !== "join") return "unexpected"
    return joins.receive(datagram, owner?.pending, nowMs)
  }

  #settleOne(event: JoinEvent, nowMs: number): void {
    switch (event.kind) {
      case "established": {
        const { session } = event.established
        const peer = this.#establish(event.established, nowMs)
        // Tells the other side that its accept arrived.
        peer.ping()
        this.settle(nowMs)
        return this.#tell(event.calls, this.#peerOf(session) ?? peer)
      }
      case "settled": {
        const { result } = event
        const told = "kind" in result ? result : this.#peerOf(result)
        if (told !== undefined) this.#tell(event.calls, told)
        return
      }
      case "found": {
        const peer = this.#peerOf(event.session)
        if (peer !== undefined) this.#parts.peers.found(peer, event.address, nowMs)
        return
      }
      case "hinted":
        return this.#handleHint(event.hint, event.address, nowMs)
    }
  }

  #peerOf({ unique, publicKey }: Session): PeerState | undefined {
    return this.#parts.peers.table.get(unique, publicKey)
  }

  #tell(calls: readonly JoinCall[], result: JoinResult): void {
    for (const call of calls) this.#parts.events.push({ kind: "join-settled", call, result })
  }

  /** A datagram came under a half-open association: the joiner has our accept. */
  confirm(entry: HalfOpen, nowMs: number): PeerState {
    const peer = this.#establish(this.#parts.joins.confirm(entry, nowMs), nowMs)
    this.settle(nowMs)
    return peer
  }

  #establish(established: Established, nowMs: number): PeerState {
    const { joins, peers } = this.#parts
    const { session, association } = established
    joins.prefer(session, association.address, nowMs)
    const change = peers.establish(established, nowMs)
    const { peer } = change
    if (change.kind !== "more") this.#announce(change)
    if (peer.association === association) joins.satisfy(session, nowMs)
    return peer
  }

  #announce({ peer, before, isRestart }: Change): void {
    const { turns, events } = this.#parts
    turns.wake(peer)
    if (before !== undefined) events.push({ kind: "replaced", peer, before, isRestart: isRestart === true })
    else events.push({ kind: "joined", peer })
  }

  /**
   * Our datagram reached an incarnation that doesn't know us: asks which one is there now. A hint alone replaces
   * nothing.
   */
  #handleHint(hint: wire.Hint, address: number, nowMs: number): void {
    const peer = this.#parts.peers.table.at(address)
    const association = peer?.association
    if (peer !== undefined && association?.remoteSlot === hint.slot && association.hasSent(hint.counter))
      this.probe(peer, nowMs)
    else this.#parts.drop("unexpected")
  }

  /** Joins again at a peer's address, to learn whether it is still there. */
  probe(peer: PeerState, nowMs: number): void {
    const { joins, probeMs } = this.#parts
    const address = peer.association?.address
    // It may have been told to leave since.
    if (peer.liveness === "leaving" || peer.liveness === "left") return
    if (address !== undefined) joins.probe(address, peer.session, probeMs, nowMs)
  }
}
