// Several streams that are given the same messages: each hears all of them, and what is written lies there once.

import { defineMessage, type Endpoint, type FanOut, type OutgoingStream, utf8 } from "@x/endpoint"
import fc from "fast-check"
import { expect, test } from "vitest"
import { runs } from "../../../../tools/testkit/src/runs.ts"
import type { OutgoingHandle } from "../../src/api/outgoing-stream.ts"
import { makeWorld, PORT, type World } from "../world.ts"

interface Scene extends World {
  readonly hub: Endpoint
  readonly fanOut: FanOut
  readonly streams: readonly OutgoingStream[]
  /** The first byte of each message that came, by peer. */
  readonly received: readonly number[][]
}

/** A hub with a stream to each of some peers. */
async function scene(
  seed: number,
  peers: number,
  options: Parameters<World["bind"]>[1] = {},
  link: Parameters<typeof makeWorld>[1] = { delayMs: 5 },
): Promise<Scene> {
  const world = makeWorld(seed, link)
  const { endpoint: hub } = await world.bind("hub", options)
  const streams: OutgoingStream[] = []
  const received: number[][] = []
  for (let i = 0; i < peers; i++) {
    const { endpoint } = await world.bind(`peer${i}`)
    const those: number[] = []
    received.push(those)
    endpoint.handle(1, (message) => void those.push(message.copy()[0]!))
    streams.push((await world.network.until(hub.join(`peer${i}:${PORT}`))).open())
  }
  return { ...world, hub, fanOut: hub.fanOut(), streams, received }
}

const message = (fill: number, length = 100): Uint8Array => new Uint8Array(length).fill(fill)

const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i)

test("a message goes to all streams, and lies in memory once until the last has acknowledged it", async () => {
  const { network, hub, fanOut, streams, received } = await scene(1, 3)
  for (const stream of streams) fanOut.add(stream)
  for (let i = 0; i < 5; i++) expect(fanOut.trySend(1, message(i))).toEqual([])
  fanOut.release(5)
  expect([fanOut.next, fanOut.size, hub.stats().sendPoolPackets]).toEqual([5, 3, 1])
  network.partition("hub", "peer2")
  await network.advance(1_000)
  expect([received, hub.stats().sendPoolPackets]).toEqual([[range(0, 5), range(0, 5), []], 1])
  network.heal()
  await network.advance(3_000)
  expect([received[2], hub.stats().sendPoolPackets]).toEqual([range(0, 5), 0])
  expect(streams.map(({ account }) => account.acknowledged)).toEqual([5, 5, 5])
})

test("a value is encoded once", async () => {
  const { network, fanOut, streams, received } = await scene(2, 2)
  let encoded = 0
  const codec = { ...utf8, encode: (text: string) => (encoded++, new TextEncoder().encode(text)) }
  for (const stream of streams) fanOut.add(stream)
  fanOut.trySend(defineMessage(1, codec), "a")
  await network.advance(100)
  expect([encoded, received]).toEqual([1, [[97], [97]]])
})

test("who has no room is named, is told of room later, and is given the packets that it missed", async () => {
  const { network, fanOut, streams, received } = await scene(3, 2, { windowPackets: 4, spreadPackets: 64 })
  const [quick, slow] = streams as [OutgoingStream, OutgoingStream]
  fanOut.add(quick)
  fanOut.add(slow)
  network.partition("hub", "peer1")
  let [drains, given] = [0, 0]
  slow.on("drain", () => void drains++)
  for (let i = 0; i < 20; i++) {
    const apart = fanOut.trySend(1, message(i))
    for (const stream of apart) expect(stream).toBe(slow)
    if (apart.length === 0) given++
    await network.advance(50)
  }
  expect([given, fanOut.delete(slow), fanOut.give(slow, given)]).toEqual([4, true, -1])
  network.heal()
  await network.advance(3_000)
  expect(drains).toBeGreaterThan(0)
  let next = given
  for (let more = fanOut.give(slow, next); more > 0; more = fanOut.give(slow, next)) {
    next += more
    await network.advance(100)
  }
  await network.advance(1_000)
  expect([next, received]).toEqual([20, [range(0, 20), range(0, 20)]])
})

