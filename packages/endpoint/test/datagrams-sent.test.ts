import { expect, test } from "vitest"
import { makePair } from "./world.ts"

const TICKS = 60
const TICK_MS = 1_000 / 60

/** Datagrams that each side sends in a second of ticks, with a message of each of these sides in each. */
async function perTick(delayMs: number, senders: 1 | 2): Promise<[forth: number, back: number]> {
  const { network, a, b, toB } = await makePair(1, { delayMs })
  const streams = [toB.open({ delivery: "latest" }), b.peers[0]!.open({ delivery: "latest" })].slice(0, senders)
  for (const endpoint of [a, b]) endpoint.handle(1, () => {})
  // The path's MTU is found first.
  await network.advance(15_000)
  const sent = (): number[] => [a, b].map((endpoint) => endpoint.stats().transport.datagramsSent)
  let before = sent()
  for (let tick = 0; tick < 2 * TICKS; tick++) {
    if (tick === TICKS) before = sent()
    for (const stream of streams) stream.trySend(1, new Uint8Array(100))
    await network.advance(TICK_MS)
  }
  const [forth, back] = sent().map((count, side) => (count - before[side]!) / TICKS)
  for (const endpoint of [a, b]) await network.until(endpoint.close())
  return [forth!, back!]
}

test.each([0.1, 1, 5, 10, 30])(
  "a tick of a game costs its receiver a datagram at most, %s ms away",
  async (delayMs) => {
    const [forth, back] = await perTick(delayMs, 1)
    expect(forth).toBeLessThan(1.1)
    expect(back).toBeLessThan(1.1)
  },
)

test.each([0.1, 1, 5, 10, 30])(
  "a tick in which both say something costs each two at most, %s ms away",
  async (delayMs) => {
    for (const count of await perTick(delayMs, 2)) expect(count).toBeLessThan(2.1)
  },
)
