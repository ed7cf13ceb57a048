// A rate and its queue: who waits how long, also when the rate changes, who has no room, and who shares it.

import { type BottleneckOptions, createNetwork, type Fate, type LinkOptions } from "@x/transport/simulated"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { runs } from "../../../../tools/testkit/src/runs.ts"
import { BITS, flow, Flow } from "./flow.ts"

/** A datagram takes 10 ms at this rate. */
const RATE = 100 * BITS

describe("when the rate changes", () => {
  test("what waits is sent at the new rate from then on, what is half sent too", async () => {
    const up = await flow({ rateBitsPerSecond: RATE, delayMs: 3 })
    up.send(5)
    await up.network.advance(15)
    up.network.link("a", "b", { rateBitsPerSecond: 10 * RATE, delayMs: 3 })
    await up.network.advance(100)
    // The second one had 5 ms to go.
    expect(up.times).toEqual([13, 18.5, 19.5, 20.5, 21.5])
    const { meanMs, maxMs } = up.link.bottleneck!.waits
    expect(meanMs).toBeCloseTo((0 + 10 + 15.5 + 16.5 + 17.5) / 5, 9)
    expect(maxMs).toBeCloseTo(17.5, 9)

    const down = await flow({ rateBitsPerSecond: 10 * RATE })
    down.send(4)
    await down.network.advance(1.5)
    down.network.links({ rateBitsPerSecond: RATE })
    await down.network.advance(100)
    expect(down.times).toEqual([1, 6.5, 16.5, 26.5])
  })

  test("room comes at the new rate", async () => {
    const world = await flow({ rateBitsPerSecond: RATE, queueBytes: 20 * 1_046 })
    const { network, link } = world
    world.send(30)
    expect(link.counts).toMatchObject({ delivered: 20, queue: 10 })
    network.links({ ...link.options, rateBitsPerSecond: 20 * RATE })
    await network.advance(10)
    expect([link.bottleneck!.waitingBytes, link.bottleneck!.waitingPackets]).toEqual([0, 0])
    world.send(20)
    expect(link.counts).toMatchObject({ delivered: 40, queue: 10 })
    await network.advance(10)
    expect(world.arrivals).toHaveLength(40)
  })

  test("to no limit, all that waits leaves at once, and to a limit nothing waits", async () => {
    const world = await flow({ rateBitsPerSecond: RATE, delayMs: 2 })
    world.send(4)
    await world.network.advance(15)
    world.network.links({ delayMs: 2 })
    world.send(1)
    await world.network.advance(5)
    world.network.links({ rateBitsPerSecond: RATE })
    world.send(1)
    await world.network.advance(100)
    expect(world.times).toEqual([12, 17, 17, 17, 17, 30])
    expect(world.numbers).toEqual([0, 1, 2, 3, 4, 5])
  })

  test("order and jitter stay as they were drawn, and copies stay behind", async () => {
    const options: LinkOptions = { rateBitsPerSecond: RATE, jitterMs: 30, duplicateRate: 1, reorderDelayMs: 5 }
    const world = await flow(options)
    world.send(20)
    await world.network.advance(40)
    const before = world.arrivals.length
    world.network.links({ ...options, rateBitsPerSecond: 1_000 * RATE })
    await world.network.advance(100)
    const firsts = world.numbers.filter((number, i) => world.numbers.indexOf(number) === i)
    expect(firsts).toEqual([...Array(20).keys()])
    expect(world.arrivals).toHaveLength(40)
    expect(before).toBeLessThan(20)
    expect(world.times.at(-1)).toBeLessThanOrEqual(40 + 1 + 30 + 5)
  })
})

