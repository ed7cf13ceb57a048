// A peer whose address changes is followed, and nobody else can move it.

import type { EndpointOptions } from "@x/endpoint"
import type { LinkOptions } from "@x/transport/simulated"
import { describe, expect, test } from "vitest"
import { v4Of } from "./catalogue/forger.ts"
import { Ledger, type LedgerStream, quiesce } from "./catalogue/ledger.ts"
import { eventsOf, makeWorld, PORT, type World } from "./world.ts"

const KEYED: EndpointOptions = { secrets: ["a secret of sixteen bytes"] }
const PLAIN: EndpointOptions = {}

/** Two endpoints, one of them, `a`, behind a NAT. */
async function makePair(options: EndpointOptions, link: LinkOptions, seed = 63) {
  const world: World = makeWorld(seed, link)
  const { network } = world
  const { endpoint: a } = await world.bind("a", options)
  const { endpoint: b } = await world.bind("b", options)
  network.nat("a")
  const ledger = new Ledger(network, a, b)
  const toB = await network.until(a.join(`b:${PORT}`))
  await network.when(() => b.peers.length === 1)
  const events = eventsOf([a, b], ["left", "rejoined", "restarted", "unreachable"])
  return { network, a, b, toB, toA: b.peers[0]!, ledger, events }
}

/** The longest time without a message on a stream. */
class Gaps {
  readonly #stream: LedgerStream
  longestMs = 0

  constructor(stream: LedgerStream) {
    this.#stream = stream
  }

