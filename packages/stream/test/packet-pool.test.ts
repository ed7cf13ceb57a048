import { PacketPool, PoolShare } from "@x/stream"
import fc from "fast-check"
import { expect, test } from "vitest"
import { runs } from "../../../tools/testkit/src/runs.ts"

test("a slot that was released while the pool is held is given to nobody until it is reclaimed", () => {
  const pool = new PacketPool({ slotBytes: 64, slotsMax: 2 })
  const [first, second] = [pool.acquire(), pool.acquire()]
  pool.hold()
  pool.release(first)
  // Somebody still reads it. It counts as free, so that nobody takes the pool for full.
  expect([pool.used, pool.available]).toEqual([1, 1])
  const other = pool.acquire()
  expect(other).not.toBe(first)
  expect(other).not.toBe(second)
  pool.release(other)
  pool.reclaim()
  pool.release(second)
  pool.unhold()
  expect(pool.used).toBe(0)
  expect(new Set([pool.acquire(), pool.acquire()]).size).toBe(2)
})

test("whatever is taken, held and given back: no slot is given to two, and none that is held is given at all", () => {
  const step = fc.constantFrom("acquire", "release", "hold", "reclaim", "unhold" as const)
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 40 }), fc.array(step, { maxLength: 200 }), (slotsMax, steps) => {
      const pool = new PacketPool({ slotBytes: 8_192, slotsMax })
      const share = new PoolShare(pool, slotsMax)
      const taken: number[] = []
      const read = new Set<number>()
      let isHeld = false
      for (const what of steps) {
        if (what === "acquire") {
          const slot = share.acquire()
          if (slot < 0) expect(taken.length).toBe(slotsMax)
          else {
            expect([taken.includes(slot), read.has(slot)]).toEqual([false, false])
            taken.push(slot)
          }
        } else if (what === "release") {
          const slot = taken.shift()
          if (slot === undefined) continue
          share.release(slot)
          if (isHeld) read.add(slot)
        } else {
          pool[what]()
          isHeld = what === "hold" || (isHeld && what !== "unhold")
          if (what !== "hold") read.clear()
        }
        expect([pool.used, share.used]).toEqual([taken.length, taken.length])
      }
    }),
  )
})

/** A pool as an endpoint has it: most packets in 1,480 B, jumbo frames in seven times as much, the largest in 45 times. */
const MIXED = { slotBytes: 65_531, usualBytes: 1_476 }
const LENGTHS = [1, 1_476, 1_480, 1_481, 8_976, 10_360, 10_361, 65_531]

/** The same by hand: the slots in use, each with its place, and what a pool of this ceiling has room for. */
class NaivePool {
  readonly slots = new Map<number, { readonly chunk: number; readonly from: number; readonly to: number }>()
  readonly memory = new Map<number, Uint8Array>()
  used = 0

  take(pool: PacketPool, slot: number, bytes: number): void {
    const [chunk, from] = [pool.chunk(slot), pool.offset(slot)]
    const memory = this.memory.get(chunk) ?? pool.bytes(slot)
    // A chunk is the same memory for ever: it may be registered elsewhere.
    if (memory !== pool.bytes(slot)) throw new Error(`chunk ${chunk} is other memory now`)
    this.memory.set(chunk, memory)
    const to = from + bytes
    if (to > memory.length) throw new Error(`slot ${slot} ends at ${to}`)
    for (const other of this.slots.values())
      if (other.chunk === chunk && from < other.to && to > other.from) throw new Error(`slot ${slot} overlaps another`)
    this.slots.set(slot, { chunk, from, to })
    this.used += unitsOf(bytes)
  }

  /** Chunks with something in them. */
  get chunks(): number {
    return new Set([...this.slots.values()].map(({ chunk }) => chunk)).size
  }
}

/** Six slots for jumbo frames take the place of 45 usual ones. */
function unitsOf(bytes: number): number {
  if (bytes <= 1_480) return 1
  return bytes <= 10_360 ? 8 : 45
}

