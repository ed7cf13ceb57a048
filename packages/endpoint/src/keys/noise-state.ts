/**
 * The part that all patterns of Noise (revision 34) have in common: the symmetric state, §5.2, with the functions
 * 25519, AESGCM and SHA256.
 *
 * @module
 */

import type { SyncCrypto } from "@x/transport/host"

/** Bytes of pre-shared, private and public keys and of hashes. */
export const KEY_BYTES = 32
/** Bytes that encryption adds. */
export const NOISE_TAG_BYTES = 16

/** The result that both sides share, and nobody else knows: the chaining key, and a hash of the whole exchange. */
export interface NoiseResult {
  readonly chainingKey: Uint8Array
  readonly transcript: Uint8Array
}

/** The result of mixing something into keys and hash (§5.2, MixKeyAndHash). */
export interface Mixed {
  readonly chainingKey: Uint8Array
  readonly hash: Uint8Array
  readonly key: Uint8Array
}

/** The symmetric state of the specification, §5.2: the exchange so far, and the keys that result from it. */
export class SymmetricState {
  readonly #crypto: SyncCrypto
  #chainingKey: Uint8Array
  #hash: Uint8Array
  #key: Uint8Array = new Uint8Array(0)
  /** Encryptions under this key. */
  #nonce = 0

  /** `name`: the name of the protocol, which has exactly the length of a hash, and so is used as one. */
  constructor(crypto: SyncCrypto, name: string) {
    this.#crypto = crypto
    this.#hash = this.#chainingKey = bytesOf(name)
  }

  /** The result of mixing in this material while only hashes were mixed in: always the same, so it can be kept. */
  static mixFirst(crypto: SyncCrypto, name: string, material: Uint8Array): Mixed {
    return mixed(crypto, bytesOf(name), material)
  }

  /** Returns an independent copy. */
  copy(): SymmetricState {
    const copy = new SymmetricState(this.#crypto, "")
    copy.#chainingKey = this.#chainingKey
    copy.#hash = this.#hash
    copy.#key = this.#key
    copy.#nonce = this.#nonce
    return copy
  }

  get result(): NoiseResult {
    return { chainingKey: this.#chainingKey, transcript: this.#hash }
  }

  mixHash(data: Uint8Array): void {
    this.#hash = this.#crypto.sha256(concat(this.#hash, data))
  }

  mixKey(material: Uint8Array): void {
    const { first, second } = hkdf(this.#crypto, this.#chainingKey, material)
    this.#chainingKey = first
    this.#setKey(second)
  }

  mixKeyAndHash(material: Uint8Array): void {
    this.mix(mixed(this.#crypto, this.#chainingKey, material))
  }

  mix({ chainingKey, hash, key }: Mixed): void {
    this.#chainingKey = chainingKey
    this.mixHash(hash)
    this.#setKey(key)
  }

  /**
   * With a pre-shared key, ephemeral public keys are mixed into the key too (§9.2), so that no two messages are
   * encrypted under one key.
   */
  mixPublicKey(publicKey: Uint8Array): void {
    this.mixHash(publicKey)
    this.mixKey(publicKey)
  }

  encryptAndHash(plaintext: Uint8Array): Uint8Array {
    const sealed = this.#crypto.aesGcmSeal(this.#key, nonceOf(this.#nonce++), this.#hash, plaintext)
    this.mixHash(sealed)
    return sealed
  }

  decryptAndHash(sealed: Uint8Array): Uint8Array | undefined {
    const plaintext = this.#crypto.aesGcmOpen(this.#key, nonceOf(this.#nonce++), this.#hash, sealed)
    if (plaintext !== undefined) this.mixHash(sealed)
    return plaintext
  }

  /** A state for one more message that nothing follows: under a key of its own, made with `token`. */
  aside(token: Uint8Array): SymmetricState {
    const state = this.copy()
    state.mixPublicKey(token)
    return state
  }

  #setKey(key: Uint8Array): void {
    this.#key = key
    this.#nonce = 0
  }
}

/** Throws `RangeError` if the pre-shared key has another length. */
export function checkKey(psk: Uint8Array): void {
  if (psk.length !== KEY_BYTES) throw new RangeError(`a pre-shared key has ${KEY_BYTES} bytes, not ${psk.length}`)
}

/** HKDF as in the specification, §4.3: RFC 5869 without info, two blocks. */
function hkdf(
  crypto: SyncCrypto,
  chainingKey: Uint8Array,
  material: Uint8Array,
): { readonly secret: Uint8Array; readonly first: Uint8Array; readonly second: Uint8Array } {
  const secret = crypto.hmacSha256(chainingKey, material)
  const first = crypto.hmacSha256(secret, Uint8Array.of(1))
  return { secret, first, second: crypto.hmacSha256(secret, concat(first, Uint8Array.of(2))) }
}

/** The same with a third block. */
function mixed(crypto: SyncCrypto, chainingKey: Uint8Array, material: Uint8Array): Mixed {
  const { secret, first, second } = hkdf(crypto, chainingKey, material)
  return { chainingKey: first, hash: second, key: crypto.hmacSha256(secret, concat(second, Uint8Array.of(3))) }
}

/** The name of a protocol, which has exactly the length of a hash. */
function bytesOf(name: string): Uint8Array {
  return Uint8Array.from(name, (letter) => letter.charCodeAt(0))
}

/** The nonce of AES-GCM: four zero bytes, then the number with the most significant byte first. */
function nonceOf(number: number): Uint8Array {
  const nonce = new Uint8Array(12)
  nonce[11] = number
  return nonce
}

export function concat(a: Uint8Array, b: Uint8Array): Uint8Array {
  const out = new Uint8Array(a.length + b.length)
  out.set(a)
  out.set(b, a.length)
  return out
}
