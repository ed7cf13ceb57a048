// How streams affect each other: measured on the simulated network (100 Mbit/s, 20 ms round trip, 2 % loss in each
// direction), with the pace fixed at 90 % of the link.

import { fixed, type OutgoingStream } from "@x/endpoint"
import { describeDatagram } from "@x/wire"
import { expect, test } from "vitest"
import { makePair, pattern } from "./world.ts"

const LINK = { delayMs: 10, rateBitsPerSecond: 100_000_000, lossRate: 0.02 }
const EVERY_MS = 5
const MESSAGES = 1_000
const MIB = 1_048_576

interface Run {
  /** Milliseconds from `trySend` to the handler, by message; and until it left the host. */
  readonly delays: (number | undefined)[]
  readonly departures: (number | undefined)[]
  /** Messages whose packet was sent more than once. */
  readonly repeated: Set<number>
  readonly resent: number
}

/** Small messages at a steady rate, alone or beside a stream that is never empty. */
async function run(seed: number, isBesideBulk: boolean): Promise<Run> {
  const congestion = fixed({ windowBytes: 4 * MIB, paceBytesPerMs: 0.9 * 12_500 })
  const { network, a, b, toB } = await makePair(seed, { delayMs: 10 }, { congestion })
  network.links(LINK)
  const sentMs: number[] = []
  const delays: (number | undefined)[] = Array.from({ length: MESSAGES })
  const departures: (number | undefined)[] = Array.from({ length: MESSAGES })
  const repeated = new Set<number>()
  b.handle(1, ({ view, offset }) => {
    const index = view.getUint32(offset)
    delays[index] = network.now - sentMs[index]!
  })
  b.handle(2, () => {})
  const small = toB.open({ delivery: "reliable-unordered" })
  const bulk: OutgoingStream = toB.open()
  network.filter(({ to, bytes }) => {
    if (to !== "b") return true
    const { packets } = describeDatagram(
      new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength),
      0,
      bytes.length,
      1,
    )
    for (const packet of packets) {
      if (packet.kind !== "sequenced" || packet["stream"] !== small.id) continue
      const index = packet["number"] as number
      if (departures[index] === undefined) departures[index] = network.now - sentMs[index]!
      else repeated.add(index)
    }
    return true
  })
  if (isBesideBulk) {
    const feed = async (): Promise<void> => {
      while (bulk.state === "open") await bulk.send(2, pattern(16 * MIB)).catch(() => {})
    }
    void feed()
    await network.advance(200)
  }
  for (let i = 0; i < MESSAGES; i++) {
    const message = pattern(64)
    new DataView(message.buffer).setUint32(0, i)
    sentMs[i] = network.now
    expect(small.trySend(1, message)).toBe("sent")
    await network.advance(EVERY_MS)
  }
  const { packetsResent } = toB.stats()
  bulk.reset()
  await network.advance(1_000)
  await network.until(a.close())
  return { delays, departures, repeated, resent: packetsResent }
}

function quantile(values: readonly number[], q: number): number {
  return values.toSorted((x, y) => x - y)[Math.min(values.length - 1, Math.floor(values.length * q))]!
}

test("while one stream recovers, another one's messages come at most 1 ms later than without it (p99)", async () => {
  const [beside, alone] = [await run(1, true), await run(1, false)]
  expect(beside.resent).toBeGreaterThan(500)
  const added: number[] = []
  for (let i = 0; i < MESSAGES; i++)
    if (!beside.repeated.has(i) && !alone.repeated.has(i)) added.push(beside.delays[i]! - alone.delays[i]!)
  expect(added.length).toBeGreaterThan(0.9 * MESSAGES)
  const figures = { p50: quantile(added, 0.5), p99: quantile(added, 0.99), most: quantile(added, 1) }
  console.log(
    `head of line: added delay p50 ${figures.p50.toFixed(2)}, p99 ${figures.p99.toFixed(2)}, most ${figures.most.toFixed(2)} ms`,
  )
  expect(figures.p99).toBeLessThanOrEqual(1)
}, 60_000)

test("a message of 64 B beside one of 16 MiB leaves the host within 1 ms (p99)", async () => {
  const { departures } = await run(2, true)
  const waits = departures.map((wait) => wait!)
  console.log(
    `departure beside 16 MiB: p50 ${quantile(waits, 0.5).toFixed(2)}, p99 ${quantile(waits, 0.99).toFixed(2)}, most ${quantile(waits, 1).toFixed(2)} ms`,
  )
  expect(quantile(waits, 0.99)).toBeLessThanOrEqual(1)
}, 60_000)
