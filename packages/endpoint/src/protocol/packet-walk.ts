/**
 * Walks the packets of one datagram, and gives each to the right machine of its peer. Between two packets the
 * application may do anything.
 *
 * @module
 */

import * as wire from "@x/wire"
import type { Association } from "../path/association.ts"
import type { PeerState } from "../peer/peer-state.ts"
import type { ReceivedBatch } from "./received-batch.ts"

/** Data, and what is said of it, move only deadlines of data: those are looked at in each turn. */
function isOfData(kind: number): boolean {
  return kind === wire.KIND.sequenced || kind === wire.KIND.status || kind === wire.KIND.feedback
}

export class PacketWalk {
  readonly #profile: wire.Profile
  readonly #drop: (reason: wire.DropReason) => void
  readonly #cursor = new wire.PacketCursor()
  /** The peer that sent the datagram, and the memory of the datagram. */
  #peer: PeerState | undefined
  #association!: Association
  /** Id of the address that the datagram came from. */
  #address = 0
  #view!: DataView
  #bytes!: Uint8Array
  /** Counts datagrams. */
  #datagram = 0
  /** By the feedback in the datagram: when the newest of our datagrams was sent that had come; −Infinity: unknown. */
  #heardMs = -Infinity

  /** `drop` counts a dropped packet. */
  constructor(profile: wire.Profile, drop: (reason: wire.DropReason) => void) {
    this.#profile = profile
    this.#drop = drop
  }

  /** Begins with the datagram in hand, which came on this association. */
  start({ view, bytes, offset, length, address }: ReceivedBatch, peer: PeerState, association: Association): void {
    this.#peer = peer
    this.#association = association
    this.#address = address
    this.#view = view
    this.#bytes = bytes
    this.#datagram++
    this.#heardMs = -Infinity
    this.#cursor.start(view, offset, length, this.#profile)
  }

  /** Applies the next packet; `false`: there is none. */
  next(nowMs: number): boolean {
    const peer = this.#peer
    if (peer === undefined) return false
    // Between two packets a handler may have ended the peer, or transferred the memory of the datagram.
    if (peer.liveness === "left" || this.#bytes.length === 0 || !this.#cursor.next()) {
      this.#peer = undefined
      return false
    }
    if (peer.liveness !== "leaving" || this.#cursor.kind === wire.KIND.goodbye) this.#apply(peer, nowMs)
    return true
  }

  #apply(peer: PeerState, nowMs: number): void {
    const { kind, body, end, wanted } = this.#cursor
    const view = this.#view
    const bytes = this.#bytes
    if (!isOfData(kind)) peer.disturb()
    switch (kind) {
      case wire.KIND.sequenced:
        return peer.incoming.handleSequenced(view, bytes, body, end, wanted, nowMs)
      case wire.KIND.part:
        return peer.incoming.handlePart(view, bytes, body, end, nowMs)
      case wire.KIND.fireAndForget:
        return peer.incoming.handleFireAndForget(view, bytes, body, end, nowMs)
      case wire.KIND.open:
        return peer.incoming.handleOpen(wire.readOpen(view, body, end), nowMs)
      case wire.KIND.end:
        return peer.incoming.handleEnd(wire.readEnd(view, body), nowMs)
      case wire.KIND.reset:
        return peer.incoming.handleReset(wire.readReset(view, body))
      case wire.KIND.stop:
        return peer.outgoing.handleStop(wire.readStop(view, body), nowMs)
      case wire.KIND.status:
        return peer.outgoing.handleStatus(view, body, this.#heardMs, this.#datagram, nowMs)
      case wire.KIND.sync:
        return peer.incoming.handleSync(view, body, wanted, nowMs)
      case wire.KIND.feedback:
        this.#heardMs = peer.claims.handleFeedback(view, body, end, this.#association, nowMs)
        return
      case wire.KIND.heartbeat:
        return peer.handleHeartbeat(wanted)
      case wire.KIND.goodbye:
        return peer.presence.handleGoodbye(wire.readReasonText(view, body, end), wanted, nowMs)
      case wire.KIND.pathChallenge:
        return peer.handlePathChallenge(wire.readPathData(view, body), this.#address, nowMs)
      case wire.KIND.pathResponse:
        if (!peer.moves.answered(this.#association, wire.readPathData(view, body), nowMs)) this.#drop("unexpected")
        return
      case wire.KIND.mtuProbe:
        return this.#applyMtuProbe(peer, wire.readMtuProbe(view, body), wanted, nowMs)
      case wire.KIND.rate:
        if (!peer.handleRate(wire.readRate(view, body), wanted)) this.#drop("unexpected")
        return
      default:
        // No other kind is in a datagram of an association.
        return this.#drop("unexpected")
    }
  }

  /** With `wanted` it is a probe, otherwise the answer to one of ours. */
  #applyMtuProbe(peer: PeerState, probe: wire.MtuProbe, wanted: boolean, nowMs: number): void {
    if (wanted) peer.handleMtuProbe(probe)
    else if (!peer.handleMtuAnswer(probe, nowMs)) this.#drop("unexpected")
  }
}