describe("a queue", () => {
  test("holds so many datagrams, the one that is being sent included, and loses the last", async () => {
    const world = await flow({ rateBitsPerSecond: RATE, queuePackets: 5 })
    world.send(8)
    await world.network.advance(11)
    world.send(8)
    await world.network.advance(200)
    expect(world.numbers).toEqual([0, 1, 2, 3, 4, 8])
    expect(world.link.counts).toMatchObject({ delivered: 6, queue: 10 })
  })

  test("tells what waits, for how long one would wait, and how long those waited that left", async () => {
    const world = await flow({ rateBitsPerSecond: RATE })
    const { bottleneck } = world.link
    world.send(4)
    await world.network.advance(15)
    expect(bottleneck).toMatchObject({ waitingPackets: 3, waitingBytes: 2.5 * 1_046, waitMs: 25 })
    expect(bottleneck!.waits).toEqual({ count: 1, meanMs: 0, maxMs: 0 })
    await world.network.advance(100)
    expect(bottleneck).toMatchObject({ waitingPackets: 0, waitingBytes: 0, waitMs: 0, leftBytes: 4 * 1_046 })
    expect(bottleneck!.waits).toEqual({ count: 4, meanMs: (0 + 10 + 20 + 30) / 4, maxMs: 30 })
    bottleneck!.resetWaits()
    world.send(2)
    await world.network.advance(100)
    expect(bottleneck!.waits).toEqual({ count: 2, meanMs: 5, maxMs: 10 })
  })

  test("that aggregates lets all leave together that have been sent since the last time", async () => {
    const world = await flow({ rateBitsPerSecond: 10 * RATE, aggregationMs: 4, delayMs: 1 })
    await world.network.advance(0.5)
    world.send(6)
    await world.network.advance(100)
    // The last bits are sent at 1.5, 2.5 … 6.5 ms.
    expect(world.times).toEqual([5, 5, 5, 9, 9, 9])
  })

  test("behind which datagrams are lost has sent the lost ones too; before it they cost nothing", async () => {
    for (const lossPlace of ["before", "behind"] as const) {
      const world = await flow({ rateBitsPerSecond: RATE, dropList: [1, 2], lossPlace })
      world.send(4)
      await world.network.advance(100)
      expect(world.times).toEqual(lossPlace === "behind" ? [10, 40] : [10, 20])
      expect(world.link.counts).toMatchObject({ delivered: 2, listed: 2 })
      expect(world.link.bottleneck!.leftBytes).toBe(lossPlace === "behind" ? 4 * 1_046 : 2 * 1_046)
    }
  })

  test("that is full loses a datagram before chance can", async () => {
    const world = await flow({ rateBitsPerSecond: RATE, queuePackets: 2, lossRate: 1, lossPlace: "behind" })
    world.send(5)
    await world.network.advance(100)
    expect(world.link.counts).toMatchObject({ delivered: 0, lost: 2, queue: 3 })
  })
})

