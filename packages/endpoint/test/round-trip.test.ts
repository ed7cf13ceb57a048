/** What counts as a round trip, and what depends on it. */

import { expect, test } from "vitest"
import { fixed } from "@x/endpoint"
import { makePair, pattern } from "./world.ts"

test("a suspension of half a minute leaves the round trip what it is", async () => {
  const { network, a, b, toB, hostB } = await makePair(6, { delayMs: 1 }, { leaveMs: 60_000 })
  b.handle(1, () => {})
  const stream = toB.open()
  for (let i = 0; i < 20; i++) {
    stream.trySend(1, pattern(100))
    await network.advance(20)
  }
  hostB.suspend(30_000)
  stream.trySend(1, pattern(100))
  await network.advance(31_000)
  expect(a.peers).toHaveLength(1)
  expect(toB.stats().rttMs).toBeLessThan(50)
})

test("nor do answers to all that waited meanwhile: the first datagram after them tells", async () => {
  const { network, b, toB, hostB } = await makePair(7, { delayMs: 1 }, { leaveMs: 60_000 })
  b.handle(1, () => {})
  const stream = toB.open()
  for (let i = 0; i < 20; i++) {
    stream.trySend(1, pattern(100))
    await network.advance(20)
  }
  const before = toB.stats().rttMs
  hostB.suspend(10_000)
  for (let i = 0; i < 200; i++) {
    stream.trySend(1, pattern(100))
    await network.advance(50)
  }
  await network.when(() => toB.stats().rttMs > 5 * before)
  stream.trySend(1, pattern(100))
  await network.advance(50)
  expect(toB.stats().rttMs).toBeLessThan(1.5 * before)
})

test("a window of a few datagrams turns over once in a round trip, not once for each delay of a status", async () => {
  const { network, b, toB } = await makePair(
    10,
    { delayMs: 0.1 },
    { congestion: fixed({ windowBytes: 12_000, paceBytesPerMs: 1e9 }) },
  )
  b.handle(1, () => {})
  const stream = toB.open()
  const startMs = network.now
  for (let i = 0; i < 1_000; i++) stream.trySend(1, pattern(1_000))
  await network.until(stream.flush())
  // 90 windows of eleven packets, 0.2 ms each; a status that wasn't asked for waits for up to 25 ms.
  expect(network.now - startMs).toBeLessThan(40)
})

test("a window that stays shut is probed also by who answers a heartbeat before the probe is due", async () => {
  const congestion = fixed({ windowBytes: 4_000, paceBytesPerMs: 1e9 })
  const { network, b, toB } = await makePair(
    11,
    { delayMs: 2 },
    { congestion, heartbeatMs: 10_000, unreachableMs: 60_000 },
  )
  let received = 0
  b.handle(1, () => received++)
  const toA = b.peers[0]!
  const stream = toB.open({ delivery: "fire-and-forget" })
  await network.until(toB.ping())
  network.link("a", "b", { delayMs: 2, lossRate: 1 })
  for (let i = 0; i < 8; i++) stream.trySend(1, pattern(900))
  // Probes are a second apart by then, and the next is more than half a second away.
  await network.advance(3_400)
  network.link("a", "b", { delayMs: 2 })
  await network.advance(400)
  await network.until(toA.ping())
  await network.advance(600)
  expect([received, toB.stats().inFlightBytes]).toEqual([4, 0])
})
