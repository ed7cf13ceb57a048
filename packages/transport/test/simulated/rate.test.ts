// A rate over time: fixed, in steps, or drawn anew from time to time.

import type { LinkOptions, RateDraw, RateStep } from "@x/transport/simulated"
import { createNetwork } from "@x/transport/simulated"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { rateOf } from "../../src/simulated/rate.ts"
import { runs } from "../../../../tools/testkit/src/runs.ts"
import { BITS, flow } from "./flow.ts"

/** A datagram takes 10 ms at this rate. */
const RATE = 100 * BITS

describe("a rate in steps", () => {
  const rateSchedule: RateStep[] = [
    { atMs: 25, bitsPerSecond: 10 * RATE },
    { atMs: 27.5, bitsPerSecond: RATE / 10 },
    { atMs: 150, bitsPerSecond: RATE },
  ]

  test("sends what waits at the rate of each time, as if it had been changed by hand", async () => {
    const world = await flow({ rateBitsPerSecond: RATE, rateSchedule })
    world.send(8)
    await world.network.advance(1_000)
    // At 25 ms half of the third is left, 0.5 ms; two follow; the sixth has sent 2 ms of 100 ms, and so on.
    expect(world.times).toEqual([10, 20, 25.5, 26.5, 27.5, 127.5, 157.75, 167.75])

    const byHand = await flow({ rateBitsPerSecond: RATE })
    byHand.send(8)
    for (const { atMs, bitsPerSecond } of rateSchedule) {
      await byHand.network.advance(atMs - byHand.network.now)
      byHand.network.links({ rateBitsPerSecond: bitsPerSecond })
    }
    await byHand.network.advance(1_000)
    expect(byHand.times).toEqual(world.times)
  })

  test("is the rate of its first step before that, unless another is given", async () => {
    const world = await flow({ rateSchedule: [{ atMs: 1_000, bitsPerSecond: RATE }] })
    world.send(2)
    await world.network.advance(100)
    expect(world.times).toEqual([10, 20])
  })

  test("has room for what it will have sent", async () => {
    const world = await flow({ rateBitsPerSecond: RATE, rateSchedule, queuePackets: 3 })
    world.send(5)
    await world.network.advance(30)
    world.send(5)
    expect(world.link.counts).toMatchObject({ delivered: 6, queue: 4 })
  })

  test("stays as it was told, whatever becomes of the list", async () => {
    const steps = [{ atMs: 0, bitsPerSecond: RATE }]
    const world = await flow({ rateSchedule: steps })
    steps[0]!.bitsPerSecond = 1
    world.send(1)
    await world.network.advance(20)
    expect(world.times).toEqual([10])
  })
})

describe("a rate that is drawn", () => {
  const draw: RateDraw = { everyMs: 100, minBitsPerSecond: 5_000_000, maxBitsPerSecond: 60_000_000 }

  /** Mbit/s in each tenth of a second of two, by what arrived. */
  async function rates(seed: number, options: LinkOptions, startMs = 0): Promise<number[]> {
    const world = await flow({ queueBytes: 50_000, ...options }, seed)
    await world.network.advance(startMs)
    await world.run(0.1, 2_000 - startMs, 1_000)
    const bits = Array.from({ length: 20 }, () => 0)
    for (const { atMs } of world.arrivals) bits[Math.floor((atMs - 1e-6) / 100)]! += BITS
    return bits.map((each) => each / 100_000)
  }

  test("holds for its time, lies within its bounds, and is used to the full", async () => {
    const measured = await rates(1, { rateSchedule: draw })
    for (const rate of measured) {
      expect(rate).toBeGreaterThan(5 - 0.1)
      expect(rate).toBeLessThan(60 + 0.1)
    }
    const changes = measured.filter((rate, i) => i > 0 && Math.abs(rate - measured[i - 1]!) > 0.2)
    expect(changes.length).toBeGreaterThan(15)
    const mean = measured.reduce((total, rate) => total + rate, 0) / measured.length
    expect(mean).toBeGreaterThan(22)
    expect(mean).toBeLessThan(43)
  })

  test("follows from the seed and the link, not from the traffic", async () => {
    const whole = await rates(3, { rateSchedule: draw })
    expect(await rates(3, { rateSchedule: draw })).toEqual(whole)
    expect(await rates(4, { rateSchedule: draw })).not.toEqual(whole)
    const late = await rates(3, { rateSchedule: draw }, 1_000)
    for (let i = 11; i < 20; i++) expect(Math.abs(late[i]! - whole[i]!)).toBeLessThan(0.2)

    const network = createNetwork({ seed: 3, link: { rateSchedule: draw } })
    network.host("a")
    network.host("b")
    const waits = [network.linkOf("a", "b"), network.linkOf("b", "a")].map(({ bottleneck }) => bottleneck!.options)
    expect(waits[0]).toEqual(waits[1])
    const one = rateOf({ rateSchedule: draw }, 3, "one")!
    expect(one.sentMs(0, 1e6)).not.toBe(rateOf({ rateSchedule: draw }, 3, "other")!.sentMs(0, 1e6))
  })
})

