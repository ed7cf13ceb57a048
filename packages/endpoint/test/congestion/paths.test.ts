// What the controllers reach on paths of all kinds, with the gate and the pacer of a path, in virtual time. The figures
// are bounds, some way below what is reached: tools/lab/RESULTS.md has the figures.

import { bbr, lossBased } from "@x/endpoint"
import type { Bbr } from "../../src/congestion/bbr/bbr.ts"
import { describe, expect, test } from "vitest"
import { makeRig, quantile, random, type RigOptions } from "./rig.ts"

const SEEDS = [1, 2]
const ours = { congestion: bbr() }
const cubic = { congestion: lossBased(), startMs: 500 }

/** The part of the link that one flow uses, and its round trips, after a while. */
function alone(options: Omit<RigOptions, "flows" | "mbits"> & { mbits: number }, fromMs: number, toMs: number) {
  const rig = makeRig({ ...options, flows: [ours] })
  rig.run(toMs)
  const flow = rig.flows[0]!
  return { use: flow.mbits(fromMs, toMs) / options.mbits, rttMs: quantile(flow.rtts, 0.95, fromMs), rig }
}

describe.each(SEEDS)("seed %i", (seed) => {
  test.each([
    [0.01, 0.97],
    [0.05, 0.93],
    [0.1, 0.85],
  ])("with %d of the datagrams lost by chance each way, the rate stays", (lossRate, part) => {
    const { use } = alone({ seed, mbits: 100, rttMs: 20, lossRate }, 2_000, 10_000)
    expect(use).toBeGreaterThan(part * (1 - lossRate))
  })

  test("on a long path it does too, and the queue stays short", () => {
    const lossy = { seed, mbits: 20, rttMs: 250, queueBytes: 625_000 }
    expect(alone({ ...lossy, lossRate: 0.05 }, 5_000, 30_000).use).toBeGreaterThan(0.93 * 0.95)
    expect(alone({ ...lossy, lossRate: 0.1 }, 5_000, 30_000).use).toBeGreaterThan(0.88 * 0.9)
    const satellite = alone({ seed, mbits: 50, rttMs: 600, lossRate: 0.01, queueBytes: 3_750_000 }, 10_000, 40_000)
    expect(satellite.use).toBeGreaterThan(0.9)
    expect(satellite.rttMs).toBeLessThan(720)
  })

  test("a deep queue stays short, and a shallow one isn't overrun", () => {
    const deep = alone({ seed, mbits: 20, rttMs: 40, queueBytes: 1_000_000 }, 2_000, 20_000)
    expect(deep.use).toBeGreaterThan(0.97)
    expect(deep.rttMs).toBeLessThan(54)
    expect(alone({ seed, mbits: 20, rttMs: 40, queuePackets: 25 }, 2_000, 20_000).use).toBeGreaterThan(0.97)
    expect(alone({ seed, mbits: 20, rttMs: 40, queuePackets: 5 }, 2_000, 20_000).use).toBeGreaterThan(0.9)
  })

  test.each([1, 4])("beside CUBIC, with a queue of %d bandwidth-delay products, neither takes it all", (products) => {
    const rig = makeRig({ seed, mbits: 10, rttMs: 40, queueBytes: products * 50_000, flows: [ours, cubic] })
    rig.run(60_000)
    const [own, other] = rig.flows.map((flow) => flow.mbits(30_000, 60_000)) as [number, number]
    expect(own / (own + other)).toBeGreaterThan(0.35)
    expect(own / (own + other)).toBeLessThan(0.65)
  })

  test.each([2, 8])("%d flows that start one after the other share evenly in the end", (count) => {
    const flows = Array.from({ length: count }, (_, at) => ({ ...ours, startMs: 1_000 * at }))
    const rig = makeRig({ seed, mbits: 100, rttMs: 40, queueBytes: 500_000, flows })
    rig.run(60_000)
    const rates = rig.flows.map((flow) => flow.mbits(50_000, 60_000))
    const sum = rates.reduce((a, b) => a + b)
    expect(sum ** 2 / (count * rates.reduce((a, b) => a + b * b, 0))).toBeGreaterThan(0.9)
    expect(sum).toBeGreaterThan(90)
  })

  test("a flow with a small part of the path sees the queue of all, and is not starved", () => {
    const flows = Array.from({ length: 32 }, (_, at) => ({ ...ours, startMs: (900 + 50 * seed) * at }))
    const rig = makeRig({ seed, mbits: 100, rttMs: 40, queueBytes: 500_000, flows })
    rig.run(60_000)
    const rates = rig.flows.map((flow) => flow.mbits(50_000, 60_000))
    const sum = rates.reduce((a, b) => a + b)
    expect(sum ** 2 / (32 * rates.reduce((a, b) => a + b * b, 0))).toBeGreaterThan(0.8)
    expect(sum).toBeGreaterThan(90)
  })

  test("two seconds in which nothing passes cost little more than that", () => {
    const rig = makeRig({ seed, mbits: 10, rttMs: 40, hole: [3_000, 5_000], flows: [ours] })
    rig.run(10_000)
    expect(rig.flows[0]!.mbits(5_200, 6_200)).toBeGreaterThan(4)
    expect(rig.flows[0]!.mbits(6_200, 10_000)).toBeGreaterThan(9)
  })

  test("under any change of the path, window and pace stay numbers, and something is sent", () => {
    const draw = random(seed)
    const rates = Array.from({ length: 100 }, () => 0.5 + 200 * draw() ** 4)
    const mbits = (nowMs: number): number => rates[Math.floor(nowMs / 200) % rates.length]!
    const options = { seed, mbits, rttMs: 1 + 100 * draw(), jitterMs: 20 * draw(), lossRate: 0.2 * draw() }
    const rig = makeRig({ ...options, aggregationMs: 4 * draw() + 0.1, flows: [ours, cubic] })
    for (let nowMs = 0; nowMs < 20_000; nowMs += 50) {
      rig.run(nowMs)
      const { windowBytes, paceBytesPerMs } = rig.flows[0]!.gate.controller
      expect(windowBytes).toBeGreaterThanOrEqual(4 * 1_200)
      expect(windowBytes).toBeLessThan(1e9)
      expect(paceBytesPerMs).toBeGreaterThan(0)
      expect(paceBytesPerMs).toBeLessThan(1e7)
    }
    expect(rig.flows[0]!.mbits(1_000, 20_000)).toBeGreaterThan(0.1)
  })
})