test("whatever sizes are taken and given back: no two slots overlap, and memory stays within the ceiling", () => {
  const length = fc.constantFrom(...LENGTHS)
  const step = fc.oneof(
    { weight: 3, arbitrary: fc.record({ take: length, times: fc.integer({ min: 1, max: 60 }) }) },
    { weight: 2, arbitrary: fc.record({ give: fc.nat(), times: fc.integer({ min: 1, max: 60 }) }) },
  )
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 300 }), fc.array(step, { maxLength: 40 }), (slotsMax, steps) => {
      const pool = new PacketPool({ ...MIXED, slotsMax })
      const share = new PoolShare(pool, slotsMax)
      const naive = new NaivePool()
      const chunksMax = Math.ceil(slotsMax / 45) + 2
      for (const does of steps)
        for (let i = 0; i < does.times; i++)
          if ("take" in does) {
            const room = share.availableFor(does.take)
            expect([0, 1, room, room + 1].map((slots) => share.fits(slots, does.take))).toEqual([
              ...[true, room >= 1, true, false],
            ])
            const slot = share.acquire(does.take)
            expect(slot >= 0).toBe(room > 0)
            // What no other size uses is there for each of them.
            if (slot < 0) expect(naive.used + unitsOf(does.take) > slotsMax || naive.chunks === chunksMax).toBe(true)
            else naive.take(pool, slot, does.take)
          } else {
            const slots = [...naive.slots]
            const [slot, { from, to }] = slots[(does.give + 7 * i) % slots.length] ?? [-1, { from: 0, to: 0 }]
            if (slot < 0) break
            naive.slots.delete(slot)
            naive.used -= unitsOf(to - from)
            share.release(slot)
          }
      pool.assertInvariants()
      expect([pool.used, share.used]).toEqual([naive.used, naive.used])
      expect(pool.allocatedBytes).toBeLessThanOrEqual(chunksMax * 45 * 1_480)
    }),
    { numRuns: runs(200) },
  )
})

test("memory that small packets have left serves large ones, and again small ones", () => {
  const pool = new PacketPool({ ...MIXED, slotsMax: 450 })
  for (const [bytes, most] of [
    [1_400, 450],
    [65_531, 10],
    [8_976, 56],
    [1_400, 450],
  ] as const) {
    const slots: number[] = []
    expect(pool.availableFor(bytes)).toBe(most)
    for (let slot = pool.acquire(bytes); slot >= 0; slot = pool.acquire(bytes)) slots.push(slot)
    expect(slots.length).toBe(most)
    for (const slot of slots) pool.release(slot)
  }
  expect(pool.allocatedBytes).toBeLessThanOrEqual((450 + 2 * 45) * 1_480)
})

test("a slot of no size holds more than the largest", () => {
  expect(() => new PacketPool(MIXED).acquire(66_601)).toThrow(/the largest have 66600 B/)
  expect(() => new PacketPool({ slotBytes: 100, usualBytes: 101 })).toThrow(/usualBytes/)
})

test("memory that was unused since the last time goes back, and slots still lie where nothing else does", () => {
  const sizes = fc.constantFrom(1_000, 9_000, 60_000)
  const step = fc.oneof(sizes, fc.constant("release" as const), fc.constant("trim" as const))
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const pool = new PacketPool({ slotBytes: 65_000, usualBytes: 1_500, slotsMax: 2_000 })
      pool.release(pool.acquire(1_000))
      const chunkBytes = pool.allocatedBytes
      const taken: number[] = []
      for (const what of steps) {
        if (what === "release") {
          const slot = taken.shift()
          if (slot !== undefined) pool.release(slot)
        } else if (what === "trim") {
          const before = pool.allocatedBytes
          const gone = pool.trim(1)
          expect(before - pool.allocatedBytes).toBe(gone.length * chunkBytes)
        } else {
          const slot = pool.acquire(what)
          if (slot < 0) continue
          taken.push(slot)
          pool.bytes(slot)[pool.offset(slot)] = slot & 255
        }
        for (const slot of taken) expect(pool.bytes(slot)[pool.offset(slot)]).toBe(slot & 255)
        pool.assertInvariants()
      }
      for (const slot of taken) pool.release(slot)
      pool.trim(0)
      pool.trim(0)
      expect([pool.used, pool.unusedChunks, pool.allocatedBytes]).toEqual([0, 0, 0])
    }),
    { numRuns: runs(100) },
  )
})
