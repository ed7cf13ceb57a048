/** The largest datagram that a path carries is found, and followed when it changes in the midst of messages. */

import { Endpoint, type EndpointOptions } from "@x/endpoint"
import { expect, test } from "vitest"
import { makePair, pattern } from "./world.ts"

const SEEDS = Array.from({ length: 6 }, (_, seed) => seed + 1)
const LINK = { delayMs: 20, rateBitsPerSecond: 100_000_000, queueBytes: 500_000 }
const MESSAGE_BYTES = 3_000

/** Two peers, and a stream on which 300 messages a second go. */
async function makeFlow(seed: number, mtuBytes: number, options: EndpointOptions = {}) {
  const { network, hostA, b, toB } = await makePair(seed, { ...LINK, mtuBytes, mtuSilent: true }, options)
  const stream = toB.open()
  let [sent, received, gapMs, lastMs] = [0, 0, 0, network.now]
  b.handle(1, ({ view, offset, length }) => {
    expect([view.getUint32(offset), length]).toEqual([received++, MESSAGE_BYTES])
    gapMs = Math.max(gapMs, network.now - lastMs)
    lastMs = network.now
  })
  const flow = {
    network,
    hostA,
    sizeBytes: (): number => toB.stats().datagramBytes,
    carry: (bytes: number): void => network.links({ ...LINK, mtuBytes: bytes, mtuSilent: true }),
    /** Sends for so long. Returns after which time a condition held first, milliseconds. */
    async run(forMs: number, holds = (): boolean => false): Promise<number> {
      let heldMs = Infinity
      lastMs = network.now
      for (let ms = 0; ms < forMs; ms += 10) {
        for (let i = 0; i < 3; i++) {
          const bytes = pattern(MESSAGE_BYTES)
          new DataView(bytes.buffer).setUint32(0, sent)
          if (stream.trySend(1, bytes) !== "refused") sent++
        }
        await network.advance(10)
        if (heldMs === Infinity && holds()) heldMs = ms
      }
      return heldMs
    },
    /** All that was sent has arrived. Returns the longest time in which nothing came, milliseconds. */
    async finish(): Promise<number> {
      await network.until(stream.flush(), 30_000)
      expect([received, stream.state]).toEqual([sent, "open"])
      return gapMs
    },
  }
  return flow
}

test("a path from 1,500 to 1,280 to 700 in silence, in the midst of messages: they go on within three seconds", async () => {
  let worstMs = 0
  for (const seed of SEEDS) {
    const flow = await makeFlow(seed, 1_452)
    await flow.run(2_000)
    expect(flow.sizeBytes()).toBe(1_452)
    flow.carry(1_232)
    await flow.run(6_000)
    expect(flow.sizeBytes()).toBe(1_232)
    flow.carry(652)
    await flow.run(8_000)
    expect(flow.sizeBytes()).toBeGreaterThan(632)
    expect(flow.sizeBytes()).toBeLessThan(653)
    worstMs = Math.max(worstMs, await flow.finish())
  }
  console.log(`a path that got narrower twice: at most ${worstMs.toFixed(0)} ms without a message`)
  expect(worstMs).toBeLessThan(3_000)
})

test("a path from 1,500 to 700 at once: messages go on within three seconds", async () => {
  for (const seed of SEEDS) {
    const flow = await makeFlow(seed, 1_452)
    await flow.run(2_000)
    flow.carry(652)
    await flow.run(6_000)
    expect(flow.sizeBytes()).toBeLessThan(653)
    expect(await flow.finish()).toBeLessThan(3_000)
  }
})

test("a path that gets wider is used within ten seconds, and nothing waits for it", async () => {
  let slowestMs = 0
  for (const seed of SEEDS) {
    const flow = await makeFlow(seed, 1_452, { datagramBytes: 8_952 })
    await flow.run(3_000)
    expect(flow.sizeBytes()).toBe(1_452)
    flow.carry(8_952)
    slowestMs = Math.max(slowestMs, await flow.run(12_000, () => flow.sizeBytes() === 8_952))
    expect(await flow.finish()).toBeLessThan(200)
  }
  console.log(`a path that got wider: in use after at most ${slowestMs} ms`)
  expect(slowestMs).toBeLessThan(10_000)
})

test("a wide path that gets narrow: what was cut for it arrives in parts", async () => {
  for (const seed of SEEDS) {
    const flow = await makeFlow(seed, 8_952, { datagramBytes: 8_952 })
    await flow.run(2_000)
    expect(flow.sizeBytes()).toBe(8_952)
    flow.carry(1_452)
    await flow.run(6_000)
    expect(flow.sizeBytes()).toBe(1_452)
    expect(await flow.finish()).toBeLessThan(3_000)
  }
})