test("a path that carries a hundredth, and then all again, is filled each time within three seconds", () => {
  const mbits = (nowMs: number): number => (nowMs >= 10_000 && nowMs < 20_000 ? 1 : 100)
  const filled = [1, 2, 3, 4].filter((seed) => {
    const rig = makeRig({ seed, mbits, rttMs: 40, flows: [ours] })
    rig.run(30_000)
    const flow = rig.flows[0]!
    expect(flow.mbits(3_000, 10_000)).toBeGreaterThan(85)
    expect(flow.mbits(13_000, 20_000)).toBeGreaterThan(0.85)
    return flow.mbits(23_000, 30_000) > 85
  })
  // One in eight takes its own queue on the narrow path for that of others, and then needs seconds more.
  expect(filled.length).toBeGreaterThanOrEqual(3)
})

test("a flow alone never takes the eight seconds of its own queue, on a path that narrowed, for those of others", () => {
  const mbits = (nowMs: number): number => (nowMs < 3_000 ? 100 : 1)
  const rig = makeRig({ seed: 1, mbits, rttMs: 40, queueBytes: 1_000_000, flows: [ours] })
  const states = new Set<string>()
  for (let nowMs = 0; nowMs < 40_000; nowMs += 100) {
    rig.run(nowMs)
    states.add((rig.flows[0]!.gate.controller as Bbr).state)
  }
  expect([...states].sort()).toEqual(["cruise", "down", "drain", "probe-rtt", "refill", "start", "up"])
})

test("under losses by chance CUBIC loses its rate", () => {
  const rig = makeRig({ seed: 1, mbits: 100, rttMs: 20, lossRate: 0.01, flows: [{ congestion: lossBased() }] })
  rig.run(10_000)
  expect(rig.flows[0]!.mbits(2_000, 10_000)).toBeLessThan(10)
})

test("two flows of CUBIC share a queue evenly, and fill it", () => {
  const flows = [0, 2_000].map((startMs) => ({ congestion: lossBased(), startMs }))
  const rig = makeRig({ seed: 1, mbits: 20, rttMs: 40, queueBytes: 100_000, flows })
  rig.run(60_000)
  const [a, b] = rig.flows.map((flow) => flow.mbits(30_000, 60_000)) as [number, number]
  expect(a / (a + b)).toBeGreaterThan(0.4)
  expect(a / (a + b)).toBeLessThan(0.6)
  expect(a + b).toBeGreaterThan(19)
})
