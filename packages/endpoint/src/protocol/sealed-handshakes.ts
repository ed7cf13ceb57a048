/**
 * Datagrams outside an association in profiles `mac` and `aead`: their packets are the payload of the key exchange (PROTOCOL.md §9). Whoever doesn't know a
 * secret gets no further than this, and no answer.
 *
 * @module
 */

import type { SyncCrypto } from "@x/transport/host"
import { PREFIX_BYTES, prefixEpoch, PROFILE, TAG_BYTES } from "@x/wire"
import { pskOf } from "./key-schedule.ts"
import { NOISE_OVERHEAD_BYTES, NoiseInitiator, NoiseResponder } from "./noise.ts"
import { KEY_BYTES, type NoiseResult } from "./noise-state.ts"

const PREFIX = PREFIX_BYTES[PROFILE.aead]!
const TAG = TAG_BYTES[PROFILE.aead]!

/** Bytes between prefix and packets. */
export const HANDSHAKE_GAP_BYTES: number = KEY_BYTES

/** What the epoch of an answer says it was sealed with. */
export const ANSWER = { aside: 0, accept: 1 } as const

export interface SealedHandshakesHost {
  readonly crypto: SyncCrypto
  entropy(out: Uint8Array): void
}

/** A datagram that was opened. Its packets are in the memory of {@link SealedHandshakes}, until the next one. */
export type OpenedHandshake =
  | { readonly kind: "join"; readonly responder: NoiseResponder }
  | { readonly kind: "accept"; readonly result: NoiseResult }
  | { readonly kind: "aside" }

export class SealedHandshakes {
  /** The datagram that was opened last: its prefix, packets in clear, and room where the tag was. */
  readonly view: DataView
  readonly #plain: Uint8Array
  /** Its length. */
  length = 0
  readonly #host: SealedHandshakesHost
  #keys: readonly Uint8Array[] = []

  constructor(host: SealedHandshakesHost, secrets: readonly Uint8Array[], datagramBytesMax: number) {
    this.#host = host
    this.#plain = new Uint8Array(datagramBytesMax)
    this.view = new DataView(this.#plain.buffer)
    this.setSecrets(secrets)
  }

  /** Joins are sent under the first, and taken under each. Associations keep their keys. */
  setSecrets(secrets: readonly Uint8Array[]): void {
    this.#keys = secrets.map((secret) => Uint8Array.from(pskOf(this.#host.crypto, secret)))
  }

  /** Fresh random bytes of the length of a key. */
  random(): Uint8Array {
    const bytes = new Uint8Array(KEY_BYTES)
    this.#host.entropy(bytes)
    return bytes
  }

  /** Begins an exchange with a join: its first message is what follows the prefix. */
  begin(prefix: Uint8Array, packets: Uint8Array): NoiseInitiator {
    return new NoiseInitiator(this.#host.crypto, prefix, this.#keys[0]!, this.random(), packets)
  }

  /** Opens a join; costs a check for each secret. */
  openJoin(bytes: Uint8Array, offset: number, length: number): OpenedHandshake | "too-short" | "tag" {
    if (length <= PREFIX + NOISE_OVERHEAD_BYTES) return "too-short"
    const prefix = bytes.slice(offset, offset + PREFIX)
    const message = bytes.subarray(offset + PREFIX, offset + length)
    for (const key of this.#keys) {
      const responder = NoiseResponder.read(this.#host.crypto, prefix, key, message)
      if (responder === undefined) continue
      this.#keep(bytes, offset, responder.payload)
      return { kind: "join", responder }
    }
    return "tag"
  }

  /** Opens an answer to a join. */
  openAnswer(initiator: NoiseInitiator, bytes: Uint8Array, offset: number, length: number): OpenedHandshake | "too-short" | "tag" {
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
