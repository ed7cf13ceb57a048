// What simulations found, each as the smallest case that shows it.

import { type EndpointError, type EndpointOptions, fixed, reasonName } from "@x/endpoint"
import { describeDatagram, prefixHandshake, PROFILE } from "@x/wire"
import { expect, test } from "vitest"
import type { Challenger } from "../src/join/join-candidate.ts"
import { Joiner } from "../src/join/joiner.ts"
import { makePair, makeWorld, pattern, PORT } from "./world.ts"

test("an endpoint closes although a piece of its memory was never sent from", async () => {
  const { network, bind } = makeWorld(1, { delayMs: 1 })
  const { endpoint: a } = await bind("a", { unreachableMs: 1_000, heartbeatMs: 200 })
  const { endpoint: b } = await bind("b")
  const { endpoint: c } = await bind("c")
  const toB = await network.until(a.join(`b:${PORT}`))
  const toC = await network.until(a.join(`c:${PORT}`))
  network.partition("a", "b")
  await network.advance(2_000)
  expect(toB.state).toBe("unreachable")
  // Nothing goes to whom nobody hears: these fill the first piece of memory, and what follows lies in another.
  const waiting = toB.open()
  for (let i = 0; i < 300; i++) waiting.trySend(1, pattern(1_000))
  const stream = toC.open()
  stream.trySend(1, pattern(1_000))
  await network.until(stream.flush())
  await network.until(Promise.all([a.close(), b.close(), c.close()]))
})

test("an unreachable peer for whom paced data waits costs no turns", async () => {
  const options = { unreachableMs: 1_000, heartbeatMs: 200, congestion: fixed({ windowBytes: 100_000, paceBytesPerMs: 1 }) }
  const { network, toB } = await makePair(2, { delayMs: 5 }, options)
  const stream = toB.open()
  for (let i = 0; i < 20; i++) stream.trySend(1, pattern(1_000))
  await network.advance(100)
  network.partition("a", "b")
  // An endpoint that is busy without time passing would keep the network from going on.
  await network.advance(10_000)
  expect(toB.state).toBe("unreachable")
  expect(stream.account.pending).toBeGreaterThan(0)
})

test("receipts and flushes mean their own messages although numbers of others, given up unsent, are used again", async () => {
  const { network, b, toB } = await makePair(3, { delayMs: 5 }, { windowPackets: 8, spreadPackets: 1_024 })
  const received: number[] = []
  b.handle(1, ({ view, offset }) => received.push(view.getUint32(offset)))
  const stream = toB.open({ delivery: "best-effort" })
  const numbered = (number: number): Uint8Array => {
    const bytes = pattern(1_000)
    new DataView(bytes.buffer).setUint32(0, number)
    return bytes
  }
  network.partition("a", "b")
  const settled: (string | undefined)[] = []
  let isFlushed = false
  for (let i = 0; i < 300; i++) {
    stream.send(1, numbered(i), { receipt: true }).then(
      () => (settled[i] = "received"),
      (error: EndpointError) => (settled[i] = error.code),
    )
    if (i === 200) void stream.flush().then(() => (isFlushed = true))
  }
  await network.advance(100)
  network.heal()
  await network.advance(3_000)
  expect(isFlushed).toBe(true)
  expect(settled).toHaveLength(300)
  for (const [number, verdict] of settled.entries())
    expect([number, verdict]).toEqual([number, received.includes(number) ? "received" : "dropped"])
  expect(received.at(-1)).toBe(299)
})

