import { PacketPool } from "@x/stream"
import { createNetwork } from "@x/transport/simulated"
import { PROFILE, type Profile } from "@x/wire"
import { Outbox } from "../../src/datagram/outbox.ts"
import { HandshakeReader, type ReceivedDatagram } from "../../src/join/handshake-reader.ts"
import { HandshakeWriter } from "../../src/join/handshake-writer.ts"
import { type Exchange, Joiner, type JoinerParts } from "../../src/join/joiner.ts"
import { type Identity, SealedHandshakes } from "../../src/keys/sealed-handshakes.ts"
import { Tap } from "../datagram/tap.ts"
import { LIMITS } from "../peer/limits.ts"

export const SECRET: Uint8Array = new Uint8Array(32).fill(7)
/** The id that every correspondent has for its counterpart. */
export const THERE = 9
/** The slot of each of its joins. */
export const JOIN_SLOT = 0x0010_0005

export interface CorrespondentOptions {
  readonly profile?: Profile
  /** In profiles with keys. */
  readonly secret?: Uint8Array
  readonly identity?: Identity
}

/** Writes and reads datagrams outside an association, and acts on none of them. */
export class Correspondent {
  readonly tap = new Tap()
  readonly unique: Uint8Array
  readonly outbox: Outbox
  readonly sealed: SealedHandshakes | undefined
  readonly writer: HandshakeWriter
  readonly reader: HandshakeReader
  #draws = 0

  constructor(id: number, { profile = PROFILE.none, secret, identity }: CorrespondentOptions = {}) {
    const pool = new PacketPool({ slotBytes: 1_472, slotsMax: 4 })
    const entropy = (out: Uint8Array): void => void out.fill(id).fill(++this.#draws, 1)
    const { crypto } = createNetwork({ seed: id }).host("a")
    this.unique = new Uint8Array(8).fill(id)
    this.outbox = new Outbox(this.tap.transport, profile, 1_472, pool)
    this.sealed = secret && new SealedHandshakes({ crypto, identity, entropy }, [secret], 1_472)
    this.writer = new HandshakeWriter({ unique: this.unique, limits: LIMITS }, this.outbox, this.sealed)
    this.reader = new HandshakeReader(profile, this.sealed)
  }

  /** A joiner that asks there. */
  joiner(parts: Partial<JoinerParts> = {}): Joiner {
    return new Joiner({ slot: JOIN_SLOT, addresses: [THERE], timeoutMs: 1_000, nowMs: 0, ...parts })
  }

  /** Writes the next try of a joiner at a time when one is due. */
  join(joiner: Joiner = this.joiner(), nowMs = 0): { datagram: ReceivedDatagram; exchange: Exchange | undefined } {
    const exchange = this.writer.join(joiner, joiner.poll(nowMs)!, nowMs)
    return { datagram: this.sentOne(), exchange }
  }

  /** Everything written since the last call, as the other side receives it. */
  sent(): ReceivedDatagram[] {
    this.outbox.flush()
    return this.tap.sent.splice(0).map(({ bytes, address }) => ({
      ...{ view: new DataView(bytes.buffer), bytes, offset: 0, length: bytes.length, address },
    }))
  }

  /** The one datagram written since the last call. */
  sentOne(): ReceivedDatagram {
    const [datagram, ...more] = this.sent()
    if (datagram === undefined || more.length > 0) throw new Error(`${more.length} more than one were written`)
    return datagram
  }

  /** Makes the socket full: further datagrams find no room. */
  fill(): void {
    this.tap.room = 0
    this.writer.challenge(
      { address: THERE, slot: 1, attempt: 1, length: 1_200, seed: 0, responder: undefined },
      Uint8Array.of(1),
    )
    this.outbox.flush()
  }
}
