// The obligations that depend on state (PROTOCOL.md §11): each drop has its name and counter, and changes nothing else.
import type { EndpointOptions } from "@x/endpoint"
import * as wire from "@x/wire"
import { expect, test } from "vitest"
import {
  EvilPeer,
  end,
  feedback,
  heartbeat,
  message,
  open,
  type Packet,
  piece,
  question,
  reset,
  status,
  stop,
  sync,
} from "./evil-peer.ts"
import { dropsOf, makeScene } from "./scene.ts"

const { first, middle } = wire.FORM
const BIG = 2_000_000

/** Packets that prepare, packets that offend, and the only thing that may follow. */
const cases: readonly {
  readonly name: string
  readonly before?: readonly Packet[]
  readonly packets: readonly Packet[]
  readonly drops: Record<string, number>
  readonly options?: EndpointOptions
}[] = [
  {
    name: "O23 a path response that nobody asked for",
    packets: [
      (writer) =>
        writer.finish(wire.writePathData(writer.view, writer.begin(wire.KIND.pathResponse), new Uint8Array(16))),
    ],
    drops: { unexpected: 1 },
  },
  {
    name: "O25 a stream above the limit",
    before: [open(1), open(2)],
    packets: [open(3)],
    drops: { "streams-full": 1 },
    options: { streamsMax: 2 },
  },
  {
    name: "O26 data for a stream that is finished",
    before: [open(1), reset(1)],
    packets: [message(1, 0)],
    drops: { "stream-closed": 1 },
  },
  {
    name: "O27 another mode than the stream's",
    before: [open(1)],
    packets: [message(1, 0, wire.MODE["best-effort"])],
    drops: { "mode-changed": 1 },
  },
  {
    name: "O28 a packet number at the spread",
    before: [open(1)],
    packets: [message(1, 16_384)],
    drops: { "beyond-spread": 1 },
  },
  {
    name: "O28 a sync with a mark beyond the spread",
    before: [open(1)],
    packets: [sync(1, 0, 2 ** 40)],
    drops: { "beyond-spread": 1 },
  },
  {
    name: "O28 data behind the end",
    before: [open(1), end(1, 1)],
    packets: [message(1, 5)],
    drops: { "beyond-spread": 1 },
  },
  {
    name: "O29 a packet number taken before",
    before: [open(1), message(1, 0)],
    packets: [message(1, 0)],
    drops: { "duplicate-packet": 1 },
  },
  {
    name: "O29 a packet number that is kept already",
    before: [open(1), message(1, 3)],
    packets: [message(1, 3)],
    drops: { "duplicate-packet": 1 },
  },
  { name: "O30 a status about a stream never opened", packets: [status(5)], drops: { "not-sent": 1 } },
  { name: "O30 feedback on a datagram never sent", packets: [feedback(2 ** 40)], drops: { "not-sent": 1 } },
  {
    name: "O30 feedback with more datagrams than were sent",
    packets: [feedback(1, { datagrams: 2 })],
    drops: { "not-sent": 1 },
  },
  {
    name: "O30 an end below what was sent",
    before: [open(1), message(1, 5)],
    packets: [end(1, 3)],
    drops: { "not-sent": 1 },
  },
  { name: "O30 an end that moves", before: [open(1), end(1, 9)], packets: [end(1, 10)], drops: { "not-sent": 1 } },
  {
    name: "O31 no memory for a whole message",
    before: [open(1), piece(1, 0, { form: first, message: 0, total: 900_000, bytes: 100 }), open(2)],
    packets: [piece(2, 0, { form: first, message: 0, total: 900_000, bytes: 100 })],
    drops: { "no-room": 1 },
    options: { messageBytesMax: 1_000_000, assemblyBytesPerPeer: 1_000_000, assemblyBytesMax: 1_000_000 },
  },
  {
    name: "O32 a piece of another message than the one under way",
    before: [open(1), piece(1, 0, { form: first, message: 0, total: 500, bytes: 100 })],
    packets: [piece(1, 1, { form: middle, message: 7, total: 500, offset: 100, bytes: 100 })],
    drops: { "piece-conflict": 1 },
  },
  {
    name: "O32 a piece that overlaps",
    before: [open(1), piece(1, 0, { form: first, message: 0, total: 500, bytes: 100 })],
    packets: [piece(1, 1, { form: middle, message: 0, total: 500, offset: 99, bytes: 100 })],
    drops: { "piece-conflict": 1 },
  },
  {
    name: "O32 a whole message while a large one is under way",
    before: [open(1), piece(1, 0, { form: first, message: 0, total: 500, bytes: 100 })],
    packets: [message(1, 1)],
    drops: { "piece-conflict": 1 },
  },
  {
    name: "O33 a total above the limit",
    before: [open(1)],
    packets: [piece(1, 0, { form: first, message: 0, total: BIG, bytes: 100 })],
    drops: { "message-too-large": 1 },
    options: { messageBytesMax: 1_000_000 },
  },
  {
    name: "O38 feedback without its proof",
    before: [question],
    packets: [feedback(1, { proof: -1 })],
    drops: { "not-received": 1 },
  },
  { name: "O36 data of a stream whose opening hasn't come", packets: [message(4, 0)], drops: { "not-open": 1 } },
  { name: "O36 an end of a stream whose opening hasn't come", packets: [end(4, 0)], drops: { "not-open": 1 } },
]