test("a message too large for a packet is for each stream by itself, and order is kept", async () => {
  const { network, fanOut, streams, received } = await scene(4, 2)
  for (const stream of streams) fanOut.add(stream)
  fanOut.trySend(1, message(0))
  const apart = fanOut.trySend(1, message(1, 100_000))
  expect([apart, fanOut.give(streams[0]!, 1)]).toEqual([streams, 0])
  for (const stream of apart) stream.trySend(1, message(1, 100_000))
  fanOut.trySend(1, message(2))
  await network.advance(1_000)
  expect(received).toEqual([range(0, 3), range(0, 3)])
})

test("who is added in between gets what follows, and who is removed gets no more", async () => {
  const { network, fanOut, streams, received } = await scene(5, 3)
  const [first, second, third] = streams as [OutgoingStream, OutgoingStream, OutgoingStream]
  fanOut.add(first)
  fanOut.add(second)
  fanOut.trySend(1, message(0))
  fanOut.add(third)
  fanOut.trySend(1, message(1))
  expect([fanOut.delete(first), fanOut.delete(first)]).toEqual([true, false])
  fanOut.trySend(1, message(2))
  // One that is sent to by itself goes on with the others.
  second.trySend(1, message(9))
  fanOut.trySend(1, message(3))
  await network.advance(1_000)
  expect(received).toEqual([
    [0, 1],
    [0, 1, 2, 9, 3],
    [1, 2, 3],
  ])
})

test("a stream that is over is named, and removed", async () => {
  const { network, fanOut, streams } = await scene(6, 2)
  const [gone, there] = streams as [OutgoingStream, OutgoingStream]
  fanOut.add(gone)
  fanOut.add(there)
  gone.reset()
  expect([fanOut.trySend(1, message(0)), fanOut.size]).toEqual([[gone], 1])
  await network.advance(100)
  expect(there.account.acknowledged).toBe(1)
})

test("streams of modes that give messages up have no part in it", async () => {
  const { streams, fanOut } = await scene(7, 1)
  const { peer } = streams[0]!
  for (const delivery of ["best-effort", "latest", "fire-and-forget"] as const) {
    const stream = peer.open({ delivery })
    fanOut.add(stream)
    expect(fanOut.trySend(1, message(0))).toEqual([stream])
    fanOut.delete(stream)
  }
})

test("streams of another endpoint, and what is no message, are refused at once", async () => {
  const [one, other] = [await scene(8, 1), await scene(9, 1)]
  const wrong = "a fan-out is for streams of its own endpoint: those of `peer.open()`"
  expect(() => one.fanOut.add(other.streams[0]!)).toThrow(wrong)
  one.fanOut.trySend(1, message(0))
  expect(() => one.fanOut.trySend(1, "text" as unknown as Uint8Array)).toThrow("Uint8Array")
  expect(() => one.fanOut.trySend(70_000, message(0))).toThrow("type")
  expect(() => one.fanOut.release(2)).toThrow("message must be a whole number from 0 to 1, not 2")
})

test("where all are behind, packets are as large as the stream takes that was given the last one", async () => {
  const { network, fanOut, streams, received } = await scene(12, 1, {}, { delayMs: 5, mtuBytes: 9_000 })
  const stream = streams[0]!
  // While the path isn't known to take more, packets of one message.
  for (let i = 0; i < 4; i++) fanOut.trySend(1, message(i, 1_000))
  for (let i = 0; i < 4; i++) if (fanOut.give(stream, i) === 0) stream.trySend(1, message(i, 1_000))
  await network.advance(10_000)
  fanOut.give(stream, 4)
  for (let i = 4; i < 40; i++) fanOut.trySend(1, message(i, 1_000))
  const given: number[] = []
  for (let next = 4; next < 40 && given.length < 40; next += given.at(-1)!) given.push(fanOut.give(stream, next))
  // They grow up to what 9,000 bytes hold.
  expect(Math.max(...given)).toBe(8)
  await network.advance(100)
  expect(received[0]).toEqual(range(0, 40))
})

