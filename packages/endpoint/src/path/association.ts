/**
 * A pair of slots: everything that belongs to one path between two incarnations, and is the same for all streams on it.
 *
 * @module
 */

import { type Feedback, NUMBER_MAX, type PseudoHeader } from "@x/wire"
import { NO_KEYS, type Protection } from "../keys/protection.ts"
import { ReplayWindow } from "./replay-window.ts"
import { SentDatagrams } from "./sent-datagrams.ts"

export interface AssociationParts {
  readonly slot: number
  readonly remoteSlot: number
  /** Id of the peer's address at the transport; the association holds a reference to it. */
  readonly address: number
  /** Whether our join began it. */
  readonly isOurs: boolean
  /**
   * Of two associations of a session, the one with the higher order is used; with equal orders, the one begun by the
   * smaller unique.
   */
  readonly order: number
  /** The most datagrams in flight to us: the replay window spans twice as many. */
  readonly inFlightMax: number
  readonly nowMs: number
}

export class Association {
  readonly slot: number
  readonly remoteSlot: number
  readonly address: number
  readonly isOurs: boolean
  readonly order: number
  readonly createdMs: number
  /** When it was established; `Infinity`: not yet. */
  establishedMs: number = Infinity
  /** Set as soon as there are keys. */
  protection: Protection = NO_KEYS
  readonly replay: ReplayWindow
  readonly sent: SentDatagrams = new SentDatagrams()
  /** `Infinity` unless another association replaced it: then it accepts datagrams until this time. */
  retiresMs: number = Infinity
  lastReceivedMs: number
  lastSentMs: number
  datagramsSent = 0
  bytesSent = 0
  datagramsReceived = 0
  bytesReceived = 0
  #nextCounter = 1
  #highestArrivedMs = 0

  constructor({ slot, remoteSlot, address, isOurs, order, inFlightMax, nowMs }: AssociationParts) {
    this.slot = slot
    this.remoteSlot = remoteSlot
    this.address = address
    this.isOurs = isOurs
    this.order = order
    this.replay = new ReplayWindow(2 * inFlightMax)
    this.createdMs = this.lastReceivedMs = this.lastSentMs = nowMs
  }

  /** Whether its counters or keys are used up: it can send no more. */
  get isExhausted(): boolean {
    return this.#nextCounter > NUMBER_MAX || this.protection.isWorn
  }

  /** Returns the counter of the datagram that is being sent. */
  takeCounter(bytes: number, isData: boolean, nowMs: number): number {
    const counter = this.#nextCounter++
    this.protection.use(counter, nowMs)
    this.sent.add(counter, bytes, isData, nowMs)
    this.lastSentMs = nowMs
    this.datagramsSent++
    this.bytesSent += bytes
    return counter
  }

  /** The counter of the next datagram. */
  get nextCounter(): number {
    return this.#nextCounter
  }

  /** Whether a datagram with this counter was sent. */
  hasSent(counter: number): boolean {
    return counter > 0 && counter < this.#nextCounter
  }

  /** A genuine datagram came. */
  received(counter: number, epoch: number, bytes: number, nowMs: number): void {
    this.protection.received(epoch, nowMs)
    if (counter > this.replay.highest) this.#highestArrivedMs = nowMs
    this.replay.commit(counter)
    this.lastReceivedMs = nowMs
    this.datagramsReceived++
    this.bytesReceived += bytes
  }

  /** Fills in the feedback about the peer's datagrams. */
  feedback(nowMs: number, feedback: Feedback): void {
    feedback.counter = this.replay.highest
    feedback.holdUs = Math.min(0xffff_ffff, Math.max(0, Math.round((nowMs - this.#highestArrivedMs) * 1_000)))
    feedback.datagrams = Math.min(this.datagramsReceived, NUMBER_MAX)
    feedback.bytes = Math.min(this.bytesReceived, NUMBER_MAX)
    feedback.congestion = 0
  }
}

/** The pseudo-headers of both directions of an association. */
export function pseudoHeaders(
  local: { unique: Uint8Array; session: Uint8Array },
  remote: { unique: Uint8Array; session: Uint8Array },
): { seal: PseudoHeader; open: PseudoHeader } {
  return {
    seal: {
      receiverUnique: remote.unique,
      senderUnique: local.unique,
      receiverSession: remote.session,
      senderSession: local.session,
    },
    open: {
      receiverUnique: local.unique,
      senderUnique: remote.unique,
      receiverSession: local.session,
      senderSession: remote.session,
    },
  }
}
