/** Datagrams that are invented, altered or repeated. */

import { expect, test } from "vitest"
import * as fc from "fast-check"
import { makePair, makeWorld, pattern, PORT } from "./world.ts"
import { runs } from "../../../tools/testkit/src/runs.ts"

test("F03 whatever bytes come to a live pair, nothing throws, and memory stays within its bounds", async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer(), fc.double({ min: 0, max: 0.3, noNaN: true }), async (seed, rate) => {
      // Without a checksum, altered datagrams get as far as they can.
      const world = makeWorld(seed, { delayMs: 5, corruptRate: rate, duplicateRate: 0.1 })
      const options = {
        protection: "none",
        joinTimeoutMs: 60_000,
        poolPacketsMax: 256,
        messageBytesMax: 100_000,
        assemblyBytesPerPeer: 200_000,
        assemblyBytesMax: 400_000,
      } as const
      const { endpoint: a } = await world.bind("a", options)
      const { endpoint: b } = await world.bind("b", options)
      for (const endpoint of [a, b]) endpoint.handle(1, () => {})
      const peer = await world.network.until(a.join(`b:${PORT}`), 60_000).catch(() => undefined)
      const stream = peer?.open()
      const loose = peer?.open({ delivery: "fire-and-forget" })
      for (let i = 0; i < 60; i++) {
        stream?.trySend(1, pattern(i * 100))
        loose?.trySend(1, pattern(i * 50))
        await world.network.advance(20)
        for (const endpoint of [a, b]) {
          endpoint.assertInvariants()
          expect(endpoint.sizes.pool).toBeLessThanOrEqual(256)
          expect(endpoint.sizes.assemblyBytes).toBeLessThanOrEqual(400_000)
        }
      }
    }),
    { numRuns: runs(60) },
  )
})

test("a corrupted datagram is counted under its tag and changes nothing else", async () => {
  const { network, a, b, toB } = await makePair(1)
  network.filter(({ to, bytes }) => {
    if (to === "b") bytes[bytes.length - 1]! ^= 1
    return true
  })
  const before = b.stats().drops
  toB.open().trySend(1, pattern(10))
  await network.advance(300)
  const after = b.stats().drops
  expect(after.tag).toBeGreaterThan(before.tag)
  expect({ ...after, tag: 0 }).toEqual({ ...before, tag: 0 })
  expect(b.peers[0]!.stats().streamsIn).toBe(0)
  expect(a.peers.length).toBe(1)
})

test("every datagram sent again by somebody else is dropped as a duplicate", async () => {
  const { network, b, toB } = await makePair(2, { delayMs: 5, duplicateRate: 1 })
  const received: number[] = []
  b.handle(1, ({ length }) => received.push(length))
  const stream = toB.open({ delivery: "fire-and-forget" })
  for (let i = 0; i < 50; i++) {
    stream.trySend(1, new Uint8Array(i))
    await network.advance(1)
  }
  await network.advance(1_000)
  expect(received).toEqual(Array.from({ length: 50 }, (_, i) => i))
  expect(b.stats().drops.duplicate).toBeGreaterThanOrEqual(50)
})

test("datagrams of a former incarnation, replayed to the one after it, change nothing", async () => {
  const { network, a, hostB, toB, bind } = await makePair(3)
  const recorded: Uint8Array[] = []
  network.filter(({ to, bytes }) => {
    if (to === "b") recorded.push(bytes.slice())
    return true
  })
  const stream = toB.open()
  for (let i = 0; i < 20; i++) stream.trySend(1, pattern(500))
  await network.until(stream.flush())
  hostB.crash()
  const { endpoint: b2 } = await bind("b")
  await network.until(a.join(`b:${PORT}`))
  await network.advance(10_000)
  const received: number[] = []
  b2.handle(1, ({ length }) => received.push(length))
  const replay = network.host("attacker")
  const socket = await network.until(replay.bind({ port: 1 }))
  const address = socket.internAddress({ family: 4, host: "10.0.0.2", port: PORT })
  for (const bytes of [...recorded]) {
    const slab = socket.registerSlab(bytes)
    const column = (value: number): Int32Array => Int32Array.of(value)
    socket.send({
      count: 1,
      capacity: 1,
      slab: column(slab),
      offset: column(0),
      length: column(bytes.length),
      address: column(address),
      sealer: column(0),
      ecn: Uint8Array.of(0),
    })
  }
  const before = { ...b2.sizes }
  await network.advance(1_000)
  expect(received).toEqual([])
  expect(b2.peers.map(({ unique }) => unique)).toEqual([a.unique])
  expect(b2.sizes).toEqual(before)
})
