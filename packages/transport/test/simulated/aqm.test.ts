// What a queue drops or marks before it is full, and what a policer drops.

import { ECN } from "@x/transport"
import type { LinkOptions } from "@x/transport/simulated"
import { describe, expect, test } from "vitest"
import { Codel } from "../../src/simulated/aqm.ts"
import { BITS, type Flow, flow, HalvingSender } from "./flow.ts"

/** A datagram takes 1 ms at this rate. */
const RATE = 1_000 * BITS

/** The numbers that are missing among those that arrived. */
function missing({ numbers }: Flow): number[] {
  return Array.from({ length: numbers.at(-1)! }, (_, i) => i).filter((number) => !numbers.includes(number))
}

describe("CoDel", () => {
  const codel: LinkOptions = { rateBitsPerSecond: RATE, aqm: { kind: "codel" } }

  /** Twenty at once, then one each millisecond: all wait 20 ms or so. */
  async function standingQueue(options: LinkOptions, forMs: number, ecn = 0): Promise<Flow> {
    const world = await flow(options)
    world.ecn = ecn
    world.send(20)
    await world.run(1, forMs)
    return world
  }

  test("drops once waits have been above 5 ms for 100 ms, then more and more often", async () => {
    const world = await standingQueue(codel, 320)
    // The seventh is the first that has waited more than 5 ms: its turn comes at 5 ms, the first drop 100 ms later.
    // The next ones follow after 100, 100 / √2 … ms. The number is that of the datagram whose turn it is then: turns
    // come each millisecond, and one more comes with each drop.
    const dropMs = [105, 205, 205 + 100 / Math.SQRT2]
    expect(missing(world)).toEqual(dropMs.map((ms, i) => Math.ceil(ms) + i))
    expect(world.link.counts).toMatchObject({ aqm: 3, queue: 0 })
    expect(world.link.counts.delivered + 3).toBe(world.link.sent)
  })

  test("holds the wait of a full link near its target, where a plain queue fills up", async () => {
    for (const [options, atMost] of [
      [codel, 12],
      [{ rateBitsPerSecond: RATE }, Infinity],
    ] as const) {
      const world = await flow({ ...options, queuePackets: 200 })
      const sender = new HalvingSender(world, 20)
      for (let ms = 0; ms < 8_000; ms++) {
        await sender.step()
        if (ms === 2_000) world.link.bottleneck!.resetWaits()
      }
      const { meanMs } = world.link.bottleneck!.waits
      expect(world.arrivals.length).toBeGreaterThan(0.95 * 8_000)
      if (atMost === Infinity) expect(meanMs).toBeGreaterThan(60)
      else expect(meanMs).toBeLessThan(atMost)
    }
  })

  test("leaves a burst alone that is gone within its interval, and the last datagram of a queue", async () => {
    const burst = await flow(codel)
    for (let i = 0; i < 20; i++) {
      burst.send(60)
      await burst.network.advance(200)
    }
    expect(burst.link.counts).toMatchObject({ delivered: 1_200, aqm: 0 })

    // Two of 100 ms each: all of them wait long, and none has more than one behind it.
    const slow = await flow({ rateBitsPerSecond: RATE / 100, aqm: { kind: "codel" } })
    slow.send(1)
    await slow.run(100, 3_000)
    expect(slow.link.counts.aqm).toBe(0)
  })

  test("follows RFC 8289 from drop to drop, and goes on where it was after a short pause", () => {
    const codelAlone = new Codel({ kind: "codel" })
    const drops = (fromMs: number, toMs: number): number[] => {
      const at: number[] = []
      for (let ms = fromMs; ms <= toMs; ms++) if (codelAlone.drops(10, true, ms)) at.push(ms)
      return at
    }
    // 100, then 100 / √n later each.
    expect(drops(0, 400)).toEqual([100, 200, 271, 329, 379])
    expect(codelAlone.drops(1, true, 401)).toBe(false)
    // Five drops before: they count on at four.
    expect(drops(402, 600)).toEqual([502, 552, 597])
    expect(codelAlone.drops(10, false, 601)).toBe(false)
    // After 16 intervals it begins with one.
    expect(drops(3_000, 3_250)).toEqual([3_100, 3_200])
  })

  test.each([ECN.ect0, ECN.ect1, ECN.ce])("marks instead, where a sender takes part in ECN: mark %i", async (ecn) => {
    const world = await standingQueue(codel, 320, ecn)
    expect(missing(world)).toEqual([])
    expect(world.link.counts.aqm).toBe(0)
    expect(world.link.bottleneck!.marked).toBe(3)
    // Nothing was dropped, so turns come each millisecond.
    const markMs = [105, 205, 205 + 100 / Math.SQRT2]
    const marked = world.arrivals.filter((arrival) => arrival.ecn === ECN.ce)
    if (ecn !== ECN.ce) expect(marked.map(({ number }) => number)).toEqual(markMs.map((ms) => Math.ceil(ms)))
    expect(world.arrivals.every((arrival) => arrival.ecn === ecn || arrival.ecn === ECN.ce)).toBe(true)
  })

  test("drops all the same where it was told to mark nothing", async () => {
    const world = await standingQueue({ ...codel, aqm: { kind: "codel", marks: false } }, 320, ECN.ect0)
    expect(world.link.counts.aqm).toBe(3)
    expect(world.link.bottleneck!.marked).toBe(0)
    expect(world.arrivals.every(({ ecn }) => ecn === ECN.ect0)).toBe(true)
  })

  test("gives the copies of a marked datagram its mark", async () => {
    const world = await standingQueue({ ...codel, duplicateRate: 1 }, 320, ECN.ect0)
    await world.network.advance(100)
    const marked = world.arrivals.filter(({ ecn }) => ecn === ECN.ce).map(({ number }) => number)
    expect(marked).toHaveLength(2 * world.link.bottleneck!.marked)
    expect(new Set(marked).size).toBe(world.link.bottleneck!.marked)
    expect(marked.length).toBeGreaterThanOrEqual(6)
  })

  test("judges nobody once it is switched off, and what waits goes on in order", async () => {
    const world = await standingQueue(codel, 50)
    world.send(5)
    world.network.links({ rateBitsPerSecond: 10 * RATE })
    expect(world.link.bottleneck!.waitingPackets).toBe(25)
    await world.network.advance(2.6)
    expect(world.arrivals.length).toBe(50 + 25)
    expect(missing(world)).toEqual([])
  })

  test("goes on where it was when other options change", async () => {
    const world = await flow(codel)
    world.send(20)
    for (let i = 0; i < 32; i++) {
      await world.run(1, 10)
      world.network.links({ ...codel, aqm: { kind: "codel" }, delayMs: i })
    }
    expect(world.link.counts.aqm).toBe(3)
  })

  test("lets one follow the other without a gap", async () => {
    const aqm = { kind: "codel", targetMs: 10_000 } as const
    const world = await flow({ rateBitsPerSecond: 3 * RATE, aqm, queueBytes: Infinity })
    world.send(3_000)
    await world.network.advance(2_000)
    expect(world.times.at(-1)).toBe(1_000)
  })

  test("takes the copies of a dropped datagram with it, and one that would have been lost has one fate", async () => {
    const world = await standingQueue({ ...codel, duplicateRate: 1 }, 320)
    await world.network.advance(100)
    expect(world.arrivals.length).toBe(2 * world.link.counts.delivered)
    const lossy = await standingQueue({ ...codel, lossRate: 1, lossPlace: "behind" }, 320)
    expect(lossy.link.counts).toMatchObject({ aqm: 3, lost: lossy.link.sent - 3, delivered: 0 })
  })

  test("has the rate at which the queue is when that changes", async () => {
    const world = await flow(codel)
    world.send(10)
    await world.network.advance(2.5)
    world.network.links({ ...codel, rateBitsPerSecond: RATE / 10 })
    expect(world.link.bottleneck).toMatchObject({ waitingPackets: 8, waitingBytes: 7.5 * 1_046, waitMs: 75 })
    await world.network.advance(100)
    expect(world.times).toEqual([1, 2, 7.5, 17.5, 27.5, 37.5, 47.5, 57.5, 67.5, 77.5])
  })
})

