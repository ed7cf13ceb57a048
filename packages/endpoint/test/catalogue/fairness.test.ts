// An endpoint's data beside a flow that takes its share like TCP.
import { expect, test } from "vitest"
import { makePair } from "../world.ts"
import { CubicFlow } from "./cubic-flow.ts"
import { Ledger, quiesce } from "./ledger.ts"

const RATE = 10_000_000
const SECONDS = 30

test.each([25_000, 50_000, 100_000])(
  "F59 beside a CUBIC flow on 10 Mbit/s with a queue of %i B neither starves the other",
  async (queueBytes) => {
    const { network, a, b, hostA, hostB, toB } = await makePair(59, {
      delayMs: 20,
      rateBitsPerSecond: RATE,
      queueBytes,
    })
    const ledger = new Ledger(network, a, b)
    const flow = await CubicFlow.start(network, hostA, hostB, 5_001)
    const stream = ledger.open(toB)
    const endMs = network.now + 1_000 * SECONDS
    const offering = (async () => {
      while (network.now < endMs && (await stream.send(20_000)));
    })()
    // Only the long run counts.
    await network.advance(5_000)
    const [flowStart, start] = [flow.receivedBytes, stream.delivered.length]
    await network.advance(endMs - network.now)
    const ours = 20_000 * (stream.delivered.length - start)
    const theirs = flow.receivedBytes - flowStart
    const share = ours / (ours + theirs)
    const used = (8 * (ours + theirs)) / RATE / (SECONDS - 5)
    console.log(
      `beside CUBIC, queue of ${queueBytes} B: ${(100 * share).toFixed(0)} % of what both had, ${(100 * used).toFixed(0)} % of the link used`,
    )
    expect(share).toBeGreaterThan(0.3)
    expect(share).toBeLessThan(0.7)
    expect(used).toBeGreaterThan(0.8)
    network.links({ delayMs: 20 })
    await network.until(offering)
    await quiesce(ledger)
  },
)