  note(nowMs: number): void {
    this.longestMs = Math.max(this.longestMs, nowMs - (this.#stream.deliveredMs.at(-1) ?? nowMs))
  }
}

test.each([
  ["5 s", "keys", 5_000, KEYED, 5],
  ["5 s", "keys", 5_000, KEYED, 20],
  ["5 s", "no keys", 5_000, PLAIN, 20],
  ["50 ms", "keys", 50, KEYED, 5],
  ["50 ms", "keys", 50, KEYED, 20],
  ["50 ms", "no keys", 50, PLAIN, 10],
] as const)(
  "messages go on both ways while a NAT gives out another port each %s (%s): a gap is at most a round trip and 50 ms",
  async (_every, _keys, everyMs, options, delayMs) => {
    const { network, b, toB, toA, ledger, events } = await makePair(options, { delayMs })
    let moves = 0
    b.on("moved", (peer, from) => {
      moves++
      expect(peer.address).not.toEqual(from)
    })
    const streams = [ledger.open(toB), ledger.open(toA)]
    const gaps = streams.map((stream) => new Gaps(stream))
    for (let ms = 0; ms < 15_000; ms += 10) {
      if (ms % everyMs === 0) network.rebind("a")
      for (const stream of streams) stream.trySend(64)
      await ledger.advance(10, 10)
      for (const gap of gaps) gap.note(network.now)
    }
    console.log(`gaps ${gaps.map(({ longestMs }) => longestMs.toFixed(0)).join(" and ")} ms, ${moves} moves`)
    for (const { longestMs } of gaps) expect(longestMs).toBeLessThanOrEqual(2 * delayMs + 50)
    expect(moves).toBeGreaterThan((0.9 * 15_000) / everyMs)
    expect([toA.stats().addressMoves, events]).toEqual([moves, []])
    await quiesce(ledger)
  },
)

test.each([
  ["up", "2 s", 2_000, KEYED, 10, 50],
  ["down", "2 s", 2_000, KEYED, 10, 50],
  ["down", "2 s", 2_000, PLAIN, 10, 70],
  ["up", "50 ms", 50, KEYED, 10, 120],
  ["up", "50 ms", 50, PLAIN, 10, 1_000],
  ["down", "50 ms", 50, KEYED, 5, 200],
  ["down", "50 ms", 50, PLAIN, 5, 200],
] as const)(
  "10 MB arrive (%s) while a NAT gives out another port each %s",
  async (way, _, everyMs, options, delayMs, slackMs) => {
    const { network, toB, toA, ledger, events } = await makePair(options, { delayMs, rateBitsPerSecond: 20_000_000 })
    const stream = ledger.open(way === "up" ? toB : toA)
    const gaps = new Gaps(stream)
    const startMs = network.now
    let sent = 0
    for (let ms = 0; stream.deliveredMs.length < 10_000 && ms < 60_000; ms += 10) {
      if (ms % everyMs === everyMs - 10) network.rebind("a")
      while (sent < 10_000 && stream.trySend(1_000) === "sent") sent++
      await ledger.advance(10, 10)
      gaps.note(network.now)
    }
    const tookMs = network.now - startMs
    console.log(`10 MB ${way} in ${tookMs.toFixed(0)} ms, gaps of at most ${gaps.longestMs.toFixed(0)} ms`)
    expect(gaps.longestMs).toBeLessThanOrEqual(2 * delayMs + slackMs)
    expect([stream.deliveredMs.length >= 10_000, events]).toEqual([true, []])
    await quiesce(ledger)
  },
)

test("a peer that changes networks is followed, and its new path is measured anew", async () => {
  const { network, a, b, toB, toA, ledger, events } = await makePair(KEYED, { delayMs: 5 })
  const streams = [ledger.open(toB), ledger.open(toA)]
  const gaps = streams.map((stream) => new Gaps(stream))
  const before = { ...toA.address }
  for (let ms = 0; ms < 2_000; ms += 10) {
    if (ms === 1_000) {
      network.move("a")
      network.links({ delayMs: 40 })
    }
    for (const stream of streams) stream.trySend(64)
    await ledger.advance(10, 10)
    for (const gap of gaps) gap.note(network.now)
  }
  for (const { longestMs } of gaps) expect(longestMs).toBeLessThanOrEqual(80 + 50)
  expect(toA.address.host).not.toBe(before.host)
  const { rttMs, rttMinMs } = toA.stats()
  expect([rttMs > 79, rttMinMs > 79]).toEqual([true, true])
  expect([a.peers[0]!.address, events]).toEqual([v4Of(b), []])
  await quiesce(ledger)
})

describe("an attacker that copies datagrams to b from a third address", () => {
  test.each([
    ["ahead of the originals", 1, 1],
    ["ahead of every tenth original", 1, 10],
    ["behind the originals", 40, 1],
  ])("%s moves nothing for good, and gets at most three times what it sent", async (_, delayMs, each) => {
    for (const options of [KEYED, PLAIN]) {
      const { network, b, toB, toA, ledger, events } = await makePair(options, { delayMs: 20 })
      const { addresses } = network.host("c").machine
      const forged = { ...addresses.find(({ family }) => family === 4)!, port: 9 }
      const there = { ...toA.address }
      let [came, went, most, copies] = [0, 0, 0, 0]
      const sizes = new Set<number>()
      network.filter(({ from, to, bytes }) => {
        if (from === "a" && to === "b" && copies++ % each === 0) {
          network.inject(forged, v4Of(b), bytes, delayMs)
          came += bytes.length
        }
        if (to === "c") sizes.add(bytes.length)
        if (to === "c") went += bytes.length
        most = Math.max(most, came === 0 ? 0 : went / came)
        return true
      })
      const streams = [ledger.open(toB), ledger.open(toA)]
      const gaps = streams.map((stream) => new Gaps(stream))
      for (let ms = 0; ms < 5_000; ms += 10) {
        for (const stream of streams) stream.trySend(64)
        await ledger.advance(10, 10)
        for (const gap of gaps) gap.note(network.now)
      }
      expect(copies).toBeGreaterThan(400)
      expect([toA.address, toA.stats().addressMoves, events]).toEqual([there, 0, []])
      expect(most).toBeLessThanOrEqual(3)
      // Prefix, kind, 16 bytes and tag: without keys nothing but challenges goes there.
      if (options === PLAIN && delayMs === 1) expect([...sizes]).toEqual([11 + 1 + 16 + 4])
      for (const { longestMs } of gaps) expect(longestMs).toBeLessThanOrEqual(2 * 40 + 50)
      network.filter(() => true)
      await quiesce(ledger)
    }
  })

  test("and carries challenges to and fro moves it no longer than the address that it had needs to answer", async () => {
    const { network, b, toB, toA, ledger } = await makePair(KEYED, { delayMs: 20 })
    const { addresses } = network.host("c").machine
    const forged = { ...addresses.find(({ family }) => family === 4)!, port: 9 }
    const there = { ...toA.address }
    const moved: string[] = []
    b.on("moved", (peer) => moved.push(peer.address.host))
    network.filter(({ from, to, bytes }) => {
      if (from === "a" && to === "b") network.inject(forged, v4Of(b), bytes, 1)
      // What comes to it goes on to the peer at once, faster than by the usual way.
      if (to === "c") network.inject(v4Of(b), there, bytes, 1)
      return true
    })
    const streams = [ledger.open(toB), ledger.open(toA)]
    for (let ms = 0; ms < 5_000; ms += 10) {
      for (const stream of streams) stream.trySend(64)
      await ledger.advance(10, 10)
    }
    expect([moved, toA.address]).toEqual([[forged.host, there.host], there])
    network.filter(() => true)
    await quiesce(ledger)
  })
})