test.each([1_452, 65_507])("a path without limits carries datagrams of %i B within a second", async (datagramBytes) => {
  const { network, toB } = await makePair(1, { delayMs: 0.05, mtuBytes: Infinity }, { datagramBytes })
  const stream = toB.open()
  stream.trySend(1, pattern(100_000))
  await network.advance(1_000)
  expect(toB.stats().datagramBytes).toBe(datagramBytes)
})

test("peers that send nothing large send no probes", async () => {
  const { network, toB } = await makePair(2)
  const stream = toB.open()
  let most = 0
  network.filter(({ bytes }) => {
    most = Math.max(most, bytes.length)
    return true
  })
  for (let i = 0; i < 100; i++) {
    stream.trySend(1, pattern(100))
    await network.advance(100)
  }
  expect(most).toBeLessThan(549)
})

test("an hour with 15 % lost each way: no size is left, and no probe is taken for a loss", async () => {
  const { network, toB, b } = await makePair(3, { delayMs: 20 })
  const stream = toB.open()
  let received = 0
  b.handle(1, () => received++)
  const sizes = new Set<number>()
  const send = async (seconds: number): Promise<void> => {
    for (let i = 0; i < seconds; i++) {
      stream.trySend(1, pattern(2_000))
      await network.advance(1_000)
      sizes.add(toB.stats().datagramBytes)
    }
  }
  await send(2)
  sizes.clear()
  network.links({ delayMs: 20, lossRate: 0.15 })
  await send(3_600)
  await network.until(stream.flush(), 30_000)
  expect([received, ...sizes]).toEqual([3_602, 1_452])
})

test("errors of size that nobody can have meant lower no size below the floor, and not for long", async () => {
  const flow = await makeFlow(4, 1_452)
  await flow.run(1_000)
  flow.hostA.failSends("EMSGSIZE")
  await flow.run(1_000)
  expect(flow.sizeBytes()).toBe(548)
  flow.hostA.failSends(undefined)
  expect(await flow.run(12_000, () => flow.sizeBytes() === 1_452)).toBeLessThan(10_000)
  expect(await flow.finish()).toBeLessThan(3_000)
})

test("jumbo frames are found by themselves, and left in the midst of messages without losing one", async () => {
  let slowestMs = 0
  for (const seed of SEEDS.slice(0, 3)) {
    const flow = await makeFlow(seed, 8_952)
    slowestMs = Math.max(slowestMs, await flow.run(10_000, () => flow.sizeBytes() >= 8_952))
    flow.carry(1_452)
    await flow.run(6_000)
    expect(flow.sizeBytes()).toBe(1_452)
    expect(await flow.finish()).toBeLessThan(3_000)
  }
  console.log(`jumbo frames: in use after at most ${slowestMs} ms`)
  expect(slowestMs).toBeLessThan(10_000)
})

test("a usual path loses three probes in a minute and a half, and goes as it does where nothing larger is asked for", async () => {
  for (const mtuSilent of [true, false]) {
    const rateOf = async (options: EndpointOptions): Promise<{ tooLong: number; delivered: number; size: number }> => {
      const link = { ...LINK, mtuBytes: 1_452, mtuSilent }
      const { network, b, toB } = await makePair(7, link, options)
      const stream = toB.open()
      b.handle(1, () => {})
      for (let ms = 0; ms < 90_000; ms += 100) {
        stream.trySend(1, pattern(20_000))
        await network.advance(100)
      }
      const { bytesDelivered: delivered, datagramBytes: size, bytesLost } = toB.stats()
      expect([bytesLost, toB.stats().packetsResent]).toEqual([0, 0])
      return { tooLong: network.linkOf("a", "b").counts.mtu, delivered, size }
    }
    const usual = await rateOf({ datagramBytes: 1_452 })
    const own = await rateOf({})
    expect([usual.tooLong, own.tooLong, own.size]).toEqual([0, mtuSilent ? 3 : 1, 1_452])
    expect(Math.abs(own.delivered / usual.delivered - 1)).toBeLessThan(0.001)
  }
})

test("between processes of one machine the largest datagrams are used within a second of the join", async () => {
  const options: EndpointOptions = { v4: "127.0.0.1", v6: false }
  const [a, b] = await Promise.all([Endpoint.bind(options), Endpoint.bind(options)])
  try {
    const received = new Promise<Uint8Array>((resolve) => b.handle(1, (message) => resolve(message.copy())))
    const peer = await a.join(`127.0.0.1:${b.port}`)
    const joinedMs = performance.now()
    // Without DF nothing larger than the base is asked for.
    const most = a.capabilities.dontFragment ? 65_507 : 1_200
    while (peer.stats().datagramBytes < most) await new Promise((resolve) => setTimeout(resolve, 5))
    expect(performance.now() - joinedMs).toBeLessThan(1_000)
    const message = pattern(1_048_576)
    await peer.open().send(1, message)
    expect(await received).toEqual(message)
  } finally {
    await Promise.all([a.close(), b.close()])
  }
})
