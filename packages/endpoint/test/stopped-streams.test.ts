// Whatever a sender sends, or doesn't: a stream is over here once we stop it, and leaves nothing behind.
import { type IncomingStream, REASON, type StreamEnd } from "@x/endpoint"
import * as wire from "@x/wire"
import { expect, test } from "vitest"
import { end, heartbeat, message, open, type Packet, piece, reset, stop, sync } from "./evil-peer.ts"
import { makeScene, type Scene } from "./scene.ts"
import { makePair } from "./world.ts"

/** A scene whose peer has joined, with the results of the streams that it opens. */
async function joined(
  onStream: (stream: IncomingStream) => void = () => {},
): Promise<Scene & { ends: (StreamEnd & { id: number })[]; baseline: Scene["endpoint"]["sizes"] }> {
  const scene = await makeScene({ messageBytesMax: 1_000_000 })
  const ends: (StreamEnd & { id: number })[] = []
  scene.endpoint.on("stream", (stream) => {
    void stream.closed.then((end) => ends.push({ ...end, id: stream.id }))
    onStream(stream)
  })
  await scene.evil.join()
  return { ...scene, ends, baseline: { ...scene.endpoint.sizes } }
}

test("a stream that is stopped is over at once, also where its sender ignores it; what is said of it gets rarer and ends", async () => {
  const { network, evil, endpoint, ends } = await joined((stream) => stream.stop(40_000))
  evil.send(open(1))
  evil.send(message(1, 0))
  await network.advance(3)
  expect(ends).toEqual([{ id: 1, isComplete: false, reason: 40_000, gone: 0 }])
  // It stays in contact, and sends nothing more for the stream.
  const stops = (): number => evil.packets("stop").length
  for (let s = 0; s < 60; s++) {
    evil.send(heartbeat)
    await network.advance(1_000)
  }
  const alone = stops()
  expect(alone).toBeLessThanOrEqual(10)
  for (let s = 0; s < 60; s++) {
    evil.send(heartbeat)
    await network.advance(1_000)
  }
  expect(stops()).toBe(alone)
  // It goes on sending, ten times a second, for ten minutes.
  let number = 1
  for (let s = 0; s < 6_000; s++) {
    evil.send(message(1, number++))
    evil.send(sync(1, 0, number), open(1))
    await network.advance(100)
  }
  expect(stops() - alone).toBeLessThanOrEqual(20)
  expect(stops() - alone).toBeGreaterThanOrEqual(8)
  endpoint.assertInvariants()
  evil.send(reset(1))
  await network.advance(20)
  expect([endpoint.sizes.streams, ends.length]).toEqual([0, 1])
})

test("an honest sender hears of a stop though all that was said of it by itself was lost", async () => {
  const { network, b, toB } = await makePair(1)
  let ended: StreamEnd | undefined
  b.on("stream", (stream) => {
    void stream.closed.then((it) => (ended = it))
    stream.stop(40_000)
  })
  let isLost = true
  const packets = ({ to, bytes }: { to: string; bytes: Uint8Array }): boolean => {
    if (to !== "a" || !isLost) return true
    const { packets } = wire.describeDatagram(
      new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength),
      0,
      bytes.length,
      1,
    )
    return !packets.some(({ kind }) => kind === "stop")
  }
  network.filter(packets)
  const stream = toB.open()
  await network.advance(5_000)
  expect([ended?.reason, stream.state]).toEqual([40_000, "open"])
  isLost = false
  stream.trySend(1, new Uint8Array(1))
  await network.advance(4_000)
  expect(stream.state).not.toBe("open")
  await network.advance(1_000)
  expect([b.sizes.streams, toB.stats().streamsOut]).toEqual([0, 0])
})

test("nothing that comes for a stopped stream counts as delivered to its sender, an end least of all", async () => {
  const { network, b, toB } = await makePair(2)
  b.on("stream", (stream) => stream.stop(40_000))
  const stream = toB.open()
  for (let i = 0; i < 10; i++) stream.trySend(1, new Uint8Array(100))
  const ending = stream.end().then(
    () => "resolved",
    () => "rejected",
  )
  expect(await network.until(ending, 2_000)).toBe("rejected")
  const { acknowledged, pending } = stream.account
  expect([acknowledged, pending]).toEqual([0, 0])
})

const { first, middle, last } = wire.FORM
const UNORDERED = wire.MODE["reliable-unordered"]
const TOTAL = 2_000

