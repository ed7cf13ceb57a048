// Marks of queues instead of losses, where the path carries them; and nothing else where it doesn't.

import { bbr, type CongestionFactory, Endpoint, type EndpointOptions, fixed, lossBased, type Peer } from "@x/endpoint"
import { ECN, systemHost, type Transport } from "@x/transport"
import type { BottleneckOptions, LinkOptions, Network } from "@x/transport/simulated"
import * as wire from "@x/wire"
import { describe, expect, test } from "vitest"
import { hostWith } from "./host-with.ts"
import { makePair, makeWorld, pattern, PORT } from "./world.ts"

/** Where nobody limits the rate, a flood would never end. */
const LINK: LinkOptions = { delayMs: 5, rateBitsPerSecond: 5e6 }

/** Sends messages of 1,000 B all the time, until it is over. */
function flood(from: Peer): void {
  const stream = from.open()
  const offer = async (): Promise<void> => {
    while (stream.state === "open") await stream.send(1, pattern(1_000))
  }
  void offer().catch(() => {})
}

interface Result {
  readonly mbits: number
  readonly dropped: number
  readonly marked: number
  readonly ecn: string
  readonly marksOut: number
  readonly marksIn: number
  readonly waitMs: number
}

/** A flow of ten seconds over 10 Mbit/s, behind a queue. */
async function over(delayMs: number, congestion: CongestionFactory, queue: BottleneckOptions): Promise<Result> {
  const { network, a, b, toB } = await makePair(1, { delayMs }, { congestion, windowBytes: 4_194_304 })
  network.bottleneck("line", { rateBitsPerSecond: 10e6, queueBytes: 1e6, ...queue })
  network.link("a", "b", { through: "line", delayMs })
  let bytes = 0
  b.handle(1, ({ length }) => void (bytes += length))
  flood(toB)
  await network.advance(10_000)
  const { ecn, marksOut } = toB.stats()
  const { counts, bottleneck } = network.linkOf("a", "b")
  const { marksIn } = b.peers[0]!.stats()
  const result = {
    ...{ mbits: (8 * bytes) / 10_000_000, dropped: counts.aqm, marked: bottleneck!.marked },
    ...{ ecn, marksOut, marksIn, waitMs: bottleneck!.waits.meanMs },
  }
  void a.close()
  void b.close()
  return result
}

describe.each<[string, CongestionFactory]>([
  ["CUBIC", lossBased()],
  ["bbr", bbr()],
])("%s", (name, congestion) => {
  test("loses nothing to CoDel where marks get through, and is at least as fast as where it drops", async () => {
    for (const delayMs of [5, 30]) {
      const dropping = await over(delayMs, congestion, { aqm: { kind: "codel", marks: false } })
      const marking = await over(delayMs, congestion, { aqm: { kind: "codel" } })
      const show = ({ mbits, dropped, marked, waitMs }: Result): string =>
        `${mbits.toFixed(2)} Mbit/s, ${dropped} dropped, ${marked} marked, ${waitMs.toFixed(1)} ms in the queue`
      console.log(`${name}, 10 Mbit/s, ${2 * delayMs} ms: ${show(dropping)}; with marks: ${show(marking)}`)
      expect(marking.ecn).toBe("capable")
      expect(dropping.dropped).toBeGreaterThan(0)
      expect(marking.dropped).toBeLessThan(dropping.dropped / 2)
      expect(marking.mbits).toBeGreaterThanOrEqual(0.99 * dropping.mbits)
      // It answers them: the queue is kept as short as by drops.
      expect(marking.waitMs).toBeLessThan(1.25 * dropping.waitMs + 1)
      expect(marking.marksIn).toBe(marking.marked)
      expect(marking.marked - marking.marksOut).toBeLessThan(5)
      expect(marking.marked).toBeLessThan(5 * dropping.dropped + 20)
    }
  }, 60_000)

  test("gives way to marks of a step as it does to losses", async () => {
    const { mbits, marked, dropped, waitMs, ecn } = await over(15, congestion, { aqm: { kind: "step", targetMs: 10 } })
    expect([ecn, dropped]).toEqual(["capable", 0])
    expect(marked).toBeGreaterThan(0)
    expect(mbits).toBeGreaterThan(7)
    expect(waitMs).toBeLessThan(20)
  }, 60_000)
})

/** When each message comes over a path that loses some and has a queue, and what the sender knows in the end. */
async function arrivals(
  path: LinkOptions["ecn"] | "no ECN",
  aqm?: LinkOptions["aqm"],
): Promise<{
  readonly times: readonly number[]
  readonly peer: Peer
  readonly network: Network
  readonly b: Endpoint
}> {
  const { network } = makeWorld(5, { delayMs: 15, lossRate: 0.005, rateBitsPerSecond: 10e6, queueBytes: 60_000 })
  if (path !== "no ECN")
    network.links({ delayMs: 15, lossRate: 0.005, rateBitsPerSecond: 10e6, queueBytes: 60_000, ecn: path!, aqm: aqm! })
  const bind = async (name: string): Promise<Endpoint> =>
    network.until(Endpoint.bind({ port: PORT, host: network.host(name, { ecn: path !== "no ECN" }) }))
  const [a, b] = [await bind("a"), await bind("b")]
  const times: number[] = []
  b.handle(1, () => void times.push(network.now))
  const peer = await network.until(a.join(`b:${PORT}`))
  flood(peer)
  await network.advance(4_000)
  return { times, peer, network, b }
}

