/**
 * Datagrams outside an association in profiles `mac` and `aead`: their packets are the payload of the key exchange
 * (PROTOCOL.md §9). A source that doesn't know a secret gets no further than this, and no answer.
 *
 * @module
 */

import type { SyncCrypto } from "@x/transport/host"
import { PREFIX_BYTES, prefixEpoch, PROFILE, TAG_BYTES } from "@x/wire"
import { isSame } from "./identity.ts"
import { HalfSipHash } from "./half-sip-hash.ts"
import { gateKeyOf, pskOf } from "./key-schedule.ts"
import { NOISE_OVERHEAD_BYTES, NoiseInitiator, NoiseKey, NoiseResponder } from "./noise.ts"
import { IK_FIRST_BYTES, IkInitiator, IkResponder, type StaticKey } from "./noise-ik.ts"
import { concat, KEY_BYTES, type NoiseResult } from "./noise-state.ts"

const PREFIX = PREFIX_BYTES[PROFILE.aead]!
const TAG = TAG_BYTES[PROFILE.aead]!

/** The check in front of a join that a sender without the secret can't make, bytes. */
export const GATE_BYTES = 4
/** Where the public key of a join is, which no two joins share. */
export const JOIN_KEY_OFFSET: number = PREFIX + GATE_BYTES
/** Bytes between prefix and packets: in answers, and in a join. */
export const HANDSHAKE_GAP_BYTES: number = KEY_BYTES
export const JOIN_GAP_BYTES: number = GATE_BYTES + KEY_BYTES

/** The epoch field of an answer says how it was sealed. */
export const ANSWER = { aside: 0, accept: 1 } as const

/**
 * What the exchange between static keys is bound to, so that a member can't put another member's exchange into its own
 * join.
 */
interface JoinNames {
  readonly unique: Uint8Array
  readonly session: Uint8Array
  readonly slot: number
}

function prologueOf({ unique, session, slot }: JoinNames): Uint8Array {
  const prologue = new Uint8Array(unique.length + session.length + 4)
  prologue.set(unique)
  prologue.set(session, unique.length)
  new DataView(prologue.buffer).setUint32(unique.length + session.length, slot, true)
  return prologue
}

const NOTHING = new Uint8Array(0)

export interface SealedHandshakesHost {
  readonly crypto: SyncCrypto
  entropy(out: Uint8Array): void
  readonly identity: Identity | undefined
}

/** What is derived from a secret. */
interface Secret {
  readonly key: NoiseKey
  readonly gate: HalfSipHash
}

/** A join that is begun: its exchange, and what follows the prefix. */
export interface BegunJoin {
  readonly initiator: NoiseInitiator
  readonly psk: Uint8Array
  readonly message: Uint8Array
}

/** A genuine join: the exchange that it began, and the pre-shared key that it used. */
export interface OpenedJoin {
  readonly kind: "join"
  readonly responder: NoiseResponder
  readonly psk: Uint8Array
}

/** Our identity, where members have static keys. */
export interface Identity {
  readonly own: StaticKey
  /** Whether a member with this public key may join, and stay; `undefined`: there was no answer. */
  trust(publicKey: Uint8Array): boolean | undefined
}

/**
 * A datagram that was opened. Its packets are in the memory of {@link SealedHandshakes}, until the next one is opened.
 */
export type OpenedHandshake =
  | OpenedJoin
  | { readonly kind: "accept"; readonly result: NoiseResult }
  | { readonly kind: "aside" }

export class SealedHandshakes {
  /** The last opened datagram: its prefix, its packets in the clear, and room where the tag was. */
  readonly view: DataView
  readonly #plain: Uint8Array
  /** Its length. */
  length = 0
  readonly #host: SealedHandshakesHost
  #secrets: readonly Secret[] = []