test("what is sent up to a time and when it has been sent agree, for any rate", () => {
  const rate = fc.double({ min: 1_000, max: 1e9, noNaN: true })
  const ms = fc.double({ min: 0, max: 10_000, noNaN: true })
  const options = fc.oneof(
    fc.record({ rateBitsPerSecond: rate }),
    fc.uniqueArray(fc.tuple(ms, rate), { minLength: 1, maxLength: 9, selector: ([atMs]) => atMs }).map((steps) => ({
      rateSchedule: steps.toSorted(([a], [b]) => a - b).map(([atMs, bitsPerSecond]) => ({ atMs, bitsPerSecond })),
    })),
    fc.tuple(fc.double({ min: 1, max: 1_000, noNaN: true }), rate, rate).map(([everyMs, a, b]) => ({
      rateSchedule: { everyMs, minBitsPerSecond: Math.min(a, b), maxBitsPerSecond: Math.max(a, b) },
    })),
  )
  fc.assert(
    fc.property(
      fc.integer(),
      options,
      fc.array(fc.tuple(ms, fc.nat(100_000)), { maxLength: 20 }),
      (seed, of, asked) => {
        const one = rateOf(of, seed, "x")!
        for (const [fromMs, bytes] of asked) {
          const sentMs = one.sentMs(fromMs, bytes)
          expect(one.bytesBetween(fromMs, sentMs)).toBeCloseTo(bytes, 3)
          const halfMs = (fromMs + sentMs) / 2
          expect(one.bytesBetween(fromMs, halfMs) + one.bytesBetween(halfMs, sentMs)).toBeCloseTo(bytes, 3)
        }
      },
    ),
    { numRuns: runs(200) },
  )
})

test("what is no schedule is refused", () => {
  const network = createNetwork({ seed: 1 })
  for (const rateSchedule of [
    [],
    [{ atMs: 5, bitsPerSecond: 0 }],
    [{ atMs: -1, bitsPerSecond: 1 }],
    [{ atMs: 5, bitsPerSecond: Infinity }],
    [
      { atMs: 5, bitsPerSecond: 1 },
      { atMs: 5, bitsPerSecond: 2 },
    ],
    [{ atMs: 5 }],
    [{ atMs: 5, bitsPerSecond: 1, bits: 1 }],
    { everyMs: 0.5, minBitsPerSecond: 1, maxBitsPerSecond: 2 },
    { everyMs: 1, minBitsPerSecond: 3, maxBitsPerSecond: 2 },
    { everyMs: 1, minBitsPerSecond: 0, maxBitsPerSecond: 2 },
    { everyMs: 1, minBitsPerSecond: 1 },
    {},
  ] as never[])
    expect(() => network.links({ rateSchedule })).toThrow("rateSchedule must be a list of steps")
})