test.each(cases)("$name", async ({ before = [], packets, drops, options }) => {
  const scene = await makeScene(options)
  await scene.evil.join()
  for (const packet of before) scene.evil.send(packet)
  await scene.network.advance(20)
  const delivered = [...scene.delivered]
  expect(
    await dropsOf(scene, () => {
      for (const packet of packets) scene.evil.send(packet)
    }),
  ).toEqual(drops)
  expect(scene.delivered).toEqual(delivered)
  expect(scene.endpoint.peers.map(({ state }) => state)).toEqual(["joined"])
  // Another stream of the same peer goes on.
  scene.evil.send(open(900))
  scene.evil.send(message(900, 0))
  await scene.network.advance(20)
  if (options?.streamsMax === undefined) expect(scene.delivered).toEqual([...delivered, 0])
})

test("O6 a datagram for a slot that nobody has; a hint of fewer bytes goes back, at most one a second", async () => {
  const scene = await makeScene()
  await scene.evil.join()
  const send = (): void => scene.evil.raw({ slot: 12_345, counter: 3 }, open(1))
  expect(await dropsOf(scene, () => Array.from({ length: 10 }, send))).toEqual({ "unknown-slot": 10 })
  expect(scene.evil.packets("hint")).toEqual([{ kind: "hint", slot: 12_345, counter: 3 }])
  await scene.network.advance(1_000)
  send()
  await scene.network.advance(20)
  expect(scene.evil.packets("hint").length).toBe(2)
})

test("O7, O8 a counter below the window, and one that was taken", async () => {
  const scene = await makeScene()
  await scene.evil.join()
  expect(await dropsOf(scene, () => scene.evil.raw({ slot: scene.evil.slot, counter: 20_000 }, heartbeat))).toEqual({})
  expect(await dropsOf(scene, () => scene.evil.raw({ slot: scene.evil.slot, counter: 20_000 }, heartbeat))).toEqual({
    duplicate: 1,
  })
  expect(
    await dropsOf(scene, () => scene.evil.raw({ slot: scene.evil.slot, counter: 20_000 - 8_192 }, heartbeat)),
  ).toEqual({ stale: 1 })
  expect(
    await dropsOf(scene, () => scene.evil.raw({ slot: scene.evil.slot, counter: 20_000 - 8_191 }, heartbeat)),
  ).toEqual({})
})

test("O22 a token that is invented, of another slot or too old", async () => {
  const scene = await makeScene()
  const { evil, network, endpoint } = scene
  evil.sendJoin(1, "")
  await network.when(() => evil.packets("challenge").length > 0)
  const token = evil.packets("challenge")[0]!["token"] as string
  expect(await dropsOf(scene, () => evil.sendJoin(2, "00".repeat(17)))).toEqual({ token: 1 })
  expect(await dropsOf(scene, () => evil.sendJoin(2, token, { slot: 78 }))).toEqual({ token: 1 })
  expect(
    await dropsOf(scene, () => evil.sendJoin(2, token, { unique: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8) })),
  ).toEqual({ token: 1 })
  await network.advance(59_000)
  expect(await dropsOf(scene, () => evil.sendJoin(2, token))).toEqual({})
  expect(endpoint.sizes.halfOpen).toBe(1)
  await network.advance(61_000)
  expect(
    await dropsOf(scene, () => evil.sendJoin(2, token, { session: Uint8Array.of(1, 1, 1, 1, 1, 1, 1, 1) })),
  ).toEqual({ token: 1 })
  expect(endpoint.sizes).toMatchObject({ halfOpen: 0, slots: 0, peers: 0, timers: 0 })
})

test("O23 a challenge, an accept and a hint that nobody waits for", async () => {
  const scene = await makeScene()
  await scene.evil.join()
  const hint: Packet = (writer) =>
    writer.finish(wire.writeHint(writer.view, writer.begin(wire.KIND.hint), { slot: 77, counter: 2 ** 40 }))
  expect(await dropsOf(scene, () => scene.evil.raw({ slot: 0, counter: 0, handshake: true }, hint))).toEqual({
    unexpected: 1,
  })
  const challenge: Packet = (writer) =>
    writer.finish(
      wire.writeChallenge(writer.view, writer.begin(wire.KIND.challenge), {
        unique: scene.evil.unique,
        token: Uint8Array.of(1),
      }),
    )
  expect(
    await dropsOf(scene, () => scene.evil.raw({ slot: scene.evil.slot, counter: 1, handshake: true }, challenge)),
  ).toEqual({
    unexpected: 1,
  })
})

