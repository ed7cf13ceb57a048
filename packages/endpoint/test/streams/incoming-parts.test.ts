import { PacketPool } from "@x/stream"
import fc from "fast-check"
import { expect, test } from "vitest"
import { IncomingParts, type PartedPacket } from "../../src/streams/incoming-parts.ts"
import type { IncomingState } from "../../src/streams/incoming-state.ts"
import { pattern } from "../world.ts"

const SLOT_BYTES = 2_000

/** Packets put together in a pool of so many slots. */
class World {
  readonly pool: PacketPool
  readonly parts: IncomingParts

  constructor(slotsMax = 16) {
    this.pool = new PacketPool({ slotBytes: SLOT_BYTES, slotsMax })
    this.parts = new IncomingParts(this.pool)
  }

  take(state: IncomingState, number: number, from: number, to: number, { total = 1_500, delivery = 3 } = {}) {
    const bytes = pattern(total, number).subarray(from, to)
    return this.parts.take(state, { number, delivery, partOffset: from, total, bytes })
  }
}

function streamAt(cumulative: number): IncomingState {
  return { stream: { cumulative } } as IncomingState
}

function payloadOf(whole: unknown): Uint8Array {
  const { bytes, offset, total } = whole as PartedPacket
  return bytes.slice(offset, offset + total)
}

test("a packet is whole once all of its bytes are there, in whatever order, and however often, they come", () => {
  const cut = fc.record({ from: fc.nat(1_499), length: fc.integer({ min: 1, max: 700 }) })
  fc.assert(
    fc.property(fc.array(cut, { maxLength: 60 }), (cuts) => {
      const it = new World()
      const state = streamAt(0)
      const there = new Set<number>()
      for (const { from, length } of [...cuts, { from: 0, length: 1_499 }, { from: 1, length: 1_499 }]) {
        const to = Math.min(1_500, from + length)
        for (let at = from; at < to; at++) there.add(at)
        const whole = it.take(state, 5, from, to)
        expect(whole !== undefined).toBe(there.size === 1_500)
        if (whole === undefined) continue
        expect(payloadOf(whole)).toEqual(pattern(1_500, 5))
        it.parts.drop(whole as PartedPacket)
        break
      }
      expect([it.parts.count, it.pool.used]).toEqual([0, 0])
    }),
  )
})

test("a part that disagrees with those before is dropped, and they stay", () => {
  const it = new World()
  const state = streamAt(0)
  it.take(state, 5, 0, 1_000)
  expect(it.take(state, 5, 1_000, 1_400, { total: 1_400 })).toBe("piece-conflict")
  expect(it.take(state, 5, 1_000, 1_500, { delivery: 4 })).toBe("piece-conflict")
  expect(payloadOf(it.take(state, 5, 1_000, 1_500))).toEqual(pattern(1_500, 5))
})

test("packets of different streams with the same number are not mixed", () => {
  const it = new World()
  const [a, b] = [streamAt(0), streamAt(0)]
  it.take(a, 5, 0, 1_000)
  expect(it.take(b, 5, 1_000, 1_500)).toBeUndefined()
  expect(it.parts.count).toBe(2)
})

test("where there are no slots one packet is put together all the same: the first one of its stream", () => {
  const it = new World(0)
  const [a, b] = [streamAt(3), streamAt(0)]
  expect(it.take(a, 5, 0, 1_000)).toBeUndefined()
  expect(it.take(a, 7, 0, 1_000)).toBe("no-room")
  // It is in front of the other, or nothing is in front of it.
  expect(it.take(a, 4, 0, 1_000)).toBeUndefined()
  expect(it.take(b, 0, 0, 1_000)).toBeUndefined()
  expect(it.take(a, 4, 0, 1_000)).toBe("no-room")
  expect(payloadOf(it.take(b, 0, 1_000, 1_500))).toEqual(pattern(1_500, 0))
})

test("no more than so many packets are half there, whoever sends what; packets that are passed or over give back all", () => {
  const it = new World(1_000)
  const state = streamAt(0)
  for (let number = 0; number < 200; number++) it.take(state, number, 0, 1_000)
  expect([it.parts.count, it.pool.used]).toEqual([64, 64])
  const other = streamAt(0)
  it.take(other, 0, 0, 1_000)
  ;(state.stream as { cumulative: number }).cumulative = 10
  it.parts.forgetPassed()
  // One made way for the first of the other stream.
  expect(it.parts.count).toBe(55)
  it.parts.forget(state)
  it.parts.forget(other)
  expect([it.parts.count, it.pool.used]).toEqual([0, 0])
})

test("a packet that no datagram of ours could hold, and one in more stretches than anybody makes, are dropped", () => {
  const it = new World()
  const state = streamAt(0)
  expect(it.take(state, 1, 0, 10, { total: SLOT_BYTES + 1 })).toBe("no-room")
  const taken = Array.from({ length: 400 }, (_, i) => it.take(state, 2, 3 * i, 3 * i + 1))
  expect(taken.filter((result) => result === undefined).length).toBe(128)
})
