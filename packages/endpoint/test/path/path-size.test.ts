import { DATAGRAM_BYTES_BASE } from "@x/wire"
import fc from "fast-check"
import { expect, test } from "vitest"
import { settingsOf } from "../../src/api/options.ts"
import { PathSize } from "../../src/path/path-size.ts"
import { LIMITS } from "../peer/limits.ts"

test("a path begins with the base, or with less where an end takes less", () => {
  const sizeOf = (ours: number, theirs: number): number[] => {
    const size = new PathSize(settingsOf({ datagramBytes: ours }), { ...LIMITS, datagramBytes: theirs })
    return [size.boundBytes, size.datagramBytesMax]
  }
  expect(sizeOf(1_452, 9_000)).toEqual([1_452, DATAGRAM_BYTES_BASE])
  expect(sizeOf(9_000, 1_452)).toEqual([1_452, DATAGRAM_BYTES_BASE])
  expect(sizeOf(600, 1_200)).toEqual([600, 600])
})

test("what follows from a size fits it, and the largest message is the same with each", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 548, max: 1_452 }), { maxLength: 10 }), (sizes) => {
      const size = new PathSize(settingsOf({}), LIMITS)
      const { messageBytesMax } = size
      let before = size.datagramBytesMax
      for (const bytes of sizes) {
        expect(size.set(bytes)).toBe(bytes !== before)
        expect(size.datagramBytesMax).toBe(bytes)
        expect(size.payloadBytesMax).toBeLessThan(bytes)
        expect(size.heldBytesMax).toBe(LIMITS.inFlight * bytes)
        expect(size.messageBytesMax).toBe(messageBytesMax)
        before = bytes
      }
    }),
  )
})

test("of large datagrams a socket holds fewer: what counts is its memory", () => {
  const size = new PathSize(settingsOf({}), { ...LIMITS, datagramBytes: 65_507, inFlight: 64 })
  for (const [bytes, held] of [
    [1_452, 64 * 1_452],
    [8_952, 64 * 1_792],
    // Two in any case.
    [65_507, 2 * 65_507],
  ] as const) {
    size.set(bytes)
    expect(size.heldBytesMax).toBe(held)
  }
})

test("packets leave room for others in a small window, and where memory is short they have usual size", () => {
  const sizeOf = (windowBytes: number): PathSize => {
    const size = new PathSize(settingsOf({ windowBytes }), { ...LIMITS, datagramBytes: 65_507 })
    size.set(65_507)
    return size
  }
  const usual = new PathSize(settingsOf({}), LIMITS)
  usual.set(1_452)
  expect([sizeOf(100_000).payloadBytesMax, sizeOf(1).payloadBytesMax]).toEqual([25_000, usual.payloadBytesMax])
  const large = sizeOf(1_048_576)
  expect(large.payloadBytesMax).toBeGreaterThan(65_400)
  expect([large.setThrifty(true), large.payloadBytesMax]).toEqual([true, usual.payloadBytesMax])
  expect([large.setThrifty(true), usual.setThrifty(true), large.setThrifty(false)]).toEqual([false, false, true])
})
