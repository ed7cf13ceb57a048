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
