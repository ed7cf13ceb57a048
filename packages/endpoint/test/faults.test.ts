import type { Endpoint, Peer } from "@x/endpoint"
import fc from "fast-check"
import { expect, test } from "vitest"
import { makePair, makeWorld, pattern, PORT } from "./world.ts"
import { runs } from "../../../tools/runs.ts"

test("F03 whatever bytes come to a live pair, nothing throws, and memory stays within its bounds", async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer(), fc.double({ min: 0, max: 0.3, noNaN: true }), async (seed, rate) => {
      // Without a checksum altered datagrams get as deep as they can.
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
    })
  }
  const before = { ...b2.sizes }
  await network.advance(1_000)
  expect(received).toEqual([])
  expect(b2.peers.map(({ unique }) => unique)).toEqual([a.unique])
  expect(b2.sizes).toEqual(before)
})

test("a stream whose packets are too long for the path ends and says so", async () => {
  const { network, toB } = await makePair(4, { delayMs: 5 }, { datagramBytes: 1_400 })
  network.links({ delayMs: 5, mtuBytes: 1_300 })
  const stream = toB.open()
  stream.trySend(1, pattern(5_000))
  await network.advance(200)
  expect(stream.state).toBe("closed")
  await expect(stream.send(1, pattern(10))).rejects.toMatchObject({
    code: "stream-closed",
    message: expect.stringContaining("pathTooSmall"),
  })
  // Others, with shorter packets, are not hurt.
  const other = toB.open()
  await network.until(other.send(1, pattern(100)))
  await network.until(other.flush())
})

test("small packets of several streams share datagrams", async () => {
  const { network, b, toB } = await makePair(5)
  const received: number[] = []
  b.handle(1, ({ length }) => received.push(length))
  const streams = Array.from({ length: 10 }, () => toB.open())
  await network.advance(100)
  const before = toB.stats()
  for (const [i, stream] of streams.entries()) stream.trySend(1, new Uint8Array(i))
  await network.advance(4)
  const after = toB.stats()
  expect(after.packetsSent - before.packetsSent).toBe(10)
  expect(after.datagramsSent - before.datagramsSent).toBe(1)
  await network.advance(100)
  expect(received).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
})

test("F52 100 gaps in a long transfer are asked for about once each, and little more than what was lost is resent", async () => {
  const world = makeWorld(6, { delayMs: 10, rateBitsPerSecond: 100_000_000, queueBytes: 4_000_000 })
  const { endpoint: a } = await world.bind("a")
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

test("F57 a slow peer that stops reading for a minute stops the sender, whose memory stays flat, and nothing is lost", async () => {
  const { network, b, hostB, toB } = await makePair(7, { delayMs: 5 }, { unreachableMs: 120_000, parkedMessagesMax: 10 })
  let received = 0
  b.handle(1, () => received++)
  const stream = toB.open()
  let sent = 0
  hostB.stall(60_000)
  for (let i = 0; i < 600; i++) {
    while (stream.trySend(1, pattern(10_000)) !== "refused") sent++
    await network.advance(100)
    expect(stream.unacknowledgedBytes).toBeLessThanOrEqual(1_048_576)
    expect(stream.parked.messages).toBeLessThanOrEqual(10)
  }
  await network.advance(10)
  await network.until(stream.flush(), 60_000)
  expect(received).toBe(sent)
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
      for (const endpoint of [a, b] satisfies Endpoint[]) expect(endpoint.sizes).toMatchObject({ peers: 0, slots: 0, timers: 0, pool: 0 })
    }
  }
})

test("F64 with little memory for early packets and for large messages everything still arrives, from several peers at once", async () => {
  const world = makeWorld(8, { delayMs: 5, lossRate: 0.05, reorderRate: 0.05 })
  const limits = { poolPacketsMax: 64, messageBytesMax: 100_000, assemblyBytesPerPeer: 100_000, assemblyBytesMax: 150_000 }
  const { endpoint: hub } = await world.bind("hub", limits)
  let received = 0
  hub.handle(1, ({ length }) => (received += length))
  const transfers: Promise<void>[] = []
  for (const name of ["a", "b", "c"]) {
    const { endpoint } = await world.bind(name, { messageBytesMax: 100_000 })
    const peer = await world.network.until(endpoint.join(`hub:${PORT}`))
    for (let i = 0; i < 2; i++) {
      const stream = peer.open()
      transfers.push(
        (async () => {
          for (let message = 0; message < 5; message++) await stream.send(1, pattern(90_000))
          await stream.end()
        })(),
      )
    }
  }
  await world.network.until(Promise.all(transfers), 120_000)
  expect(received).toBe(30 * 90_000)
  expect(hub.stats().drops["no-room"]).toBeGreaterThan(0)
  expect(hub.sizes).toMatchObject({ pool: 0, assemblyBytes: 0 })
})

test("F67 after a stall no peer counts as unreachable whose datagrams still wait in the socket behind many of others", async () => {
  const { network, bind } = makeWorld(9, { delayMs: 5 })
  const { endpoint: hub, host } = await bind("hub", { unreachableMs: 3_000, heartbeatMs: 500 })
  const peers: Peer[] = []
  for (let i = 0; i < 5; i++) {
    const { endpoint } = await bind(`p${i}`, { unreachableMs: 3_600_000, heartbeatMs: 500 })
    peers.push(await network.until(endpoint.join(`hub:${PORT}`)))
  }
  await network.advance(500)
  const events: string[] = []
  hub.on("unreachable", ({ unique }) => events.push(unique))
  host.stall(4_000)
  // More than one batch holds comes first, from one of them.
  const loud = peers[0]!.open({ delivery: "fire-and-forget" })
  for (let i = 0; i < 300; i++) loud.trySend(1, pattern(1_000))
  await network.advance(4_100)
  expect(events).toEqual([])
  expect(hub.peers.map(({ state }) => state)).toEqual(peers.map(() => "joined"))
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
  // A datagram a second, and the joins that ask who is there.
  expect(toB.stats().datagramsSent - before).toBeLessThanOrEqual(46)
  network.heal()
  const healedMs = network.now
  await network.until(stream.flush())
  expect(received).toEqual(Array.from({ length: 50 }, (_, i) => (i + 1) * 100))
  // What is said first after at most a second, then what 130 kB take on a path of unknown width.
  expect(network.now - healedMs).toBeLessThanOrEqual(1_300)
})
