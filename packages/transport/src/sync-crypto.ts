import { type Kind, objectWith } from "./check.ts"

/** Synchronous cryptography: a state machine can't wait in the middle of a datagram. */
export interface SyncCrypto {
  /** SHA-256 (FIPS 180-4), 32 bytes. */
  sha256(data: Uint8Array): Uint8Array
  /** HMAC-SHA-256 (RFC 2104), 32 bytes. */
  hmacSha256(key: Uint8Array, data: Uint8Array): Uint8Array
  /**
   * AES-256-GCM (NIST SP 800-38D) with a key of 32 bytes and a nonce of 12: the ciphertext followed by the tag of 16
   * bytes.
   */
  aesGcmSeal(key: Uint8Array, nonce: Uint8Array, associated: Uint8Array, plaintext: Uint8Array): Uint8Array
  /** The plaintext; `undefined`: the tag of 16 bytes doesn't match the rest. */
  aesGcmOpen(key: Uint8Array, nonce: Uint8Array, associated: Uint8Array, sealed: Uint8Array): Uint8Array | undefined
  /** The public key of a private one (RFC 7748); both are 32 bytes, the private one from `Host.entropy`. */
  x25519PublicKey(privateKey: Uint8Array): Uint8Array
  /**
   * The secret that two pairs of keys share, 32 bytes; `undefined`: the public key is of small order and would give
   * zeros with any private key.
   */
  x25519(privateKey: Uint8Array, publicKey: Uint8Array): Uint8Array | undefined
}

/** A host's cryptography. */
export const CRYPTO: Kind<SyncCrypto> = objectWith<SyncCrypto>(
  "cryptography of a host",
  ...(["sha256", "hmacSha256", "aesGcmSeal", "aesGcmOpen", "x25519PublicKey", "x25519"] as const),
)
