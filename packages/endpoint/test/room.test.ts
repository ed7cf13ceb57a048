// A consumer that is behind holds up its sender: at the consumer's pace, with hardly any packet sent in vain, and at
// hardly any cost while it stands still.
import * as wire from "@x/wire"
import { type Delivery, type Endpoint, fixed, type IncomingStream, type OutgoingStream, type Peer } from "@x/endpoint"
import type { Network, SimulatedHost } from "@x/transport/simulated"
import fc from "fast-check"
import { expect, test } from "vitest"
import { runs } from "../../../tools/testkit/src/runs.ts"
import { heartbeat, message, open } from "./evil-peer.ts"
import { makeScene } from "./scene.ts"
import { makePair, makeWorld, pattern, PORT } from "./world.ts"

interface Flow {
  readonly delivery: Delivery
  readonly streams: number
  readonly bytes: number
  /** Messages a millisecond that the consumer of each stream takes, and which part of the offered messages that is. */
  readonly takenPerMs: number
  readonly speed: number
  readonly delayMs: number
  readonly lossRate: number
  readonly windowPackets: number
  readonly queuedMessagesMax: number
}

const FLOW: Flow = {
  delivery: "reliable",
  streams: 1,
  bytes: 1_000,
  takenPerMs: 5,
  speed: 0.5,
  delayMs: 5,
  lossRate: 0,
  windowPackets: 1_024,
  queuedMessagesMax: 1_024,
}

/** Lets a function wait, by the virtual clock. */
function sleeper(host: SimulatedHost): (untilMs: number) => Promise<void> {
  const sleeping: { readonly untilMs: number; readonly resolve: () => void }[] = []
  const wakeUp = host.wakeUp(() => {
    while (sleeping.length > 0 && sleeping[0]!.untilMs <= host.now()) sleeping.shift()!.resolve()
    wakeUp.at(sleeping[0]?.untilMs ?? Infinity)
  })
  return (untilMs) =>
    new Promise((resolve) => {
      const i = sleeping.findLastIndex((other) => other.untilMs <= untilMs) + 1
      sleeping.splice(i, 0, { untilMs, resolve })
      wakeUp.at(sleeping[0]!.untilMs)
    })
}

/** Offers more than the consumers take, for a while; returns what it took. */
async function run(
  flow: Flow,
  ms: number,
): Promise<{ taken: number; expected: number; packets: number; needed: number; refused: number }> {
  const { windowPackets, queuedMessagesMax } = flow
  const options = { congestion: fixed(), windowPackets, queuedMessagesMax }
  const { network, b, hostB, toB } = await makePair(1, { delayMs: flow.delayMs }, options)
  const sleep = sleeper(hostB)
  const freeMs = new Map<IncomingStream, number>()
  let taken = 0
  b.handleAsync(1, async ({ stream }) => {
    taken++
    const now = hostB.now()
    const doneMs = Math.max(now, freeMs.get(stream) ?? now) + 1 / flow.takenPerMs
    freeMs.set(stream, doneMs)
    if (doneMs > now) await sleep(doneMs)
  })
  const streams = Array.from({ length: flow.streams }, () => toB.open({ delivery: flow.delivery }))
  await network.advance(4 * flow.delayMs)
  network.links({ delayMs: flow.delayMs, lossRate: flow.lossRate })
  const bytes = new Uint8Array(flow.bytes)
  const offer = async (forMs: number): Promise<void> => {
    const untilMs = network.now + forMs
    let owed = 0
    while (network.now < untilMs) {
      owed += flow.takenPerMs / flow.speed
      for (; owed >= 1; owed--) for (const stream of streams) stream.trySend(1, bytes)
      await network.advance(1)
    }
  }
  // Consumers begin with the first message; by then a repair takes as long as something has to wait.
  const rttMs = 2 * flow.delayMs + 25
  const waitingMs = flow.lossRate === 0 ? rttMs : 8 * rttMs
  await offer(waitingMs / (1 - flow.speed) + 1 / flow.takenPerMs)
  const before = taken
  await offer(ms)
  const { packetsSent, packetsResent } = toB.stats()
  return {
    taken: taken - before,
    expected: flow.takenPerMs * flow.streams * ms,
    packets: packetsSent,
    needed: (packetsSent - packetsResent) / (1 - flow.lossRate),
    refused: b.stats().drops["no-room"],
  }
}

