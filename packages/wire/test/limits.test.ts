// The limits of a member as a receiver: their bytes, and their ranges.

import { expect, test } from "vitest"
import { areLimits, type Limits, LIMITS_BYTES, readLimits, writeLimits } from "../src/limits.ts"

const LEAST: Limits = {
  datagramBytes: 548,
  inFlight: 64,
  spread: 64,
  streams: 0,
  messageBytes: 0,
  statusDelayMs: 1,
}
const MOST: Limits = {
  datagramBytes: 65_507,
  inFlight: 1_048_576,
  spread: 65_536,
  streams: 0xffff_ffff,
  messageBytes: 0xffff_ffff,
  statusDelayMs: 1_000,
}
const AT = 3
const BEHIND = AT + LIMITS_BYTES
const view = new DataView(new ArrayBuffer(BEHIND + 1))

function isTaken(limits: Limits): boolean {
  writeLimits(view, AT, limits)
  return areLimits(view, AT)
}

test.each([LEAST, MOST])("limits are read as they were written, in their bytes and no others", (limits) => {
  view.setUint8(AT - 1, 0xa5)
  view.setUint8(BEHIND, 0x5a)
  writeLimits(view, AT, limits)
  expect(readLimits(view, AT)).toEqual(limits)
  expect([view.getUint8(AT - 1), view.getUint8(BEHIND)]).toEqual([0xa5, 0x5a])
})

test("the ends of each range are taken", () => {
  expect([LEAST, MOST].map((limits) => isTaken(limits))).toEqual([true, true])
})

test.each<Partial<Limits>>([
  { datagramBytes: 547 },
  { datagramBytes: 65_508 },
  { inFlight: 63 },
  { inFlight: 1_048_577 },
  { spread: 32 },
  { spread: 131_072 },
  { statusDelayMs: 0 },
  { statusDelayMs: 1_001 },
])("%j is out of range", (beyond) => {
  expect(isTaken({ ...LEAST, ...beyond })).toBe(false)
})

test.each([65, 96, 65_535])("a spread of %i is no power of two", (spread) => {
  expect(isTaken({ ...LEAST, spread })).toBe(false)
})