  constructor(host: SealedHandshakesHost, secrets: readonly Uint8Array[], datagramBytesMax: number) {
    this.#host = host
    this.#plain = new Uint8Array(datagramBytesMax)
    this.view = new DataView(this.#plain.buffer)
    this.setSecrets(secrets)
  }

  /** Joins are sent under the first secret, and accepted under each. Associations keep their keys. */
  setSecrets(secrets: readonly Uint8Array[]): void {
    const { crypto } = this.#host
    this.#secrets = secrets.map((secret) => ({
      key: new NoiseKey(crypto, Uint8Array.from(pskOf(crypto, secret))),
      gate: new HalfSipHash(gateKeyOf(crypto, secret)),
    }))
  }

  /** Random bytes of the length of a key. */
  random(): Uint8Array {
    const bytes = new Uint8Array(KEY_BYTES)
    this.#host.entropy(bytes)
    return bytes
  }

  /** Begins an exchange with a join: the gate and the first message follow the prefix. */
  begin(prefix: Uint8Array, packets: Uint8Array): BegunJoin {
    const { key, gate } = this.#secrets[0]!
    const initiator = new NoiseInitiator(this.#host.crypto, prefix, key, this.random(), packets)
    const message = new Uint8Array(GATE_BYTES + initiator.message.length)
    message.set(initiator.message, GATE_BYTES)
    const view = new DataView(message.buffer)
    view.setInt32(0, hashKey(gate, view, GATE_BYTES), true)
    return { initiator, psk: key.psk, message }
  }

  /** What became of the secret that this pre-shared key was made of. */
  standingOf(psk: Uint8Array): "first" | "taken" | "removed" {
    const at = this.#secrets.findIndex(({ key }) => isSame(key.psk, psk))
    return at < 0 ? "removed" : at === 0 ? "first" : "taken"
  }

  /**
   * Why the datagram at `offset` is no join, as far as its gate tells: one short hash for each secret. `undefined`: it
   * was made with a secret, or is a copy of such a join.
   */
  checkGate(view: DataView, offset: number, length: number): "too-short" | "tag" | undefined {
    if (length <= PREFIX + GATE_BYTES + NOISE_OVERHEAD_BYTES) return "too-short"
    return this.#secretAt(view, offset) === undefined ? "tag" : undefined
  }

  #secretAt(view: DataView, offset: number): Secret | undefined {
    const at = offset + PREFIX
    const shown = view.getInt32(at, true)
    for (const secret of this.#secrets) if (hashKey(secret.gate, view, at + GATE_BYTES) === shown) return secret
    return undefined
  }

  get identity(): Identity | undefined {
    return this.#host.identity
  }

  /**
   * Begins the exchange between static keys that a join carries. `undefined`: none is wanted, or `theirs` is invalid.
   */
  beginIdentity(join: JoinNames, theirs: Uint8Array | undefined): IkInitiator | undefined {
    const { crypto, identity } = this.#host
    if (identity === undefined || theirs === undefined) return undefined
    const parts = { crypto, prologue: prologueOf(join), psk: this.#secrets[0]!.key.psk, own: identity.own }
    return IkInitiator.begin(parts, theirs, this.random(), NOTHING)
  }

  /** Reads the exchange that a join carries. `undefined`: it is not for us, or not from the claimed sender. */
  readIdentity({ psk }: OpenedJoin, join: JoinNames & { readonly exchange: Uint8Array }): IkResponder | undefined {
    const { crypto, identity } = this.#host
    if (identity === undefined || join.exchange.length !== IK_FIRST_BYTES) return undefined
    return IkResponder.read({ crypto, prologue: prologueOf(join), psk, own: identity.own }, join.exchange)
  }

  /** Combines the results of both exchanges. */
  combine(outer: NoiseResult, inner: NoiseResult | undefined): NoiseResult {
    if (inner === undefined) return outer
    const { crypto } = this.#host
    return {
      chainingKey: crypto.hmacSha256(outer.chainingKey, inner.chainingKey),
      transcript: crypto.sha256(concat(outer.transcript, inner.transcript)),
    }
  }

  /** Opens a join, under the secret that its gate is of. */
  openJoin(bytes: Uint8Array, offset: number, length: number): OpenedHandshake | "too-short" | "tag" {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    if (length <= PREFIX + GATE_BYTES + NOISE_OVERHEAD_BYTES) return "too-short"
    const key = this.#secretAt(view, offset)?.key
    if (key === undefined) return "tag"
    const prefix = bytes.slice(offset, offset + PREFIX)
    const message = bytes.subarray(offset + PREFIX + GATE_BYTES, offset + length)
    const responder = NoiseResponder.read(this.#host.crypto, prefix, key, message)
    if (responder === undefined) return "tag"
    this.#keep(bytes, offset, responder.payload)
    return { kind: "join", responder, psk: key.psk }
  }

  /** Opens an answer to a join. */
  openAnswer(
    initiator: NoiseInitiator,
    bytes: Uint8Array,
    offset: number,
    length: number,
  ): OpenedHandshake | "too-short" | "tag" {
    if (length <= PREFIX + NOISE_OVERHEAD_BYTES) return "too-short"
    const message = bytes.subarray(offset + PREFIX, offset + length)
    if (prefixEpoch(new DataView(bytes.buffer, bytes.byteOffset), offset) === ANSWER.accept) {
      const accept = initiator.read(message)
      if (accept === undefined) return "tag"
      this.#keep(bytes, offset, accept.payload)
      return { kind: "accept", result: accept.result }
    }
    const payload = initiator.readAside(message)
    if (payload === undefined) return "tag"
    this.#keep(bytes, offset, payload)
    return { kind: "aside" }
  }

  #keep(bytes: Uint8Array, offset: number, packets: Uint8Array): void {
    this.#plain.set(bytes.subarray(offset, offset + PREFIX))
    this.#plain.set(packets, PREFIX)
    this.length = PREFIX + packets.length + TAG
    this.#plain.fill(0, this.length - TAG, this.length)
  }
}

/** The gate of the public key at `at`. */
function hashKey(gate: HalfSipHash, view: DataView, at: number): number {
  return gate.hash(
    view.getInt32(at, true),
    view.getInt32(at + 4, true),
    view.getInt32(at + 8, true),
    view.getInt32(at + 12, true),
  )
}
