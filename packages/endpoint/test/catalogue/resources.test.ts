// Peers that take everything they can get: each has its share, and others have theirs.
import type { OutgoingStream } from "@x/endpoint"
import * as wire from "@x/wire"
import { expect, test } from "vitest"
import { EvilPeer, end, heartbeat, message, open, piece } from "../evil-peer.ts"
import { makeScene } from "../scene.ts"
import { makeWorld, PORT } from "../world.ts"
import { describeBytes } from "./forger.ts"
import { Ledger, quiesce, quiesceEndpoints } from "./ledger.ts"

/** Messages of 200 B that an honest peer delivers in a second and a half, beside peers that attack. */
async function goodput(attack: (evil: EvilPeer, round: number) => void, peers: number): Promise<number> {
  const limits = {
    messageBytesMax: 1_000_000,
    assemblyBytesPerPeer: 1_000_000,
    assemblyBytesMax: 4_000_000,
    poolPacketsMax: 1_024,
    poolPacketsPerPeer: 128,
  }
  const { network, bind } = makeWorld(62, { delayMs: 5, lossRate: 0.01 })
  const options = { protection: "none", ...limits } as const
  const { endpoint: hub } = await bind("hub", options)
  const { endpoint: honest } = await bind("honest", { protection: "none" })
  const ledger = new Ledger(network, hub, honest)
  const evils: EvilPeer[] = []
  for (let i = 0; i < peers; i++) {
    const evil = await EvilPeer.bind(network, `evil ${i}`, hub.addresses[0]!)
    evil.unique.fill(100 + i)
    // The path loses parts of joins too.
    network.links({ delayMs: 5 })
    await evil.join()
    evils.push(evil)
  }
  network.links({ delayMs: 5, lossRate: 0.01 })
  const stream = ledger.open(await network.until(honest.join(`hub:${PORT}`)))
  for (let round = 0; round < 150; round++) {
    for (const evil of evils) attack(evil, round)
    for (let i = 0; i < 5; i++) stream.trySend(200)
    await ledger.advance(10, 10)
    const { pool, assemblyBytes } = hub.sizes
    expect([pool <= limits.poolPacketsMax, assemblyBytes <= limits.assemblyBytesMax]).toEqual([true, true])
  }
  const { length } = stream.delivered
  for (const evil of evils) evil.received.length = 0
  await quiesce(ledger)
  return length
}

test.each([
  [
    "withhold every second packet",
    (evil: EvilPeer, round: number) => {
      if (round === 0) for (let id = 1; id <= 8; id++) evil.send(open(id))
      for (let id = 1; id <= 8; id++) evil.send(message(id, 2 * round + 1), heartbeat)
    },
  ],
  [
    "begin messages of the largest size and stop",
    (evil: EvilPeer, round: number) => {
      evil.send(open(round + 1), heartbeat)
      evil.send(piece(round + 1, 0, { form: wire.FORM.first, message: 0, total: 1_000_000, bytes: 10 }))
    },
  ],
  [
    "send packets far ahead",
    (evil: EvilPeer, round: number) => {
      if (round === 0) evil.send(open(1), heartbeat)
      for (let i = 1; i < 10; i++) evil.send(message(1, 16_384 - 10 * round - i))
    },
  ],
] as const)("F62 while eight peers %s an honest one keeps its goodput, and no bound is passed", async (_, attack) => {
  const [alone, beside] = [await goodput(() => {}, 0), await goodput(attack, 8)]
  console.log(`goodput beside eight such peers: ${((100 * beside) / alone).toFixed(0)} %`)
  expect(beside).toBeGreaterThanOrEqual(0.8 * alone)
})

