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

test("F60 streams opened after the path got narrower are cut to it, large messages too", async () => {
  const { network, toB, b } = await makePair(12, { delayMs: 5 })
  network.links({ delayMs: 5, mtuBytes: 1_000 })
  const received: Uint8Array[] = []
  b.handle(1, (message) => received.push(message.copy()))
  const first = toB.open()
  first.trySend(1, pattern(5_000))
  await expect(network.until(first.flush(), 30_000)).rejects.toMatchObject({ code: "stream-closed" })
  const second = toB.open()
  second.trySend(1, pattern(5_000))
  await network.until(second.flush(), 30_000)
  expect(received).toEqual([pattern(5_000)])
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
  // Other streams, with shorter packets, are not affected.
  const other = toB.open()
  await network.until(other.send(1, pattern(100)))
  await network.until(other.flush())
})
