// Messages that wait for consumers are held within one bound, whatever becomes of their streams and peers.
import {
  type Endpoint,
  fixed,
  type IncomingStream,
  type OutgoingStream,
  type Peer,
  type PeerStats,
  type ReceivedMessage,
} from "@x/endpoint"
import type { Network } from "@x/transport/simulated"
import { expect, test } from "vitest"
import { makeWorld, PORT } from "../world.ts"

const MB = 1_000_000

interface Stage {
  readonly network: Network
  readonly b: Endpoint
  /** Joins b as another process. */
  join(name: string): Promise<Peer>
}

async function stage(options = {}): Promise<Stage> {
  const { network, bind } = makeWorld(1)
  const { endpoint: b } = await bind("b", { queuedBytesTotalMax: 8 * MB, ...options })
  const join = async (name: string): Promise<Peer> => {
    const { endpoint } = await bind(name, { congestion: fixed() })
    return network.until(endpoint.join(`b:${PORT}`))
  }
  return { network, b, join }
}

/**
 * What an endpoint holds for consumers that never come back: acknowledged bytes of messages that no consumer has
 * handled.
 */
const acknowledged = (streams: readonly OutgoingStream[], bytes: number): number =>
  streams.reduce((sum, { account }) => sum + account.acknowledged * bytes, 0)

const NEVER = new Promise<never>(() => {})

const ENDS: readonly (readonly [string, (stream: OutgoingStream, network: Network) => unknown])[] = [
  ["stay", () => {}],
  ["end", (stream) => void stream.end().catch(() => {})],
  ["are reset", (stream) => stream.reset()],
]

test.each(ENDS)(
  "streams that %s hold no more behind a stuck consumer than they may, and count until they are read",
  async (_, end) => {
    const { network, b, join } = await stage({ streamsMax: 64 })
    b.handleAsync(1, () => NEVER)
    const peer = await join("a")
    const streams: OutgoingStream[] = []
    for (let i = 0; i < 60; i++) {
      let stream: OutgoingStream
      try {
        stream = peer.open()
      } catch {
        await network.advance(100)
        continue
      }
      streams.push(stream)
      for (let k = 0; k < 50; k++) stream.trySend(1, new Uint8Array(10_000))
      await network.advance(100)
      end(stream, network)
      await network.advance(100)
      const { queuedBytes } = b.stats()
      expect(queuedBytes).toBeLessThanOrEqual(8 * MB)
      // Everything that the sender knows to have arrived is counted.
      expect(queuedBytes).toBeGreaterThanOrEqual(acknowledged(streams, 10_000))
    }
    expect(b.stats().streams).toBeLessThanOrEqual(64)
    expect(b.stats().full.queues).toBeGreaterThan(0)
    b.assertInvariants()
  },
)

test("nor does a peer that fills its share, leaves and comes back", async () => {
  const { network, b, join } = await stage()
  const held: IncomingStream[] = []
  b.on("stream", (stream) => {
    stream.pause()
    held.push(stream)
  })
  for (let i = 0; i < 12; i++) {
    const peer = await join(`a${i}`)
    const streams = Array.from({ length: 10 }, () => peer.open())
    for (const stream of streams) for (let k = 0; k < 100; k++) stream.trySend(1, new Uint8Array(10_000))
    await network.advance(200)
    await network.until(peer.leave())
    expect(b.stats().queuedBytes).toBeLessThanOrEqual(8 * MB)
  }
  const { streams, queuedBytes } = b.stats()
  expect([streams > 0, queuedBytes > 4 * MB]).toEqual([true, true])
  // A consumer that reads it, or that doesn't want it, frees all of it.
  let handled = 0
  b.handle(1, ({ length }) => (handled += length))
  for (const [i, stream] of held.entries()) if (i % 2 === 0) stream.resume()
  await network.advance(10)
  for (const [i, stream] of held.entries()) if (i % 2 === 1) stream.stop()
  await network.advance(10)
  expect([handled > 0, b.stats().queuedBytes, b.stats().streams]).toEqual([true, 0, 0])
})

test.each(["handler", "reader"] as const)("a message counts until its %s is done with it", async (consumer) => {
  const { network, b, join } = await stage()
  let release = (): void => {}
  let reader: AsyncIterableIterator<ReceivedMessage> | undefined
  if (consumer === "handler") b.handleAsync(1, () => new Promise<void>((resolve) => (release = resolve)))
  else b.on("stream", (stream) => (reader = stream.messages()))
  const peer = await join("a")
  const stream = peer.open()
  for (let i = 0; i < 3; i++) stream.trySend(1, new Uint8Array(1_000))
  stream.end().catch(() => {})
  await network.advance(50)
  const counts: number[] = []
  for (let i = 0; i < 4; i++) {
    counts.push(b.stats().queuedBytes)
    release()
    if (i < 3) void reader?.next()
    await network.advance(1)
  }
  expect(counts).toEqual([3_000, 2_000, 1_000, 0])
  expect(b.stats().streams).toBe(0)
})

