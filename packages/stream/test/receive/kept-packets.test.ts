import { createKeptPacket } from "@x/stream"
import fc from "fast-check"
import { expect, test } from "vitest"
import { runs } from "../../../../tools/testkit/src/runs.ts"
import { firsts, Parts } from "./parts.ts"

test("a packet is kept once its turn is not yet, and found when it is", () => {
  const { kept, edges, pool } = new Parts()
  const out = createKeptPacket()
  expect(kept.peek(out)).toBe(false)
  expect(kept.keep(1, 7, Uint8Array.of(1, 2, 3, 4), 1, 2)).toBe(true)
  edges.raise(2)
  expect([kept.count, kept.has(0), kept.has(1), kept.has(2), kept.peek(out)]).toEqual([1, false, true, false, false])
  edges.advance()
  expect([kept.peek(out), out.length, out.delivery]).toEqual([true, 2, 7])
  expect([...out.bytes.subarray(out.offset, out.offset + 2), out.view.getUint8(out.offset)]).toEqual([2, 3, 2])
  expect([kept.dropNext(), kept.dropNext(), kept.count, pool.used]).toEqual([true, false, 0, 0])
})

test("what the pool has no slot for, or what fits none, is not kept", () => {
  const { kept, edges, pool } = new Parts({ slotsMax: 1 })
  expect(kept.keep(3, 0, new Uint8Array(65), 0, 65)).toBe(false)
  expect(kept.keep(3, 0, new Uint8Array(64), 0, 64)).toBe(true)
  edges.raise(4)
  expect([kept.keep(2, 0, new Uint8Array(1), 0, 1), kept.has(2), pool.used]).toEqual([false, false, 1])
})

test("a stream that is given up gives all slots back", () => {
  const parts = new Parts({ first: 100 })
  for (const number of [103, 101, 140, 163]) parts.keep(number)
  parts.kept.clear()
  expect([parts.kept.count, parts.pool.used, parts.kept.has(103)]).toEqual([0, 0, false])
})

test("whatever comes early, each packet is found as it came, in its turn, wherever numbers begin", () => {
  const step = fc.oneof(fc.record({ ahead: fc.integer({ min: 1, max: 63 }) }), fc.constant("next" as const))
  fc.assert(
    fc.property(firsts, fc.array(step, { maxLength: 120 }), (first, steps) => {
      const parts = new Parts({ first, slotsMax: 40 })
      const { kept, edges, pool } = parts
      const out = createKeptPacket()
      const model = new Set<number>()
      for (const it of steps) {
        if (it === "next") {
          const isKept = model.delete(edges.next)
          expect(kept.peek(out)).toBe(isKept)
          const { next } = edges
          if (isKept) expect([out.length, out.bytes[out.offset], out.delivery]).toEqual([1, next % 256, next % 200])
          expect(kept.dropNext()).toBe(isKept)
          edges.raise(next + 1)
          edges.advance()
        } else if (!kept.has(edges.next + it.ahead)) {
          const isRoom = model.size < 40
          expect(parts.keep(edges.next + it.ahead)).toBe(isRoom)
          if (isRoom) model.add(edges.next + it.ahead)
        }
        for (let number = edges.next; number < edges.next + 64; number++)
          expect(kept.has(number)).toBe(model.has(number))
        expect([kept.count, pool.used]).toEqual([model.size, model.size])
        kept.assertInvariants()
      }
    }),
    { numRuns: runs(50) },
  )
})

test("a packet that is kept outside the edges is told", () => {
  const { kept, edges } = new Parts()
  kept.keep(3, 0, new Uint8Array(1), 0, 1)
  expect(() => kept.assertInvariants()).toThrow("1 kept, 0 of them between 0 and 0")
  edges.raise(4)
  kept.assertInvariants()
})

test("the first packet kept in a range is found by segments, not by numbers", () => {
  const parts = new Parts({ spreadPackets: 16_384, windowPackets: 8 })
  const { kept } = parts
  expect(kept.firstFrom(0, 9_000)).toBe(9_000)
  for (const number of [70, 8_191, 16_383]) parts.keep(number)
  expect([kept.firstFrom(1, 9_000), kept.firstFrom(70, 9_000), kept.firstFrom(71, 9_000)]).toEqual([70, 70, 8_191])
  expect([kept.firstFrom(8_192, 16_383), kept.firstFrom(8_192, 16_384), kept.firstFrom(71, 71)]).toEqual([
    16_383, 16_383, 71,
  ])
})

test("a packet at the far end of the spread takes as much memory as the next one, and what goes gives it back", () => {
  const bytesWith = (...numbers: number[]): number => {
    const parts = new Parts({ spreadPackets: 16_384, windowPackets: 8 })
    for (const number of numbers) parts.keep(number)
    return parts.kept.bytes
  }
  expect([bytesWith(), bytesWith(16_383)]).toEqual([0, bytesWith(1)])
  // However they lie, the memory for a packet is less than a third of what its slot has.
  const everySegment = Array.from({ length: 255 }, (_, i) => 64 * i + 70)
  expect(bytesWith(...everySegment) / everySegment.length).toBeLessThan(600)
  const parts = new Parts({ spreadPackets: 16_384, windowPackets: 8 })
  parts.keep(1)
  parts.edges.advance()
  parts.kept.dropNext()
  expect(parts.kept.bytes).toBe(0)
})
