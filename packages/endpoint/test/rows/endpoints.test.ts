// What whole endpoints with default options reach on paths of all kinds, in virtual time: rates, queues and latency.

import type { LinkOptions, Network } from "@x/transport/simulated"
import { random } from "../congestion/rig.ts"
import { makePair } from "../world.ts"
import { atLeast, atMost, row } from "./row.ts"

const BYTES = 1_024
/** Of each message: IP, UDP, Ethernet and our headers, and the tag. */
const AROUND_BYTES = 74

/** One stream that always has more to send, from the start on. */
async function makeBulk(seed: number, link: LinkOptions) {
  const { network, a, b, toB } = await makePair(seed, link)
  let received = 0
  b.handle(1, () => void received++)
  const stream = toB.open()
  const message = new Uint8Array(BYTES)
  const offer = (): void => {
    while (stream.trySend(1, message) === "sent");
  }
  stream.on("drain", offer)
  offer()
  return {
    ...{ network, a, b, toB },
    /** Mbit/s that arrive from now on for so long, headers included. */
    async mbits(forMs: number): Promise<number> {
      const before = received
      await network.advance(forMs)
      return ((received - before) * (BYTES + AROUND_BYTES) * 8) / (forMs * 1_000)
    },
  }
}

function quantile(values: number[], part: number): number {
  const sorted = values.toSorted((x, y) => x - y)
  return sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))]!
}

/** Notes how long each datagram from `a` to `b` will wait in the queue. */
function watchWaits(network: Network): number[] {
  const waits: number[] = []
  const { bottleneck } = network.linkOf("a", "b")
  network.filter(({ from }) => {
    if (from === "a") waits.push(bottleneck!.waitMs)
    return true
  })
  return waits
}

for (const [lossRate, part] of [
  [0.01, 0.97],
  [0.05, 0.93],
  [0.1, 0.85],
] as const)
  row(
    `500 Mbit/s, 20 ms, ${100 * lossRate} % lost each way`,
    0,
    { "part of possible": atLeast(part) },
    async (seed) => {
      const link = { delayMs: 10, lossRate, rateBitsPerSecond: 500_000_000, queueBytes: 1_250_000 }
      const { network, mbits } = await makeBulk(seed, link)
      await network.advance(1_500)
      return { "part of possible": (await mbits(1_000)) / 500 / (1 - lossRate) }
    },
  )

for (const [lossRate, part] of [
  [0.05, 0.93],
  [0.1, 0.88],
] as const)
  row(
    `20 Mbit/s, 250 ms, ${100 * lossRate} % lost each way`,
    0,
    { "part of possible": atLeast(part) },
    async (seed) => {
      const link = { delayMs: 125, lossRate, rateBitsPerSecond: 20_000_000, queueBytes: 625_000 }
      const { network, mbits } = await makeBulk(seed, link)
      await network.advance(5_000)
      return { "part of possible": (await mbits(25_000)) / 20 / (1 - lossRate) }
    },
  )

row("50 Mbit/s, 600 ms, 1 % lost each way", 0, { "part of possible": atLeast(0.9) }, async (seed) => {
  const link = { delayMs: 300, lossRate: 0.01, rateBitsPerSecond: 50_000_000, queueBytes: 3_750_000 }
  const { network, mbits } = await makeBulk(seed, link)
  await network.advance(10_000)
  return { "part of possible": (await mbits(20_000)) / 50 / 0.99 }
})

for (const [queuePackets, part, goal] of [
  [25, 0.9, 0.97],
  [5, 0.8, 0.8],
] as const)
  row(
    `20 Mbit/s, 40 ms, queue of ${queuePackets} packets`,
    1,
    { "part of possible": atLeast(part, goal) },
    async (seed) => {
      const { network, mbits } = await makeBulk(seed, { delayMs: 20, rateBitsPerSecond: 20_000_000, queuePackets })
      await network.advance(2_000)
      return { "part of possible": (await mbits(10_000)) / 20 }
    },
  )

row(
  "20 Mbit/s, 40 ms, 1 MB of queue, bulk beside 100/s of 64 B",
  0,
  { "part of possible": atLeast(0.97), "round trip p95 of the small, ms": atMost(54) },
  async (seed) => {
    const link = { delayMs: 20, rateBitsPerSecond: 20_000_000, queueBytes: 1_000_000 }
    const { network, b, toB, mbits } = await makeBulk(seed, link)
    const tookMs: number[] = []
    b.handle(2, ({ view, offset }) => tookMs.push(network.now - view.getFloat64(offset) + 20))
    const small = toB.open()
    await network.advance(2_000)
    let used = 0
    for (let i = 0; i < 1_000; i++) {
      const message = new Uint8Array(64)
      new DataView(message.buffer).setFloat64(0, network.now)
      small.trySend(2, message)
      used += (await mbits(10)) / 1_000
    }
    return {
      "part of possible": used / 20,
      "round trip p95 of the small, ms": quantile(tookMs, 0.95),
    }
  },
)

row(
  "5 to 60 Mbit/s, drawn anew each 100 ms, 6 ms, what is sent leaves together each 4 ms",
  2,
  { "part of the mean": atLeast(0.8), "wait p99, ms": atMost(90, 50) },
  async (seed) => {
    const draw = random(seed)
    const rates = Array.from({ length: 400 }, () => 5 + 55 * draw())
    const rateSchedule = rates.map((rate, at) => ({ atMs: 100 * at, bitsPerSecond: 1e6 * rate }))
    const link = { delayMs: 3, rateSchedule, aggregationMs: 4, queueBytes: 524_288 }
    const { network, mbits } = await makeBulk(seed, link)
    await network.advance(3_000 - network.now)
    const waits = watchWaits(network)
    const used = await mbits(20_000)
    const mean = rates.slice(30, 230).reduce((x, y) => x + y) / 200
    return { "part of the mean": used / mean, "wait p99, ms": quantile(waits, 0.99) }
  },
)