test("O24 a join above the cap of half-open joins is refused and told so", async () => {
  const scene = await makeScene({ halfOpenMax: 1 })
  const { evil, network, endpoint } = scene
  for (const slot of [77, 78]) {
    evil.received.length = 0
    evil.sendJoin(1, "", { slot })
    await network.when(() => evil.packets("challenge").length > 0)
    evil.sendJoin(2, evil.packets("challenge")[0]!["token"] as string, { slot })
    await network.advance(20)
  }
  expect(evil.packets("refuse")).toMatchObject([{ reason: wire.REASON.peersFull }])
  expect(endpoint.stats().drops["peers-full"]).toBe(1)
  expect(endpoint.sizes.halfOpen).toBe(1)
})

test("O34 a loose message that nobody asked for, and a join meant for another incarnation", async () => {
  const scene = await makeScene()
  const loose: Packet = (writer) =>
    writer.finish(
      wire.writeLoose(writer.view, writer.begin(wire.KIND.loose), {
        receiverUnique: new Uint8Array(8),
        unique: scene.evil.unique,
        type: 1,
        bytes: new Uint8Array(3),
      }),
    )
  expect(await dropsOf(scene, () => scene.evil.raw({ slot: 0, counter: 0, handshake: true }, loose))).toEqual({
    "not-welcome": 1,
  })
  expect(scene.evil.received).toEqual([])
  expect(
    await dropsOf(scene, () => scene.evil.sendJoin(1, "", { receiverUnique: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8) })),
  ).toEqual({
    "not-welcome": 1,
  })
  // It names the present incarnation, as to a joiner that knew nobody.
  expect(scene.evil.received.length).toBe(1)
  expect(scene.evil.packets("challenge").length).toBe(1)
  expect(scene.endpoint.sizes).toMatchObject({ peers: 0, slots: 0, halfOpen: 0 })
})

test("O35 more joins than the bucket holds are dropped without an answer", async () => {
  const scene = await makeScene()
  const drops = await dropsOf(scene, () => {
    for (let i = 1; i <= 2_100; i++) scene.evil.sendJoin(i, "")
  })
  expect(drops["rate"]).toBeGreaterThanOrEqual(90)
  expect(scene.endpoint.sizes).toMatchObject({ slots: 0, halfOpen: 0, peers: 0 })
})

test("no answer to a source that hasn't proved its address is longer than what it answers", async () => {
  const scene = await makeScene()
  let [sent, answered] = [0, 0]
  scene.network.filter(({ to, bytes }) => {
    if (to === "b") sent += bytes.length
    else answered += bytes.length
    return true
  })
  for (let i = 1; i <= 100; i++) scene.evil.sendJoin(i, "")
  await scene.network.advance(1_000)
  expect(answered).toBeGreaterThan(0)
  expect(answered).toBeLessThan(sent)
})

test("a peer that ends, resets and stops streams it never had, again and again, costs nothing", async () => {
  const scene = await makeScene()
  await scene.evil.join()
  const before = { ...scene.endpoint.sizes }
  for (let i = 0; i < 5_000; i++) {
    const id = 2 * i + 1
    scene.evil.send(i % 3 === 0 ? end(id, 1) : i % 3 === 1 ? reset(id) : stop(id))
    if (i % 50 === 0) await scene.network.advance(1)
  }
  await scene.network.advance(100)
  expect(scene.endpoint.sizes).toEqual(before)
  expect(scene.endpoint.peers[0]!.stats()).toMatchObject({ streamsIn: 0, streamsOut: 0 })
})

test("F18 a peer that opens a hundred thousand streams gets as many as we announced", async () => {
  const scene = await makeScene({ streamsMax: 64 })
  await scene.evil.join()
  for (let id = 1; id <= 100_000; id++) {
    scene.evil.send(open(id))
    if (id % 1_000 === 0) await scene.network.advance(1)
  }
  expect(scene.endpoint.peers[0]!.stats().streamsIn).toBe(64)
  expect(scene.endpoint.stats().drops["streams-full"]).toBe(100_000 - 64)
})

test("F62 a peer that withholds every second packet fills the pool to its ceiling and no further", async () => {
  const scene = await makeScene({ poolPacketsMax: 128 })
  await scene.evil.join()
  scene.evil.send(open(1))
  for (let number = 1; number < 4_000; number += 2) {
    scene.evil.send(message(1, number))
    if (number % 101 === 0) await scene.network.advance(1)
    expect(scene.endpoint.sizes.pool).toBeLessThanOrEqual(128)
  }
  expect(scene.endpoint.stats().drops["no-room"]).toBeGreaterThan(1_000)
})

