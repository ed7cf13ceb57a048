/**
 * The key exchange of a join in profiles `mac` and `aead`: Noise_NNpsk0_25519_AESGCM_SHA256 (Noise revision 34). One message each way; whoever doesn't know
 * the pre-shared key can neither read nor write either of them, and who learns it later can't read what went before.
 *
 * @module
 */

import type { SyncCrypto } from "@x/transport/host"

/** Bytes of the pre-shared key, of private and public keys and of hashes. */
export const KEY_BYTES = 32
/** Bytes that a message has more than its payload: a public key before it, a tag behind it. */
export const NOISE_OVERHEAD_BYTES: number = KEY_BYTES + 16

const NAME = "Noise_NNpsk0_25519_AESGCM_SHA256"

/** What both sides know in the end, and nobody else: the chaining key, and a hash over all that was said. */
export interface NoiseResult {
  readonly chainingKey: Uint8Array
  readonly transcript: Uint8Array
}

/** The symmetric state of the specification, §5.2: all that was said, and the keys that came of it. */
class SymmetricState {
  readonly #crypto: SyncCrypto
  #chainingKey: Uint8Array
  #hash: Uint8Array
  #key: Uint8Array = new Uint8Array(0)
  /** Encryptions under this key. */
  #nonce = 0

  constructor(crypto: SyncCrypto) {
    this.#crypto = crypto
    // The name has exactly the length of a hash, and so stands for its own.
    this.#hash = this.#chainingKey = Uint8Array.from(NAME, (letter) => letter.charCodeAt(0))
  }

