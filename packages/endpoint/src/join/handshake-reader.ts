/**
 * Reads datagrams outside an association, in the clear or sealed. What they may contain and how they are checked is
 * decided here alone (PROTOCOL.md §7, §9).
 *
 * @module
 */

import * as wire from "@x/wire"
import type { NoiseResult } from "../keys/noise-state.ts"
import type { OpenedHandshake, OpenedJoin, SealedHandshakes } from "../keys/sealed-handshakes.ts"
import type { Exchange } from "./joiner.ts"

/** A received datagram, in the memory that it lies in. */
export interface ReceivedDatagram {
  readonly view: DataView
  readonly bytes: Uint8Array
  readonly offset: number
  readonly length: number
  /** Id of its source. */
  readonly address: number
}

/** What a datagram is checked with. */
export interface Expected {
  /** Without keys: the seed of its pseudo-header. */
  readonly seed: number
  /** With keys: the exchange that it answers. */
  readonly exchange: Exchange | undefined
}

/** What all handshakes have in common. */
interface Came {
  readonly attempt: number
  /** Length of the datagram, bytes. */
  readonly length: number
  readonly address: number
}

/** `opened`: the exchange that a genuine join began, in profiles with keys. */
export type JoinHandshake = Came & {
  readonly kind: "join"
  readonly join: wire.Join
  readonly opened: OpenedJoin | undefined
}
export type ChallengeHandshake = Came & { readonly kind: "challenge"; readonly challenge: wire.Challenge }
/** In profiles with keys `exchange` is the one of the try that is answered, and `result` is its result. */
export type AcceptHandshake = Came & {
  readonly kind: "accept"
  readonly accept: wire.Accept
  readonly exchange: Exchange | undefined
  readonly result: NoiseResult | undefined
}
export type RefuseHandshake = Came & { readonly kind: "refuse"; readonly refusal: wire.ReasonText }
export type HintHandshake = Came & { readonly kind: "hint"; readonly hint: wire.Hint }
export type Handshake = JoinHandshake | ChallengeHandshake | AcceptHandshake | RefuseHandshake | HintHandshake

export class HandshakeReader {
  readonly #profile: wire.Profile
  readonly #sealed: SealedHandshakes | undefined
  readonly #cursor = new wire.PacketCursor()

  constructor(profile: wire.Profile, sealed: SealedHandshakes | undefined) {
    this.#profile = profile
    this.#sealed = sealed
  }

  /** Checks and reads a datagram; or returns why it is dropped. */
  read(datagram: ReceivedDatagram, expected: Expected): Handshake | wire.DropReason {
    return this.#sealed === undefined
      ? this.#readClear(datagram, expected.seed)
      : this.#readSealed(this.#sealed, datagram, expected.exchange)
  }

  #readClear(datagram: ReceivedDatagram, seed: number): Handshake | wire.DropReason {
    const { view, bytes, offset, length } = datagram
    if (this.#profile === wire.PROFILE.checksum && !wire.openChecksum(bytes, offset, length, seed)) return "tag"
    return this.#readPackets(datagram, view, offset, length, undefined)
  }

  /** A join, or an answer to ours: with keys nothing else is valid. */
  #readSealed(
    sealed: SealedHandshakes,
    datagram: ReceivedDatagram,
    exchange: Exchange | undefined,
  ): Handshake | wire.DropReason {
    const { bytes, offset, length } = datagram
    const opened =
      exchange === undefined
        ? sealed.openJoin(bytes, offset, length)
        : sealed.openAnswer(exchange.initiator, bytes, offset, length)
    if (typeof opened === "string") return opened
    return this.#readPackets(datagram, sealed.view, 0, sealed.length, { opened, exchange })
  }

  #readPackets(
    { view: received, offset: at, length: datagramBytes, address }: ReceivedDatagram,
    view: DataView,
    offset: number,
    length: number,
    seal: { readonly opened: OpenedHandshake; readonly exchange: Exchange | undefined } | undefined,
  ): Handshake | wire.DropReason {
    const reason = wire.checkPackets(view, offset, length, this.#profile)
    if (reason !== undefined) return reason
    const cursor = this.#cursor
    cursor.start(view, offset, length, this.#profile)
    cursor.next()
    const { kind, body, end, addressForm } = cursor
    if (seal !== undefined && !isSealedAs(seal.opened.kind, kind)) return "unexpected"
    const came: Came = { attempt: wire.prefixCounter(received, at), length: datagramBytes, address }
    switch (kind) {
      case wire.KIND.join: {
        const opened = seal?.opened.kind === "join" ? seal.opened : undefined
        return { kind: "join", ...came, join: wire.readJoin(view, body, addressForm), opened }
      }
      case wire.KIND.challenge:
        return { kind: "challenge", ...came, challenge: wire.readChallenge(view, body) }
      case wire.KIND.accept: {
        const result = seal?.opened.kind === "accept" ? seal.opened.result : undefined
        const accept = wire.readAccept(view, body, addressForm)
        return { kind: "accept", ...came, accept, exchange: seal?.exchange, result }
      }
      case wire.KIND.hint:
        return { kind: "hint", ...came, hint: wire.readHint(view, body) }
      case wire.KIND.loose:
        return "not-welcome"
      default:
        return { kind: "refuse", ...came, refusal: wire.readReasonText(view, body, end) }
    }
  }
}

/**
 * Whether a packet is sealed as its kind requires: a join and an accept are messages of their exchange; a challenge and
 * a refusal are sealed beside it.
 */
function isSealedAs(opened: OpenedHandshake["kind"], kind: number): boolean {
  if (opened === "join") return kind === wire.KIND.join
  if (opened === "accept") return kind === wire.KIND.accept
  return kind === wire.KIND.challenge || kind === wire.KIND.refuse
}
