// How late messages are on paths that lose some, with default options, in virtual time.

import type { OpenOptions } from "@x/endpoint"
import type { LinkOptions } from "@x/transport/simulated"
import { expect } from "vitest"
import { makePair } from "../world.ts"
import { atMost, row } from "./row.ts"

interface Load {
  readonly link: LinkOptions
  readonly bytes: number
  readonly everyMs: number
  readonly messages: number
  readonly open?: OpenOptions
}

/** From `trySend` to the handler, milliseconds, and what was sent for it. */
async function latencies(seed: number, { link, bytes, everyMs, messages, open }: Load) {
  const { network, b, toB } = await makePair(seed, link)
  const tookMs: number[] = []
  b.handle(1, ({ view, offset }) => tookMs.push(network.now - view.getFloat64(offset)))
  const stream = toB.open(open)
  const message = new Uint8Array(bytes)
  const view = new DataView(message.buffer)
  for (let i = 0; i < messages; i++) {
    view.setFloat64(0, network.now)
    stream.trySend(1, message)
    await network.advance(everyMs)
  }
  await network.until(stream.flush(), 10_000)
  expect(tookMs).toHaveLength(messages)
  const sorted = tookMs.toSorted((x, y) => x - y)
  const at = (part: number): number => sorted[Math.floor(part * messages)]!
  return { at, timesTheBytes: toB.stats().bytesSent / messages / (bytes + 46) }
}

row(
  "500 Mbit/s, 20 ms, 1 % lost, 1,000/s of 1 KiB",
  0,
  { "p50, ms": atMost(10.4), "p99, ms": atMost(33.6), "p99.9, ms": atMost(52) },
  async (seed) => {
    const link = { delayMs: 10, lossRate: 0.01, rateBitsPerSecond: 500_000_000 }
    const { at } = await latencies(seed, { link, bytes: 1_024, everyMs: 1, messages: 20_000 })
    return { "p50, ms": at(0.5), "p99, ms": at(0.99), "p99.9, ms": at(0.999) }
  },
)

for (const [losses, lossy, copySpreadMs, most] of [
  ["at random", { lossRate: 0.05 }, 0, 12],
  ["in bursts of three", { burst: { enterRate: 0.0175, leaveRate: 1 / 3, lossRate: 1 } }, 4, 17],
] as const)
  row(
    `500 Mbit/s, 20 ms, 5 % lost ${losses}, 1,000/s of 1 KiB with a copy of each packet`,
    0,
    { "p99, ms": atMost(most), "times the bytes": atMost(2.1) },
    async (seed) => {
      const { at, timesTheBytes } = await latencies(seed, {
        link: { delayMs: 10, rateBitsPerSecond: 500_000_000, ...lossy },
        ...{ bytes: 1_024, everyMs: 1, messages: 20_000 },
        open: { delivery: "reliable-unordered", copies: 1, copySpreadMs },
      })
      return { "p99, ms": at(0.99), "times the bytes": timesTheBytes }
    },
  )

row("60 ms, 2 % lost, 100/s of 64 B", 1, { "p99, ms": atMost(110, 105) }, async (seed) => {
  const link = { delayMs: 30, lossRate: 0.02 }
  return { "p99, ms": (await latencies(seed, { link, bytes: 64, everyMs: 10, messages: 6_000 })).at(0.99) }
})
