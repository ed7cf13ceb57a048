import fc from "fast-check"
import { expect, test } from "vitest"
import { simulatedCrypto } from "../../src/simulated/crypto.ts"
import { systemCrypto } from "../../src/system-crypto.ts"
import { runs } from "../../../../tools/testkit/src/runs.ts"

const key = fc.uint8Array({ minLength: 32, maxLength: 32 })
const nonce = fc.uint8Array({ minLength: 12, maxLength: 12 })
const data = fc.oneof(
  fc.uint8Array({ maxLength: 300 }),
  // Around the edges of a block.
  fc.integer({ min: 50, max: 130 }).map((length) => new Uint8Array(length).fill(length)),
)

/** Node returns `Buffer`s. */
const plain = (bytes: Uint8Array | undefined): Uint8Array | undefined => bytes && Uint8Array.from(bytes)

/** The same bytes at an unaligned offset. */
function shifted(bytes: Uint8Array): Uint8Array {
  const room = new Uint8Array(bytes.length + 1)
  room.set(bytes, 1)
  return room.subarray(1)
}

test("SHA-256 and HMAC-SHA-256 are what Node computes, for keys longer than a block too", () => {
  fc.assert(
    fc.property(data, data, (a, b) => {
      expect(simulatedCrypto.sha256(a)).toEqual(plain(systemCrypto.sha256(a)))
      expect(simulatedCrypto.hmacSha256(a, b)).toEqual(plain(systemCrypto.hmacSha256(a, b)))
    }),
  )
})

test("AES-256-GCM is what Node computes, wherever the bytes lie, and what was sealed opens", () => {
  fc.assert(
    fc.property(key, nonce, data, data, (key, nonce, associated, plaintext) => {
      const sealed = simulatedCrypto.aesGcmSeal(key, nonce, associated, plaintext)
      expect(sealed).toEqual(plain(systemCrypto.aesGcmSeal(key, nonce, associated, plaintext)))
      expect(simulatedCrypto.aesGcmSeal(shifted(key), shifted(nonce), shifted(associated), shifted(plaintext))).toEqual(
        sealed,
      )
      expect(simulatedCrypto.aesGcmOpen(key, nonce, associated, shifted(sealed))).toEqual(plaintext)
    }),
  )
})

test("what was changed in any bit, or cut, doesn't open, and its bytes stay as they are", () => {
  fc.assert(
    fc.property(key, nonce, data, data, fc.nat(), (key, nonce, associated, plaintext, at) => {
      const sealed = simulatedCrypto.aesGcmSeal(key, nonce, associated, plaintext)
      const broken = sealed.slice()
      broken[(at >> 3) % broken.length]! ^= 1 << (at & 7)
      const before = broken.slice()
      expect(simulatedCrypto.aesGcmOpen(key, nonce, associated, broken)).toBe(undefined)
      expect(broken).toEqual(before)
      expect(simulatedCrypto.aesGcmOpen(key, nonce, associated, sealed.subarray(0, at % sealed.length))).toBe(undefined)
    }),
  )
})

test("X25519 is what Node computes, for any public key", () => {
  fc.assert(
    fc.property(key, key, (ours, theirs) => {
      expect(simulatedCrypto.x25519PublicKey(ours)).toEqual(plain(systemCrypto.x25519PublicKey(ours)))
      expect(simulatedCrypto.x25519(ours, theirs)).toEqual(plain(systemCrypto.x25519(ours, theirs)))
    }),
    { numRuns: runs(50) },
  )
})

test("a public key of small order shares nothing, as with Node", () => {
  const privateKey = new Uint8Array(32).fill(7)
  const p = [0xed, ...Array<number>(30).fill(0xff), 0x7f]
  const smallOrder = [
    Array<number>(32).fill(0),
    [1, ...Array<number>(31).fill(0)],
    [0xec, ...p.slice(1)],
    p,
    [0xee, ...p.slice(1)],
    [...Buffer.from("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800", "hex")],
    [...Buffer.from("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157", "hex")],
  ].map((bytes) => Uint8Array.from(bytes))
  for (const publicKey of smallOrder) {
    expect(simulatedCrypto.x25519(privateKey, publicKey)).toBe(undefined)
    expect(systemCrypto.x25519(privateKey, publicKey)).toBe(undefined)
  }
})
