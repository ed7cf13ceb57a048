// How fast may go what an application caps, to a peer and to all of them.

import { type Endpoint, type EndpointOptions, lossBased, type Peer } from "@x/endpoint"
import type { LinkOptions, Network } from "@x/transport/simulated"
import { describe, expect, test } from "vitest"
import { makePair, makeWorld, PORT } from "./world.ts"

const FAST: LinkOptions = { delayMs: 10, rateBitsPerSecond: 100e6 }
const CAP = 1_000_000
/** What a pace allows at once: eight usual datagrams after a pause, and what a timer that is late leaves over. */
const BURST_BYTES = 9_600 + 4 * (CAP / 1_000) + 1_452

/** When how many bytes of UDP payload left for the hosts of an endpoint; those of control packets are left out. */
class Meter {
  readonly #sent: { readonly ms: number; readonly to: string; readonly bytes: number }[] = []

  constructor(network: Network) {
    network.filter(({ from, to, bytes, nowMs }) => {
      // What goes this way is data, or short.
      if (from === "a" && bytes.length > 200) this.#sent.push({ ms: nowMs, to, bytes: bytes.length })
      return true
    })
  }

  /** Bytes a second, to one host or to all. */
  rate(fromMs: number, toMs: number, to?: string): number {
    let sum = 0
    for (const it of this.#sent)
      if (it.ms >= fromMs && it.ms < toMs && (to === undefined || it.to === to)) sum += it.bytes
    return (1_000 * sum) / (toMs - fromMs)
  }

  /** The most that was ever sent beyond a rate, bytes. */
  burst(bytesPerSecond: number, fromMs: number, toMs: number): number {
    let most = 0
    let excess = 0
    let lastMs = fromMs
    for (const { ms, bytes } of this.#sent) {
      if (ms < fromMs || ms >= toMs) continue
      excess = Math.max(0, excess - ((ms - lastMs) * bytesPerSecond) / 1_000) + bytes
      lastMs = ms
      most = Math.max(most, excess)
    }
    return most
  }
}

/** Sends as much as it can, in messages of this size. */
function flood(peer: Peer, messageBytes = 1_000): void {
  const stream = peer.open()
  const offer = (): void => {
    while (stream.trySend(1, new Uint8Array(messageBytes)) === "sent");
  }
  stream.on("drain", offer)
  offer()
}

/** One endpoint and the peers that it floods. */
async function makeFlood(
  names: readonly string[],
  options: EndpointOptions,
  link: LinkOptions = FAST,
): Promise<{ network: Network; a: Endpoint; peers: Peer[]; others: Endpoint[]; meter: Meter }> {
  const { network, bind } = makeWorld(1, link)
  const { endpoint: a } = await bind("a", options)
  const peers: Peer[] = []
  const others: Endpoint[] = []
  for (const name of names) {
    const { endpoint } = await bind(name)
    others.push(endpoint)
    endpoint.handle(1, () => {})
    peers.push(await network.until(a.join(`${name}:${PORT}`)))
  }
  return { network, a, peers, others, meter: new Meter(network) }
}

test.each([
  ["bbr", "of each peer", { sendRateBytesPerSecondPerPeer: CAP }],
  ["bbr", "of all together", { sendRateBytesPerSecondMax: CAP }],
  ["CUBIC", "of each peer", { sendRateBytesPerSecondPerPeer: CAP, congestion: lossBased() }],
  ["CUBIC", "of all together", { sendRateBytesPerSecondMax: CAP, congestion: lossBased() }],
] as const)("a cap of 1 MB/s (%s, %s) is what a path of 100 Mbit/s carries, without bursts", async (_, __, options) => {
  const { network, peers, meter } = await makeFlood(["b"], options)
  flood(peers[0]!)
  const fromMs = network.now
  await network.advance(10_000)
  const rate = meter.rate(fromMs, network.now)
  const burst = meter.burst(CAP, fromMs, network.now)
  console.log(`${rate.toFixed(0)} B/s, ${burst.toFixed(0)} bytes at once`)
  expect(Math.abs(rate / CAP - 1)).toBeLessThan(0.02)
  expect(burst).toBeLessThanOrEqual(BURST_BYTES)
  const { most, shares, advice } = peers[0]!.explain()
  expect([most, shares.cap > 0.9, advice.includes("peer.limit()")]).toEqual(["cap", true, true])
})

test("a cap that the path is slower than changes nothing: the path is the limit, not the cap", async () => {
  const { network, peers, meter } = await makeFlood(
    ["b"],
    { sendRateBytesPerSecondPerPeer: 10 * CAP },
    {
      delayMs: 10,
      rateBitsPerSecond: 8e6,
    },
  )
  flood(peers[0]!)
  await network.advance(2_000)
  peers[0]!.explain()
  const fromMs = network.now
  await network.advance(5_000)
  expect(meter.rate(fromMs, network.now)).toBeGreaterThan(0.85 * CAP)
  expect(peers[0]!.explain().shares.cap).toBeLessThan(0.1)
})

test.each([
  ["of each peer", { sendRateBytesPerSecondPerPeer: 2_000 }],
  ["of all together", { sendRateBytesPerSecondMax: 2_000 }],
] as const)(
  "heartbeats, pings and acknowledgements don't wait for a cap (%s) that leaves hardly a datagram a second",
  async (_, options) => {
    const { network, a, b, toB } = await makePair(1, FAST, { ...options, heartbeatMs: 100, unreachableMs: 400 })
    const lost: string[] = []
    for (const endpoint of [a, b]) endpoint.on("unreachable", () => void lost.push(endpoint.unique))
    let received = 0
    b.handle(1, () => {})
    a.handle(1, () => received++)
    flood(toB)
    const toA = b.peers[0]!
    const stream = toA.open()
    const roundTripsMs: number[] = []
    for (let i = 0; i < 50; i++) {
      stream.trySend(1, new Uint8Array(10))
      roundTripsMs.push(await network.until(toB.ping()))
      await network.advance(80)
    }
    await network.until(stream.flush())
    expect([lost, received]).toEqual([[], 50])
    expect(Math.max(...roundTripsMs)).toBeLessThan(25)
  },
)

test.each([
  ["alike", [1, 1], [1_000, 1_000], {}],
  ["one of small messages", [1, 1], [1_000, 60], {}],
  ["one of twice the weight", [1, 2], [1_000, 1_000], {}],
  ["one that its own pace stops now and then", [1, 1], [1_000, 1_000], { ownRate: 600_000 }],
] as const)(
  "two peers share the cap of all, %s",
  async (_, weights, messageBytes, { ownRate }: { ownRate?: number }) => {
    const { network, peers, meter } = await makeFlood(["b", "c"], { sendRateBytesPerSecondMax: CAP })
    if (ownRate !== undefined) peers[0]!.limit({ sendRateBytesPerSecondMax: ownRate })
    peers.forEach((peer, i) => {
      peer.setShare({ weight: weights[i]! })
      flood(peer, messageBytes[i]!)
    })
    await network.advance(500)
    const fromMs = network.now
    await network.advance(10_000)
    const rates = ["b", "c"].map((name) => meter.rate(fromMs, network.now, name))
    console.log(rates.map((rate) => rate.toFixed(0)).join(" and "))
    const sum = weights[0] + weights[1]
    rates.forEach((rate, i) => expect(Math.abs(rate / ((CAP * weights[i]!) / sum) - 1)).toBeLessThan(0.05))
  },
)

test("what one peer leaves of the cap of all is for the others, and one of higher priority goes first", async () => {
  const { network, peers, meter } = await makeFlood(["b", "c", "d"], { sendRateBytesPerSecondMax: CAP })
  peers[0]!.limit({ sendRateBytesPerSecondMax: 200_000 })
  peers[2]!.setShare({ priority: 100 })
  for (const peer of peers) flood(peer)
  await network.advance(500)
  const fromMs = network.now
  await network.advance(5_000)
  const rates = ["b", "c", "d"].map((name) => meter.rate(fromMs, network.now, name))
  console.log(rates.map((rate) => rate.toFixed(0)).join(" and "))
  expect(Math.abs(rates[0]! / 200_000 - 1)).toBeLessThan(0.05)
  expect(Math.abs(rates[1]! / 800_000 - 1)).toBeLessThan(0.05)
  expect(rates[2]).toBeLessThan(10_000)
})

test("a peer that waits for the cap of all, behind others, is sent heartbeats as always", async () => {
  const { network, peers } = await makeFlood(["b", "c"], { sendRateBytesPerSecondMax: CAP, heartbeatMs: 100 })
  const [first, last] = peers
  last!.setShare({ priority: 100 })
  for (const peer of peers) flood(peer)
  await network.advance(1_000)
  const { datagramsSent } = last!.stats()
  await network.advance(5_000)
  // No data goes to it, so it is idle: a heartbeat each 300 ms.
  expect(last!.stats().datagramsSent - datagramsSent).toBeGreaterThanOrEqual(16)
  expect([first!.explain().most, last!.explain().most, last!.state]).toEqual(["cap", "cap", "joined"])
})

test.each([
  ["of a peer", (_: Endpoint, peer: Peer, rate: number) => peer.limit({ sendRateBytesPerSecondMax: rate })],
  ["of all", (a: Endpoint, _: Peer, rate: number) => a.limit({ sendRateBytesPerSecondMax: rate })],
] as const)("a cap (%s) that is set or lifted while data flows is in force within a round trip", async (_, limit) => {
  const { network, a, peers, meter } = await makeFlood(["b"], {})
  flood(peers[0]!)
  await network.advance(3_000)
  expect(meter.rate(network.now - 1_000, network.now)).toBeGreaterThan(10 * CAP)
  limit(a, peers[0]!, CAP)
  let fromMs = network.now
  await network.advance(2_000)
  expect(meter.rate(fromMs, network.now)).toBeLessThan(1.02 * CAP)
  limit(a, peers[0]!, Infinity)
  fromMs = network.now
  await network.advance(20)
  // What was known of the path before the cap is known still.
  const rate = meter.rate(fromMs, network.now)
  console.log(`${rate.toFixed(0)} B/s in the round trip after`)
  expect(rate).toBeGreaterThan(4 * CAP)
})

test("a peer that had a cap from the beginning isn't taken for slow when it is lifted", async () => {
  const { network, peers, meter } = await makeFlood(["b"], { sendRateBytesPerSecondPerPeer: CAP })
  flood(peers[0]!)
  await network.advance(3_000)
  peers[0]!.limit({ sendRateBytesPerSecondMax: Infinity })
  const fromMs = network.now
  await network.advance(20)
  expect(meter.rate(fromMs, network.now)).toBeGreaterThan(1.5 * CAP)
  await network.advance(380)
  expect(meter.rate(network.now - 200, network.now)).toBeGreaterThan(9 * CAP)
})

describe("what is received", () => {
  test.each([
    ["of each peer", { receiveRateBytesPerSecondPerPeer: CAP }],
    ["of all together", { receiveRateBytesPerSecondMax: CAP }],
  ] as const)(
    "a cap of 1 MB/s (%s) is kept to by the peer, also where its request is lost at first",
    async (_, options) => {
      const { network, bind } = makeWorld(1, { ...FAST, lossRate: 0.02 })
      const { endpoint: a } = await bind("a")
      const { endpoint: b } = await bind("b", options)
      b.handle(1, () => {})
      const toB = await network.until(a.join(`b:${PORT}`))
      const meter = new Meter(network)
      flood(toB)
      await network.advance(2_000)
      const fromMs = network.now
      await network.advance(10_000)
      const rate = meter.rate(fromMs, network.now)
      console.log(`${rate.toFixed(0)} B/s`)
      expect(Math.abs(rate / CAP - 1)).toBeLessThan(0.02)
      expect(toB.explain()).toMatchObject({ most: "cap", now: "cap" })
    },
  )

  test("a cap is in force within a round trip of being set, changed or lifted, in any order of arrival", async () => {
    const { network, peers, meter, others } = await makeFlood(
      ["b"],
      {},
      { ...FAST, reorderRate: 0.3, reorderDelayMs: 10 },
    )
    flood(peers[0]!)
    await network.advance(2_000)
    const toA = others[0]!.peers[0]!
    for (const rate of [CAP, 3 * CAP, CAP / 2]) {
      toA.limit({ receiveRateBytesPerSecondMax: rate })
      await network.advance(60)
      const fromMs = network.now
      await network.advance(2_000)
      expect(Math.abs(meter.rate(fromMs, network.now) / rate - 1)).toBeLessThan(0.02)
    }
    toA.limit({ receiveRateBytesPerSecondMax: Infinity })
    await network.advance(60)
    const fromMs = network.now
    await network.advance(500)
    expect(meter.rate(fromMs, network.now)).toBeGreaterThan(4 * CAP)
  })

  test("peers that send share the cap of all within 5 %, one alone has nearly all of it, and one that begins has its part", async () => {
    const { network, bind } = makeWorld(1, FAST)
    const { endpoint: b } = await bind("b", { receiveRateBytesPerSecondMax: CAP })
    b.handle(1, () => {})
    const received = { a: 0, c: 0 }
    network.filter(({ from, bytes }) => {
      if ((from === "a" || from === "c") && bytes.length > 200) received[from] += bytes.length
      return true
    })
    const rates = async (ms: number): Promise<{ a: number; c: number }> => {
      received.a = received.c = 0
      await network.advance(ms)
      return { a: (1_000 * received.a) / ms, c: (1_000 * received.c) / ms }
    }
    const toB: Peer[] = []
    for (const name of ["a", "c"]) {
      const { endpoint } = await bind(name)
      toB.push(await network.until(endpoint.join(`b:${PORT}`)))
    }
    await network.advance(1_000)
    flood(toB[0]!)
    await network.advance(2_000)
    const alone = await rates(4_000)
    flood(toB[1]!)
    await network.advance(2_000)
    const both = await rates(8_000)
    console.log(alone, both)
    expect([alone.a > 0.9 * CAP, alone.a < 1.02 * CAP]).toEqual([true, true])
    for (const rate of [both.a, both.c]) expect(Math.abs(rate / (CAP / 2) - 1)).toBeLessThan(0.05)
    b.limit({ receiveRateBytesPerSecondMax: Infinity })
    await network.advance(500)
    const lifted = await rates(1_000)
    expect(lifted.a + lifted.c).toBeGreaterThan(5 * CAP)
    expect(b.sizes.peers).toBe(2)
  })
})
