/** Node's cryptography, on the raw bytes that a protocol sends. */

import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  type KeyObject,
} from "node:crypto"
import type { SyncCrypto } from "./sync-crypto.ts"

const TAG_BYTES = 16
/** The PKCS #8 header before the 32 bytes of an X25519 key (RFC 8410). */
const PRIVATE_HEADER = Uint8Array.of(0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x6e, 4, 0x22, 4, 0x20)
/** The same kind of key as a JWK (RFC 8037). */
const X25519 = { kty: "OKP", crv: "X25519" } as const
const ANY_KEY = "A".repeat(43)

export const systemCrypto: SyncCrypto = {
  sha256: (data) => createHash("sha256").update(data).digest(),
  hmacSha256: (key, data) => createHmac("sha256", key).update(data).digest(),
  aesGcmSeal(key, nonce, associated, plaintext) {
    const cipher = createCipheriv("aes-256-gcm", key, nonce, { authTagLength: TAG_BYTES }).setAAD(associated)
    return Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()])
  },
  aesGcmOpen(key, nonce, associated, sealed) {
    const end = sealed.length - TAG_BYTES
    if (end < 0) return undefined
    // The length is given because a shorter tag would be accepted without it (F36).
    const decipher = createDecipheriv("aes-256-gcm", key, nonce, { authTagLength: TAG_BYTES }).setAAD(associated)
    decipher.setAuthTag(sealed.subarray(end))
    const plaintext = decipher.update(sealed.subarray(0, end))
    // The stack trace of an error that nobody reads costs three times as much as the check, and a flood would cause one
    // per datagram.
    const { stackTraceLimit } = Error
    Error.stackTraceLimit = 0
    try {
      decipher.final()
    } catch {
      return undefined
    } finally {
      Error.stackTraceLimit = stackTraceLimit
    }
    return plaintext
  },
  x25519PublicKey: (privateKey) =>
    Buffer.from(createPublicKey(privateKeyOf(privateKey)).export({ format: "jwk" }).x!, "base64url"),
  x25519(privateKey, publicKey) {
    const theirs = createPublicKey({ key: { ...X25519, x: base64url(publicKey) }, format: "jwk" })
    try {
      return diffieHellman({ privateKey: privateKeyOf(privateKey), publicKey: theirs })
    } catch {
      // OpenSSL refuses points of small order: their result would be zero.
      return undefined
    }
  },
}

/**
 * OpenSSL 3.0, in Node 20, takes 0.7 ms to decode a private key, but a tenth of that for a JWK, and it ignores the
 * public part of a JWK. Later versions decode PKCS #8 as fast, and Node 26 checks the public part, which isn't known
 * yet. Each join has up to six keys.
 */
const isDecodingSlow = process.versions.openssl?.startsWith("3.0.") ?? false

function privateKeyOf(bytes: Uint8Array): KeyObject {
  if (isDecodingSlow) return createPrivateKey({ key: { ...X25519, d: base64url(bytes), x: ANY_KEY }, format: "jwk" })
  return createPrivateKey({ key: Buffer.concat([PRIVATE_HEADER, bytes]), format: "der", type: "pkcs8" })
}

function base64url(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64url")
}
