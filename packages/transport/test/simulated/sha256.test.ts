import { createHash, createHmac } from "node:crypto"
import fc from "fast-check"
import { expect, test } from "vitest"
import { hmacSha256, sha256 } from "../../src/simulated/sha256.ts"

const bytes = fc.oneof(
  fc.uint8Array({ maxLength: 300 }),
  fc.integer({ min: 50, max: 130 }).map((length) => new Uint8Array(length).fill(length)),
)

test("SHA-256 is what Node computes", () => {
  fc.assert(
    fc.property(bytes, (data) => {
      expect(sha256(data)).toEqual(Uint8Array.from(createHash("sha256").update(data).digest()))
    }),
  )
})

test("HMAC-SHA-256 is what Node computes, for keys longer than a block too", () => {
  fc.assert(
    fc.property(bytes, bytes, (key, data) => {
      expect(hmacSha256(key, data)).toEqual(Uint8Array.from(createHmac("sha256", key).update(data).digest()))
    }),
  )
})
