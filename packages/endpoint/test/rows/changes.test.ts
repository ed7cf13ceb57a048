// Paths that change under what is on its way, and paths that lose nearly all: whole endpoints, default options.

import type { LinkOptions } from "@x/transport/simulated"
import { expect } from "vitest"
import { random } from "../congestion/rig.ts"
import { makePair, makeWorld, pattern, PORT } from "../world.ts"
import { atLeast, atMost, row } from "./row.ts"

row(
  "two seconds of nothing in 10 MB at 10 Mbit/s, 40 ms",
  0,
  { "moves again after, ms": atMost(190), "in all, s": atMost(12.5) },
  async (seed) => {
    const link = { delayMs: 20, rateBitsPerSecond: 10_000_000, queueBytes: 100_000 }
    const { network, b, toB } = await makePair(seed, link)
    let [healedMs, movingMs] = [Infinity, Infinity]
    b.handle(1, () => {
      if (network.now > healedMs) movingMs = Math.min(movingMs, network.now)
    })
    const stream = toB.open()
    const startMs = network.now
    const send = async (): Promise<void> => {
      for (let i = 0; i < 1_000; i++) await stream.send(1, new Uint8Array(10_000))
      await stream.flush()
    }
    const sending = send()
    await network.advance(2_000 + ((373 * seed) % 3_000))
    network.links({ ...link, lossRate: 1 })
    await network.advance(2_000)
    network.links(link)
    healedMs = network.now
    await network.until(sending, 60_000)
    return { "moves again after, ms": movingMs - healedMs, "in all, s": (network.now - startMs) / 1_000 }
  },
)

row(
  "100, then 1, then 100 Mbit/s, 40 ms",
  0,
  { "first stretch": atLeast(0.85), "narrow one": atLeast(0.75, 0.85), "last one": atLeast(0.2, 0.85) },
  async (seed) => {
    const link = { delayMs: 20, rateBitsPerSecond: 100_000_000 }
    const { network, b, toB } = await makePair(seed, link)
    let received = 0
    b.handle(1, () => void received++)
    const stream = toB.open()
    const message = new Uint8Array(1_024)
    const offer = (): void => {
      while (stream.trySend(1, message) === "sent");
    }
    stream.on("drain", offer)
    offer()
    await network.advance(37 * seed)
    /** The part of the rate that is used from 3 s to 10 s after it has changed. */
    const part = async (mbits: number): Promise<number> => {
      network.links({ ...link, rateBitsPerSecond: 1e6 * mbits })
      await network.advance(3_000)
      const before = received
      await network.advance(7_000)
      return ((received - before) * 1_098 * 8) / 7e6 / mbits
    }
    return { "first stretch": await part(100), "narrow one": await part(1), "last one": await part(100) }
  },
)

row(
  "1,000 packets into a queue of 25, 20 Mbit/s, 40 ms",
  1,
  { "part of the link": atLeast(0.3, 0.85), "all are there after, ms": atMost(2_000) },
  async (seed) => {
    const { network, b, toB } = await makePair(seed, { delayMs: 20, rateBitsPerSecond: 20_000_000, queuePackets: 25 })
    const atMs: number[] = []
    b.handle(1, () => void atMs.push(network.now))
    const stream = toB.open({ delivery: "reliable-unordered" })
    const startMs = network.now
    const send = async (): Promise<void> => {
      for (let i = 0; i < 1_000; i++) await stream.send(1, new Uint8Array(1_300))
      await stream.flush()
    }
    await network.until(send(), 60_000)
    const tookMs = Math.max(...atMs) - startMs
    return { "part of the link": (1_000 * 1_374 * 8) / tookMs / 20_000, "all are there after, ms": tookMs }
  },
)

const MTU_LINK: LinkOptions = { delayMs: 20, rateBitsPerSecond: 100_000_000, queueBytes: 500_000, mtuSilent: true }
const MESSAGE_BYTES = 3_000