test("O30, O38 where bits may flip on the way, acknowledgements that can't be end nothing", async () => {
  const scene = await makeScene()
  await scene.evil.join()
  scene.evil.send(question)
  await scene.network.advance(20)
  const offences = [status(5), feedback(2 ** 40), feedback(1, { proof: -1 })]
  const drops = await dropsOf(scene, () => offences.forEach((offence) => scene.evil.send(offence)))
  expect([drops, scene.endpoint.peers.length]).toEqual([{ "not-sent": 2, "not-received": 1 }, 1])
})

test("O37 data of a latest stream behind what was delivered is late", async () => {
  const scene = await makeScene()
  await scene.evil.join()
  const { latest } = wire.MODE
  expect(await dropsOf(scene, () => scene.evil.send(open(1, { mode: latest }), heartbeat))).toEqual({})
  expect(
    await dropsOf(scene, () => [3, 1, 3, 2, 5].forEach((number) => scene.evil.send(message(1, number, latest)))),
  ).toEqual({ late: 3 })
  expect(scene.delivered).toEqual([3, 5])
})

test("O24 where all places for half-open joins are taken, the oldest of the host with most gives way to another host", async () => {
  const scene = await makeScene({ halfOpenMax: 8, halfOpenPerHostMax: 4 })
  const { network, endpoint } = scene
  const crowd: EvilPeer[] = []
  for (let i = 0; i < 8; i++) {
    const peer = await EvilPeer.bind(network, i < 4 ? "few" : "many", endpoint.addresses[0]!, 7_000 + i)
    peer.unique.fill(i + 1)
    peer.sendJoin(1, "")
    await network.when(() => peer.packets("challenge").length > 0)
    crowd.push(peer)
  }
  const token = (peer: EvilPeer): string => peer.packets("challenge").at(-1)!["token"] as string
  const hold = (): void => crowd.forEach((peer) => peer.sendJoin(2, token(peer)))
  hold()
  await network.advance(20)
  expect(endpoint.stats().halfOpen).toBe(8)
  // They repeat their joins again and again; another host joins all the same, a member of theirs doesn't.
  for (let i = 0; i < 30; i++) {
    hold()
    await network.advance(200)
  }
  const { full } = endpoint.stats()
  await scene.evil.join()
  expect([endpoint.stats().peers, endpoint.stats().full.halfOpen - full.halfOpen]).toEqual([1, 1])
})

test("a half-open join that is repeated without end is dropped ten seconds after it was accepted, and is answered no more", async () => {
  const scene = await makeScene()
  const { network, endpoint, evil } = scene
  evil.sendJoin(1, "")
  await network.when(() => evil.packets("challenge").length > 0)
  const token = evil.packets("challenge").at(-1)!["token"] as string
  const slots = new Set<unknown>()
  for (let i = 0; i < 95; i++) {
    evil.sendJoin(2, token)
    await network.advance(100)
    for (const { slot } of evil.packets("accept") as { slot?: unknown }[]) slots.add(slot)
    evil.received.length = 0
    if (i >= 51) expect(endpoint.stats().drops.unexpected).toBeGreaterThanOrEqual(i - 50)
  }
  expect([slots.size, endpoint.stats().halfOpen]).toEqual([1, 1])
  await network.advance(600)
  expect(endpoint.stats().halfOpen).toBe(0)
})

test("O35 joins from one host that aren't confirmed have a bound, and above it are dropped without an answer", async () => {
  const scene = await makeScene({ halfOpenPerHostMax: 2 })
  const { network, endpoint } = scene
  const peers: EvilPeer[] = []
  for (let i = 0; i < 3; i++) {
    const peer = await EvilPeer.bind(network, "many", endpoint.addresses[0]!, 7_000 + i)
    peer.unique.fill(i + 1)
    peer.sendJoin(1, "")
    await network.when(() => peer.packets("challenge").length > 0)
    peers.push(peer)
  }
  const drops = await dropsOf(scene, () => {
    for (const peer of peers) peer.sendJoin(2, peer.packets("challenge").at(-1)!["token"] as string)
  })
  expect([drops, endpoint.stats().halfOpen, endpoint.stats().full.halfOpenPerHost]).toEqual([{ rate: 1 }, 2, 1])
  expect(peers.map((peer) => peer.packets("accept").length + peer.packets("refuse").length)).toEqual([1, 1, 0])
  // Other joins are not in their way.
  await scene.evil.join()
  expect(endpoint.stats().peers).toBe(1)
})
