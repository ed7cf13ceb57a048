// How late a message comes whose packet was lost: with default options, in virtual time.
import { expect, test } from "vitest"
import type { OpenOptions } from "@x/endpoint"
import type { LinkOptions } from "@x/transport/simulated"
import { makePair } from "./world.ts"

interface Load {
  readonly link: LinkOptions
  readonly bytes: number
  readonly everyMs: number
  readonly messages: number
  readonly open?: OpenOptions
}

/** Milliseconds from `trySend` to the handler, shortest first. */
async function latencies(seed: number, load: Load): Promise<{ sorted: number[]; bytesSent: number }> {
  const { link, bytes, everyMs, messages, open } = load
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
  return { sorted: tookMs.toSorted((x, y) => x - y), bytesSent: toB.stats().bytesSent }
}

const quantile = (sorted: readonly number[], part: number): number => sorted[Math.floor(part * sorted.length)]!

test.each([1, 2, 3])(
  "at 1,000 messages a second a loss costs a round trip and three packets, seed %d",
  async (seed) => {
    const link = { delayMs: 10, lossRate: 0.01, rateBitsPerSecond: 500_000_000 }
    const { sorted } = await latencies(seed, { link, bytes: 1_024, everyMs: 1, messages: 20_000 })
    expect(quantile(sorted, 0.5)).toBeLessThanOrEqual(10.4)
    expect(quantile(sorted, 0.99)).toBeLessThanOrEqual(33.6)
    // A resend that is lost too, or what asked for it.
    expect(quantile(sorted, 0.999)).toBeLessThanOrEqual(52)
  },
)

test.each([1, 2, 3])("where packets are rare a loss shows soon all the same, seed %d", async (seed) => {
  const { sorted } = await latencies(seed, {
    link: { delayMs: 30, lossRate: 0.02 },
    bytes: 64,
    everyMs: 10,
    messages: 6_000,
  })
  expect(quantile(sorted, 0.99)).toBeLessThanOrEqual(110)
})

test.each<[string, LinkOptions, number, number]>([
  ["at random", { lossRate: 0.05 }, 0, 12],
  ["in bursts of three", { burst: { enterRate: 0.0175, leaveRate: 1 / 3, lossRate: 1 } }, 4, 17],
])("with a copy of each packet 5 %% of losses %s cost no round trip", async (_, losses, copySpreadMs, mostMs) => {
  for (const seed of [1, 2, 3]) {
    const { sorted, bytesSent } = await latencies(seed, {
      link: { delayMs: 10, rateBitsPerSecond: 500_000_000, ...losses },
      ...{ bytes: 1_024, everyMs: 1, messages: 20_000 },
      open: { delivery: "reliable-unordered", copies: 1, copySpreadMs },
    })
    expect(quantile(sorted, 0.99)).toBeLessThanOrEqual(mostMs)
    expect(bytesSent / 20_000).toBeLessThan(2.1 * (1_024 + 46))
  }
})

test("small packets and copies of those before share datagrams", async () => {
  const { network, b, toB } = await makePair(1, { delayMs: 10 })
  b.handle(1, () => {})
  const stream = toB.open({ copies: 1 })
  await network.advance(100)
  const before = toB.stats()
  for (let i = 0; i < 100; i++) {
    stream.trySend(1, new Uint8Array(64))
    await network.advance(2)
  }
  const after = toB.stats()
  expect(after.packetsCopied - before.packetsCopied).toBeGreaterThan(90)
  expect(after.packetsResent - before.packetsResent).toBe(0)
  expect(() => toB.open({ delivery: "latest", copies: 1 })).toThrow("copies are for modes with acknowledgements")
})

test("a message that nothing follows is asked for after a quarter of a round trip", async () => {
  const { network, b, toB } = await makePair(1, { delayMs: 30 })
  const tookMs: number[] = []
  b.handle(1, ({ view, offset }) => tookMs.push(network.now - view.getFloat64(offset)))
  const stream = toB.open()
  await network.advance(500)
  for (let i = 0; i < 5; i++) {
    const message = new Uint8Array(8)
    new DataView(message.buffer).setFloat64(0, network.now)
    // The datagram with the message alone is lost.
    network.filter(() => false)
    stream.trySend(1, message)
    await network.advance(1)
    network.filter(() => true)
    await network.until(stream.flush())
    await network.advance(500)
  }
  expect(Math.max(...tookMs)).toBeLessThanOrEqual(30 / 2 + 3 * 30 + 4)
})
