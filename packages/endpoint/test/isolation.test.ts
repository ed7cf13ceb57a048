// What becomes of one peer costs no other: memory that all share, and peers that stop, stall or are slow.

import {
  type Delivery,
  type Endpoint,
  type EndpointOptions,
  fixed,
  type IncomingStream,
  type OutgoingStream,
  type Peer,
} from "@x/endpoint"
import { describeDatagram, REASON } from "@x/wire"
import { describe, expect, test } from "vitest"
import { makePair, makeWorld, pattern, PORT, type World } from "./world.ts"

const MIB = 1_048_576
const MESSAGE = pattern(1_000)
/** This many messages to each peer every 10 ms. */
const AT_A_TIME = 20

type Kind = "suspended" | "never acknowledging" | "slow"

interface Rack extends World {
  readonly sender: Endpoint
  /** Sends to all peers for this time; returns how many messages reached those that are alive. */
  push(ms: number): Promise<number>
  /** How long a message took to those that are alive, all but the slowest hundredth of the last push, milliseconds. */
  p99(): number
  /** What happens to one of the others. */
  fail(index: number): void
}

/** An endpoint that sends to many peers; all but these that are `alive`, one unless told otherwise, fail in some way. */
async function makeRack(
  others: number,
  kind: Kind,
  delivery: Delivery,
  streams: number,
  { alive: aliveCount = 1, ...options }: EndpointOptions & { readonly alive?: number } = {},
): Promise<Rack> {
  const world = makeWorld(1, { delayMs: 5 })
  const { network } = world
  const { endpoint: sender } = await world.bind("sender", options)
  const outgoing: OutgoingStream[] = []
  sender.on("joined", (peer) => {
    for (let i = 0; i < streams; i++) outgoing.push(peer.open({ delivery }))
  })
  const delaysMs: number[] = []
  for (let i = 0; i < aliveCount; i++) {
    const { endpoint: alive } = await world.bind(`alive ${i}`)
    alive.handle(1, ({ view, offset }) => void delaysMs.push(network.now - view.getFloat64(offset)))
    await network.until(alive.join(`sender:${PORT}`))
  }
  const silent = new Set<string>()
  const slow = new Map<string, IncomingStream[]>()
  const paused = new Set<string>()
  for (let i = 0; i < others; i++) {
    const name = `other ${i}`
    const { endpoint } = await world.bind(name)
    endpoint.handle(1, () => {})
    endpoint.on("stream", (stream) => void slow.set(name, [...(slow.get(name) ?? []), stream]))
    await network.until(endpoint.join(`sender:${PORT}`))
  }
  network.filter(({ from, bytes }) => {
    if (silent.size === 0 || !silent.has(from)) return true
    const { packets } = describeDatagram(
      new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength),
      0,
      bytes.length,
      1,
    )
    return packets.every((packet) => packet.kind !== "status")
  })
  return {
    ...world,
    sender,
    p99: () => delaysMs.toSorted((a, b) => a - b)[Math.floor(0.99 * delaysMs.length)]!,
    async push(ms) {
      delaysMs.length = 0
      const message = new DataView(MESSAGE.buffer)
      for (let at = 0; at < ms; at += 10) {
        for (const name of paused)
          for (const stream of slow.get(name) ?? []) {
            if (at % 100 === 0) stream.resume()
            else stream.pause()
          }
        message.setFloat64(0, network.now)
        for (const stream of outgoing) for (let i = 0; i < AT_A_TIME / streams; i++) stream.trySend(1, MESSAGE)
        await network.advance(10)
      }
      sender.assertInvariants()
      return delaysMs.length
    },
    fail(index) {
      const name = `other ${index}`
      if (kind === "suspended") network.partition(name, "sender")
      else if (kind === "slow") paused.add(name)
      else silent.add(name)
    },
  }
}

