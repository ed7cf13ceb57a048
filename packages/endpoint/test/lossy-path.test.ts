// What one stream gets of a path that loses by chance, with default options, in virtual time.
import type { EndpointOptions } from "@x/endpoint"
import type { LinkOptions } from "@x/transport/simulated"
import { expect, test } from "vitest"
import { makePair } from "./world.ts"

const BYTES = 1_024
/** Of each message: IP, UDP and our headers, and the tag. */
const AROUND_BYTES = 74

/** One stream that always has more to send. The part of what is possible that arrives, after a time. */
async function shareOf(
  link: LinkOptions & { rateBitsPerSecond: number },
  afterMs: number,
  forMs: number,
  options: EndpointOptions = {},
): Promise<number> {
  const { network, b, toB } = await makePair(1, link, options)
  let received = 0
  b.handle(1, () => void received++)
  const stream = toB.open()
  const message = new Uint8Array(BYTES)
  const offer = (): void => {
    while (stream.trySend(1, message) === "sent");
  }
  stream.on("drain", offer)
  offer()
  await network.advance(afterMs)
  const before = received
  await network.advance(forMs)
  const bits = ((received - before) * (BYTES + AROUND_BYTES) * 8) / (forMs / 1_000)
  return bits / link.rateBitsPerSecond / (1 - (link.lossRate ?? 0))
}

test.each([
  [0.01, 0.97],
  [0.05, 0.93],
  [0.1, 0.85],
])("of 500 Mbit/s over 20 ms that lose %d each way, %d of what is possible", async (lossRate, part) => {
  const link = { delayMs: 10, lossRate, rateBitsPerSecond: 500_000_000, queueBytes: 1_250_000 }
  const share = await shareOf(link, 1_500, 1_500)
  console.log(`${100 * lossRate} % loss: ${(100 * share).toFixed(1)} % of what is possible`)
  expect(share).toBeGreaterThan(part)
})

test("of 50 Mbit/s over 600 ms that lose 1 % each way, nine tenths of what is possible", async () => {
  const link = { delayMs: 300, lossRate: 0.01, rateBitsPerSecond: 50_000_000, queueBytes: 3_750_000 }
  expect(await shareOf(link, 10_000, 20_000)).toBeGreaterThan(0.9)
})

test("a small socket of the peer's doesn't cap a long path", async () => {
  // 92 datagrams, what Linux grants by default, are 135 kB: 54 Mbit/s over 20 ms.
  const link = { delayMs: 10, rateBitsPerSecond: 200_000_000, queueBytes: 500_000 }
  expect(await shareOf(link, 1_500, 1_500, { inFlightMax: 92 })).toBeGreaterThan(0.9)
})

test("after two seconds in which nothing passed, 10 MB go on within a tenth of a second and a round trip or two", async () => {
  for (const seed of [1, 2, 3]) {
    const link = { delayMs: 20, rateBitsPerSecond: 10_000_000, queueBytes: 100_000 }
    const { network, b, toB } = await makePair(seed, link)
    let healedMs = Infinity
    let movingMs = Infinity
    b.handle(1, () => {
      if (network.now > healedMs) movingMs = Math.min(movingMs, network.now)
    })
    const stream = toB.open()
    const startMs = network.now
    const send = async (): Promise<void> => {
      for (let i = 0; i < 1_000; i++) await stream.send(1, new Uint8Array(10_000))
      await stream.flush()
    }
    const sending = send()
    await network.advance(3_000 + 37 * seed)
    network.links({ ...link, lossRate: 1 })
    await network.advance(2_000)
    network.links(link)
    healedMs = network.now
    await network.until(sending, 60_000)
    expect(movingMs - healedMs).toBeLessThanOrEqual(150 + 40)
    expect(network.now - startMs).toBeLessThanOrEqual(12_500)
  }
})
