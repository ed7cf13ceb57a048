// What the controllers alone reach on paths of all kinds: without streams and bytes, with the gate and pacer of a path.

import { bbr, lossBased } from "@x/endpoint"
import { makeRig, quantile, random, type RigOptions } from "../congestion/rig.ts"
import { atLeast, atMost, row } from "./row.ts"

const ours = { congestion: bbr() }
/** Seeds differ by when it begins. */
const cubic = (seed: number) => ({ congestion: lossBased(), startMs: 200 + ((617 * seed) % 3_000) })

/** The part of the link that one flow uses, its round trips and its waits, after a while. */
function alone(options: Omit<RigOptions, "flows">, fromMs: number, toMs: number) {
  const rig = makeRig({ ...options, flows: [ours] })
  rig.run(toMs)
  const flow = rig.flows[0]!
  return { mbits: flow.mbits(fromMs, toMs), rttMs: quantile(flow.rtts, 0.95, fromMs), flow }
}

/** Jain's index of fairness (RFC 5166): 1 if all have the same, 1 / n if one has it all. */
function jain(rates: readonly number[]): number {
  const sum = rates.reduce((a, b) => a + b)
  return sum ** 2 / (rates.length * rates.reduce((a, b) => a + b * b, 0))
}

for (const [mbits, rttMs, lossRate, part, fromMs, toMs] of [
  [100, 20, 0.01, 0.97, 2_000, 10_000],
  [100, 20, 0.05, 0.93, 2_000, 10_000],
  [100, 20, 0.1, 0.85, 2_000, 10_000],
  [20, 250, 0.05, 0.93, 5_000, 30_000],
  [20, 250, 0.1, 0.88, 5_000, 30_000],
] as const) {
  const queueBytes = mbits * rttMs * 125
  row(
    `${mbits} Mbit/s, ${rttMs} ms, ${100 * lossRate} % lost each way`,
    0,
    { "part of possible": atLeast(part) },
    (seed) => {
      const { mbits: used } = alone({ seed, mbits, rttMs, lossRate, queueBytes }, fromMs, toMs)
      return { "part of possible": used / mbits / (1 - lossRate) }
    },
  )
}

row(
  "50 Mbit/s, 600 ms, 1 % lost each way",
  0,
  { "part of possible": atLeast(0.9), "round trip p95, ms": atMost(720) },
  (seed) => {
    const options = { seed, mbits: 50, rttMs: 600, lossRate: 0.01, queueBytes: 3_750_000 }
    const { mbits, rttMs } = alone(options, 10_000, 40_000)
    return { "part of possible": mbits / 50 / 0.99, "round trip p95, ms": rttMs }
  },
)

row(
  "20 Mbit/s, 40 ms, 1 MB of queue",
  0,
  { "part of the link": atLeast(0.97), "round trip p95, ms": atMost(54) },
  (seed) => {
    const { mbits, rttMs } = alone({ seed, mbits: 20, rttMs: 40, queueBytes: 1_000_000 }, 2_000, 20_000)
    return { "part of the link": mbits / 20, "round trip p95, ms": rttMs }
  },
)

for (const [queuePackets, part] of [
  [25, 0.97],
  [5, 0.8],
] as const)
  row(`20 Mbit/s, 40 ms, queue of ${queuePackets} packets`, 0, { "part of the link": atLeast(part) }, (seed) => ({
    "part of the link": alone({ seed, mbits: 20, rttMs: 40, queuePackets }, 2_000, 20_000).mbits / 20,
  }))

for (const [mbits, products, least, most] of [
  [10, 1 / 3, 0.35, 0.9],
  [10, 1, 0.25, 0.65],
  [10, 4, 0.2, 0.6],
  [100, 1 / 3, 0.35, 0.9],
  [100, 1, 0.25, 0.65],
  [100, 4, 0.25, 0.6],
] as const)
  row(
    `beside one CUBIC, ${mbits} Mbit/s, 40 ms, queue of ${products.toFixed(2)} products`,
    1,
    {
      "least share": atLeast(least, products === 4 ? 0.4 : 0.35),
      "most share": atMost(most, products === 4 ? 0.6 : 0.65),
      "used by both": atLeast(0.8, 0.9),
    },
    (seed) => {
      const rig = makeRig({ seed, mbits, rttMs: 40, queueBytes: products * mbits * 5_000, flows: [ours, cubic(seed)] })
      rig.run(60_000)
      const [own, other] = rig.flows.map((flow) => flow.mbits(30_000, 60_000)) as [number, number]
      const share = own / (own + other)
      return { "least share": share, "most share": share, "used by both": (own + other) / mbits }
    },
  )

for (const [count, least] of [
  [2, 0.85],
  [8, 0.85],
  [32, 0.2],
] as const)
  row(
    `${count} flows, 1 s apart, 100 Mbit/s, 40 ms`,
    0,
    { "Jain, last 10 s of 60": atLeast(least, 0.95), "part of the link": atLeast(0.9) },
    (seed) => {
      const draw = random(seed)
      const flows = Array.from({ length: count }, (_, at) => ({ ...ours, startMs: 1_000 * at + 200 * draw() }))
      const rig = makeRig({ seed, mbits: 100, rttMs: 40, queueBytes: 500_000, flows })
      rig.run(60_000)
      const rates = rig.flows.map((flow) => flow.mbits(50_000, 60_000))
      return { "Jain, last 10 s of 60": jain(rates), "part of the link": rates.reduce((a, b) => a + b) / 100 }
    },
  )

row(
  "100, then 1, then 100 Mbit/s, 40 ms",
  0,
  { "first stretch": atLeast(0.85), "narrow one": atLeast(0.85), "last one": atLeast(0.8, 0.85) },
  (seed) => {
    const mbits = (nowMs: number): number => (nowMs >= 10_000 && nowMs < 20_000 ? 1 : 100)
    const { flow } = alone({ seed, mbits, rttMs: 40 }, 0, 30_000)
    return {
      "first stretch": flow.mbits(3_000, 10_000) / 100,
      "narrow one": flow.mbits(13_000, 20_000),
      "last one": flow.mbits(23_000, 30_000) / 100,
    }
  },
)

row(
  "5 to 60 Mbit/s, drawn anew each 100 ms, 6 ms, what is sent leaves together each 4 ms",
  2,
  { "part of the mean": atLeast(0.75, 0.8), "wait p99, ms": atMost(160, 50) },
  (seed) => {
    const draw = random(seed + 77)
    const rates = Array.from({ length: 300 }, () => 5 + 55 * draw())
    const mbits = (nowMs: number): number => rates[Math.floor(nowMs / 100) % 300]!
    const { mbits: used, flow } = alone({ seed, mbits, rttMs: 6, aggregationMs: 4, queueBytes: 524_288 }, 2_000, 30_000)
    const mean = rates.slice(20).reduce((a, b) => a + b) / 280
    return { "part of the mean": used / mean, "wait p99, ms": quantile(flow.waits, 0.99, 2_000) }
  },
)