describe("a bottleneck that several links share", () => {
  const through = { through: "dsl", delayMs: 5 }

  test("sends their datagrams one after the other, each with the delay of its own link", async () => {
    const network = createNetwork({ seed: 1 })
    const dsl = network.bottleneck("dsl", { rateBitsPerSecond: RATE, queuePackets: 4 })
    network.links(through)
    const one = await Flow.between(network, "a", "b")
    const other = await Flow.between(network, "c", "d")
    network.link("c", "d", { through: "dsl", delayMs: 7 })
    one.send(1)
    other.send(2)
    one.send(2)
    expect([dsl.waitingPackets, one.link.bottleneck, other.link.bottleneck]).toEqual([4, dsl, dsl])
    await network.advance(100)
    expect([one.times, other.times]).toEqual([
      [15, 45],
      [27, 37],
    ])
    expect(one.link.counts).toMatchObject({ delivered: 2, queue: 1 })
    expect(other.link.counts).toMatchObject({ delivered: 2, queue: 0 })
  })

  test("changes its rate for all of them", async () => {
    const network = createNetwork({ seed: 1 })
    network.bottleneck("dsl", { rateBitsPerSecond: RATE })
    network.links(through)
    const one = await Flow.between(network, "a", "b")
    const other = await Flow.between(network, "c", "b")
    for (let i = 0; i < 2; i++) for (const each of [one, other]) each.send(1)
    await network.advance(10)
    expect(network.bottleneck("dsl", { rateBitsPerSecond: 10 * RATE })).toBe(one.link.bottleneck)
    await network.advance(100)
    expect([one.times, other.times]).toEqual([
      [15, 17],
      [16, 18],
    ])
  })

  test("gives way to a rate of the link's own, and takes it back", async () => {
    const network = createNetwork({ seed: 1 })
    network.bottleneck("dsl", { rateBitsPerSecond: RATE })
    const world = await Flow.between(network, "a", "b")
    network.links({ rateBitsPerSecond: 10 * RATE, through: "dsl" })
    world.send(1)
    network.links({ rateBitsPerSecond: 10 * RATE })
    world.send(1)
    await network.advance(20)
    expect(world.numbers).toEqual([0, 1])
    expect(world.times).toEqual([10, 10])
    network.links({ through: "dsl" })
    world.send(1)
    await network.advance(20)
    expect(world.times[2]).toBe(30)
  })

  test("has to be there", async () => {
    const network = createNetwork({ seed: 1 })
    network.host("a")
    network.host("b")
    network.bottleneck("dsl", {})
    for (const set of [() => network.links({ through: "dls" }), () => network.link("a", "b", { through: "dls" })])
      expect(set).toThrow('there is no bottleneck "dls" to go through; did you mean "dsl"?')
    expect(network.linkOf("a", "b").bottleneck).toBeUndefined()
    expect(() => createNetwork({ seed: 1, link: { through: "dsl" } })).toThrow("has no bottlenecks yet")
  })
})

