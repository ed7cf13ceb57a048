/** Silence: which peer counts as unreachable, when it leaves, and which one a join asks for meanwhile. */

import { expect, test } from "vitest"
import { type Departure, type EndpointOptions, fixed, type Peer } from "@x/endpoint"
import { prefixHandshake } from "@x/wire"
import { makePair, makeWorld, pattern, PORT } from "./world.ts"

test("an unreachable peer for whom paced data waits costs no turns", async () => {
  const options = {
    unreachableMs: 1_000,
    heartbeatMs: 200,
    congestion: fixed({ windowBytes: 100_000, paceBytesPerMs: 1 }),
  }
  const { network, toB } = await makePair(2, { delayMs: 5 }, options)
  const stream = toB.open()
  for (let i = 0; i < 20; i++) stream.trySend(1, pattern(1_000))
  await network.advance(100)
  network.partition("a", "b")
  // An endpoint that is busy while no time passes would stop the network.
  await network.advance(10_000)
  expect(toB.state).toBe("unreachable")
  expect(stream.account.pending).toBeGreaterThan(0)
})

test.each(["stall", "suspend", "jumpClock"] as const)(
  "who was away for five minutes (%s) takes nobody's silence for gone before asking",
  async (how) => {
    const { network, a, b, hostA, toB } = await makePair(
      8,
      { delayMs: 5 },
      { unreachableMs: 2_000, leaveMs: 1_000_000, heartbeatMs: 500 },
    )
    const events: string[] = []
    for (const name of ["unreachable", "left"] as const) a.on(name, () => events.push(name))
    await network.advance(3_000)
    // Datagrams sent to it meanwhile are lost: its socket was away too.
    if (how !== "jumpClock") network.partition("b", "a", { both: false })
    hostA[how](300_000)
    await network.advance(how === "jumpClock" ? 0 : 299_990)
    network.heal()
    await network.advance(3_000)
    expect([events, toB.state, b.peers.length]).toEqual([[], "joined", 1])
    // From then on silence counts again.
    network.partition("a", "b")
    await network.advance(2_600)
    expect(events).toEqual(["unreachable"])
  },
)

test("with keys, who was forgotten while the network was cut is back within a second and a half of its being whole again", async () => {
  const { network, bind } = makeWorld(12, { delayMs: 5 })
  const options: EndpointOptions = { protection: "aead", secrets: ["a secret that both of them know"] }
  const { endpoint: a } = await bind("a", options)
  const { endpoint: b } = await bind("b", { ...options, unreachableMs: 2_000, leaveMs: 0 })
  await network.until(a.join(`b:${PORT}`))
  const rejoined: number[] = []
  a.on("rejoined", () => rejoined.push(network.now))
  network.partition("a", "b")
  // The first probe, which nobody hears, is over.
  await network.advance(9_000)
  expect(b.peers).toHaveLength(0)
  network.heal()
  await network.advance(1_500)
  expect([rejoined.length, a.peers.map(({ state }) => state), b.peers.length]).toEqual([1, ["joined"], 1])
})

test("with keys, a silent peer is asked for at the latest when it counts as unreachable", async () => {
  const { network, bind } = makeWorld(13, { delayMs: 5 })
  const options: EndpointOptions = {
    protection: "aead",
    secrets: ["a secret that both of them know"],
    unreachableMs: 2_000,
  }
  const { endpoint: a } = await bind("a", options)
  const { host } = await bind("b", options)
  const toB = await network.until(a.join(`b:${PORT}`))
  // Idle by then: heartbeats are three seconds apart.
  await network.advance(30_000)
  host.crash()
  let asked = 0
  network.filter(({ from, bytes }) => {
    if (from === "a" && prefixHandshake(new DataView(bytes.buffer, bytes.byteOffset), 0)) asked++
    return true
  })
  await network.when(() => toB.state === "unreachable")
  await network.advance(1)
  expect(asked).toBe(1)
})

test("silence makes a peer unreachable, then it leaves with the account of what was sent", async () => {
  const { network, a, toB } = await makePair(5)
  const log: string[] = []
  let why: Departure | undefined
  a.on("unreachable", () => log.push("unreachable"))
  a.on("reachable", () => log.push("reachable"))
  a.on("left", (_, departure) => (why = departure))
  const stream = toB.open()
  network.partition("a", "b")
  stream.trySend(1, pattern(10))
  await network.advance(11_000)
  network.heal()
  await network.advance(2_000)
  expect(log).toEqual(["unreachable", "reachable"])
  expect(stream.account.acknowledged).toBe(1)
  network.partition("a", "b")
  stream.trySend(1, pattern(10))
  await network.advance(75_000)
  expect([log, why]).toEqual([
    ["unreachable", "reachable", "unreachable"],
    { reason: 12, text: "", unconfirmed: 1, dropped: 0 },
  ])
  expect(a.sizes).toMatchObject({ peers: 0, slots: 0, timers: 0, streams: 0, sendPool: 0 })
})

test("F67 after a stall no peer counts as unreachable whose datagrams still wait in the socket behind many of others", async () => {
  const { network, bind } = makeWorld(9, { delayMs: 5 })
  const { endpoint: hub, host } = await bind("hub", { unreachableMs: 3_000, heartbeatMs: 500 })
  const peers: Peer[] = []
  for (let i = 0; i < 5; i++) {
    const { endpoint } = await bind(`p${i}`, { unreachableMs: 3_600_000, heartbeatMs: 500 })
    peers.push(await network.until(endpoint.join(`hub:${PORT}`)))
  }
  await network.advance(500)
  const events: string[] = []
  hub.on("unreachable", ({ unique }) => events.push(unique))
  host.stall(4_000)
  // First more than one batch holds, from one of them.
  const loud = peers[0]!.open({ delivery: "fire-and-forget" })
  for (let i = 0; i < 300; i++) loud.trySend(1, pattern(1_000))
  await network.advance(4_100)
  expect(events).toEqual([])
  expect(hub.peers.map(({ state }) => state)).toEqual(peers.map(() => "joined"))
})
