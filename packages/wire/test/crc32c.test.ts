import { crc32c, openChecksum, pseudoHeaderSeed, sealChecksum } from "@x/wire"
import fc from "fast-check"
import { expect, test } from "vitest"

/** Bit by bit, straight from the polynomial. */
function naive(bytes: Uint8Array): number {
  let crc = 0xffff_ffff
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f6_3b78 : crc >>> 1
  }
  return ~crc >>> 0
}

test("the published check values hold (RFC 3720, B.4)", () => {
  expect(crc32c(new TextEncoder().encode("123456789"), 0, 9)).toBe(0xe306_9283)
  expect(crc32c(new Uint8Array(32), 0, 32)).toBe(0x8a91_36aa)
  expect(crc32c(new Uint8Array(32).fill(0xff), 0, 32)).toBe(0x62a8_ab43)
  expect(
    crc32c(
      Uint8Array.from({ length: 32 }, (_, i) => i),
      0,
      32,
    ),
  ).toBe(0x46dd_794e)
})

test("eight bytes at a time gives what bit by bit does, in one go or in two", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), fc.nat({ max: 100 }), (bytes, cut) => {
      const at = Math.min(cut, bytes.length)
      expect(crc32c(bytes, 0, bytes.length)).toBe(naive(bytes))
      expect(crc32c(bytes, at, bytes.length, crc32c(bytes, 0, at))).toBe(naive(bytes))
    }),
  )
})

test("a tag made for one pseudo-header is not that of another", () => {
  const unique = fc.uint8Array({ minLength: 8, maxLength: 8 })
  fc.assert(
    fc.property(unique, unique, unique, unique, (receiverUnique, senderUnique, receiverSession, senderSession) => {
      const header = { receiverUnique, senderUnique, receiverSession, senderSession }
      const other = { ...header, senderSession: senderSession.map((byte, i) => (i === 0 ? byte ^ 1 : byte)) }
      const bytes = new Uint8Array(20)
      sealChecksum(bytes, 0, 16, pseudoHeaderSeed(header))
      expect(openChecksum(bytes, 0, 20, pseudoHeaderSeed(header))).toBe(true)
      expect(openChecksum(bytes, 0, 20, pseudoHeaderSeed(other))).toBe(false)
    }),
  )
})
