// Unordered streams with little memory for messages: which waits for which, and that each goes on in the end.
import { type Endpoint, type EndpointOptions, fixed, type OutgoingStream, type Peer } from "@x/endpoint"
import type { Network } from "@x/transport/simulated"
import { describeDatagram } from "@x/wire"
import { expect, test } from "vitest"
import { makePair, pattern } from "./world.ts"

/** All of the memory, less the charge of the smallest message. */
const ALL_BYTES = 199_500

interface Scene {
  readonly network: Network
  readonly b: Endpoint
  readonly toB: Peer
  /** Lengths of the received messages, in order. */
  readonly delivered: number[]
  open(): OutgoingStream
  /** Datagrams that both have sent so far. */
  sent(): number
  /** Loses these packets from now on, and no others. */
  lose(...packets: readonly Packets[]): void
}

type Packets = readonly [stream: OutgoingStream, from: number, to: number]

/** Memory for one message of the largest size. */
async function makeScene(options: EndpointOptions = {}): Promise<Scene> {
  const { network, b, toB } = await makePair(
    1,
    { delayMs: 5 },
    {
      ...{ datagramBytes: 548, messageBytesMax: 200_000, assemblyBytesPerPeer: 200_000, assemblyBytesMax: 200_000 },
      ...{ congestion: fixed({ windowBytes: 8_388_608 }), ...options },
    },
  )
  const delivered: number[] = []
  b.handle(1, ({ length }) => delivered.push(length))
  let lost: readonly Packets[] = []
  let sent = 0
  network.filter(({ to, bytes }) => {
    sent++
    if (to !== "b") return true
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    const { packets } = describeDatagram(view, 0, bytes.length, 1)
    return !packets.some((packet) => {
      const number = packet["number"] as number
      return lost.some(([{ id }, from, to]) => packet["stream"] === id && number >= from && number < to)
    })
  })
  const open = (): OutgoingStream => toB.open({ delivery: "reliable-unordered" })
  return { network, b, toB, delivered, open, sent: () => sent, lose: (...packets) => void (lost = packets) }
}

test("a message that goes beyond the spread leaves memory to those before it, or waits for them", async () => {
  const { network, delivered, open, lose } = await makeScene({ poolPacketsPerPeer: 64 })
  const stream = open()
  await network.advance(50)
  // The second has far more packets than the spread, and finds the memory free.
  lose([stream, 0, 2])
  for (const bytes of [900, ALL_BYTES, 900]) stream.trySend(1, pattern(bytes))
  await network.advance(20)
  lose()
  await network.until(stream.flush(), 5_000)
  expect(delivered.toSorted((x, y) => x - y)).toEqual([900, 900, ALL_BYTES])
})

test("one that waits for those before it is asked for as soon as they have come", async () => {
  const { network, b, delivered, open, lose } = await makeScene({ poolPacketsPerPeer: 64 })
  const stream = open()
  await network.advance(50)
  lose([stream, 0, 1])
  for (const bytes of [100, ALL_BYTES]) stream.trySend(1, pattern(bytes))
  // Longer than anything is sent again that nobody asks for.
  await network.advance(10_000)
  expect([delivered.length, b.sizes.assemblyBytes]).toEqual([0, 0])
  lose()
  await network.when(() => delivered.length === 1, 2_000)
  // A round trip of 10 ms.
  await network.advance(15)
  expect(b.sizes.assemblyBytes).toBe(ALL_BYTES)
})

test("one that waits for what never comes is tried now and then, and costs next to nothing", async () => {
  const { network, b, open, lose, sent } = await makeScene({ poolPacketsPerPeer: 64 })
  const stream = open()
  await network.advance(50)
  lose([stream, 0, 1])
  for (const bytes of [100, ALL_BYTES]) stream.trySend(1, pattern(bytes))
  await network.advance(10_000)
  const before = sent()
  await network.advance(1_000)
  expect([b.sizes.assemblyBytes, sent() - before <= 30]).toEqual([0, true])
})

test("nor do those of two streams together take what both would need", async () => {
  const memory = { assemblyBytesPerPeer: 400_000, assemblyBytesMax: 4_000_000 }
  const { network, delivered, open, lose } = await makeScene({ poolPacketsPerPeer: 512, ...memory })
  const streams = [open(), open()]
  await network.advance(50)
  lose(...streams.map((stream) => [stream, 0, 100_000 / 500] as const))
  for (const stream of streams) for (const bytes of [100_000, ALL_BYTES]) stream.trySend(1, pattern(bytes))
  await network.advance(200)
  lose()
  await network.until(Promise.all(streams.map((stream) => stream.flush())), 5_000)
  expect(delivered).toHaveLength(4)
})

test("what was refused of a message is asked for once it has memory, whatever before it has none", async () => {
  const { network, b, delivered, open, lose } = await makeScene({ datagramBytes: 1_200 })
  const [stream, full, other] = [open(), open(), open()]
  await network.advance(50)
  lose([full, 5, 6], [stream, 150, 151])
  full.trySend(1, pattern(ALL_BYTES))
  await network.advance(20)
  // Of the second of these one packet is lost, the others find no memory.
  for (const bytes of [150_000, 30_000]) stream.trySend(1, pattern(bytes))
  // Longer than anything is sent again that nobody asks for.
  await network.advance(10_000)
  lose([stream, 0, 100], [stream, 150, 151], [other, 5, 6])
  await network.when(() => delivered.length === 1)
  // There is some for it now, and too little for the first, which comes later.
  other.trySend(1, pattern(60_000))
  await network.advance(50)
  lose([other, 5, 6])
  await network.when(() => b.sizes.assemblyBytes > 60_000 || delivered.length > 1)
  await network.advance(1_000)
  lose()
  await network.until(stream.flush(), 5_000)
  expect(delivered).toEqual([ALL_BYTES, 30_000, 60_000, 150_000])
})

test("what came of a message is told, however many stretches before it stand still", async () => {
  // Of so many peers none has a floor for a message of 900 bytes.
  const { network, b, delivered, open, lose } = await makeScene({ windowPackets: 256, peersMax: 262_144 })
  const [stream, full] = [open(), open()]
  await network.advance(50)
  lose([full, 5, 6], [stream, 240, 241])
  full.trySend(1, pattern(ALL_BYTES))
  await network.advance(50)
  // Two packets that find no memory and one that needs none, over and over; then the large one, which fills the window.
  for (let i = 0; i < 80; i++) for (const bytes of [900, 10]) stream.trySend(1, pattern(bytes))
  stream.trySend(1, pattern(ALL_BYTES))
  await network.advance(1_000)
  lose([stream, 0, 241])
  await network.when(() => delivered.length === 81)
  lose([stream, 0, 240])
  await network.when(() => b.sizes.assemblyBytes > 0)
  lose()
  await network.until(stream.flush(), 10_000)
  expect(delivered).toHaveLength(162)
})
