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