test("a stream with room for a packet of its own, but not for one in a larger slot, is sent to by itself", async () => {
  const { fanOut, streams } = await scene(11, 2)
  const [one, other] = streams as [OutgoingHandle, OutgoingHandle]
  fanOut.add(one)
  fanOut.trySend(1, message(0))
  // Its slot counts more than this stream may have; nothing is under way whose memory it could wait for.
  other.sendStream.share = () => false
  expect([fanOut.give(other, 0), other.trySend(1, message(0))]).toEqual([0, "sent"])
})

test("with little memory nobody is forgotten, and none is held in the end", async () => {
  const peers = 8
  const options = { sendPoolPacketsMax: 256, sendPoolPacketsPerPeer: 64 }
  const { network, hub, fanOut, streams, received } = await scene(10, peers, options, { delayMs: 1, mtuBytes: 9_000 })
  await network.advance(5_000)
  const next = streams.map(() => 0)
  const catchUp = (i: number): void => {
    const stream = streams[i]!
    while (next[i]! < fanOut.next) {
      const given = fanOut.give(stream, next[i]!)
      if (given < 0) return
      const alone = given === 0 ? stream.trySend(1, message(next[i]! & 255)) : undefined
      if (alone === "refused") return
      next[i]! += Math.max(1, given)
      if (alone === "parked") return
    }
    fanOut.add(stream)
  }
  for (const [i, stream] of streams.entries()) {
    fanOut.add(stream)
    stream.on("drain", () => catchUp(i))
  }
  for (let sent = 0; sent < 20_000; sent++) {
    const apart = new Set(fanOut.trySend(1, message(sent & 255)))
    for (const [i, stream] of streams.entries())
      if (apart.has(stream)) {
        fanOut.delete(stream)
        catchUp(i)
      } else if (next[i] === sent) next[i] = sent + 1
    fanOut.release(Math.min(...next))
    if (sent % 100 === 99) await network.advance(sent % 700 === 99 ? 20 : 1)
  }
  await network.advance(5_000)
  fanOut.release(20_000)
  expect(next).toEqual(streams.map(() => 20_000))
  expect(received.map(({ length }) => length)).toEqual(streams.map(() => 20_000))
  expect(hub.stats().memory.sentPackets.bytes).toBe(0)
})

test("a message too large for one stream is for that one by itself, and the others get it once", async () => {
  const world = makeWorld(12)
  const { endpoint: hub } = await world.bind("hub")
  const fanOut = hub.fanOut()
  const received: number[][] = []
  const streams: OutgoingStream[] = []
  for (const [i, messageBytesMax] of [200, 10_000].entries()) {
    const { endpoint } = await world.bind(`peer${i}`, { messageBytesMax })
    const those: number[] = []
    received.push(those)
    endpoint.handle(1, (message) => void those.push(message.copy()[0]!))
    const stream = (await world.network.until(hub.join(`peer${i}:${PORT}`))).open()
    streams.push(stream)
    fanOut.add(stream)
  }
  const [small] = streams as [OutgoingStream]
  expect(fanOut.trySend(1, message(0))).toEqual([])
  expect(fanOut.trySend(1, message(1, 500))).toEqual([small])
  expect([fanOut.give(small, 1), small.trySend(1, message(1, 500))]).toEqual([0, "too-large"])
  // The packet that it has no part in goes on.
  expect(fanOut.trySend(1, message(2))).toEqual([small])
  await world.network.advance(1_000)
  expect(fanOut.trySend(1, message(3))).toEqual([])
  await world.network.advance(1_000)
  expect(received).toEqual([
    [0, 3],
    [0, 1, 2, 3],
  ])
})

test.each(["goes on", "ends"])(
  "what waits behind a packet that fills the window isn't overtaken: its stream %s",
  async (what) => {
    const { network, fanOut, streams, received } = await scene(13, 2, { windowPackets: 1, spreadPackets: 64 })
    const [one] = streams as [OutgoingStream]
    for (const stream of streams) fanOut.add(stream)
    fanOut.trySend(1, message(0))
    expect(one.trySend(1, message(9))).toBe("parked")
    if (what === "ends") void one.end()
    expect(fanOut.trySend(1, message(1))).toContain(one)
    await network.advance(1_000)
    expect(received[0]).toEqual([0, 9])
  },
)

