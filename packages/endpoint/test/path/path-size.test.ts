import { DATAGRAM_BYTES_BASE, DATAGRAM_BYTES_FLOOR } from "@x/wire"
import fc from "fast-check"
import { expect, test } from "vitest"
import { settingsOf } from "../../src/api/options.ts"
import { PathSize } from "../../src/path/path-size.ts"
import { LIMITS } from "../peer/limits.ts"

test("a path that doesn't carry a size has the next lower one that is known to pass", () => {
  const size = new PathSize(settingsOf({}), LIMITS)
  const before = size.datagramBytesMax
  expect(size.limit(before + 1)).toBe(false)
  expect(size.datagramBytesMax).toBe(before)
  expect(size.limit(DATAGRAM_BYTES_BASE + 1)).toBe(before > DATAGRAM_BYTES_BASE)
  expect(size.limit(DATAGRAM_BYTES_BASE)).toBe(true)
  expect(size.datagramBytesMax).toBe(DATAGRAM_BYTES_FLOOR)
})

test("a size never grows, and what follows from it fits it, whatever the path refuses", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(70_000), { maxLength: 10 }), (refused) => {
      const size = new PathSize(settingsOf({}), LIMITS)
      let before = size.datagramBytesMax
      for (const bytes of refused) {
        size.limit(bytes)
        expect(size.datagramBytesMax).toBeLessThanOrEqual(before)
        expect(size.datagramBytesMax).toBeGreaterThanOrEqual(DATAGRAM_BYTES_FLOOR)
        expect(size.payloadBytesMax).toBeLessThan(size.datagramBytesMax)
        expect(size.inFlightBytesMax).toBe(LIMITS.inFlight * size.datagramBytesMax)
        before = size.datagramBytesMax
      }
    }),
  )
})
