/**
 * Cryptography for simulated hosts, which have no system: the same bytes as the system's, in every runtime. The only
 * file that imports third-party packages.
 *
 * @module
 */

import { gcm } from "@noble/ciphers/aes.js"
import { x25519 } from "@noble/curves/ed25519.js"
import { hmac } from "@noble/hashes/hmac.js"
import { sha256 } from "@noble/hashes/sha2.js"
import type { SyncCrypto } from "../sync-crypto.ts"

export const simulatedCrypto: SyncCrypto = {
  sha256: (data) => sha256(data),
  hmacSha256: (key, data) => hmac(sha256, key, data),
  aesGcmSeal: (key, nonce, associated, plaintext) => gcm(key, nonce, associated).encrypt(plaintext),
  // It throws for a wrong tag, and for too few bytes to hold a tag.
  aesGcmOpen: (key, nonce, associated, sealed) => resultOf(() => gcm(key, nonce, associated).decrypt(sealed)),
  x25519PublicKey: (privateKey) => x25519.getPublicKey(privateKey),
  // It throws for a public key of small order.
  x25519: (privateKey, publicKey) => resultOf(() => x25519.getSharedSecret(privateKey, publicKey)),
}

function resultOf(run: () => Uint8Array): Uint8Array | undefined {
  try {
    return run()
  } catch {
    return undefined
  }
}