describe("a step", () => {
  test("drops what would have to wait longer than its target, and marks it where a sender takes part in ECN", async () => {
    for (const ecn of [ECN.notEct, ECN.ect0]) {
      const world = await flow({ rateBitsPerSecond: RATE, aqm: { kind: "step", targetMs: 4 } })
      world.ecn = ecn
      world.send(10)
      await world.network.advance(50)
      const marks = Array.from({ length: 10 }, (_, i) => (i < 5 ? ECN.ect0 : ECN.ce))
      expect(world.arrivals.map((arrival) => arrival.ecn)).toEqual(ecn === ECN.notEct ? [0, 0, 0, 0, 0] : marks)
      expect(world.link.counts.aqm).toBe(ecn === ECN.notEct ? 5 : 0)
      expect(world.link.bottleneck!.marked).toBe(ecn === ECN.notEct ? 0 : 5)
    }
  })
})

describe("a policer", () => {
  test("lets a burst through at once, then its rate, and drops the rest without a queue", async () => {
    const world = await flow({ policer: { rateBitsPerSecond: RATE, burstBytes: 5 * 1_046 }, delayMs: 3 })
    world.send(10)
    await world.network.advance(4)
    expect(world.times).toEqual([3, 3, 3, 3, 3])
    expect(world.link.counts).toMatchObject({ delivered: 5, policed: 5 })
    // Four tokens since.
    world.send(10)
    await world.network.advance(1_000)
    expect(world.link.counts).toMatchObject({ delivered: 9, policed: 11 })
    await world.run(0.25, 1_000)
    // The burst of five again, and one each millisecond.
    expect(world.link.counts.delivered).toBe(9 + 5 + 999)
  })

  test("has the tokens that it had when other options change, and is full when its own do", async () => {
    const policer = { rateBitsPerSecond: RATE, burstBytes: 5 * 1_046 }
    const world = await flow({ policer })
    world.send(5)
    world.network.links({ policer: { ...policer }, delayMs: 1 })
    world.send(1)
    expect(world.link.counts).toMatchObject({ delivered: 5, policed: 1 })
    world.network.links({ policer: { ...policer, burstBytes: 2 * 1_046 } })
    world.send(3)
    expect(world.link.counts).toMatchObject({ delivered: 7, policed: 2 })
  })

  test("stands before the queue", async () => {
    const policer = { rateBitsPerSecond: RATE, burstBytes: 4 * 1_046 }
    const world = await flow({ policer, rateBitsPerSecond: RATE / 10, queuePackets: 2 })
    world.send(6)
    expect(world.link.counts).toMatchObject({ delivered: 2, queue: 2, policed: 2 })
  })
})
