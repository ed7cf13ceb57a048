/**
 * A pair of slots: everything that belongs to one path between two incarnations, and is the same for all streams on it.
 *
 * @module
 */

import { ECN } from "@x/transport/host"
import { type Feedback, NUMBER_MAX, type PacketDropReason, type PseudoHeader, ZERO } from "@x/wire"
import { NO_KEYS, type Protection } from "../keys/protection.ts"
import { type AddressContext, AddressValidation, type Destination } from "./address-validation.ts"
import { Deliveries } from "./deliveries.ts"
import { Ecn } from "./ecn.ts"
import { ReplayWindow } from "./replay-window.ts"
import { SentDatagrams } from "./sent-datagrams.ts"

export interface AssociationParts {
  readonly slot: number
  readonly remoteSlot: number
  /** Id of the peer's address at the transport; the association takes over a reference to it. */
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
  /** How the peer's address is validated; without it, it never changes. */
  readonly addresses?: AddressContext
  /** 32 bits that nobody can guess; without it, nonces are 0. */
  readonly draw?: () => number
}

/** A datagram that came. */
export interface Arrival {
  readonly counter: number
  /** Of the key, 0 where there is none. */
  readonly epoch: number
  /** Its bytes, prefix and tag included. */
  readonly length: number
  /** Its mark, one of `ECN`. */
  readonly mark: number
  /** 0 or 1. */
  readonly nonce: number
}

/** Nothing is challenged, and addresses have no references. */
const FIXED_ADDRESS: AddressContext = {
  mayFollow: false,
  draw: () => new Uint8Array(),
  retain: () => {},
  release: () => {},
}

export class Association {
  readonly slot: number
  readonly remoteSlot: number
  /** Where the peer is. */
  readonly addresses: AddressValidation
  readonly isOurs: boolean
  readonly order: number
  readonly createdMs: number
  /** When it was established; `Infinity`: not yet. */
  establishedMs: number = Infinity
  /** In profiles with keys: the pre-shared key that it was made with. */
  psk: Uint8Array | undefined = undefined
  /** Set as soon as there are keys. */
  protection: Protection = NO_KEYS
  readonly replay: ReplayWindow
  readonly sent: SentDatagrams = new SentDatagrams()
  /** Their nonces, and which of them are known to have come. */
  readonly deliveries: Deliveries
  /** The marks of the datagrams that are sent, and what became of them. */
  readonly ecn: Ecn = new Ecn()
  /** `Infinity` unless another association replaced it: then it accepts datagrams until this time. */
  retiresMs: number = Infinity
  lastReceivedMs: number
  lastSentMs: number
  datagramsSent = 0
  bytesSent: number = ZERO
  datagramsReceived: number = ZERO
  bytesReceived: number = ZERO
  /** Datagrams that came marked by a queue, and those that came ECN-capable and unmarked. */
  ceReceived: number = ZERO
  #ect0Received = ZERO
  #nextCounter = 1
  #highestArrivedMs = ZERO

  constructor({ slot, remoteSlot, address, isOurs, order, inFlightMax, nowMs, addresses, draw }: AssociationParts) {
    this.slot = slot
    this.remoteSlot = remoteSlot
    this.addresses = new AddressValidation(address, addresses ?? FIXED_ADDRESS)
    this.isOurs = isOurs
    this.order = order
    this.replay = new ReplayWindow(2 * inFlightMax)
    this.deliveries = new Deliveries(draw ?? ((): number => 0))
    this.createdMs = this.lastReceivedMs = this.lastSentMs = nowMs
  }

  /** Id of the address that the peer has proved. */
  get address(): number {
    return this.addresses.address
  }

  /** Where its datagrams go: there, or where the peer's newest datagrams came from. */
  get destination(): Destination {
    return this.addresses.destination
  }

  /** Bytes that may still go to its destination. */
  get roomBytes(): number {
    return this.addresses.destination.roomBytes
  }

  /** Whether its counters or keys are used up: it can send no more. */
  get isExhausted(): boolean {
    return this.#nextCounter > NUMBER_MAX || this.protection.isWorn
  }

  /** Returns the counter of the datagram that is being sent with this mark, one of `ECN`. */
  takeCounter(bytes: number, isData: boolean, nowMs: number, mark: number = ECN.notEct): number {
    const counter = this.#nextCounter++
    this.protection.use(counter, bytes, nowMs)
    if (mark !== ECN.notEct) this.ecn.sent(counter, nowMs)
    this.sent.add(counter, bytes, isData, nowMs, this.ecn)
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

  /** Why feedback on its datagrams can't be, if it can't. */
  refutes(feedback: Feedback): PacketDropReason | undefined {
    return this.deliveries.check(feedback, this.#nextCounter)
  }

  /** A genuine datagram came. Returns whether it is the newest. */
  received({ counter, epoch, length, mark, nonce }: Arrival, nowMs: number): boolean {
    this.protection.received(epoch, nowMs)
    const isNewest = counter > this.replay.highest
    if (isNewest) this.#highestArrivedMs = nowMs
    this.replay.commit(counter, nonce)
    this.lastReceivedMs = nowMs
    this.datagramsReceived++
    this.bytesReceived += length
    if (mark === ECN.ect0) this.#ect0Received++
    else if (mark === ECN.ce) this.ceReceived++
    return isNewest
  }

  /** Fills in the feedback about the peer's datagrams, with so much room for what is missing of them. */
  feedback(nowMs: number, feedback: Feedback, roomBytes: number = Infinity): void {
    this.replay.tell(feedback, roomBytes)
    feedback.holdUs = Math.min(0xffff_ffff, Math.max(0, Math.round((nowMs - this.#highestArrivedMs) * 1_000)))
    feedback.datagrams = Math.min(this.datagramsReceived, NUMBER_MAX)
    feedback.congestion = Math.min(this.ceReceived, NUMBER_MAX)
    feedback.ect0 = Math.min(this.#ect0Received, NUMBER_MAX)
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
