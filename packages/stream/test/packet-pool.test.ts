import { PacketPool, PoolShare } from "@x/stream"
import fc from "fast-check"
import { expect, test } from "vitest"

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