test("F57 a consumer half as fast as its sender has what it takes, and each packet of it is sent once", async () => {
  const { taken, expected, packets, needed } = await run(FLOW, 3_000)
  expect(taken).toBeGreaterThanOrEqual(0.97 * expected)
  expect(packets).toBe(needed)
})

test.each<{ name: string; flow: Flow }>([
  {
    name: "the packet that fills half of its queue holds fewer messages than those before it",
    flow: { ...FLOW, streams: 10, bytes: 500, takenPerMs: 0.3703389830508475, speed: 0.1, delayMs: 2 },
  },
  {
    name: "packets are lost, and its queue holds half a message more",
    flow: {
      ...FLOW,
      ...{ delivery: "reliable-unordered", bytes: 100_000, takenPerMs: 0.002, speed: 0.01 },
      ...{ delayMs: 1, lossRate: 0.05, windowPackets: 256 },
    },
  },
])("a consumer that falls behind refuses nothing when $name", async ({ flow }) => {
  const { refused } = await run(flow, 1_000)
  expect(refused).toBe(0)
})

test("however much slower than its sender a consumer is, it is kept busy, and next to nothing is sent in vain", async () => {
  const flow = fc
    .record({
      delivery: fc.constantFrom<Delivery>("reliable", "reliable-unordered"),
      streams: fc.constantFrom(1, 1, 3, 10),
      bytes: fc.constantFrom(0, 20, 64, 500, 1_200, 10_000, 100_000),
      speed: fc.constantFrom(0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99),
      delayMs: fc.integer({ min: 1, max: 20 }),
      lossRate: fc.constantFrom(0, 0, 0.01, 0.05),
      windowPackets: fc.constantFrom(64, 256, 1_024),
      queuedMessagesMax: fc.constantFrom(64, 1_024),
      load: fc.double({ min: 0.1, max: 1, noNaN: true }),
    })
    .map(({ load, ...it }): Flow => {
      // What fits the queue or the window passes twice in a round trip, and a loss takes one more; but no more than a
      // test can wait for.
      const rttMs = 2 * it.delayMs + 25
      const windowMessages = (it.windowPackets * 1_100) / (it.bytes + 40)
      const most =
        Math.min(it.queuedMessagesMax, 4_194_304 / (it.bytes + 1), windowMessages, 1_048_576 / (it.bytes + 40)) /
        4 /
        rttMs
      const takenPerMs = (load * Math.min(most, 4, 2_000 / (it.bytes + 40))) / it.streams
      const speed = Math.max(it.speed, (takenPerMs * it.streams) / 40)
      return { ...it, takenPerMs, speed: it.lossRate > 0 ? Math.min(speed, 0.7) : speed }
    })
  await fc.assert(
    fc.asyncProperty(flow, async (it) => {
      const ms = Math.min(20_000, Math.max(1_000, 200 / it.takenPerMs))
      const { taken, expected, packets, needed } = await run(it, ms)
      expect(taken).toBeGreaterThanOrEqual(0.97 * expected - 2 * it.streams)
      // What is under way when a consumer falls behind for the first time may be too much: it was sent before the
      // sender knew.
      const perMs = (it.takenPerMs / it.speed) * Math.max(1, Math.ceil(it.bytes / 1_100))
      const atFirst = Math.min(it.windowPackets, perMs * (2 * it.delayMs + 2))
      // Where statuses are lost too it learns of the room late: half a window at least.
      const ahead = it.lossRate > 0 ? Math.max(it.windowPackets / 2, atFirst) : atFirst
      expect(packets).toBeLessThanOrEqual(1.05 * needed + it.streams * ahead)
    }),
    { numRuns: runs(12) },
  )
})

/** Datagrams a second, in both directions, over a minute. */
async function rate(network: Network, ...endpoints: readonly Endpoint[]): Promise<number> {
  const sent = (): number => endpoints.reduce((sum, it) => sum + it.stats().transport.datagramsSent, 0)
  const before = sent()
  await network.advance(60_000)
  return (sent() - before) / 60
}

/** Streams with more than their paused consumers take. */
async function hold(
  count: number,
  options = {},
): Promise<{
  network: Network
  a: Endpoint
  b: Endpoint
  toB: Peer
  streams: OutgoingStream[]
  held: IncomingStream[]
}> {
  const world = await makePair(2, { delayMs: 10 }, { queuedMessagesMax: 4, ...options })
  const held: IncomingStream[] = []
  world.b.on("stream", (stream) => {
    stream.pause()
    held.push(stream)
  })
  const streams = Array.from({ length: count }, () => world.toB.open())
  for (const stream of streams) for (let i = 0; i < 20; i++) stream.trySend(1, new Uint8Array(1_000))
  await world.network.advance(20_000)
  return { ...world, streams, held }
}