  /** One that goes on from here by itself. */
  copy(): SymmetricState {
    const copy = new SymmetricState(this.#crypto)
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
    const [chainingKey, key] = hkdf(this.#crypto, this.#chainingKey, material)
    this.#chainingKey = chainingKey
    this.#setKey(key)
  }

  mixKeyAndHash(material: Uint8Array): void {
    const [chainingKey, hash, key] = hkdf(this.#crypto, this.#chainingKey, material)
    this.#chainingKey = chainingKey
    this.mixHash(hash)
    this.#setKey(key)
  }

  /** With a pre-shared key, ephemeral public keys count as key material too (§9.2): so no two messages are encrypted under one key. */
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

  /** One more message that nothing follows: under a key of its own, made with what `token` adds. */
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

/** A state in which the first message was said. */
function begin(crypto: SyncCrypto, prologue: Uint8Array, psk: Uint8Array, publicKey: Uint8Array): SymmetricState {
  if (psk.length !== KEY_BYTES) throw new RangeError(`a pre-shared key has ${KEY_BYTES} bytes, not ${psk.length}`)
  const state = new SymmetricState(crypto)
  state.mixHash(prologue)
  state.mixKeyAndHash(psk)
  state.mixPublicKey(publicKey)
  return state
}

/** Who begins. Writes one message and reads the answer to it. */
export class NoiseInitiator {
  /** The first message: → psk, e. */
  readonly message: Uint8Array
  readonly #crypto: SyncCrypto
  readonly #state: SymmetricState
  readonly #privateKey: Uint8Array

  /**
   * `prologue`: what both sides have to agree on. `privateKey`: {@link KEY_BYTES} of entropy for this message alone: with one key two messages would be
   * encrypted under one nonce.
   */
  constructor(crypto: SyncCrypto, prologue: Uint8Array, psk: Uint8Array, privateKey: Uint8Array, payload: Uint8Array) {
    const publicKey = crypto.x25519PublicKey(privateKey)
    this.#crypto = crypto
    this.#privateKey = privateKey
    this.#state = begin(crypto, prologue, psk, publicKey)
    this.message = concat(publicKey, this.#state.encryptAndHash(payload))
  }

  /** Reads the answer: ← e, ee. `undefined`: it isn't genuine. Nothing has changed then, the genuine one may still come. */
  read(message: Uint8Array): { readonly payload: Uint8Array; readonly result: NoiseResult } | undefined {
    if (message.length < NOISE_OVERHEAD_BYTES) return undefined
    const publicKey = message.subarray(0, KEY_BYTES)
    const shared = this.#crypto.x25519(this.#privateKey, publicKey)
    if (shared === undefined) return undefined
    const state = this.#state.copy()
    state.mixPublicKey(publicKey)
    state.mixKey(shared)
    const payload = state.decryptAndHash(message.subarray(KEY_BYTES))
    return payload === undefined ? undefined : { payload, result: state.result }
  }

  /** Reads what {@link NoiseResponder.writeAside} wrote. `undefined`: it isn't genuine. Changes nothing. */
  readAside(message: Uint8Array): Uint8Array | undefined {
    if (message.length < NOISE_OVERHEAD_BYTES) return undefined
    return this.#state.aside(message.subarray(0, KEY_BYTES)).decryptAndHash(message.subarray(KEY_BYTES))
  }
}

/** Who answers. */
export class NoiseResponder {
  /** What the first message said. */
  readonly payload: Uint8Array
  readonly #crypto: SyncCrypto
  readonly #state: SymmetricState
  readonly #theirPublicKey: Uint8Array

  private constructor(crypto: SyncCrypto, state: SymmetricState, theirPublicKey: Uint8Array, payload: Uint8Array) {
    this.#crypto = crypto
    this.#state = state
    this.#theirPublicKey = theirPublicKey
    this.payload = payload
  }

  /** Reads the first message; costs no exchange of keys. `undefined`: whoever sent it doesn't know the pre-shared key. */
  static read(crypto: SyncCrypto, prologue: Uint8Array, psk: Uint8Array, message: Uint8Array): NoiseResponder | undefined {
    if (message.length < NOISE_OVERHEAD_BYTES) return undefined
    // A copy: the message lies in memory that others are received in.
    const publicKey = message.slice(0, KEY_BYTES)
    const state = begin(crypto, prologue, psk, publicKey)
    const payload = state.decryptAndHash(message.subarray(KEY_BYTES))
    return payload === undefined ? undefined : new NoiseResponder(crypto, state, publicKey, payload)
  }

  /**
   * The answer: ← e, ee. `privateKey`: {@link KEY_BYTES} of entropy for this answer alone. `undefined`: the public key of the other side gives nothing
   * secret.
   */
  write(privateKey: Uint8Array, payload: Uint8Array): { readonly message: Uint8Array; readonly result: NoiseResult } | undefined {
    const shared = this.#crypto.x25519(privateKey, this.#theirPublicKey)
    if (shared === undefined) return undefined
    const publicKey = this.#crypto.x25519PublicKey(privateKey)
    const state = this.#state.copy()
    state.mixPublicKey(publicKey)
    state.mixKey(shared)
    const message = concat(publicKey, state.encryptAndHash(payload))
    return { message, result: state.result }
  }

  /**
   * An answer that begins nothing: ← e, with a public key that nobody has the private one of. `random`: {@link KEY_BYTES} of entropy for this answer alone.
   * It costs no exchange of keys, and the state is as it was.
   */
  writeAside(random: Uint8Array, payload: Uint8Array): Uint8Array {
    return concat(random, this.#state.aside(random).encryptAndHash(payload))
  }
}

/** HKDF as in the specification, §4.3: RFC 5869 without info, two or three blocks. */
function hkdf(crypto: SyncCrypto, chainingKey: Uint8Array, material: Uint8Array): [Uint8Array, Uint8Array, Uint8Array] {
  const secret = crypto.hmacSha256(chainingKey, material)
  const first = crypto.hmacSha256(secret, Uint8Array.of(1))
  const second = crypto.hmacSha256(secret, concat(first, Uint8Array.of(2)))
  return [first, second, crypto.hmacSha256(secret, concat(second, Uint8Array.of(3)))]
}

/** The nonce of AES-GCM: four zero bytes, then the number, the most significant byte first. */
function nonceOf(number: number): Uint8Array {
  const nonce = new Uint8Array(12)
  nonce[11] = number
  return nonce
}

function concat(a: Uint8Array, b: Uint8Array): Uint8Array {
  const out = new Uint8Array(a.length + b.length)
  out.set(a)
  out.set(b, a.length)
  return out
}
