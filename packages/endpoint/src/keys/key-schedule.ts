/**
 * Keys of an association, derived from its key exchange (PROTOCOL.md §9): one chain for each direction, with a key for
 * each epoch. The chain can be followed only forwards: an attacker that learns the keys of an epoch can't read earlier
 * ones.
 *
 * @module
 */

import type { SyncCrypto } from "@x/transport/host"
import type { NoiseResult } from "./noise-state.ts"

/** The nonce of AES-256-GCM, bytes. */
const IV_BYTES = 12

/**
 * The key for the datagrams of one epoch in one direction. The nonce is `iv`, with its last six bytes combined by XOR
 * with the counter.
 */
export interface EpochKey {
  /** 0 to 255, then from 0 again: only adjacent epochs are ever in use at once. */
  readonly epoch: number
  readonly key: Uint8Array
  readonly iv: Uint8Array
}

/** The keys of one direction, epoch after epoch. */
export class KeyChain {
  readonly #crypto: SyncCrypto
  #secret: Uint8Array
  #epoch = 0

  constructor(crypto: SyncCrypto, secret: Uint8Array) {
    this.#crypto = crypto
    this.#secret = secret
  }

  /** Returns the key of the next epoch, 0 first, and forgets what it was derived from. */
  next(): EpochKey {
    const epoch = this.#epoch
    const key = expand(this.#crypto, this.#secret, "x key")
    const iv = expand(this.#crypto, this.#secret, "x iv").slice(0, IV_BYTES)
    const following = expand(this.#crypto, this.#secret, "x next")
    this.#secret.fill(0)
    this.#secret = following
    this.#epoch = (epoch + 1) & 0xff
    return { epoch, key, iv }
  }
}

/**
 * The chains of both directions: HKDF with the transcript as salt, so that a peer that disagrees on any byte of the
 * join has other keys.
 */
export function keyChains(
  crypto: SyncCrypto,
  { chainingKey, transcript }: NoiseResult,
): { readonly fromInitiator: KeyChain; readonly fromResponder: KeyChain } {
  const secret = crypto.hmacSha256(transcript, chainingKey)
  return {
    fromInitiator: new KeyChain(crypto, expand(crypto, secret, "x initiator")),
    fromResponder: new KeyChain(crypto, expand(crypto, secret, "x responder")),
  }
}

/** Makes the pre-shared key of an exchange from a secret of any length. */
export function pskOf(crypto: SyncCrypto, secret: Uint8Array): Uint8Array {
  return crypto.hmacSha256(ascii("x psk"), secret)
}

/** Makes the key of the gate in front of joins from a secret. */
export function gateKeyOf(crypto: SyncCrypto, secret: Uint8Array): Uint8Array {
  return Uint8Array.from(crypto.hmacSha256(ascii("x gate"), secret))
}

/** The nonce of a datagram: a counter is never used twice with a key, not even for resends or in later epochs. */
export function nonceOf({ iv }: EpochKey, counter: number, nonce: Uint8Array): void {
  nonce.set(iv)
  const high = Math.floor(counter / 2 ** 32)
  for (let i = 0; i < 2; i++) nonce[6 + i]! ^= high >>> (8 - 8 * i)
  for (let i = 0; i < 4; i++) nonce[8 + i]! ^= counter >>> (24 - 8 * i)
}

/** HKDF-Expand (RFC 5869) of one block. */
function expand(crypto: SyncCrypto, secret: Uint8Array, label: string): Uint8Array {
  return Uint8Array.from(crypto.hmacSha256(secret, Uint8Array.of(...ascii(label), 1)))
}

function ascii(text: string): Uint8Array {
  return Uint8Array.from(text, (letter) => letter.charCodeAt(0))
}
