// The bytes of control messages and of a topic's messages: what is written is read again, and nothing else is.
import fc from "fast-check"
import { expect, test } from "vitest"
import { ENDS, endOf, REFUSALS, refusalOf } from "../../src/wire/codes.ts"
import { type Control, decodeControl, encodeControl, makeEntry, readEntry } from "../../src/wire/message.ts"
import { runs } from "../../../../tools/testkit/src/runs.ts"

const u8 = fc.integer({ min: 0, max: 255 })
const u32 = fc.integer({ min: 0, max: 2 ** 32 - 1 })
const u48 = fc.integer({ min: 0, max: 2 ** 48 - 1 })
const bounded = (most: number): fc.Arbitrary<string> =>
  fc.string({ unit: "grapheme", minLength: 1 }).filter((text) => new TextEncoder().encode(text).length <= most)
const beginning = fc.oneof(
  fc.record({ at: fc.constantFrom("newest" as const, "oldest" as const, "last" as const) }),
  fc.record({ at: fc.constant("next" as const), log: bounded(64), position: u48 }),
)
const control: fc.Arbitrary<Control> = fc.oneof(
  fc.record({ kind: fc.constant("subscribe" as const), id: u32, beginning, name: bounded(255) }),
  fc.record({ kind: fc.constant("unsubscribe" as const), id: u32 }),
  fc.record({
    ...{ kind: fc.constant("accepted" as const), id: u32, stream: u32, resumed: fc.boolean() },
    ...{ first: u48, missed: u48, log: bounded(64) },
  }),
  fc.record({ kind: fc.constant("refused" as const), id: u32, code: u8 }),
  fc.record({ kind: fc.constant("ended" as const), id: u32, code: u8, end: u48 }),
  fc.record({ kind: fc.constant("gap" as const), id: u32, messages: fc.integer({ min: 1, max: 2 ** 48 - 1 }) }),
)

test("what is written is read again, wherever its bytes lie, and nothing shorter is", () => {
  fc.assert(
    fc.property(control, fc.nat(9), (message, offset) => {
      const bytes = encodeControl(message)
      const within = new Uint8Array(bytes.length + offset + 3)
      within.set(bytes, offset)
      expect(decodeControl(within.subarray(offset, offset + bytes.length))).toEqual(message)
      // The name at the end may be shorter, and is another then.
      const isCut = message.kind !== "subscribe"
      for (let length = 0; length < bytes.length; length++) {
        const read = decodeControl(bytes.subarray(0, length))
        if (isCut) expect(read).toBeUndefined()
        else if (read !== undefined) expect(read.kind).toBe("subscribe")
      }
    }),
    { numRuns: runs(500) },
  )
})

test("bytes that are read as a message are exactly those that it is written as", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), u8, (noise, kind) => {
      const bytes = new Uint8Array([kind % 8, ...noise])
      const read = decodeControl(bytes)
      if (read !== undefined) expect(encodeControl(read)).toEqual(bytes)
    }),
    { numRuns: runs(3_000) },
  )
})

test("the layouts are those of PROTOCOL.md", () => {
  const hex = (bytes: Uint8Array): string => [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join(" ")
  const next = { at: "next", log: "L", position: 0x0102_0304_0506 } as const
  expect(hex(encodeControl({ kind: "subscribe", id: 7, beginning: next, name: "t" }))).toBe(
    "01 07 00 00 00 03 06 05 04 03 02 01 01 4c 74",
  )
  expect(hex(encodeControl({ kind: "unsubscribe", id: 7 }))).toBe("02 07 00 00 00")
  const accepted = { kind: "accepted", id: 7, stream: 9, resumed: true, first: 5, missed: 0, log: "L" } as const
  expect(hex(encodeControl(accepted))).toBe("03 07 00 00 00 09 00 00 00 01 05 00 00 00 00 00 00 00 00 00 00 00 01 4c")
  expect(hex(encodeControl({ kind: "refused", id: 7, code: 2 }))).toBe("04 07 00 00 00 02")
  expect(hex(encodeControl({ kind: "ended", id: 7, code: 3, end: 8 }))).toBe("05 07 00 00 00 03 08 00 00 00 00 00")
  expect(hex(encodeControl({ kind: "gap", id: 7, messages: 8 }))).toBe("06 07 00 00 00 08 00 00 00 00 00")
  expect(hex(makeEntry(3, 258, 1))).toBe("03 00 00 00 00 00 02 01 00")
})

test("a message of a topic has its position and type; less than its head is none", () => {
  const entry = makeEntry(2 ** 40 + 5, 65_535, 2)
  expect(readEntry(entry)).toEqual({ position: 2 ** 40 + 5, type: 65_535, bytes: new Uint8Array(2) })
  expect(readEntry(entry.subarray(0, 7))).toBeUndefined()
})

test("codes have names, and those that aren't known too", () => {
  for (const [name, code] of Object.entries(REFUSALS)) expect(refusalOf(code)).toBe(name)
  for (const [name, code] of Object.entries(ENDS)) expect(endOf(code)).toBe(name)
  expect([refusalOf(0), refusalOf(200), endOf(0), endOf(200)]).toEqual(["refused", "refused", "ended", "ended"])
})