/** 300 messages of 3,000 B a second, over paths that carry these sizes one after the other, each for so long. */
async function throughSizes(seed: number, sizes: readonly number[], forMs: number) {
  const { network, b, toB } = await makePair(
    seed,
    { ...MTU_LINK, mtuBytes: sizes[0]! },
    { datagramBytes: Math.max(...sizes) },
  )
  const stream = toB.open()
  let [sent, received, gapMs, lastMs, usedMs] = [0, 0, 0, network.now, Infinity]
  b.handle(1, ({ view, offset, length }) => {
    expect([view.getUint32(offset), length]).toEqual([received++, MESSAGE_BYTES])
    gapMs = Math.max(gapMs, network.now - lastMs)
    lastMs = network.now
  })
  await network.advance(13 * seed)
  for (const mtuBytes of sizes) {
    network.links({ ...MTU_LINK, mtuBytes })
    usedMs = Infinity
    for (let ms = 0; ms < forMs; ms += 10) {
      for (let i = 0; i < 3; i++) {
        const bytes = pattern(MESSAGE_BYTES)
        new DataView(bytes.buffer).setUint32(0, sent)
        if (stream.trySend(1, bytes) !== "refused") sent++
      }
      await network.advance(10)
      if (usedMs === Infinity && toB.stats().datagramBytes === mtuBytes) usedMs = ms + 10
    }
  }
  await network.until(stream.flush(), 30_000)
  return { gapMs, lost: sent - received, usedMs }
}

row(
  "1,500, then 1,280, then 700 in the midst of messages, no ICMP",
  0,
  { "longest silence, ms": atMost(3_000), "messages lost": atMost(0) },
  async (seed) => {
    const { gapMs, lost } = await throughSizes(seed, [1_452, 1_232, 652], 8_000)
    return { "longest silence, ms": gapMs, "messages lost": lost }
  },
)

row(
  "1,500, then 9,000 in the midst of messages",
  0,
  { "in use after, ms": atMost(10_000), "longest silence, ms": atMost(300), "messages lost": atMost(0) },
  async (seed) => {
    const { gapMs, lost, usedMs } = await throughSizes(seed, [1_452, 8_952], 12_000)
    return { "in use after, ms": usedMs, "longest silence, ms": gapMs, "messages lost": lost }
  },
)

const JOINS = 250

row(
  `joins at 30 % of loss each way, at most three in a row, 30 ms: of ${JOINS}`,
  1,
  { joined: atLeast(JOINS - 1, JOINS), "p99, ms": atMost(4_000) },
  async (seed) => {
    const { network, bind } = makeWorld(seed, { delayMs: 15 })
    await bind("b")
    const draw = random(seed)
    const inARow = new Map<string, number>()
    // Three in a row, then one that comes, at most: of ten datagrams three are lost.
    network.filter(({ from, to }) => {
      const way = `${from}>${to}`
      const lost = inARow.get(way) ?? 0
      const isLost = lost < 3 && draw() < 0.3043
      inARow.set(way, isLost ? lost + 1 : 0)
      return !isLost
    })
    const tookMs: number[] = []
    for (let i = 0; i < JOINS; i++) {
      const { endpoint } = await bind(`a${i % 10}`, { port: PORT + i })
      const startMs = network.now
      const peer = await network.until(
        endpoint.join(`b:${PORT}`).catch(() => undefined),
        60_000,
      )
      if (peer !== undefined) tookMs.push(network.now - startMs)
      await network.until(endpoint.close(), 60_000)
    }
    return { joined: tookMs.length, "p99, ms": tookMs.toSorted((x, y) => x - y)[Math.floor(0.99 * tookMs.length)]! }
  },
)

row("15 % of loss each way for an hour, 20/s of 1,300 B, 40 ms", 1, { "black holes seen": atMost(0) }, async (seed) => {
  const forMs = process.env["X_SEEDS"] === undefined ? 300_000 : 3_600_000
  const { network, b, toB } = await makePair(seed, { delayMs: 20, lossRate: 0.15, mtuBytes: 1_452 })
  b.handle(1, () => {})
  const stream = toB.open({ delivery: "reliable-unordered" })
  await network.advance(5_000)
  let falls = 0
  let before = toB.stats().datagramBytes
  for (let ms = 0; ms < forMs; ms += 50) {
    stream.trySend(1, new Uint8Array(1_300))
    await network.advance(50)
    const { datagramBytes } = toB.stats()
    if (datagramBytes < before) falls++
    before = datagramBytes
  }
  return { "black holes seen": falls }
})
