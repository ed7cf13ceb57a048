/**
 * What a peer claims to have received: what can be true moves the path and its streams on, and a claim that can't be
 * true ends the peer.
 *
 * @module
 */

import * as wire from "@x/wire"
import type { Scratch } from "../datagram/scratch.ts"
import type { Association } from "../path/association.ts"
import type { Path } from "../path/path.ts"

/** A peer, as its claims concern it. */
export interface ClaimingPeer {
  readonly path: Pick<Path, "handleFeedback" | "gate">
  readonly outgoing: {
    readonly isFull: boolean
    readonly hasData: boolean
    growWindows(bytes: number, nowMs: number): void
  }
  leave(reason: number, text: string, nowMs: number): void
}

export interface ClaimsParts {
  readonly profile: wire.Profile
  readonly scratch: Pick<Scratch, "feedback" | "sample">
  /** Data may go on. */
  wakeForData(): void
  /** Counts a dropped packet. */
  drop(reason: wire.PacketDropReason): void
}

export class Claims {
  readonly #peer: ClaimingPeer
  readonly #parts: ClaimsParts

  constructor(peer: ClaimingPeer, parts: ClaimsParts) {
    this.#peer = peer
    this.#parts = parts
  }

  /**
   * Feedback came on this association. Returns when the newest datagram was sent that it reports; −Infinity: unknown.
   */
  handleFeedback(view: DataView, body: number, end: number, association: Association, nowMs: number): number {
    const { feedback, sample } = this.#parts.scratch
    wire.readFeedback(view, body, end, feedback)
    const reason = association.refutes(feedback)
    if (reason !== undefined) {
      this.refute(reason, nowMs)
      return -Infinity
    }
    const { outgoing, path } = this.#peer
    if (path.handleFeedback(feedback, association, sample, nowMs)) {
      if (outgoing.isFull) outgoing.growWindows(path.gate.windowBytes, nowMs)
      if (outgoing.hasData) this.#parts.wakeForData()
      if (association.ecn.takeImpossible()) this.#parts.drop("not-sent")
    }
    return association.sent.sentMsOf(feedback.counter)
  }

  /** It acknowledges what can't have come. Where bits may flip on the way, that shows nothing of the peer. */
  refute(reason: wire.PacketDropReason, nowMs: number): void {
    this.#parts.drop(reason)
    if (this.#parts.profile === wire.PROFILE.none) return
    this.#peer.leave(wire.REASON.falseAcknowledgement, "it acknowledged what never came", nowMs)
  }
}