describe.each(["suspended", "never acknowledging", "slow"] as const)("beside peers that are %s", (kind) => {
  test.each([1, 10, 80])(
    "four that are alive keep their rate and their delay at once, beside %d of them in all other places",
    async (others) => {
      const alone = await makeRack(0, kind, "reliable", 1, { alive: 4 })
      await alone.push(200)
      const aloneCount = await alone.push(300)
      const { push, fail, p99 } = await makeRack(others, kind, "reliable", 1, { alive: 4, peersMax: others + 4 })
      await push(200)
      const before = await push(300)
      for (let i = 0; i < others; i++) fail(i)
      // The first half second too.
      for (let i = 0; i < 3; i++) {
        expect(await push(300)).toBeGreaterThanOrEqual(0.8 * Math.max(before, aloneCount))
        expect(p99()).toBeLessThanOrEqual(2 * alone.p99() + 5)
      }
    },
    120_000,
  )
})

test.each(["fire-and-forget", "latest", "best-effort", "reliable-unordered"] as const)(
  "one that is alive keeps its rate beside 40 that are suspended with four streams each: %s",
  async (delivery) => {
    const { push, fail } = await makeRack(40, "suspended", delivery, 4)
    await push(200)
    const before = await push(300)
    for (let i = 0; i < 40; i++) fail(i)
    for (let i = 0; i < 3; i++) expect(await push(300)).toBeGreaterThanOrEqual(0.8 * before)
  },
  120_000,
)

test("it keeps its rate as well where they fail one after the other, and where one joins after they did", async () => {
  const { push, fail, network, bind, sender } = await makeRack(30, "suspended", "reliable", 1)
  await push(200)
  const before = await push(300)
  for (let i = 0; i < 30; i++) {
    fail(i)
    await push(50)
  }
  expect(await push(300)).toBeGreaterThanOrEqual(0.8 * before)
  const { endpoint: late } = await bind("late")
  let received = 0
  late.handle(1, () => received++)
  await network.until(late.join(`sender:${PORT}`))
  await network.when(() => sender.peers.length === 32)
  await push(300)
  expect(received).toBeGreaterThanOrEqual(0.7 * before)
}, 120_000)

test("it keeps its rate beside 1,000 that are suspended", async () => {
  const { push, fail } = await makeRack(1_000, "suspended", "reliable", 1)
  for (let i = 0; i < 1_000; i++) fail(i)
  expect(await push(200)).toBeGreaterThanOrEqual(0.8 * AT_A_TIME * 20)
}, 240_000)

test("peers that had earned much memory and then stop give it back within stalledMs, and are told to have stalled", async () => {
  const { network, bind } = makeWorld(3, { delayMs: 20, rateBitsPerSecond: 100e6 })
  const { endpoint: sender } = await bind("sender", { sendPoolPacketsMax: 1_024, stalledMs: 2_000 })
  const { endpoint: alive } = await bind("alive")
  let received = 0
  alive.handle(1, () => received++)
  await network.until(alive.join(`sender:${PORT}`))
  await network.when(() => sender.peers.length === 1)
  const toAlive = sender.peers[0]!.open()
  const fill = async (streams: OutgoingStream[], ms: number): Promise<number> => {
    const before = received
    for (let at = 0; at < ms; at += 5) {
      for (const stream of streams)
        while (stream.parked.messages < 20 && ["sent", "parked"].includes(stream.trySend(1, MESSAGE)));
      await network.advance(5)
    }
    return received - before
  }
  await fill([toAlive], 2_000)
  const alone = await fill([toAlive], 1_000)
  for (let i = 0; i < 8; i++) {
    const { endpoint } = await bind(`other ${i}`)
    endpoint.handle(1, () => {})
    await network.until(endpoint.join(`sender:${PORT}`))
  }
  await network.when(() => sender.peers.length === 9)
  const others = sender.peers.slice(1).map((peer) => peer.open())
  // All but the first have the memory to themselves for a while.
  await fill(others, 3_000)
  const left: number[] = []
  sender.on("left", (_peer, { reason }) => void left.push(reason))
  for (let i = 0; i < 8; i++) network.partition(`other ${i}`, "sender")
  await fill([toAlive, ...others], 3_000)
  const after = await fill([toAlive], 1_000)
  expect(after).toBeGreaterThanOrEqual(0.8 * alone)
  expect(left.length).toBeGreaterThan(0)
  expect(new Set(left)).toEqual(new Set([REASON.stalled]))
  expect(sender.stats().full.stalled).toBe(left.length)
  sender.assertInvariants()
}, 60_000)