describe("whatever limits a link", () => {
  const rate = fc.integer({ min: 50_000, max: 5_000_000 })
  const schedule = fc.oneof(
    fc
      .uniqueArray(fc.tuple(fc.integer({ min: 0, max: 2_000 }), rate), { minLength: 1, selector: ([atMs]) => atMs })
      .map((steps) => steps.toSorted(([a], [b]) => a - b).map(([atMs, bitsPerSecond]) => ({ atMs, bitsPerSecond }))),
    fc.tuple(fc.double({ min: 1, max: 300, noNaN: true }), rate, rate).map(([everyMs, a, b]) => ({
      everyMs,
      minBitsPerSecond: Math.min(a, b),
      maxBitsPerSecond: Math.max(a, b),
    })),
  )
  const targetMs = fc.integer({ min: 0, max: 50 })
  const limited: fc.Arbitrary<LinkOptions> = fc.record(
    {
      delayMs: fc.integer({ min: 0, max: 50 }),
      jitterMs: fc.integer({ min: 0, max: 20 }),
      lossRate: fc.constantFrom(0, 0.1),
      lossPlace: fc.constantFrom("before", "behind"),
      rateBitsPerSecond: rate,
      rateSchedule: schedule,
      queueBytes: fc.integer({ min: 1_000, max: 50_000 }),
      queuePackets: fc.integer({ min: 1, max: 50 }),
      aggregationMs: fc.constantFrom(0, 4, 7.3),
      aqm: fc.record({ kind: fc.constantFrom("codel", "step", "red"), targetMs, marks: fc.boolean() }),
      policer: fc.record({ rateBitsPerSecond: rate, burstBytes: fc.integer({ min: 0, max: 20_000 }) }),
    },
    { requiredKeys: [] },
  )
  const bursts = fc.array(
    fc.record({
      count: fc.integer({ min: 0, max: 40 }),
      bytes: fc.integer({ min: 4, max: 1_500 }),
      ms: fc.integer({ min: 0, max: 100 }),
    }),
    { minLength: 1, maxLength: 40 },
  )

  test("each datagram has one fate, order is kept, and what it counts as delivered arrives", async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer(), limited, limited, bursts, async (seed, first, second, sends) => {
        const world = await flow(first, seed)
        const { network, link } = world
        for (const [i, { count, bytes, ms }] of sends.entries()) {
          if (i === sends.length >> 1) network.links(second)
          world.send(count, bytes)
          expect(sum(link.counts)).toBe(link.sent)
          await network.advance(ms)
        }
        await network.advance(60_000)
        expect(sum(link.counts)).toBe(link.sent)
        expect(world.arrivals).toHaveLength(link.counts.delivered)
        expect(world.numbers).toEqual(world.numbers.toSorted((a, b) => a - b))
        if (link.bottleneck !== undefined)
          expect([link.bottleneck.waitingPackets, link.bottleneck.waitingBytes]).toEqual([0, 0])
      }),
      { numRuns: runs(100) },
    )
  })

  test("no more comes through than its rate allows", async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer(), limited, rate, rate, bursts, async (seed, link, before, after, sends) => {
        const { rateSchedule: _, aggregationMs: __, ...options } = { ...link, jitterMs: 0, delayMs: 0 }
        const world = await flow({ ...options, rateBitsPerSecond: before }, seed)
        const { network } = world
        let stepMs = Infinity
        for (const [i, { count, bytes, ms }] of sends.entries()) {
          if (i === sends.length >> 1) {
            stepMs = network.now
            network.links({ ...options, rateBitsPerSecond: after })
          }
          world.send(count, bytes)
          await network.advance(ms)
        }
        await network.advance(60_000)
        let bits = 0
        for (const { atMs, bytes } of world.arrivals) {
          bits += 8 * (bytes + 46)
          const carried = Math.min(atMs, stepMs) * before + Math.max(0, atMs - stepMs) * after
          expect(bits).toBeLessThanOrEqual(carried / 1_000 + 1)
        }
      }),
      { numRuns: runs(100) },
    )
  })

  test("several links together get no more than what they share, and each keeps its order and its account", async () => {
    const of = fc.record({
      queuePackets: fc.integer({ min: 1, max: 50 }),
      aqm: fc.constantFrom("codel", "step", "red", "none"),
    })
    await fc.assert(
      fc.asyncProperty(fc.integer(), rate, of, bursts, async (seed, bitsPerSecond, { queuePackets, aqm }, sends) => {
        const network = createNetwork({ seed })
        const options: BottleneckOptions = { rateBitsPerSecond: bitsPerSecond, queuePackets }
        network.bottleneck("line", aqm === "none" ? options : { ...options, aqm: { kind: aqm } })
        network.links({ through: "line" })
        const flows = [await Flow.between(network, "a", "b"), await Flow.between(network, "c", "b")]
        for (const [i, { count, bytes, ms }] of sends.entries()) {
          flows[i % 2]!.send(count, bytes)
          await network.advance(ms)
        }
        await network.advance(60_000)
        let bits = 0
        for (const { atMs, bytes } of flows.flatMap(({ arrivals }) => arrivals).toSorted((a, b) => a.atMs - b.atMs)) {
          bits += 8 * (bytes + 46)
          expect(bits).toBeLessThanOrEqual((atMs * bitsPerSecond) / 1_000 + 1)
        }
        for (const { link, arrivals, numbers } of flows) {
          expect(sum(link.counts)).toBe(link.sent)
          expect(arrivals).toHaveLength(link.counts.delivered)
          expect(numbers).toEqual(numbers.toSorted((a, b) => a - b))
        }
      }),
      { numRuns: runs(50) },
    )
  })

  function sum(counts: Readonly<Record<Fate, number>>): number {
    return Object.values(counts).reduce((total, count) => total + count, 0)
  }
})

test("a full link carries its rate, headers included, to the bit", async () => {
  const world = await flow({ rateBitsPerSecond: 20_000_000, queuePackets: 50 })
  await world.run(0.2, 2_000, 1_200)
  // 1,246 B take 0.4984 ms: 4,012 of them in 2 s.
  expect(world.arrivals.length).toBe(Math.floor(2_000 / 0.4984))
  expect(world.link.bottleneck!.waits.maxMs).toBeLessThan(50 * 0.4984)
  expect(world.link.bottleneck!.waits.maxMs).toBeGreaterThan(49 * 0.4984 - 0.2)
})