test("a stuck consumer of one peer's messages holds up neither the others of it nor other peers'", async () => {
  const { network, b, join } = await stage()
  b.handleAsync(1, () => NEVER)
  const handled = new Map<string, number>()
  b.handleAsync(
    2,
    async ({ peer, bytes }) => void handled.set(peer.unique, (handled.get(peer.unique) ?? 0) + bytes.length),
  )
  const stuck = await join("stuck")
  const others = [await join("x"), await join("y")]
  const fill = Array.from({ length: 40 }, () => stuck.open())
  // It leaves enough of what its sender may keep itself.
  for (const stream of fill) for (let k = 0; k < 30; k++) stream.trySend(1, new Uint8Array(10_000))
  await network.advance(2_000)
  const before = b.stats().queuedBytes
  expect(before).toBeGreaterThan(2.5 * MB)
  const streams = [...others, stuck].map((peer) => peer.open())
  for (const stream of streams) for (let k = 0; k < 200; k++) stream.trySend(2, new Uint8Array(10_000))
  await network.until(Promise.all(streams.map((stream) => stream.flush())), 5_000)
  await network.advance(10)
  expect([...handled.values()]).toEqual([2 * MB, 2 * MB, 2 * MB])
  expect(b.stats().queuedBytes).toBeLessThanOrEqual(8 * MB)
})

test("with nothing left, peers that hold little still have a message taken, and a handler that needs no copy all", async () => {
  const { network, b, join } = await stage({ queuedBytesTotalMax: MB })
  b.handleAsync(1, () => NEVER)
  b.handleAsync(2, async () => {})
  let plain = 0
  b.handle(3, () => plain++)
  // Each in turn takes half of what is left.
  for (let i = 0; i < 12; i++) {
    const peer = await join(`s${i}`)
    for (let s = 0; s < 20; s++) {
      const stream = peer.open()
      for (let k = 0; k < 20; k++) stream.trySend(1, new Uint8Array(5_000))
    }
    await network.advance(200)
  }
  expect(b.stats().queuedBytes).toBeGreaterThan(0.7 * MB)
  const late = await join("late")
  const [copied, handled] = [late.open(), late.open()]
  for (let k = 0; k < 100; k++) {
    copied.trySend(2, new Uint8Array(5_000))
    handled.trySend(3, new Uint8Array(5_000))
  }
  await network.until(Promise.all([copied.flush(), handled.flush()]), 20_000)
  expect(plain).toBe(100)
  expect(b.stats().queuedBytes).toBeLessThanOrEqual(MB + 20 * 5_000)
})

test("what shares little room is held up, not sent again and again, and goes on in turn as room returns", async () => {
  const { network, b, join } = await stage({ queuedBytesTotalMax: MB })
  const done: (() => void)[] = []
  let handled = 0
  b.handleAsync(1, () => new Promise<void>((resolve) => done.push(() => (handled++, resolve()))))
  const peer = await join("a")
  const streams = Array.from({ length: 100 }, () => peer.open())
  let sent = 0
  let before: PeerStats | undefined
  for (let ms = 0; ms < 3_000; ms++) {
    if (ms === 500) before = peer.stats()
    for (const stream of streams) if (ms % 5 === 0 && stream.trySend(1, new Uint8Array(500)) !== "refused") sent++
    for (const resolve of done.splice(0, 10)) resolve()
    await network.advance(1)
    if (ms % 500 === 0) expect(b.stats().queuedBytes).toBeLessThanOrEqual(MB + 60_000)
  }
  const { packetsSent, packetsResent } = peer.stats()
  expect(handled).toBeGreaterThanOrEqual(0.97 * 30_000)
  // Each has room for at most seven messages.
  expect((packetsResent - before!.packetsResent) / (packetsSent - before!.packetsSent)).toBeLessThan(0.15)
  const ending = Promise.all(streams.map((stream) => stream.end()))
  for (let ms = 0; ms < 60_000 && b.stats().streams > 0; ms++) {
    for (const resolve of done.splice(0, 100)) resolve()
    await network.advance(1)
  }
  await network.until(ending, 1_000)
  expect(handled).toBe(sent)
  expect([b.stats().queuedBytes, b.stats().streams]).toEqual([0, 0])
})

test("streams that don't wait drop what there is no room for, and tell of it", async () => {
  const { network, b, join } = await stage({ queuedBytesTotalMax: 100_000 })
  const gone = new Map<string, number>()
  const held: IncomingStream[] = []
  b.on("stream", (stream) => {
    stream.pause()
    held.push(stream)
    stream.on("gap", (messages) => gone.set(stream.label, (gone.get(stream.label) ?? 0) + messages))
  })
  const peer = await join("a")
  const streams = (["fire-and-forget", "latest", "best-effort"] as const).flatMap((delivery) =>
    Array.from({ length: 10 }, (_, i) => peer.open({ delivery, label: `${delivery} ${i}` })),
  )
  await network.advance(50)
  for (let k = 0; k < 40; k++) {
    for (const stream of streams) stream.trySend(1, new Uint8Array(1_000))
    await network.advance(10)
    expect(b.stats().queuedBytes).toBeLessThanOrEqual(100_000)
  }
  const counts = held.map(({ queued, label }) => queued.messages + (gone.get(label) ?? 0))
  expect(counts).toEqual(held.map(() => 40))
  for (const stream of held) stream.stop()
  expect(b.stats().queuedBytes).toBe(0)
})

test("large messages that are nearly whole are not taken beyond the bound either", async () => {
  const { network, b, join } = await stage({ queuedBytesTotalMax: 2 * MB })
  b.handleAsync(1, () => NEVER)
  for (const delivery of ["reliable", "reliable-unordered"] as const) {
    const peer = await join(delivery)
    for (let s = 0; s < 40; s++)
      peer
        .open({ delivery })
        .send(1, new Uint8Array(200_000))
        .catch(() => {})
    await network.advance(3_000)
    // The first one that finds no room may be under way.
    expect(b.stats().queuedBytes).toBeLessThanOrEqual(2 * MB + 200_000)
  }
})