test("F63 a peer that acknowledges none of our control gets it again at a bounded rate, and no list of it grows", async () => {
  const scene = await makeScene({ sendPoolPacketsMax: 1_024 })
  const { evil, network, endpoint } = scene
  await evil.join()
  const peer = endpoint.peers[0]!
  const streams: OutgoingStream[] = []
  const rates: number[] = []
  for (let round = 0; round < 60; round++) {
    for (let i = 0; i < 15; i++) {
      // Opened, ended and reset: each wants an answer, and gets none.
      const stream = peer.open({ label: `stream ${round} ${i}` })
      streams.push(stream)
      if (i % 2 === 0) stream.end().catch(() => {})
      else stream.reset()
    }
    // It is heard: it sends statuses for streams that it otherwise never mentions.
    for (let k = 0; k < 50; k++) evil.send(open(1 + k), end(1 + k, 5))
    evil.received.length = 0
    await network.advance(1_000)
    endpoint.assertInvariants()
    rates.push(evil.received.length)
    evil.received.length = 0
  }
  console.log(`control that nobody answers, of ${streams.length} streams: ${rates.at(-1)} datagrams in the last second`)
  // Each of 900 is repeated once a second, a few dozen in a datagram.
  expect(rates.at(-1)).toBeLessThanOrEqual(256)
  await quiesceEndpoints(network, [endpoint])
})

test("F64 with the pool of early packets used up new data is dropped, control is not; when it is free again all of it comes", async () => {
  const { network, bind } = makeWorld(64, { delayMs: 5 })
  const { endpoint: hub } = await bind("hub", { poolPacketsMax: 64, poolPacketsPerPeer: 64 })
  const { endpoint: a } = await bind("a")
  const ledger = new Ledger(network, hub, a)
  const peer = await network.until(a.join(`hub:${PORT}`))
  const streams = Array.from({ length: 8 }, () => ledger.open(peer))
  await network.advance(100)
  // The first packet of each stream is held back, also when resent: all later ones come early.
  let isHeld = true
  network.filter(({ to, bytes }) => {
    if (!isHeld || to !== "hub") return true
    return !describeBytes(bytes, 1).packets.some(({ kind, ["number"]: number }) => kind === "sequenced" && number === 0)
  })
  for (let i = 0; i < 100; i++) {
    for (const stream of streams) stream.trySend(1_000)
    await ledger.advance(5, 5)
    expect(hub.sizes.pool).toBeLessThanOrEqual(64)
  }
  const { drops, full } = hub.stats()
  expect([drops["no-room"] > 0, full.pool + full.poolPerPeer > 0, peer.state]).toEqual([true, true, "joined"])
  // Control packets pass: a heartbeat is answered.
  await network.until(peer.ping(), 1_000)
  isHeld = false
  await quiesce(ledger)
  expect(hub.sizes.pool).toBe(0)
})

test("F65 thousands of half-open joins that expire, and of peers that vanish, leave timers, tables and slots as they were", async () => {
  const { network, bind } = makeWorld(65, { delayMs: 1 })
  const { endpoint: hub } = await bind("hub", {
    protection: "none",
    unreachableMs: 2_000,
    leaveMs: 1_000,
    halfOpenPerHostMax: 65_536,
    halfOpenMax: 65_536,
  })
  const baseline = { ...hub.sizes }
  // Each at an address of its own: another one at the same address would be a restart.
  const evils: EvilPeer[] = []
  for (let i = 0; i < 1_000; i++)
    evils.push(await EvilPeer.bind(network, `evil ${i % 50}`, hub.addresses[0]!, 5_000 + i))
  let most = 0
  for (let i = 1; i <= 4_000; i++) {
    const evil = evils[i >>> 2] ?? evils[0]!
    new DataView(evil.unique.buffer).setUint32(0, i)
    evil.received.length = 0
    evil.sendJoin(1, "", { slot: i })
    await network.advance(2.5)
    const [challenge] = evil.packets("challenge")
    evil.sendJoin(2, challenge!["token"] as string, { slot: i })
    if (i % 4 === 0) {
      // One of four becomes a peer, with a stream and an early packet, and is never heard again.
      await network.advance(2.5)
      evil.slot = evil.packets("accept").at(-1)!["slot"] as number
      evil.counter = 1
      evil.send(open(1), heartbeat)
      evil.send(message(1, 3))
    }
    if (i % 100 === 0) most = Math.max(most, hub.sizes.slots)
    if (i % 1_000 === 0) hub.assertInvariants()
  }
  expect(most).toBeGreaterThan(500)
  await network.advance(10_000)
  expect(hub.sizes).toEqual(baseline)
  console.log(`4,000 joins, 1,000 of them peers: at most ${most} slots at a time`)
  await quiesceEndpoints(network, [hub])
})