test.each([1, 100, 1_000])(
  "%i held streams cost a peer about a datagram a second each way, and each goes on within a round trip",
  async (count) => {
    const { network, a, b, toB, streams, held } = await hold(count)
    let taken = 0
    b.handle(1, () => taken++)
    expect(await rate(network, a, b)).toBeLessThanOrEqual(2.5)
    expect(toB.stats().packetsResent).toBe(0)
    for (const stream of new Set([held[0]!, held.at(-1)!])) {
      taken = 0
      stream.resume()
      await network.advance(25)
      // Messages that waited, and those that were allowed ahead.
      expect(taken).toBeGreaterThanOrEqual(8)
    }
    for (const stream of held) stream.resume()
    await network.until(Promise.all(streams.map((stream) => stream.end())), 10_000)
    expect(streams.every(({ account }) => account.acknowledged === 20)).toBe(true)
  },
)

test("that there is room again is said until it is heard, also where it is lost for a second", async () => {
  const { network, b, streams, held } = await hold(1)
  b.handle(1, () => {})
  network.partition("a", "b")
  held[0]!.resume()
  await network.advance(1_000)
  network.heal()
  await network.until(streams[0]!.flush(), 1_000)
})

test("streams that wait for memory cost as little, and go on when there is some", async () => {
  const { network, a, b, toB } = await makePair(
    3,
    { delayMs: 10 },
    // At the floor, what is cut is no sign of a narrower path.
    { datagramBytes: 548, messageBytesMax: 100_000, assemblyBytesPerPeer: 100_000, assemblyBytesMax: 100_000 },
  )
  let isCut = false
  const streams = Array.from({ length: 101 }, () => toB.open({ delivery: "reliable-unordered" }))
  await network.advance(100)
  // The first one's message takes all of it and isn't completed.
  const taken = new Set<string>()
  b.handle(1, ({ stream }) => taken.add(`${stream.id}`))
  network.filter(({ to, bytes }) => !(isCut && to === "b" && bytes.length > 500))
  streams[0]!.trySend(1, new Uint8Array(100_000))
  await network.advance(12)
  isCut = true
  await network.advance(100)
  for (const stream of streams.slice(1)) stream.trySend(1, new Uint8Array(2_000))
  await network.advance(20_000)
  expect(taken.size).toBeLessThan(101)
  isCut = false
  await network.until(Promise.all(streams.map((stream) => stream.flush())), 60_000)
  expect(taken.size).toBe(101)
  expect([a.sizes.sendPool, b.stats().assemblyBytes]).toEqual([0, 0])
})

test("a peer that can't be reached gets a datagram a second, however many streams wait for it, and all goes on when it is back", async () => {
  const { network, a, b, toB } = await makePair(4, { delayMs: 10 })
  b.handle(1, () => {})
  const streams = Array.from({ length: 500 }, () => toB.open())
  await network.advance(100)
  network.partition("a", "b")
  for (const [i, stream] of streams.entries()) {
    stream.trySend(1, new Uint8Array(100))
    if (i % 3 === 1) stream.end().catch(() => {})
    if (i % 3 === 2) stream.reset()
  }
  const fresh = Array.from({ length: 500 }, () => toB.open())
  await network.advance(10_500)
  expect(toB.state).toBe("unreachable")
  const before = a.stats().transport.datagramsSent
  await network.advance(40_000)
  // And the joins that ask which incarnation is there.
  expect((a.stats().transport.datagramsSent - before) / 40).toBeLessThanOrEqual(2)
  network.heal()
  await network.until(Promise.all([...streams, ...fresh].map((stream) => stream.end().catch(() => {}))), 3_000)
  expect(toB.stats().streamsOut).toBe(0)
})

