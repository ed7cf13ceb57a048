/** Paths that turn out to be narrower than the datagrams sent over them. */

import { expect, test } from "vitest"
import { makePair, makeWorld, pattern, PORT } from "./world.ts"

test("F60 small messages that share a datagram on a path that turns out narrower arrive all the same", async () => {
  const { network, toB, b } = await makePair(10, { delayMs: 5 })
  const got: number[] = []
  b.handle(1, ({ length }) => got.push(length))
  network.links({ delayMs: 5, mtuBytes: 1_000 })
  const streams = Array.from({ length: 4 }, () => toB.open())
  for (const stream of streams) stream.trySend(1, pattern(360))
  await network.until(Promise.all(streams.map((stream) => stream.flush())), 30_000)
  expect(got).toEqual([360, 360, 360, 360])
})

test.each(["reliable", "reliable-unordered", "best-effort"] as const)(
  "F60 %s: packets that were cut for a wider path go out in parts, also where datagrams are lost",
  async (delivery) => {
    const { network, toB, b } = await makePair(12, { delayMs: 5 })
    const received = new Map<number, Uint8Array>()
    b.handle(1, (message) => received.set(message.view.getUint8(message.offset), message.copy()))
    const stream = toB.open({ delivery })
    network.links({ delayMs: 5, mtuBytes: 1_000, lossRate: 0.2 })
    const lengths = [1_100, 5_000, 20_000, 200, 1_150]
    lengths.forEach((length, i) => void stream.trySend(1, pattern(length, i).fill(i, 0, 1)))
    await network.until(stream.flush(), 30_000)
    lengths.forEach((length, i) => expect(received.get(i)).toEqual(pattern(length, i).fill(i, 0, 1)))
    expect([stream.state, b.stats().drops["piece-conflict"]]).toEqual(["open", 0])
    // What is cut from now on fits.
    network.links({ delayMs: 5, mtuBytes: 1_000 })
    const before = toB.stats().packetsResent
    stream.trySend(1, pattern(5_000))
    await network.until(stream.flush(), 30_000)
    expect(toB.stats().packetsResent).toBe(before)
  },
)

test("F60 a stream in whose opening a long label no longer fits ends and says so, and others don't", async () => {
  const { network, toB, b } = await makePair(14, { delayMs: 5 })
  network.links({ delayMs: 5, mtuBytes: 548 })
  const long = toB.open({ label: "x".repeat(1_000) })
  const short = toB.open({ label: "short" })
  for (const stream of [long, short]) stream.trySend(1, pattern(1_150))
  let received = 0
  b.handle(1, () => received++)
  await network.until(short.flush(), 30_000)
  await expect(network.until(long.send(1, pattern(10)))).rejects.toMatchObject({
    code: "stream-closed",
    message: expect.stringContaining("pathTooSmall"),
  })
  expect(received).toBe(1)
})

test("F60 a path that silently swallows what is longer than the floor is used with datagrams of the floor", async () => {
  const world = makeWorld(13)
  const { endpoint: a } = await world.bind("a")
  const { endpoint: b } = await world.bind("b")
  world.network.filter(({ bytes }) => bytes.length <= 548)
  const received: Uint8Array[] = []
  b.handle(1, (message) => received.push(message.copy()))
  const peer = await world.network.until(a.join(`b:${PORT}`), 10_000)
  const stream = peer.open()
  stream.trySend(1, pattern(20_000))
  await world.network.until(stream.flush(), 10_000)
  expect(received).toEqual([pattern(20_000)])
  // And in the other direction.
  a.handle(1, (message) => received.push(message.copy()))
  const back = b.peers[0]!.open()
  back.trySend(1, pattern(3_000))
  await world.network.until(back.flush(), 10_000)
  expect(received[1]).toEqual(pattern(3_000))
})

test("statuses of datagrams at the floor name what is missing first, and fit", async () => {
  const { network, toB, b } = await makePair(11, { delayMs: 5 }, { datagramBytes: 548 })
  let received = 0
  b.handle(1, () => received++)
  network.links({ delayMs: 5, mtuBytes: 548, lossRate: 0.4 })
  const stream = toB.open()
  for (let i = 0; i < 1_000; i++) stream.trySend(1, pattern(450))
  await network.until(stream.flush(), 30_000)
  expect(received).toBe(1_000)
  expect(b.stats().transport.errors.EMSGSIZE).toBe(0)
})

test.each([0, 0.1])("a packet of the longest datagram arrives over the narrowest path, %d lost", async (lossRate) => {
  const { network, toB, b } = await makePair(4, { delayMs: 5 }, { datagramBytes: 65_000 })
  const received: Uint8Array[] = []
  b.handle(1, (message) => received.push(message.copy()))
  const stream = toB.open()
  network.links({ delayMs: 5, mtuBytes: 548, lossRate })
  stream.trySend(1, pattern(300_000))
  await network.until(stream.flush(), 30_000)
  expect(received).toEqual([pattern(300_000)])
  expect([stream.state, b.stats().poolPackets]).toEqual(["open", 0])
})