describe("on a path that is bad for marks", () => {
  test.each(["bleach", "congest"] as const)("%s: all goes on as if there were none", async (way) => {
    const without = await arrivals("no ECN")
    const bad = await arrivals(way)
    expect([without.peer.stats().ecn, bad.peer.stats().ecn]).toEqual(["off", "failed"])
    expect(bad.times.length).toBeGreaterThan(1_000)
    expect(bad.times).toEqual(without.times)
    expect(bad.peer.stats().marksOut).toBe(0)
  })

  test("drop: a few datagrams are lost, and none later", async () => {
    const { peer, times, network } = await arrivals("drop")
    expect(peer.stats().ecn).toBe("failed")
    expect(network.linkOf("a", "b").counts.marked).toBeLessThanOrEqual(10)
    const without = await arrivals("no ECN")
    expect(times.length).toBeGreaterThan(0.8 * without.times.length)
  })
})

test("datagrams are marked only where our sockets can and our controller answers marks", async () => {
  const custom = (answersMarks: boolean | undefined): CongestionFactory => {
    const controller = { windowBytes: 50_000, paceBytesPerMs: 1_000, onSent() {}, onFeedback() {} }
    return () => (answersMarks === undefined ? controller : { ...controller, answersMarks })
  }
  for (const [options, ecn, isMarked] of [
    [{ congestion: fixed() }, "off", false],
    [{ congestion: custom(undefined) }, "off", false],
    [{ congestion: custom(false) }, "off", false],
    [{ congestion: custom(true) }, "capable", true],
    [{ congestion: lossBased() }, "capable", true],
    [{}, "capable", true],
  ] as const satisfies readonly [EndpointOptions, string, boolean][]) {
    const { network, b, toB } = await makePair(1, LINK, options)
    const marks = new Set<number>()
    network.filter(({ from, ecn: mark }) => {
      if (from === "a") marks.add(mark)
      return true
    })
    b.handle(1, () => {})
    flood(toB)
    await network.advance(500)
    expect(toB.stats().ecn).toBe(ecn)
    expect(marks.has(ECN.ect0)).toBe(isMarked)
    expect(marks.has(ECN.ce)).toBe(false)
  }
})

test("where one end can't see marks, the other sends none", async () => {
  const { network } = makeWorld(1, LINK)
  const a = await network.until(Endpoint.bind({ port: PORT, host: network.host("a") }))
  const b = await network.until(Endpoint.bind({ port: PORT, host: network.host("b", { ecn: false }) }))
  b.handle(1, () => {})
  a.handle(1, () => {})
  const toB = await network.until(a.join(`b:${PORT}`))
  flood(toB)
  await network.advance(100)
  flood(b.peers[0]!)
  await network.advance(500)
  expect([toB.stats().ecn, b.peers[0]!.stats().ecn]).toEqual(["failed", "off"])
})

test("joins carry no mark, all else of the first datagrams does", async () => {
  const { network } = makeWorld(1, LINK)
  const marks = { handshake: new Set<number>(), association: new Set<number>() }
  network.filter(({ bytes, ecn }) => {
    const isHandshake = wire.prefixHandshake(new DataView(bytes.buffer, bytes.byteOffset), 0)
    marks[isHandshake ? "handshake" : "association"].add(ecn)
    return true
  })
  const a = await network.until(Endpoint.bind({ port: PORT, host: network.host("a") }))
  await network.until(Endpoint.bind({ port: PORT, host: network.host("b") }))
  await network.until(a.join(`b:${PORT}`))
  await network.advance(20)
  expect([[...marks.handshake], [...marks.association]]).toEqual([[ECN.notEct], [ECN.ect0]])
})

test("on another network marks are tested anew: off where they are taken off, and on again", async () => {
  const options = { secrets: ["a secret of sixteen bytes"] }
  const { network, b, toB } = await makePair(1, LINK, options)
  b.handle(1, () => {})
  const [toA] = b.peers
  flood(toB)
  const ecnAfter = async (link: LinkOptions): Promise<string[]> => {
    network.move("a")
    network.links({ ...LINK, ...link })
    await network.advance(2_000)
    return [toB.stats().ecn, toA!.stats().ecn]
  }
  await network.advance(500)
  expect(toB.stats().ecn).toBe("capable")
  // Only b sees that a has moved; a sees what becomes of its marks.
  expect(await ecnAfter({ ecn: "bleach" })).toEqual(["failed", "failed"])
  expect((await ecnAfter({}))[1]).toBe("capable")
})

test("over other sockets marks are tested anew", async () => {
  const { network, a, b, toB } = await makePair(1, LINK)
  b.handle(1, () => {})
  network.links({ ...LINK, ecn: "bleach" })
  flood(toB)
  await network.advance(500)
  expect(toB.stats().ecn).toBe("failed")
  network.links(LINK)
  await network.until(a.rebind())
  await network.advance(500)
  expect(toB.stats().ecn).toBe("capable")
})