test("a stream ends although much of it is given up unsent after its end was told", async () => {
  const { network, b, toB } = await makePair(7, { delayMs: 5 }, { congestion: fixed({ windowBytes: 100_000, paceBytesPerMs: 1 }) })
  b.handle(1, () => {})
  const stream = toB.open({ delivery: "best-effort", lifetimeMs: 100 })
  for (let i = 0; i < 300; i++) stream.trySend(1, pattern(1_000))
  const ending = stream.end()
  await network.until(ending, 5_000)
  expect(stream.account.dropped).toBeGreaterThan(100)
  expect(b.stats().drops["not-sent"]).toBe(0)
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

test("a peer that left unheard and joins again is another session, whatever its former one had under way", async () => {
  let rejoined = 0
  for (let seed = 1; seed <= 150; seed++) {
    const { network, a, b, toB } = await makePair(seed, { delayMs: 2, jitterMs: 2 }, { heartbeatMs: 200, unreachableMs: 1_000 })
    const labels: string[] = []
    b.handle(1, ({ stream }) => labels.push(stream.label))
    const before = toB.open({ label: "before" })
    before.trySend(1, pattern(10))
    await network.until(before.end())
    b.on("rejoined", () => rejoined++)
    // Nothing is heard, so both ask who is there; the goodbye is lost, and most of what follows.
    network.links({ delayMs: 2, jitterMs: 2, lossRate: 0.8 })
    await network.advance(1_500)
    network.partition("a", "b", { both: false })
    await network.until(toB.leave())
    network.heal()
    network.links({ delayMs: 2, jitterMs: 2, lossRate: 0.6 })
    await network.until(a.join(`b:${PORT}`, { timeoutMs: 60_000 }), 60_000)
    network.links({ delayMs: 2 })
    // Both sides were joining: the session may change once more, and then the end says so.
    let label = ""
    for (let isDone = false; !isDone;) {
      label += "after "
      await network.when(() => a.peers[0]?.state === "joined")
      const after = a.peers[0]!.open({ label })
      after.trySend(1, pattern(10))
      isDone = await network.until(
        after.end().then(
          () => true,
          () => false,
        ),
        60_000,
      )
    }
    expect([seed, labels]).toEqual([seed, expect.arrayContaining(["before", label])])
    await network.until(Promise.all([a.close(), b.close()]))
  }
  expect(rejoined).toBeGreaterThan(0)
})

test("a peer that left unheard and joins again keeps the session that it gets, although the other side was asking who is there", async () => {
  for (let waitMs = 0; waitMs < 1_000; waitMs += 20) {
    const { network, a, b, toB } = await makePair(5, { delayMs: 50 }, { heartbeatMs: 200, unreachableMs: 1_000 })
    let rejoined = 0
    a.on("rejoined", () => rejoined++)
    // After three heartbeats without an answer b asks, and goes on asking: wherever it is with that, the goodbye is lost and a joins.
    network.partition("a", "b")
    await network.advance(700 + waitMs)
    network.heal()
    let isJoined = false
    network.filter(({ from, bytes }) => from !== "a" || bytes.length > 1_000 || isJoined)
    void toB.leave()
    await network.until(a.join(`b:${PORT}`))
    isJoined = true
    await network.advance(3_000)
    expect([waitMs, rejoined, a.peers.length, b.peers.length]).toEqual([waitMs, 0, 1, 1])
    await network.until(Promise.all([a.close(), b.close()]))
  }
})

test("a suspension of half a minute leaves the round trip what it is", async () => {
  const { network, a, b, toB, hostB } = await makePair(6, { delayMs: 1 }, { leaveMs: 60_000 })
  b.handle(1, () => {})
  const stream = toB.open()
  for (let i = 0; i < 20; i++) {
    stream.trySend(1, pattern(100))
    await network.advance(20)
  }
  hostB.suspend(30_000)
  stream.trySend(1, pattern(100))
  await network.advance(31_000)
  expect(a.peers).toHaveLength(1)
  expect(toB.stats().rttMs).toBeLessThan(50)
})

test("nor do answers to all that waited meanwhile: the first datagram after them tells", async () => {
  const { network, b, toB, hostB } = await makePair(7, { delayMs: 1 }, { leaveMs: 60_000 })
  b.handle(1, () => {})
  const stream = toB.open()
  for (let i = 0; i < 20; i++) {
    stream.trySend(1, pattern(100))
    await network.advance(20)
  }
  const before = toB.stats().rttMs
  hostB.suspend(10_000)
  for (let i = 0; i < 200; i++) {
    stream.trySend(1, pattern(100))
    await network.advance(50)
  }
  await network.when(() => toB.stats().rttMs > 5 * before)
  stream.trySend(1, pattern(100))
  await network.advance(50)
  expect(toB.stats().rttMs).toBeLessThan(1.5 * before)
})

test.each(["stall", "suspend", "jumpClock"] as const)(
  "who was away for five minutes (%s) takes nobody's silence for gone before asking",
  async (how) => {
    const { network, a, b, hostA, toB } = await makePair(8, { delayMs: 5 }, { unreachableMs: 2_000, leaveMs: 1_000_000, heartbeatMs: 500 })
    const events: string[] = []
    for (const name of ["unreachable", "left"] as const) a.on(name, () => events.push(name))
    await network.advance(3_000)
    // What was sent to it meanwhile is lost: its socket was away too.
    if (how !== "jumpClock") network.partition("b", "a", { both: false })
    hostA[how](300_000)
    await network.advance(how === "jumpClock" ? 0 : 299_990)
    network.heal()
    await network.advance(3_000)
    expect([events, toB.state, b.peers.length]).toEqual([[], "joined", 1])
    // Silence counts again from then on.
    network.partition("a", "b")
    await network.advance(2_600)
    expect(events).toEqual(["unreachable"])
  },
)

test("an accept of a process that has ended doesn't replace the one after it, which joined meanwhile", async () => {
  const { network, bind } = makeWorld(9, { delayMs: 5 })
  const { endpoint: a } = await bind("a")
  const { endpoint: b, host } = await bind("b")
  let accept: Uint8Array | undefined
  network.filter(({ from, bytes }) => {
    const { packets } = describeDatagram(new DataView(bytes.buffer), 0, bytes.length, PROFILE.checksum)
    if (from !== "b" || packets[0]!.kind !== "accept") return true
    accept ??= bytes.slice()
    return false
  })
  const joining = a.join(`b:${PORT}`, { timeoutMs: 2_000 })
  await network.when(() => accept !== undefined)
  host.crash()
  network.filter(() => true)
  const { endpoint: after } = await bind("b")
  await network.until(after.join(`a:${PORT}`))
  await network.when(() => a.peers.length === 1)
  const events: string[] = []
  for (const name of ["left", "restarted", "rejoined"] as const) a.on(name, () => events.push(name))
  network.inject(b.addresses[0]!, a.addresses[0]!, accept!)
  await network.advance(1_000)
  expect([events, a.peers.map(({ unique }) => unique)]).toEqual([[], [after.unique]])
  expect((await network.until(joining)).unique).toBe(after.unique)
})

test("a stream whose opening was lost for long ends as soon as that is heard", async () => {
  const { network, b, toB } = await makePair(10, { delayMs: 5 }, { unreachableMs: 30_000 })
  b.handle(1, () => {})
  network.partition("a", "b")
  const stream = toB.open({ delivery: "latest" })
  stream.trySend(1, pattern(10))
  await network.advance(500)
  const ending = stream.end()
  await network.advance(5_000)
  let opened = 0
  b.on("stream", () => opened++)
  network.heal()
  await network.when(() => opened === 1, 1_100)
  // The end is said once a second too, and what was said of it before was dropped: it doesn't wait for its turn.
  await network.until(ending, 50)
})

test("a process that has ended is not held beside the one after it, which joined over another address and then over the same", async () => {
  const { network, bind } = makeWorld(11, { delayMs: 5 })
  const { endpoint: a } = await bind("a", { leaveMs: 1_000_000 })
  const left: string[] = []
  a.on("left", (peer, { reason }) => left.push(`${peer.unique} ${reasonName(reason)}`))
  const [v4, v6] = [4, 6].map((family) => a.addresses.find((address) => address.family === family)!.host)
  const { endpoint: first, host } = await bind("b")
  await network.until(first.join(`${v4}:${PORT}`))
  await network.when(() => a.peers.length === 1)
  host.crash()
  // That nobody has its slots any more is lost on the way, until the second one has taken its place.
  network.filter(({ bytes }) => describeDatagram(new DataView(bytes.buffer), 0, bytes.length, PROFILE.checksum).packets[0]!.kind !== "hint")
  const { endpoint: second } = await bind("b")
  const peer = await network.until(second.join(`[${v6}]:${PORT}`))
  await network.when(() => a.peers.length === 2)
  // It leaves and comes back at once, from the address that the first one had.
  void peer.leave()
  await network.until(second.join(`${v4}:${PORT}`))
  network.filter(() => true)
  await network.when(() => left.some((text) => text.startsWith(first.unique)) && a.peers.length > 0, 20_000)
  expect(left.toSorted()).toEqual([`${first.unique} restarted`, `${second.unique} closing`].toSorted())
  expect(a.peers.map(({ unique, state }) => [unique, state])).toEqual([[second.unique, "joined"]])
})

test("a message that found memory only while others were sent goes out, though nothing follows it", async () => {
  const { network, b, toB } = await makePair(12, { delayMs: 5 }, { sendPoolPacketsMax: 64, sendPoolPacketsPerPeer: 64 })
  const received: number[] = []
  b.handle(1, ({ length }) => received.push(length))
  const quick = [toB.open({ delivery: "fire-and-forget" }), toB.open({ delivery: "fire-and-forget" })]
  const stream = toB.open()
  await network.until(stream.send(1, pattern(1)))
  await network.until(stream.flush())
  await network.advance(2_000)
  for (const other of quick) while (other.trySend(1, pattern(1_000)) === "sent");
  expect(stream.trySend(1, pattern(2))).toBe("parked")
  await network.advance(1_000)
  expect(received).toContain(2)
})

test("a join goes on with the process that takes its peer's place between challenge and accept", async () => {
  const { network, bind } = makeWorld(12, { delayMs: 50 })
  const { endpoint: a } = await bind("a")
  const { host } = await bind("b")
  const startMs = network.now
  const joining = a.join(`b:${PORT}`)
  // The challenge has come and the answer to it is on its way.
  await network.advance(120)
  host.crash()
  const { endpoint: second } = await bind("b")
  const peer = await network.until(joining)
  // The second one's challenge and accept: two round trips of 100 ms after the answer that it got.
  expect([peer.unique, second.stats().drops["not-welcome"], network.now - startMs < 400]).toEqual([second.unique, 1, true])
})

test("challenges are answered at once only so often, and only those to tries made since the last", () => {
  const joiner = new Joiner({ slot: 1, addresses: [1], timeoutMs: 5_000, nowMs: 0 })
  const candidate = joiner.candidateAt(1)!
  const challengeOf = (unique: number): Challenger => ({
    unique: Uint8Array.of(unique),
    token: new Uint8Array(8),
    session: new Uint8Array(8),
    order: 0,
  })
  let tries = 0
  // Two processes answer at one address, in turn and without delay.
  for (let nowMs = 0; nowMs < 5_000; nowMs++) {
    const said = joiner.poll(nowMs)
    if (said === undefined) continue
    tries++
    expect([candidate.isCurrent(said.attempt), candidate.isCurrent(said.attempt - 1)]).toEqual([true, false])
    joiner.answer(candidate, challengeOf(tries), nowMs)
  }
  // Five within five milliseconds, then after a retry's growing wait each.
  expect(tries).toBe(10)
})

test("a sender doesn't go further ahead of what is missing than the receiver's pool keeps", async () => {
  const options = { poolPacketsPerPeer: 100, windowPackets: 64, congestion: fixed() }
  const { network, b, toB } = await makePair(9, { delayMs: 5, lossRate: 0.05 }, options)
  let received = 0
  b.handle(1, () => received++)
  const stream = toB.open()
  for (let i = 0; i < 1_000; i++) stream.trySend(1, pattern(1_000))
  await network.until(stream.flush())
  expect([received, b.stats().drops["no-room"]]).toEqual([1_000, 0])
})

test("a window of a few datagrams turns over once in a round trip, not once for each delay of a status", async () => {
  const { network, b, toB } = await makePair(10, { delayMs: 0.1 }, { congestion: fixed({ windowBytes: 12_000, paceBytesPerMs: 1e9 }) })
  b.handle(1, () => {})
  const stream = toB.open()
  const startMs = network.now
  for (let i = 0; i < 1_000; i++) stream.trySend(1, pattern(1_000))
  await network.until(stream.flush())
  // 90 windows of eleven packets, 0.2 ms each; a status that nobody asked for waits for up to 25 ms.
  expect(network.now - startMs).toBeLessThan(40)
})

test("a window that stays shut is probed also by who answers a heartbeat before the probe is due", async () => {
  const congestion = fixed({ windowBytes: 4_000, paceBytesPerMs: 1e9 })
  const { network, b, toB } = await makePair(11, { delayMs: 2 }, { congestion, heartbeatMs: 10_000, unreachableMs: 60_000 })
  let received = 0
  b.handle(1, () => received++)
  const toA = b.peers[0]!
  const stream = toB.open({ delivery: "fire-and-forget" })
  await network.until(toB.ping())
  network.link("a", "b", { delayMs: 2, lossRate: 1 })
  for (let i = 0; i < 8; i++) stream.trySend(1, pattern(900))
  // Probes are a second apart by then, and the next is more than half a second away.
  await network.advance(3_400)
  network.link("a", "b", { delayMs: 2 })
  await network.advance(400)
  await network.until(toA.ping())
  await network.advance(600)
  expect([received, toB.stats().inFlightBytes]).toEqual([4, 0])
})

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
  const options: EndpointOptions = { protection: "aead", secrets: ["a secret that both of them know"], unreachableMs: 4_000 }
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
