// What the modes that don't wait give up when there is more than the path carries: never what is nearly done.

import { type CongestionFactory, type Delivery, fixed, lossBased, type OpenOptions } from "@x/endpoint"
import type { LinkOptions } from "@x/transport/simulated"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { makePair, pattern } from "./world.ts"
import { runs } from "../../../tools/testkit/src/runs.ts"

interface Load {
  readonly link: LinkOptions
  readonly bytes: number
  readonly perSecond: number
  readonly messages: number
  readonly windowPackets?: number
  readonly congestion?: CongestionFactory
}

/** Offers messages at a steady rate, and gives all of them the time that they need; returns which were delivered. */
async function offer(seed: number, delivery: Delivery, load: Load, options: OpenOptions = {}): Promise<number[]> {
  const { link, bytes, perSecond, messages, windowPackets = 1_024, congestion = lossBased() } = load
  const { network, a, b, toB } = await makePair(seed, { delayMs: link.delayMs ?? 0 }, { windowPackets, congestion })
  const delivered: number[] = []
  b.handle(1, ({ view, offset }) => delivered.push(view.getUint32(offset)))
  b.handle(2, () => {})
  const stream = toB.open({ delivery, ...options })
  // Messages before the opening are not accepted in ordered modes.
  stream.trySend(2, pattern(1))
  await network.advance(1_000)
  network.links(link)
  for (let i = 0; i < messages; i++) {
    const message = pattern(bytes, i)
    new DataView(message.buffer).setUint32(0, i)
    stream.trySend(1, message)
    await network.advance(1_000 / perSecond)
    if (i % 8 === 0) a.assertInvariants()
  }
  await network.until(stream.flush(), 3_600_000)
  await network.advance(5_000)
  const { accepted, acknowledged, unconfirmed, dropped, pending } = stream.account
  expect([acknowledged + unconfirmed + dropped, pending]).toEqual([accepted, 0])
  await network.until(a.close(), 60_000)
  await network.until(b.close(), 60_000)
  for (const endpoint of [a, b])
    expect(endpoint.sizes).toMatchObject({ sendPool: 0, pool: 0, assemblyBytes: 0, timers: 0 })
  return delivered
}

async function sum(delivery: Delivery, load: Load, options?: OpenOptions): Promise<number> {
  let delivered = 0
  for (let seed = 1; seed <= 3; seed++) delivered += (await offer(seed, delivery, load, options)).length
  return delivered
}

/** 16 Mbit/s of 5 kB messages over a path that, with its losses, carries only a part of that. */
const TOO_MUCH = { bytes: 5_000, perSecond: 400, messages: 600 }

describe.each([0.01, 0.02, 0.05])("with 400 messages of 5 kB a second and a loss of %d", (lossRate) => {
  const load = { ...TOO_MUCH, link: { delayMs: 10, lossRate } }

  test("best-effort delivers more than fire-and-forget, also if a packet is resent once at most", async () => {
    const forgotten = await sum("fire-and-forget", load)
    expect(await sum("best-effort", load)).toBeGreaterThan(forgotten)
    expect(await sum("best-effort", load, { resendsMax: 1 })).toBeGreaterThan(forgotten)
  })

  test("latest delivers most of what its packets are enough for", async () => {
    const delivered = await offer(1, "latest", load)
    expect(delivered.length).toBeGreaterThan(0.25 * (await offer(1, "fire-and-forget", load)).length)
    expect(delivered).toEqual(delivered.toSorted((x, y) => x - y))
  })
})

test("where all are nearly too old as their turn comes, what was begun in time is still sent: best-effort with a lifetime", async () => {
  const congestion = fixed({ paceBytesPerMs: 500 })
  const load = { ...TOO_MUCH, link: { delayMs: 10 }, congestion }
  // 100 messages a second pass; each waits for as long as it may.
  expect((await offer(1, "best-effort", load, { lifetimeMs: 100 })).length).toBeGreaterThan(120)
})

const path = fc.record({
  delayMs: fc.constantFrom(0, 1, 10, 50),
  jitterMs: fc.constantFrom(0, 3),
  lossRate: fc.constantFrom(0, 0.01, 0.02, 0.05, 0.1),
})
const controller = fc.constantFrom("loss-based", "paced", "unpaced")
const CONTROLLERS: Record<string, CongestionFactory> = {
  "loss-based": lossBased(),
  paced: fixed({ windowBytes: 200_000, paceBytesPerMs: 100 }),
  unpaced: fixed(),
}

test("best-effort delivers no fewer than fire-and-forget, whatever the loss, the rate, the sizes, the window and who holds back", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 1_000_000 }),
      path,
      fc.constantFrom(20, 100, 400, 1_000),
      fc.constantFrom(10, 200, 1_000, 1_500, 5_000, 20_000),
      fc.constantFrom(32, 128, 1_024),
      controller,
      fc.constantFrom({}, { resendsMax: 1 }),
      async (seed, link, perSecond, bytes, windowPackets, name, options) => {
        const load = {
          link,
          bytes,
          perSecond,
          messages: Math.min(200, 2 * perSecond),
          windowPackets,
          congestion: CONTROLLERS[name]!,
        }
        const best = await offer(seed, "best-effort", load, options)
        const forgotten = await offer(seed, "fire-and-forget", load)
        // Other packets are lost, and the controller has other luck.
        expect(best.length).toBeGreaterThanOrEqual(0.85 * forgotten.length - 5)
        expect(best).toEqual([...new Set(best)].toSorted((x, y) => x - y))
      },
    ),
    { numRuns: runs(25) },
  )
}, 120_000)

test("latest goes on delivering however much more is written than goes, and the last one comes if nothing is lost", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 1_000_000 }),
      fc.constantFrom(0, 1, 10, 50),
      fc.constantFrom(100, 400, 1_000),
      fc.constantFrom(200, 5_000, 30_000, 100_000, 900_000),
      fc.constantFrom(100, 1_000),
      async (seed, delayMs, perSecond, bytes, paceBytesPerMs) => {
        const messages = 100
        const load = { link: { delayMs }, bytes, perSecond, messages, congestion: fixed({ paceBytesPerMs }) }
        const delivered = await offer(seed, "latest", load)
        const possible = Math.min(messages, ((messages / perSecond) * 1_000 * paceBytesPerMs) / bytes)
        expect(delivered.length).toBeGreaterThan(0.8 * possible - 1)
        expect(delivered.at(-1)).toBe(messages - 1)
      },
    ),
    { numRuns: runs(12) },
  )
}, 120_000)