test("what was returned doesn't change as its streams are removed", async () => {
  const { fanOut, streams } = await scene(14, 4)
  for (const stream of streams) fanOut.add(stream)
  for (const stream of fanOut.trySend(1, message(0, 100_000))) fanOut.delete(stream)
  expect(fanOut.size).toBe(0)
})

test("a stream that has room again has a part in the next packet, though nobody had one in the last", async () => {
  const { network, fanOut, streams, received } = await scene(15, 1, { windowPackets: 1, spreadPackets: 64 })
  const [stream] = streams as [OutgoingStream]
  fanOut.add(stream)
  fanOut.trySend(1, message(0))
  stream.trySend(1, message(9))
  expect([1, 2].map((fill) => fanOut.trySend(1, message(fill)))).toEqual([[stream], [stream]])
  await network.advance(1_000)
  expect(fanOut.trySend(1, message(3))).toEqual([])
  await network.advance(1_000)
  expect(received).toEqual([[0, 9, 3]])
})

test("a stream that is over is given nothing, and ends no packet of the others", async () => {
  const { network, fanOut, streams, received } = await scene(16, 2)
  const [gone, there] = streams as [OutgoingStream, OutgoingStream]
  fanOut.add(there)
  gone.reset()
  fanOut.trySend(1, message(0))
  expect([fanOut.give(gone, 0), gone.trySend(1, message(0))]).toEqual([0, "closed"])
  fanOut.trySend(1, message(1))
  await network.advance(1_000)
  expect([received[1], there.account.acknowledged]).toEqual([[0, 1], 2])
})

test("closed, it holds nothing; numbers out of range are refused", async () => {
  const { hub, fanOut, streams } = await scene(17, 1)
  fanOut.add(streams[0]!)
  streams[0]!.reset()
  fanOut.delete(streams[0]!)
  const other = streams[0]!.peer.open()
  fanOut.add(other)
  fanOut.trySend(1, message(0))
  other.reset()
  for (const wrong of [2, -1, 0.5, NaN]) expect(() => fanOut.release(wrong)).toThrow("message")
  expect(hub.stats().sendPoolPackets).toBe(1)
  fanOut.close()
  expect([hub.stats().sendPoolPackets, fanOut.size, fanOut.next]).toEqual([0, 0, 1])
})

test("whatever is sent, by all or alone, on a path that loses: each stream delivers what it took, in order", async () => {
  const step = fc.record({ what: fc.nat(5), which: fc.nat(2), count: fc.integer({ min: 1, max: 40 }) })
  await fc.assert(
    fc.asyncProperty(fc.integer(), fc.array(step, { minLength: 5, maxLength: 30 }), async (seed, steps) => {
      const { network, fanOut, streams, received } = await scene(seed, 3, { windowPackets: 8, spreadPackets: 64 })
      network.link("hub", "peer1", { delayMs: 5, lossRate: 0.1 })
      const taken: number[][] = streams.map(() => [])
      const missed = streams.map(() => 0)
      let sent = 0
      const offer = (): void => {
        const apart = new Set(fanOut.trySend(1, message(sent & 255, 1 + ((sent * 37) % 900))))
        for (const [i, stream] of streams.entries()) {
          if (apart.has(stream)) fanOut.delete(stream)
          else if (missed[i] === sent) {
            taken[i]!.push(sent & 255)
            missed[i] = sent + 1
          }
        }
        sent++
      }
      for (const stream of streams) fanOut.add(stream)
      for (const { what, which, count } of steps) {
        const stream = streams[which]!
        if (what <= 2) for (let i = 0; i < count; i++) offer()
        else if (what === 3) await network.advance(count)
        else {
          for (let given = 1; given > 0 && missed[which]! < sent;) {
            given = fanOut.give(stream, missed[which]!)
            for (let i = 0; i < given; i++) taken[which]!.push(missed[which]!++ & 255)
          }
          if (missed[which] === sent) fanOut.add(stream)
        }
        fanOut.release(Math.min(...missed))
      }
      await network.advance(20_000)
      expect(received).toEqual(taken)
    }),
    { numRuns: runs(40) },
  )
})