test("where a path begins to drop what is marked, the sender finds out by what is lost", async () => {
  const { network, b, toB } = await makePair(1, LINK)
  let came = 0
  b.handle(1, () => void came++)
  flood(toB)
  await network.advance(500)
  expect(toB.stats().ecn).toBe("capable")
  network.links({ ...LINK, ecn: "drop" })
  await network.advance(20_000)
  const before = came
  await network.advance(10_000)
  expect(toB.stats().ecn).toBe("failed")
  expect(came).toBeGreaterThan(before + 1_000)
})

test("where a peer was unreachable marks are tested anew: the path may be another one", async () => {
  const { network, toB } = await makePair(1, LINK)
  const stream = toB.open()
  const send = async (): Promise<void> => {
    for (let i = 0; i < 20; i++) await network.until(stream.send(1, pattern(1_000), { receipt: true }))
  }
  await send()
  expect(toB.stats().ecn).toBe("capable")
  network.partition("a", "b")
  await network.when(() => toB.state === "unreachable", 30_000)
  network.heal()
  await network.when(() => toB.state === "joined", 30_000)
  expect(toB.stats().ecn).not.toBe("capable")
  await send()
  expect(toB.stats().ecn).toBe("capable")
})

/** Writes other counts into the feedback that b sends, as the checksum isn't there to tell. */
async function forged(
  alter: (feedback: wire.Feedback) => void,
): Promise<{ a: Endpoint; toB: Peer; came: () => number }> {
  const loopback = { v4: "127.0.0.1", v6: "::1" } as const
  const { network, a, b, toB } = await makePair(1, LINK, { protection: "none", ...loopback })
  let came = 0
  b.handle(1, () => void came++)
  flood(toB)
  await network.advance(500)
  expect(toB.stats().ecn).toBe("capable")
  const cursor = new wire.PacketCursor()
  const feedback = wire.createFeedback()
  network.filter(({ from, bytes }) => {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    if (from !== "b" || wire.prefixHandshake(view, 0)) return true
    cursor.start(view, 0, bytes.length, wire.PROFILE.none)
    while (cursor.next()) {
      if (cursor.kind !== wire.KIND.feedback) continue
      wire.readFeedback(view, cursor.body, cursor.end, feedback)
      alter(feedback)
      wire.writeFeedback(view, cursor.body, feedback)
    }
    return true
  })
  await network.advance(1_000)
  return { a, toB, came: () => came }
}

test.each<[string, (feedback: wire.Feedback) => void]>([
  ["more than were sent", (feedback) => void (feedback.congestion = 2 ** 40)],
  ["fewer than before", (feedback) => void (feedback.ect0 = 3)],
])("forged counts of marks (%s) are dropped and counted, and all else goes on", async (_, alter) => {
  const { a, toB, came } = await forged(alter)
  expect([toB.stats().ecn, toB.stats().marksOut]).toEqual(["failed", 0])
  expect(a.stats().drops["not-sent"]).toBe(1)
  expect(came()).toBeGreaterThan(600)
  expect(toB.stats().bytesLost).toBe(0)
})

/** The machine's own sockets; a queue that marks every tenth datagram stands before them. */
function markingHost(): ReturnType<typeof systemHost> {
  const host = systemHost()
  return hostWith(host, {
    bind: async (options) => {
      const transport = await host.bind(options)
      const send = transport.send.bind(transport)
      let sent = 0
      const marking: Pick<Transport, "send"> = {
        send(batch) {
          for (let row = 0; row < batch.count; row++)
            if (batch.ecn[row] === ECN.ect0 && ++sent % 10 === 0) batch.ecn[row] = ECN.ce
          return send(batch)
        },
      }
      return Object.assign(transport, marking)
    },
  })
}

test("over real sockets marks arrive, where the native helper is there; without it none is sent", async () => {
  const host = markingHost()
  const loopback = { v4: "127.0.0.1", v6: false, port: 0 } as const
  // Small datagrams, so that there are many.
  await using a = await Endpoint.bind({ ...loopback, host, datagramBytes: 1_200 })
  await using b = await Endpoint.bind({ ...loopback, host: systemHost() })
  let came = 0
  let done = (): void => {}
  const all = new Promise<void>((resolve) => (done = resolve))
  b.handle(1, () => {
    if (++came === 2_000) done()
  })
  const toB = await a.join(`127.0.0.1:${b.addresses[0]!.port}`)
  const stream = toB.open()
  for (let i = 0; i < 2_000; i++) await stream.send(1, pattern(1_000))
  await Promise.all([all, stream.flush()])
  const hasMarks = a.capabilities.ecn
  const { ecn, marksOut } = toB.stats()
  const { marksIn } = b.peers[0]!.stats()
  expect(ecn).toBe(hasMarks ? "capable" : "off")
  expect(marksIn > 20).toBe(hasMarks)
  expect(marksOut > 20).toBe(hasMarks)
  expect(marksOut).toBeLessThanOrEqual(marksIn)
})