/** Pieces of a message that has two thousand bytes in two packets. */
function part(number: number, form: number, mode: wire.Mode): Packet {
  return piece(1, number, {
    form,
    message: 0,
    total: TOTAL,
    bytes: TOTAL / 2,
    mode,
    ...(form === middle ? { offset: 500 } : {}),
  })
}

test.each([
  [
    "the last piece twice, then the end",
    UNORDERED,
    [part(0, first, UNORDERED), part(1, last, UNORDERED), part(2, last, UNORDERED), end(1, 3)],
  ],
  [
    "the last piece twice and the first late",
    UNORDERED,
    [part(1, last, UNORDERED), part(2, last, UNORDERED), part(0, first, UNORDERED)],
  ],
  ["the first piece twice, then the end", UNORDERED, [part(0, first, UNORDERED), part(1, first, UNORDERED), end(1, 2)]],
  [
    "the first piece again once its message was whole",
    UNORDERED,
    [part(0, first, UNORDERED), part(1, last, UNORDERED), part(2, first, UNORDERED), end(1, 3)],
  ],
  ["a first piece and the end", wire.MODE.reliable, [part(0, first, wire.MODE.reliable), end(1, 1)]],
  ["a first piece of an unordered stream and the end", UNORDERED, [part(0, first, UNORDERED), end(1, 1)]],
  [
    "a first piece that may be lost, and the end",
    wire.MODE["best-effort"],
    [part(0, first, wire.MODE["best-effort"]), end(1, 1)],
  ],
  ["a first piece of the latest, and the end", wire.MODE.latest, [part(0, first, wire.MODE.latest), end(1, 1)]],
  [
    "the first piece twice, in order",
    wire.MODE.reliable,
    [part(0, first, wire.MODE.reliable), part(1, first, wire.MODE.reliable)],
  ],
  ["the end, the end again, and a reset", UNORDERED, [part(0, first, UNORDERED), end(1, 5), end(1, 5), reset(1)]],
  ["a reset while a message is under way", UNORDERED, [part(0, first, UNORDERED), reset(1)]],
  [
    "a reset while a message is under way, in order",
    wire.MODE.reliable,
    [part(0, first, wire.MODE.reliable), reset(1)],
  ],
] as const)("no memory is left of %s", async (_, mode, packets) => {
  const { network, evil, endpoint, ends, baseline } = await joined()
  evil.send(open(1, { mode }))
  for (const packet of packets) {
    evil.send(packet)
    await network.advance(50)
    endpoint.assertInvariants()
  }
  await network.advance(100)
  expect([endpoint.stats().assemblyBytes, ends.length]).toEqual([0, 1])
  evil.send(reset(1))
  await network.advance(100)
  const { streams, pool, assemblyBytes } = endpoint.sizes
  expect([streams, pool, assemblyBytes]).toEqual([baseline.streams, baseline.pool, baseline.assemblyBytes])
})

test.each([
  ["is stopped", (stream: IncomingStream): void => stream.stop()],
  ["is left by its peer", (stream: IncomingStream): void => void stream.peer.leave()],
] as const)("no memory is left of a message under way when its stream %s", async (_, act) => {
  for (const mode of [wire.MODE.reliable, UNORDERED, wire.MODE["best-effort"], wire.MODE.latest]) {
    let incoming: IncomingStream | undefined
    const { network, evil, endpoint, ends } = await joined((stream) => (incoming = stream))
    evil.send(open(1, { mode }), heartbeat)
    evil.send(part(0, first, mode))
    await network.advance(20)
    expect(endpoint.stats().assemblyBytes).toBe(TOTAL)
    act(incoming!)
    await network.advance(20)
    evil.send(part(1, last, mode), stop(1))
    await network.advance(20)
    expect([mode, endpoint.stats().assemblyBytes, ends.length]).toEqual([mode, 0, 1])
    endpoint.assertInvariants()
  }
})

test("a message that its sender leaves half sent at the end is no whole stream", async () => {
  const { network, evil, ends, delivered } = await joined()
  evil.send(open(1, { mode: UNORDERED }))
  evil.send(message(1, 0, UNORDERED), part(1, first, UNORDERED))
  evil.send(end(1, 2))
  await network.advance(100)
  expect(delivered.length).toBe(1)
  expect(ends).toEqual([{ id: 1, isComplete: false, reason: REASON.protocolError, gone: 0 }])
})
