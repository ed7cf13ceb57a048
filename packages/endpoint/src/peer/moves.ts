/**
 * A peer that moves: challenges go out when they are due, and what follows from another address is applied. What was
 * sent where the peer wasn't goes again, and what was measured of another path is forgotten.
 *
 * @module
 */

import type { Address } from "@x/transport/host"
import * as wire from "@x/wire"
import type { Outbox } from "../datagram/outbox.ts"
import type { AddressValidation, Heard } from "../path/address-validation.ts"
import type { Association } from "../path/association.ts"
import type { Path } from "../path/path.ts"

/** A peer, as it is moved. */
export interface MovedPeer {
  readonly path: Path
  readonly rtt: { readonly ptoMs: number }
}

export interface MovesParts {
  readonly outbox: Outbox
  addressOf(address: number): Address
  /** Datagrams go to another address from now on: what was sent since then may have gone where the peer wasn't. */
  redirected(sinceMs: number, nowMs: number): void
  /** The peer has proved another address than this one. */
  moved(from: number, address: Address): void
}

export class Moves {
  readonly #peer: MovedPeer
  readonly #parts: MovesParts
  /** How often the peer has proved another address; and those of associations that are over. */
  count = 0
  #failedBefore = 0

  constructor(peer: MovedPeer, parts: MovesParts) {
    this.#peer = peer
    this.#parts = parts
  }

  /** Addresses that were challenged in vain. */
  get failed(): number {
    return this.#failedBefore + (this.#peer.path.association?.addresses.failed ?? 0)
  }

  /** Another association is in use from now on. */
  noteReplaced(before: Association): void {
    this.#failedBefore += before.addresses.failed
  }

  /** A genuine datagram came on the association in use. */
  heard(association: Association, heard: Heard, nowMs: number): void {
    const { ptoMs } = this.#peer.rtt
    this.#follow(association, (addresses) => addresses.heard(heard, ptoMs, nowMs), nowMs)
  }

  /** `false`: it answers no challenge of ours. */
  answered(association: Association, data: Uint8Array, nowMs: number): boolean {
    const { ptoMs } = this.#peer.rtt
    return this.#follow(association, (addresses) => addresses.answered(data, ptoMs, nowMs), nowMs)
  }

  /** Our sockets are others: nothing is known of the path from there, and what is in flight may be lost. */
  rebound(association: Association, nowMs: number): void {
    const sinceMs = association.lastReceivedMs - this.#peer.rtt.ptoMs
    association.sent.stray()
    this.#peer.path.renew(nowMs, nowMs)
    this.#parts.redirected(sinceMs, nowMs)
  }

  handleTimeout(association: Association, nowMs: number): void {
    if (association.addresses.dueMs > nowMs) return
    const { ptoMs } = this.#peer.rtt
    this.#follow(association, (addresses) => addresses.handleTimeout(ptoMs, nowMs), nowMs)
  }

  /** Sends the challenges that are due, each in a datagram of its own, as far as the socket has room. */
  compose(association: Association, nowMs: number): void {
    const { outbox } = this.#parts
    const bytes = outbox.emptyBytes + wire.PACKET_OVERHEAD_BYTES + wire.PATH_CHALLENGE_BYTES
    while (association.addresses.dueMs <= nowMs && outbox.makeRoom()) {
      const challenge = association.addresses.pollChallenge(bytes, nowMs)
      if (challenge === undefined) return
      outbox.compose()
      const { writer } = outbox
      writer.finish(wire.writePathData(writer.view, writer.begin(wire.KIND.pathChallenge), challenge.data))
      outbox.postTo(challenge.address, association, nowMs)
    }
  }

  /** Does something that may change where the peer is, and what follows from that. */
  #follow<T>(association: Association, act: (addresses: AddressValidation) => T, nowMs: number): T {
    const { addresses } = association
    const { address, destination } = addresses
    const result = act(addresses)
    const { rtt, path } = this.#peer
    if (addresses.destination.address !== destination.address) {
      association.sent.stray()
      if (this.#isElsewhere(addresses.destination.address, destination.address)) path.testMarks()
      this.#parts.redirected(addresses.strayMs - rtt.ptoMs, nowMs)
    }
    if (addresses.address !== address) {
      const from = this.#parts.addressOf(address)
      this.count++
      if (this.#isElsewhere(addresses.address, address)) path.renew(addresses.strayMs, nowMs)
      this.#parts.moved(address, from)
    }
    return result
  }

  /** A NAT that gave out another port has changed nothing of the path (RFC 9000 §9.4). */
  #isElsewhere(address: number, before: number): boolean {
    return this.#parts.addressOf(address).host !== this.#parts.addressOf(before).host
  }
}
