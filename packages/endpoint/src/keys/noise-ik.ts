/**
 * Proves which member a peer is: Noise_IKpsk2_25519_AESGCM_SHA256 (Noise revision 34), between two members with static
 * keys. The initiator knows the responder's public key, and sends its own, which nobody else can read.
 *
 * @module
 */

import type { SyncCrypto } from "@x/transport/host"
import { checkKey, concat, KEY_BYTES, NOISE_TAG_BYTES, type NoiseResult, SymmetricState } from "./noise-state.ts"

/** Bytes of the two messages without payload. */
export const IK_FIRST_BYTES: number = KEY_BYTES + KEY_BYTES + NOISE_TAG_BYTES + NOISE_TAG_BYTES
export const IK_SECOND_BYTES: number = KEY_BYTES + NOISE_TAG_BYTES

const NAME = "Noise_IKpsk2_25519_AESGCM_SHA256"

/** A pair of keys; the public one is derived from the private one. */
export interface StaticKey {
  readonly privateKey: Uint8Array
  readonly publicKey: Uint8Array
}

/** The arguments of both sides of an exchange. */
export interface IkParts {
  readonly crypto: SyncCrypto
  /** Data that both sides have to agree on. */
  readonly prologue: Uint8Array
  readonly psk: Uint8Array
  readonly own: StaticKey
}

function begin({ crypto, prologue, psk }: IkParts, responderPublicKey: Uint8Array): SymmetricState {
  checkKey(psk)
  const state = new SymmetricState(crypto, NAME)
  state.mixHash(prologue)
  state.mixHash(responderPublicKey)
  return state
}

/** The side that begins. */
export class IkInitiator {
  /** The first message: → e, es, s, ss. */
  readonly message: Uint8Array
  readonly #parts: IkParts
  readonly #state: SymmetricState
  readonly #privateKey: Uint8Array

  private constructor(parts: IkParts, state: SymmetricState, privateKey: Uint8Array, message: Uint8Array) {
    this.#parts = parts
    this.#state = state
    this.#privateKey = privateKey
    this.message = message
  }

  /**
   * `privateKey`: {@link KEY_BYTES} of entropy for this exchange alone. `undefined`: the responder's public key is of
   * small order, and gives no secret.
   */
  static begin(
    parts: IkParts,
    theirs: Uint8Array,
    privateKey: Uint8Array,
    payload: Uint8Array,
  ): IkInitiator | undefined {
    const { crypto, own } = parts
    const state = begin(parts, theirs)
    const publicKey = crypto.x25519PublicKey(privateKey)
    state.mixPublicKey(publicKey)
    const es = crypto.x25519(privateKey, theirs)
    const ss = crypto.x25519(own.privateKey, theirs)
    if (es === undefined || ss === undefined) return undefined
    state.mixKey(es)
    const sealedKey = state.encryptAndHash(own.publicKey)
    state.mixKey(ss)
    return new IkInitiator(
      parts,
      state,
      privateKey,
      concat(concat(publicKey, sealedKey), state.encryptAndHash(payload)),
    )
  }

  /** Reads the answer: ← e, ee, se, psk. `undefined`: it isn't genuine, and nothing has changed. */
  read(message: Uint8Array): { readonly payload: Uint8Array; readonly result: NoiseResult } | undefined {
    if (message.length < IK_SECOND_BYTES) return undefined
    const { crypto, own, psk } = this.#parts
    const theirs = message.slice(0, KEY_BYTES)
    const ee = crypto.x25519(this.#privateKey, theirs)
    const se = crypto.x25519(own.privateKey, theirs)
    if (ee === undefined || se === undefined) return undefined
    const state = this.#state.copy()
    state.mixPublicKey(theirs)
    state.mixKey(ee)
    state.mixKey(se)
    state.mixKeyAndHash(psk)
    const payload = state.decryptAndHash(message.subarray(KEY_BYTES))
    return payload === undefined ? undefined : { payload, result: state.result }
  }
}

/** The side that answers. */
export class IkResponder {
  /** The public key of the initiator. */
  readonly publicKey: Uint8Array
  readonly payload: Uint8Array
  readonly #parts: IkParts
  readonly #state: SymmetricState
  readonly #theirs: Uint8Array

  private constructor(
    parts: IkParts,
    state: SymmetricState,
    theirs: Uint8Array,
    publicKey: Uint8Array,
    payload: Uint8Array,
  ) {
    this.#parts = parts
    this.#state = state
    this.#theirs = theirs
    this.publicKey = publicKey
    this.payload = payload
  }

  /** Reads the first message. `undefined`: it is for another key, or not from the claimed sender. */
  static read(parts: IkParts, message: Uint8Array): IkResponder | undefined {
    if (message.length < IK_FIRST_BYTES) return undefined
    const { crypto, own } = parts
    const theirs = message.slice(0, KEY_BYTES)
    const state = begin(parts, own.publicKey)
    state.mixPublicKey(theirs)
    const es = crypto.x25519(own.privateKey, theirs)
    if (es === undefined) return undefined
    state.mixKey(es)
    const keyEnd = KEY_BYTES + KEY_BYTES + NOISE_TAG_BYTES
    const publicKey = state.decryptAndHash(message.subarray(KEY_BYTES, keyEnd))
    const ss = publicKey === undefined ? undefined : crypto.x25519(own.privateKey, publicKey)
    if (publicKey === undefined || ss === undefined) return undefined
    state.mixKey(ss)
    const payload = state.decryptAndHash(message.subarray(keyEnd))
    return payload === undefined
      ? undefined
      : new IkResponder(parts, state, theirs, Uint8Array.from(publicKey), payload)
  }

  /**
   * Writes the answer: ← e, ee, se, psk. `privateKey`: {@link KEY_BYTES} of entropy for it alone. `undefined`: the
   * initiator's key gives no secret.
   */
  write(
    privateKey: Uint8Array,
    payload: Uint8Array,
  ): { readonly message: Uint8Array; readonly result: NoiseResult } | undefined {
    const { crypto, psk } = this.#parts
    const ee = crypto.x25519(privateKey, this.#theirs)
    const se = crypto.x25519(privateKey, this.publicKey)
    if (ee === undefined || se === undefined) return undefined
    const publicKey = crypto.x25519PublicKey(privateKey)
    const state = this.#state.copy()
    state.mixPublicKey(publicKey)
    state.mixKey(ee)
    state.mixKey(se)
    state.mixKeyAndHash(psk)
    return { message: concat(publicKey, state.encryptAndHash(payload)), result: state.result }
  }
}
