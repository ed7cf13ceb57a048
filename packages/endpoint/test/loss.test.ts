/** What loss costs, and that it costs only time. */

import { expect, test } from "vitest"
import type { Endpoint, Peer } from "@x/endpoint"
import { makePair, makeWorld, pattern, PORT } from "./world.ts"

test("F52 100 gaps in a long transfer are asked for about once each, and little more than what was lost is resent", async () => {
  const world = makeWorld(6, { delayMs: 10, rateBitsPerSecond: 100_000_000, queueBytes: 4_000_000 })
  const { endpoint: a } = await world.bind("a", { datagramBytes: 1_200 })
  const { endpoint: b } = await world.bind("b")
  b.handle(1, () => {})
  const peer = await world.network.until(a.join(`b:${PORT}`))
  let lost = 0
  world.network.filter(({ to, index, bytes }) => {
    const keep = !(to === "b" && bytes.length > 1_000 && index % 80 === 40 && lost < 100)
    if (!keep) lost++
    return keep
  })
  const stream = peer.open()
  await world.network.until(stream.send(1, pattern(10_000_000)), 60_000)
  await world.network.until(stream.flush())
  const { packetsResent, naksReceived } = peer.stats()
  expect(lost).toBe(100)
  expect(naksReceived).toBeLessThanOrEqual(120)
  expect(packetsResent).toBeLessThanOrEqual(105)
})

test("F46 each single datagram of a conversation may be lost, in either direction", async () => {
  for (const direction of ["a", "b"] as const) {
    for (let lost = 0; lost < 40; lost++) {
      const world = makeWorld(lost, { delayMs: 10 })
      const { endpoint: a } = await world.bind("a")
      const { endpoint: b } = await world.bind("b")
      const received: number[] = []
      b.handle(1, ({ length }) => received.push(length))
      world.network.filter(({ from, index }) => !(from === direction && index === lost))
      const peer: Peer = await world.network.until(a.join(`b:${PORT}`))
      const stream = peer.open()
      for (let i = 1; i <= 20; i++) stream.trySend(1, pattern(1_000 + i))
      await world.network.until(stream.end(), 5_000)
      expect(received).toEqual(Array.from({ length: 20 }, (_, i) => 1_001 + i))
      await world.network.until(Promise.all([a.close(), b.close()]))
      for (const endpoint of [a, b] satisfies Endpoint[])
        expect(endpoint.sizes).toMatchObject({ peers: 0, slots: 0, timers: 0, pool: 0 })
    }
  }
})

test("F48 through a black hole of 60 s little is said, and soon after it everything has arrived", async () => {
  const { network, b, toB } = await makePair(11, { delayMs: 10 })
  const received: number[] = []
  b.handle(1, ({ length }) => received.push(length))
  const stream = toB.open()
  network.partition("a", "b")
  for (let i = 1; i <= 50; i++) stream.trySend(1, pattern(i * 100))
  await network.advance(15_000)
  expect(toB.state).toBe("unreachable")
  const before = toB.stats().datagramsSent
  await network.advance(45_000)
  // A datagram a second, and the joins that ask which incarnation is there.
  expect(toB.stats().datagramsSent - before).toBeLessThanOrEqual(46)
  network.heal()
  const healedMs = network.now
  await network.until(stream.flush())
  expect(received).toEqual(Array.from({ length: 50 }, (_, i) => (i + 1) * 100))
  // The first datagram comes after at most a second, then 130 kB take their time on a path of unknown width.
  expect(network.now - healedMs).toBeLessThanOrEqual(1_300)
})
