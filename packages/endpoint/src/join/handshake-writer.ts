/**
 * Writes datagrams outside an association, in the clear or sealed (PROTOCOL.md §7, §9).
 *
 * @module
 */

import * as wire from "@x/wire"
import type { Outbox } from "../datagram/outbox.ts"
import { NO_IDENTITY } from "../keys/identity.ts"
import type { NoiseResponder } from "../keys/noise.ts"
import type { NoiseResult } from "../keys/noise-state.ts"
import { ANSWER, HANDSHAKE_GAP_BYTES, JOIN_GAP_BYTES, type SealedHandshakes } from "../keys/sealed-handshakes.ts"
import type { Exchange, Joiner, JoinTry } from "./joiner.ts"

const NOTHING = new Uint8Array(0)

/** The seed of datagrams outside an association that answer nothing. */
export const ZERO_SEED: number = wire.pseudoHeaderSeed({})

/** What an answer needs of the join. */
export interface Asked {
  readonly address: number
  readonly slot: number
  readonly attempt: number
  /** Bytes of its datagram: no answer is longer. */
  readonly length: number
  /** The seed of the pseudo-header, in profile `checksum`. */
  readonly seed: number
  /** The exchange that the join began, in profiles with keys. */
  readonly responder: NoiseResponder | undefined
}

/** What we announce of ourselves. */
export interface OwnParts {
  readonly unique: Uint8Array
  readonly limits: wire.Limits
}

/** Writes a body at an offset, and returns where it ends. */
type WriteBody = (view: DataView, body: number) => number

export class HandshakeWriter {
  readonly #own: OwnParts
  readonly #outbox: Outbox
  readonly #sealed: SealedHandshakes | undefined

  constructor(own: OwnParts, outbox: Outbox, sealed: SealedHandshakes | undefined) {
    this.#own = own
    this.#outbox = outbox
    this.#sealed = sealed
  }

  /** `false`: the socket is full. */
  makeRoom(): boolean {
    return this.#outbox.makeRoom()
  }

  /** Sends a try of a join; there has to be room for it. Returns the exchange that it begins, in profiles with keys. */
  join(joiner: Joiner, { candidate, attempt, datagramBytes }: JoinTry, nowMs: number): Exchange | undefined {
    const { challenge, address } = candidate
    const { unique, limits } = this.#own
    const outbox = this.#outbox
    const sealed = this.#sealed
    outbox.composeHandshake(sealed === undefined ? 0 : JOIN_GAP_BYTES)
    const { writer } = outbox
    const body = writer.begin(wire.KIND.join)
    const session = joiner.sessionAt(candidate)
    const order = challenge?.order ?? 0
    const names = { slot: joiner.slot, unique, session }
    const identity = sealed?.beginIdentity(names, joiner.publicKey)
    const join: wire.Join = {
      address: undefined,
      ...names,
      versionMin: wire.VERSION,
      versionMax: wire.VERSION,
      receiverUnique: challenge?.unique ?? NO_IDENTITY,
      limits,
      slotInUse: challenge?.slotInUse ?? 0,
      order,
      token: challenge?.token ?? NOTHING,
      exchange: identity?.message ?? NOTHING,
    }
    writer.finish(wire.writeJoin(writer.view, body, join, outbox.endOf(datagramBytes)))
    if (sealed === undefined) {
      outbox.postHandshake(address, 0, attempt, ZERO_SEED)
      return undefined
    }
    let exchange: Exchange | undefined
    outbox.postSealed(address, 0, attempt, 0, JOIN_GAP_BYTES, (prefix, packets) => {
      const { initiator, psk, message } = sealed.begin(prefix, packets)
      exchange = { initiator, psk, address, sentMs: nowMs, session, order, identity }
      return message
    })
    return exchange
  }

  challenge(asked: Asked, token: Uint8Array): void {
    const challenge = { unique: this.#own.unique, token }
    this.#aside(asked, wire.KIND.challenge, (view, body) => wire.writeChallenge(view, body, challenge))
  }

  refuse(asked: Asked, refusal: wire.ReasonText): void {
    // The smallest join has room for the reason, and the text may be cut.
    this.#aside(asked, wire.KIND.refuse, (view, body) =>
      wire.writeReasonText(view, body, refusal, this.#outbox.endOf(asked.length)),
    )
  }

  /**
   * Accepts a join. In profiles with keys it returns the result of the exchange, `undefined` if the socket is full, and
   * `"no keys"` if the exchange gives none: then nothing was sent.
   */
  accept(
    asked: Asked,
    { slot, session, exchange }: { readonly slot: number; readonly session: Uint8Array; readonly exchange: Uint8Array },
  ): NoiseResult | "no keys" | undefined {
    const { unique, limits } = this.#own
    const version = wire.VERSION
    const accept: wire.Accept = { address: undefined, version, slot, unique, session, limits, features: 0, exchange }
    // As long as the join, so that the return path is proved to carry it too, and never longer.
    const write: WriteBody = (view, body) =>
      wire.writeAccept(view, body, accept, this.#outbox.endOf(Math.min(asked.length, wire.DATAGRAM_BYTES_BASE)))
    const { responder } = asked
    const sealed = this.#sealed
    if (sealed === undefined || responder === undefined) {
      this.#aside(asked, wire.KIND.accept, write)
      return undefined
    }
    let result: NoiseResult | "no keys" | undefined
    this.#post(asked, wire.KIND.accept, ANSWER.accept, write, (packets) => {
      const written = responder.write(sealed.random(), packets)
      result = written?.result ?? "no keys"
      return written?.message
    })
    return result
  }

  /** Sends an answer that completes no exchange, or any answer in a profile without keys. */
  #aside(asked: Asked, kind: number, write: WriteBody): void {
    const { responder } = asked
    this.#post(asked, kind, ANSWER.aside, write, (packets) => responder?.writeAside(this.#sealed!.random(), packets))
  }

  #post(
    { address, slot, attempt, seed, responder }: Asked,
    kind: number,
    epoch: number,
    write: WriteBody,
    seal: (packets: Uint8Array) => Uint8Array | undefined,
  ): void {
    const outbox = this.#outbox
    if (!outbox.makeRoom()) return
    const gapBytes = responder === undefined ? 0 : HANDSHAKE_GAP_BYTES
    outbox.composeHandshake(gapBytes)
    const { writer } = outbox
    writer.finish(write(writer.view, writer.begin(kind)))
    if (responder === undefined) outbox.postHandshake(address, slot, attempt, seed)
    else outbox.postSealed(address, slot, attempt, epoch, gapBytes, (_prefix, packets) => seal(packets))
  }
}
