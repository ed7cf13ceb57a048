// RED: how often it drops at which average, how its drops lie, and how it holds a queue.

import { ECN } from "@x/transport"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { runs } from "../../../../tools/testkit/src/runs.ts"
import { Random } from "../../src/simulated/random.ts"
import { Red, type RedOptions } from "../../src/simulated/red.ts"
import { BITS, flow, HalvingSender } from "./flow.ts"

/** A datagram takes 1 ms at this rate. */
const RATE = 1_000 * BITS

/** RED whose average is the length of the queue now. */
function makeRed(options: RedOptions = {}, seed = 1): Red {
  return new Red({ averageWeight: 1, ...options }, new Random(seed, "red"))
}

/** The numbers of those that are dropped of so many that find a queue of this length. */
function dropsAt(red: Red, packets: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => i).filter(() => red.drops(packets, 0))
}

describe("RED", () => {
  test("drops nothing below its least average, all from twice its largest, and ever more between them", () => {
    const shareAt = (packets: number): number => dropsAt(makeRed(), packets, 20_000).length / 20_000
    expect([0, 1, 4.9, 5].map(shareAt)).toEqual([0, 0, 0, 0])
    expect([30, 31, 1_000].map(shareAt)).toEqual([1, 1, 1])
    // Drops are spread evenly over up to 1 / rate datagrams, so there is one in (1 / rate + 1) / 2.
    for (const [packets, rate] of [
      [10, 0.05],
      [14.999, 0.1],
      [15, 0.1],
      [17.5, 0.25],
    ] as const)
      expect(shareAt(packets) / (2 / (1 / rate + 1))).toBeCloseTo(1, 1)
  })

  test("spreads its drops evenly: each distance up to 1 / rate is as likely, and none is longer", () => {
    fc.assert(
      fc.property(fc.nat(), fc.constantFrom(4, 10, 25), (seed, most) => {
        const drops = dropsAt(makeRed({ minPackets: 0, maxPackets: 10, dropRateMax: 2 / most }, seed), 5, 40_000)
        const counts = Array.from({ length: most + 1 }, () => 0)
        for (const [i, number] of drops.entries()) if (i > 0) counts[number - drops[i - 1]!]!++
        // 40,000 datagrams with a drop in (most + 1) / 2: five standard deviations.
        const mean = drops.length / most
        expect(counts[0]).toBe(0)
        for (const count of counts.slice(1)) expect(Math.abs(count - mean)).toBeLessThan(5 * Math.sqrt(mean))
      }),
      { numRuns: runs(20) },
    )
  })

  test("its average follows the queue slowly, and falls in a pause as if that many had found it empty", () => {
    const red = new Red({}, new Random(1))
    for (let i = 0; i < 500; i++) red.drops(10, 0)
    let expected = 0
    for (let i = 0; i < 500; i++) expected += 0.002 * (10 - expected)
    expect(red.averagePackets).toBeCloseTo(expected, 9)
    red.drops(0, 346.9)
    for (let i = 0; i < 346; i++) expected *= 0.998
    expect(red.averagePackets).toBeCloseTo(expected, 9)
    red.drops(0, Infinity)
    expect(red.averagePackets).toBe(0)
  })

  test("the lengths of a queue that no rate allows are dropped, whatever has been drawn before", () => {
    const options = fc.record({
      minPackets: fc.double({ min: 0, max: 20, noNaN: true }),
      maxPackets: fc.double({ min: 0.1, max: 20, noNaN: true }),
      dropRateMax: fc.double({ min: 0, max: 1, noNaN: true }),
    })
    const lengths = fc.array(fc.nat(60), { maxLength: 200 })
    fc.assert(
      fc.property(fc.nat(), options, lengths, (seed, it, packets) => {
        const red = makeRed(it, seed)
        for (const length of packets) {
          const isDropped = red.drops(length, 1)
          if (length < it.minPackets || length === 0) expect(isDropped).toBe(false)
          else if (length >= 2 * it.maxPackets && length > it.minPackets) expect(isDropped).toBe(true)
        }
      }),
      { numRuns: runs(200) },
    )
  })

  test("holds the queue of a sender that halves its window for each loss between its averages", async () => {
    const world = await flow({ rateBitsPerSecond: RATE, queuePackets: 200, delayMs: 20, aqm: { kind: "red" } })
    const sender = new HalvingSender(world, 10)
    let [longest, total] = [0, 0]
    for (let ms = 0; ms < 20_000; ms++) {
      await sender.step()
      const { waitingPackets } = world.link.bottleneck!
      longest = Math.max(longest, waitingPackets)
      if (ms >= 5_000) total += waitingPackets
    }
    expect(world.link.counts.queue).toBe(0)
    expect(world.link.counts.aqm).toBeGreaterThan(10)
    expect(longest).toBeLessThan(40)
    expect(total / 15_000).toBeGreaterThan(4)
    expect(total / 15_000).toBeLessThan(15)
  })

  test("marks instead, where a sender takes part in ECN, and starts anew with other options", async () => {
    const aqm = { kind: "red", minPackets: 0, maxPackets: 2, averageWeight: 1 } as const
    for (const marks of [false, true]) {
      const link = { rateBitsPerSecond: RATE, aqm: { ...aqm, marks } }
      const world = await flow(link)
      world.ecn = ECN.ect0
      world.send(10)
      await world.network.advance(50)
      const few = world.link.counts.aqm + world.link.bottleneck!.marked
      expect(few).toBeGreaterThan(marks ? 5 : 0)
      expect(world.link.counts.aqm > 0).toBe(!marks)
      expect(world.numbers).toHaveLength(10 - world.link.counts.aqm)
      // The sixth would find five.
      world.network.links({ ...link, aqm: { ...aqm, marks, minPackets: 100, maxPackets: 200 } })
      world.send(10)
      await world.network.advance(50)
      expect(world.link.counts.aqm + world.link.bottleneck!.marked).toBe(few)
    }
  })
})
