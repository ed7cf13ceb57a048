import { createCipheriv, createPrivateKey, createPublicKey, diffieHellman } from "node:crypto"
import fc from "fast-check"
import { expect, test } from "vitest"
import { aesGcmOpen, aesGcmSeal } from "../../src/simulated/aes-gcm.ts"
import { x25519, x25519PublicKey } from "../../src/simulated/x25519.ts"
import { runs } from "../../../../tools/runs.ts"

const key = fc.uint8Array({ minLength: 32, maxLength: 32 })
const nonce = fc.uint8Array({ minLength: 12, maxLength: 12 })
const data = fc.uint8Array({ maxLength: 100 })

/** PKCS #8 and SPKI of RFC 8410 before the 32 bytes of a key. */
const PRIVATE_HEADER = Buffer.from("302e020100300506032b656e04220420", "hex")
const PUBLIC_HEADER = Buffer.from("302a300506032b656e032100", "hex")

function nodePrivate(bytes: Uint8Array): ReturnType<typeof createPrivateKey> {
  return createPrivateKey({ key: Buffer.concat([PRIVATE_HEADER, bytes]), format: "der", type: "pkcs8" })
}

function nodePublic(bytes: Uint8Array): ReturnType<typeof createPublicKey> {
  return createPublicKey({ key: Buffer.concat([PUBLIC_HEADER, bytes]), format: "der", type: "spki" })
}

test("AES-256-GCM is what Node computes, and what was sealed opens", () => {
  fc.assert(
    fc.property(key, nonce, data, data, (key, nonce, associated, plaintext) => {
      const cipher = createCipheriv("aes-256-gcm", key, nonce, { authTagLength: 16 }).setAAD(associated)
      const expected = Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()])
      const sealed = aesGcmSeal(key, nonce, associated, plaintext)
      expect(sealed).toEqual(Uint8Array.from(expected))
      expect(aesGcmOpen(key, nonce, associated, sealed)).toEqual(plaintext)
    }),
  )
})

test("X25519 is what Node computes, for any public key", () => {
  fc.assert(
    fc.property(key, key, (ours, theirs) => {
      const ourPublic = createPublicKey(nodePrivate(ours)).export({ format: "der", type: "spki" })
      expect(x25519PublicKey(ours)).toEqual(Uint8Array.from(ourPublic.subarray(PUBLIC_HEADER.length)))
      const expected = diffieHellman({ privateKey: nodePrivate(ours), publicKey: nodePublic(theirs) })
      expect(x25519(ours, theirs)).toEqual(Uint8Array.from(expected))
    }),
    { numRuns: runs(50) },
  )
})