test("a peer that is heard and answers nothing gets all of it again about once a second, of one stream or of a thousand", async () => {
  for (const count of [1, 300]) {
    const { network, endpoint, evil } = await makeScene()
    await evil.join()
    const toEvil = endpoint.peers[0]!
    for (let i = 0; i < count; i++) {
      const stream = toEvil.open()
      stream.trySend(1, new Uint8Array(10))
      if (i % 3 === 1) stream.end().catch(() => {})
      if (i % 3 === 2) stream.reset()
    }
    // And streams of its own, which are stopped here.
    for (let i = 1; i <= count; i++) {
      evil.send(open(i))
      evil.send(message(i, 0))
    }
    endpoint.on("stream", (stream) => stream.stop())
    for (let s = 0; s < 60; s++) {
      evil.send(heartbeat)
      await network.advance(1_000)
    }
    evil.received.length = 0
    for (let s = 0; s < 60; s++) {
      evil.send(heartbeat)
      await network.advance(1_000)
    }
    expect([count, evil.received.length / 60 <= 4]).toEqual([count, true])
  }
})

test("streams that are idle, or whose sender is silent, cost nothing but heartbeats", async () => {
  const { network, a, b, toB } = await makePair(5, { delayMs: 10 })
  b.handle(1, () => {})
  const streams = Array.from({ length: 1_000 }, () => toB.open())
  for (const stream of streams) stream.trySend(1, new Uint8Array(100))
  await network.until(Promise.all(streams.map((stream) => stream.flush())))
  await network.advance(5_000)
  expect(await rate(network, a, b)).toBeLessThanOrEqual(2.5)
})

test("a sender doesn't go further ahead of what is missing than the receiver's pool keeps", async () => {
  const options = { poolPacketsPerPeer: 100, windowPackets: 64, congestion: fixed() }
  const { network, b, toB } = await makePair(9, { delayMs: 5, lossRate: 0.05 }, options)
  let received = 0
  b.handle(1, () => received++)
  const stream = toB.open()
  for (let i = 0; i < 1_000; i++) stream.trySend(1, pattern(1_000))
  await network.until(stream.flush())
  expect([received, b.stats().drops["no-room"]]).toEqual([1_000, 0])
})

test("a message that was refused for lack of memory while its packet was kept is taken when there is room", async () => {
  const { network, toB, b } = await makePair(
    4,
    { delayMs: 5 },
    { messageBytesMax: 100_000, assemblyBytesPerPeer: 100_000, assemblyBytesMax: 100_000 },
  )
  const got: number[] = []
  b.handle(1, ({ length }) => got.push(length))
  const s1 = toB.open()
  const s2 = toB.open()
  await network.advance(100)
  // hold s1's last piece back for a while
  let hold = true
  let dropFirst2 = true
  network.filter(({ to, bytes }) => {
    if (to !== "b" || bytes.length < 500) {
      if (to === "b" && dropFirst2 && bytes.length > 30) {
        const v = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
        const d = wire.describeDatagram(v, 0, bytes.length, 1)
        if (d.packets.some((p) => p.kind === "sequenced" && p["stream"] === 2)) {
          dropFirst2 = false
          return false
        }
      }
      return true
    }
    const v = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    const d = wire.describeDatagram(v, 0, bytes.length, 1)
    for (const p of d.packets)
      if (p.kind === "sequenced" && p["stream"] === 1 && p["number"] === 40 && hold) return false
    return true
  })
  const p1 = s1.send(1, pattern(60_000)).catch((e) => e)
  await network.advance(30)
  s2.trySend(1, pattern(10)) // lost once
  await network.advance(1)
  const p2 = s2.send(1, pattern(60_000)).catch((e) => e)
  await network.advance(2_000)
  expect(got).toEqual([10])
  hold = false
  await network.until(Promise.all([p1, p2]))
  await network.until(Promise.all([s1.flush(), s2.flush()]), 30_000)
  expect(got.toSorted((x, y) => x - y)).toEqual([10, 60000, 60000])
})

test("F57 a slow peer that stops reading for a minute stops the sender, whose memory stays flat, and nothing is lost", async () => {
  const { network, b, hostB, toB } = await makePair(
    7,
    { delayMs: 5 },
    { unreachableMs: 120_000, parkedMessagesMax: 10 },
  )
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

test("F64 with little memory for early packets and for large messages everything still arrives, from several peers at once", async () => {
  const world = makeWorld(8, { delayMs: 5, lossRate: 0.05, reorderRate: 0.05 })
  const limits = {
    poolPacketsMax: 64,
    messageBytesMax: 100_000,
    assemblyBytesPerPeer: 100_000,
    assemblyBytesMax: 150_000,
  }
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
