/** Cryptography under observation. */
import type { SyncCrypto } from "@x/transport/host"

/** Records each pair of key and nonce that something is sealed with, and counts what is opened. */
export class NonceWatch implements SyncCrypto {
  sealed = 0
  opened = 0
  /** Pairs that were used again, with other bytes than the first time. */
  readonly repeated: string[] = []
  readonly sha256: SyncCrypto["sha256"]
  readonly hmacSha256: SyncCrypto["hmacSha256"]
  readonly x25519: SyncCrypto["x25519"]
  readonly x25519PublicKey: SyncCrypto["x25519PublicKey"]
  readonly #crypto: SyncCrypto
  /** By key: the first nonce, and a bit for each other nonce by its difference from the first. */
  readonly #keys = new Map<string, { readonly first: Uint8Array; bits: Uint8Array }>()
  readonly #keyOf = new WeakMap<Uint8Array, { readonly first: Uint8Array; bits: Uint8Array }>()

  constructor(crypto: SyncCrypto) {
    this.#crypto = crypto
    this.sha256 = (data) => crypto.sha256(data)
    this.hmacSha256 = (key, data) => crypto.hmacSha256(key, data)
    this.x25519 = (privateKey, publicKey) => crypto.x25519(privateKey, publicKey)
    this.x25519PublicKey = (privateKey) => crypto.x25519PublicKey(privateKey)
  }

  get keys(): number {
    return this.#keys.size
  }

  aesGcmSeal(key: Uint8Array, nonce: Uint8Array, associated: Uint8Array, plaintext: Uint8Array): Uint8Array {
    this.sealed++
    this.#note(key, nonce)
    return this.#crypto.aesGcmSeal(key, nonce, associated, plaintext)
  }

  aesGcmOpen(key: Uint8Array, nonce: Uint8Array, associated: Uint8Array, sealed: Uint8Array): Uint8Array | undefined {
    this.opened++
    return this.#crypto.aesGcmOpen(key, nonce, associated, sealed)
  }

  #note(key: Uint8Array, nonce: Uint8Array): void {
    let used = this.#keyOf.get(key)
    if (used === undefined) {
      const text = key.join()
      used = this.#keys.get(text) ?? { first: nonce.slice(), bits: new Uint8Array(64) }
      this.#keys.set(text, used)
      this.#keyOf.set(key, used)
    }
    // Counters begin at 1: their difference from the first is small.
    let place = 0
    for (let i = 0; i < nonce.length; i++) place = place * 256 + (nonce[i]! ^ used.first[i]!)
    while (place >>> 3 >= used.bits.length) {
      const grown = new Uint8Array(2 * used.bits.length)
      grown.set(used.bits)
      used.bits = grown
    }
    if ((used.bits[place >>> 3]! & (1 << (place & 7))) !== 0) this.repeated.push(`${key.join()} ${nonce.join()}`)
    used.bits[place >>> 3]! |= 1 << (place & 7)
  }
}
