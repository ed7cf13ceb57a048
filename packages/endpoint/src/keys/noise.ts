/**
 * The key exchange of a join in profiles `mac` and `aead`: Noise_NNpsk0_25519_AESGCM_SHA256 (Noise revision 34). One
 * message each way. Without the pre-shared key neither of them can be read or written; an attacker that learns it later
 * can't read earlier datagrams.
 *
 * @module
 */

import type { SyncCrypto } from "@x/transport/host"
import { checkKey, concat, KEY_BYTES, type Mixed, type NoiseResult, SymmetricState } from "./noise-state.ts"

/** Bytes that a message adds to its payload: a public key before it, a tag after it. */
export const NOISE_OVERHEAD_BYTES: number = KEY_BYTES + 16

const NAME = "Noise_NNpsk0_25519_AESGCM_SHA256"

/**
 * A pre-shared key with the precomputed state at the beginning of each exchange: half of the cost of checking a message
 * from a stranger.
 */
export class NoiseKey {
  readonly psk: Uint8Array
  readonly mixed: Mixed

  /** Throws `RangeError` if the key doesn't have {@link KEY_BYTES}. */
  constructor(crypto: SyncCrypto, psk: Uint8Array) {
    checkKey(psk)
    this.psk = psk
    this.mixed = SymmetricState.mixFirst(crypto, NAME, psk)
  }
}

/** The state after the public key of the first message. */
function begin(crypto: SyncCrypto, prologue: Uint8Array, key: NoiseKey, publicKey: Uint8Array): SymmetricState {
  const state = new SymmetricState(crypto, NAME)
  state.mixHash(prologue)
  state.mix(key.mixed)
  state.mixPublicKey(publicKey)
  return state
}

/** The side that begins. Writes one message and reads the answer to it. */
export class NoiseInitiator {
  /** The first message: → psk, e. */
  readonly message: Uint8Array
  readonly #crypto: SyncCrypto
  readonly #state: SymmetricState
  readonly #privateKey: Uint8Array

  /**
   * `prologue`: data that both sides have to agree on. `privateKey`: {@link KEY_BYTES} of entropy for this message
   * alone: with the same key twice, two messages would be encrypted under one nonce.
   */
  constructor(crypto: SyncCrypto, prologue: Uint8Array, key: NoiseKey, privateKey: Uint8Array, payload: Uint8Array) {
    const publicKey = crypto.x25519PublicKey(privateKey)
    this.#crypto = crypto
    this.#privateKey = privateKey
    this.#state = begin(crypto, prologue, key, publicKey)
    this.message = concat(publicKey, this.#state.encryptAndHash(payload))
  }

  /**
   * Reads the answer: ← e, ee. `undefined`: it isn't genuine, nothing has changed, and the genuine one may still come.
   */
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

  /** Reads a message of {@link NoiseResponder.writeAside}. `undefined`: it isn't genuine. Changes nothing. */
  readAside(message: Uint8Array): Uint8Array | undefined {
    if (message.length < NOISE_OVERHEAD_BYTES) return undefined
    return this.#state.aside(message.subarray(0, KEY_BYTES)).decryptAndHash(message.subarray(KEY_BYTES))
  }
}

/** The side that answers. */
export class NoiseResponder {
  /** The payload of the first message. */
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

  /** Reads the first message, without a key exchange. `undefined`: its sender doesn't know the pre-shared key. */
  static read(
    crypto: SyncCrypto,
    prologue: Uint8Array,
    key: NoiseKey,
    message: Uint8Array,
  ): NoiseResponder | undefined {
    if (message.length < NOISE_OVERHEAD_BYTES) return undefined
    // A copy: the message lies in memory that other datagrams are received in.
    const publicKey = message.slice(0, KEY_BYTES)
    const state = begin(crypto, prologue, key, publicKey)
    const payload = state.decryptAndHash(message.subarray(KEY_BYTES))
    return payload === undefined ? undefined : new NoiseResponder(crypto, state, publicKey, payload)
  }

  /**
   * Writes the answer: ← e, ee. `privateKey`: {@link KEY_BYTES} of entropy for this answer alone. `undefined`: the
   * public key of the initiator gives no secret.
   */
  write(
    privateKey: Uint8Array,
    payload: Uint8Array,
  ): { readonly message: Uint8Array; readonly result: NoiseResult } | undefined {
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
   * Writes an answer that completes nothing: ← e, with a public key whose private key nobody has. `random`:
   * {@link KEY_BYTES} of entropy for this answer alone. It costs no key exchange, and leaves the state unchanged.
   */
  writeAside(random: Uint8Array, payload: Uint8Array): Uint8Array {
    return concat(random, this.#state.aside(random).encryptAndHash(payload))
  }
}