test.each([
  [1_024, 20],
  [16, 1],
])("of %d packets, a stream whose consumer stands still leaves some to the others of its peer", async (packets, at) => {
  const { network, bind } = makeWorld(2, { delayMs: 5 })
  const { endpoint: a } = await bind("a", { sendPoolPacketsMax: 1_024, sendPoolPacketsPerPeer: packets })
  const { endpoint: b } = await bind("b", { queuedMessagesMax: 10 })
  let received = 0
  b.on("stream", (stream) => void (stream.label === "held" && stream.pause()))
  b.handle(1, ({ stream }) => void (stream.label === "free" && received++))
  const peer = await network.until(a.join(`b:${PORT}`))
  const [held, free] = [peer.open({ label: "held" }), peer.open({ label: "free" })]
  for (let i = 0; i < 100; i++) {
    for (let j = 0; j < 20; j++) held.trySend(1, MESSAGE)
    for (let j = 0; j < at; j++) free.trySend(1, MESSAGE)
    await network.advance(20)
  }
  expect(received).toBeGreaterThan(0.8 * 100 * at)
})

// Messages under way.

const SLOW = fixed({ paceBytesPerMs: 1_000 })

/** How long a message takes beside others that are under way on other streams. */
async function beside(bulks: number, bytes: number, options: EndpointOptions = {}): Promise<number> {
  const { network, bind } = makeWorld(1, { delayMs: 10 })
  const { endpoint: b } = await bind("b", options)
  const { endpoint: a } = await bind("a", { congestion: SLOW, ...options })
  let atMs = 0
  b.handle(1, ({ stream }) => void (stream.label === "urgent" && (atMs = network.now)))
  const peer = await network.until(a.join(`b:${PORT}`))
  const large = (options.messageBytesMax ?? 16 * MIB) - 1
  for (let i = 0; i < bulks; i++)
    void peer
      .open()
      .send(1, new Uint8Array(large))
      .catch(() => {})
  const urgent = peer.open({ label: "urgent", priority: 200 })
  await network.advance(2_000)
  const sentMs = network.now
  expect(urgent.trySend(1, new Uint8Array(bytes))).toBe("sent")
  await network.when(() => atMs > 0, 120_000)
  b.assertInvariants()
  return atMs - sentMs
}

test.each([1_500, 5_000, 60_000, 500_000])(
  "a message of %d B is not held up by two or three of 16 MiB that fill the peer's memory",
  async (bytes) => {
    const besideOne = await beside(1, bytes)
    expect((await beside(2, bytes)) - besideOne).toBeLessThanOrEqual(1)
    expect((await beside(3, bytes)) - besideOne).toBeLessThanOrEqual(1)
  },
)

test("nor where a peer may have no more memory than the largest message takes", async () => {
  const options = { messageBytesMax: 4 * MIB, assemblyBytesPerPeer: 4 * MIB, assemblyBytesMax: 64 * MIB }
  const besideNone = await beside(0, 60_000, options)
  expect(await beside(2, 60_000, options)).toBeLessThan(besideNone + 70)
})

const LARGE = new Uint8Array(16 * MIB)

/** Peers that fall silent in the middle of large messages; and one that doesn't. */
async function besideSilent(
  silent: number,
  bytes: number,
  delivery: Delivery,
  bulk: Delivery = "reliable",
  forMs = 400,
): Promise<number> {
  const { network, bind } = makeWorld(1, { delayMs: 10 })
  const { endpoint: b } = await bind("b")
  let atMs = 0
  b.handle(1, ({ stream }) => void (stream.label === "healthy" && (atMs = network.now)))
  const join = async (name: string): Promise<Peer> => {
    const { endpoint } = await bind(name, { congestion: SLOW, windowBytes: 32 * MIB, windowPackets: 16_384 })
    return network.until(endpoint.join(`b:${PORT}`))
  }
  for (let i = 0; i < silent; i++) {
    const peer = await join(`silent ${i}`)
    const large = bulk === "reliable" ? LARGE : LARGE.subarray(0, 4 * MIB)
    // Borrowed: a copy for each would take most of the time of these tests.
    for (let j = 0; j < 2; j++)
      void peer
        .open({ delivery: bulk })
        .send(1, large)
        .catch(() => {})
  }
  const healthy = (await join("healthy")).open({ label: "healthy", delivery })
  await network.advance(600)
  for (let i = 0; i < silent; i++) network.partition(`silent ${i}`, "b")
  await network.advance(forMs)
  const sentMs = network.now
  expect(["sent", "parked"]).toContain(healthy.trySend(1, new Uint8Array(bytes)))
  await network.when(() => atMs > 0, 120_000)
  b.assertInvariants()
  return atMs - sentMs
}

