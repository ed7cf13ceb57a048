// What one stream gets of a path that loses by chance, with default options, in virtual time.
import { expect, test } from "vitest"
import { makePair } from "./world.ts"

const BYTES = 1_024
const RATE = 500_000_000
/** Of each message: IP, UDP and our headers, and the tag. */
const AROUND_BYTES = 74

test.each([
  [0.01, 0.97],
  [0.05, 0.93],
  [0.1, 0.85],
])("of 500 Mbit/s over 20 ms that lose %d each way, %d of what is possible", async (lossRate, part) => {
  const { network, b, toB } = await makePair(1, {
    delayMs: 10,
    lossRate,
    rateBitsPerSecond: RATE,
    queueBytes: 1_250_000,
  })
  let received = 0
  b.handle(1, () => void received++)
  const stream = toB.open()
  const message = new Uint8Array(BYTES)
  const offer = (): void => {
    while (stream.trySend(1, message) === "sent");
  }
  stream.on("drain", offer)
  offer()
  await network.advance(1_500)
  const before = received
  await network.advance(1_500)
  const share = ((received - before) * (BYTES + AROUND_BYTES) * 8) / 1.5 / RATE / (1 - lossRate)
  console.log(`${100 * lossRate} % loss: ${(100 * share).toFixed(1)} % of what is possible`)
  expect(share).toBeGreaterThan(part)
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