test.each([
  [8, 5_000, "reliable"],
  [8, 200_000, "reliable"],
  [30, 5_000, "reliable-unordered"],
  [30, 5_000, "best-effort"],
  [30, 5_000, "fire-and-forget"],
  [30, 5_000, "latest"],
] as const)(
  "%d peers that fall silent amid messages of 16 MiB hold up no message of %d B of another: %s",
  async (silent, bytes, delivery) => {
    const alone = await besideSilent(0, bytes, delivery)
    expect((await besideSilent(silent, bytes, delivery)) - alone).toBeLessThanOrEqual(1)
  },
  120_000,
)

test("messages that nobody was promised make way at once for one that was, and for one of their kind once they stand still", async () => {
  expect(await besideSilent(60, 4 * MIB, "reliable", "fire-and-forget", 100)).toBeLessThan(5_000)
  expect(await besideSilent(60, 4 * MIB, "fire-and-forget", "fire-and-forget", 600)).toBeLessThan(5_000)
}, 120_000)

test("who was refused memory that another peer held is told as soon as it is given back", async () => {
  const { network, bind } = makeWorld(1, { delayMs: 10 })
  const limits = { messageBytesMax: MIB, assemblyBytesPerPeer: MIB, assemblyBytesMax: MIB }
  const { endpoint: b } = await bind("b", limits)
  const done: [string, number][] = []
  b.handle(1, ({ stream }) => void done.push([stream.label, network.now]))
  const open = async (name: string): Promise<OutgoingStream> => {
    const { endpoint } = await bind(name, { congestion: SLOW, messageBytesMax: MIB })
    return (await network.until(endpoint.join(`b:${PORT}`))).open({ label: name })
  }
  const [first, second] = [await open("first"), await open("second")]
  first.trySend(1, new Uint8Array(MIB - 1))
  await network.advance(100)
  second.trySend(1, new Uint8Array(20_000))
  await network.when(() => done.length === 2, 60_000)
  // Its status, the refused packets, and no wait for the next probe.
  expect(done.map(([label]) => label)).toEqual(["first", "second"])
  expect(done[1]![1] - done[0]![1]).toBeLessThan(2 * 20 + 30)
})

// Streams.

test("a peer that opens all streams it can leaves some for the others", async () => {
  const { network, bind } = makeWorld(1, { delayMs: 1 })
  const { endpoint: hub } = await bind("hub", { streamsTotalMax: 800, streamsMax: 2_000, peersMax: 100 })
  const { endpoint: greedy } = await bind("greedy")
  const { endpoint: modest } = await bind("modest")
  let received = 0
  hub.handle(1, () => received++)
  const peer = await network.until(greedy.join(`hub:${PORT}`))
  for (let i = 0; i < 1_000; i++) peer.open().trySend(1, pattern(1))
  await network.advance(1_000)
  expect(hub.stats().drops["streams-full"]).toBeGreaterThan(0)
  received = 0
  const other = await network.until(modest.join(`hub:${PORT}`))
  for (let i = 0; i < 3; i++) other.open().trySend(1, pattern(1))
  await network.advance(1_000)
  expect(received).toBe(3)
})

test("a message that was promised doesn't wait for memory that a half received one holds which wasn't", async () => {
  const { network, b, toB } = await makePair(
    4,
    { delayMs: 5 },
    { messageBytesMax: 65_536, assemblyBytesPerPeer: 65_536, assemblyBytesMax: 65_536 },
  )
  let received = 0
  b.handle(1, () => received++)
  // The last piece of the first is lost.
  network.filter(({ from, bytes }) => from !== "a" || bytes.length > 1_000)
  toB.open({ delivery: "fire-and-forget" }).trySend(1, pattern(40_000))
  await network.advance(50)
  network.filter(() => true)
  expect(b.sizes.assemblyBytes).toBeGreaterThan(0)
  const stream = toB.open()
  stream.trySend(1, pattern(60_000))
  await network.until(stream.flush(), 500)
  expect(received).toBe(1)
})
