// What an attack on the endpoint found, each fault once.

import { expect, test } from "vitest"
import * as wire from "@x/wire"
import { makePair, makeWorld, pattern, PORT } from "./world.ts"

test("a flush of a fire-and-forget stream settles once all was sent", async () => {
  const { network, toB } = await makePair(1)
  const s = toB.open({ delivery: "fire-and-forget" })
  s.trySend(1, pattern(10))
  await network.until(s.flush(), 5_000)
})

test("a fire-and-forget stream that lost a piece of a large message closes all the same", async () => {
  const { network, toB, b } = await makePair(2)
  let lost = false
  network.filter(({ to, bytes }) => {
    if (to === "b" && bytes.length > 1000 && !lost) {
      lost = true
      return false
    }
    return true
  })
  const s = toB.open({ delivery: "fire-and-forget" })
  let closed: unknown
  b.on("stream", (st) => void st.closed.then((c) => (closed = c)))
  await network.advance(100)
  expect(s.trySend(1, pattern(5_000))).toBe("sent")
  await network.until(s.end(), 5_000)
  await network.advance(60_000)
  expect(toB.stats().streamsOut).toBe(0)
  expect(b.peers[0]!.stats().streamsIn).toBe(0)
  expect(closed).toBeDefined()
})

test("a stream whose opening is lost while a sync gets through is announced with its label", async () => {
  const { network, toB, b } = await makePair(3, { delayMs: 5 })
  let opens = 0
  let synced = false
  network.filter(({ to, bytes }) => {
    if (to !== "b") return true
    const d = wire.describeDatagram(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), 0, bytes.length, 1)
    if (d.packets.some((p) => p.kind === "sync")) synced = true
    if (!synced && d.packets.some((p) => p.kind === "open")) {
      opens++
      return false
    }
    if (!synced && d.packets.some((p) => p.kind === "sequenced")) return false
    return true
  })
  const labels: string[] = []
  b.on("stream", (st) => labels.push(st.label))
  b.handle(1, () => {})
  const s = toB.open({ label: "x" })
  s.trySend(1, pattern(10))
  await network.until(s.flush(), 60_000)
  await network.advance(5_000)
  expect([labels, opens]).toEqual([["x"], opens])
})

test("a message that was refused for lack of memory while its packet was kept is taken when there is room", async () => {
  const { network, toB, b } = await makePair(
    4,
    { delayMs: 5 },
    { messageBytesMax: 100_000, assemblyBytesPerPeer: 100_000, assemblyBytesMax: 100_000 },
  )
  const got: number[] = []
  b.handle(1, ({ length }) => got.push(length))
  const s1 = toB.open()
  const s2 = toB.open()
  await network.advance(100)
  // hold s1's last piece back for a while
  let hold = true
  let dropFirst2 = true
  network.filter(({ to, bytes }) => {
    if (to !== "b" || bytes.length < 500) {
      if (to === "b" && dropFirst2 && bytes.length > 30) {
        const v = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
        const d = wire.describeDatagram(v, 0, bytes.length, 1)
        if (d.packets.some((p) => p.kind === "sequenced" && p["stream"] === 2)) {
          dropFirst2 = false
          return false
        }
      }
      return true
    }
    const v = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    const d = wire.describeDatagram(v, 0, bytes.length, 1)
    for (const p of d.packets) if (p.kind === "sequenced" && p["stream"] === 1 && p["number"] === 40 && hold) return false
    return true
  })
  const p1 = s1.send(1, pattern(60_000)).catch((e) => e)
  await network.advance(30)
  s2.trySend(1, pattern(10)) // lost once
  await network.advance(1)
  const p2 = s2.send(1, pattern(60_000)).catch((e) => e)
  await network.advance(2_000)
  expect(got).toEqual([10])
  hold = false
  await network.until(Promise.all([p1, p2]))
  await network.until(Promise.all([s1.flush(), s2.flush()]), 30_000)
  expect(got.toSorted((x, y) => x - y)).toEqual([10, 60000, 60000])
})

test("a flush waits for what was parked before it, also when a later message is aborted", async () => {
  const { network, toB, b, hostB } = await makePair(7, { delayMs: 5 }, { windowPackets: 8 })
  const got: number[] = []
  b.handle(1, ({ length }) => got.push(length))
  const s = toB.open()
  await network.advance(100)
  hostB.stall(1000)
  const p1 = s.send(1, pattern(100_000))
  let flushedAt = -1
  void s.flush().then(() => (flushedAt = got.length))
  const ac = new AbortController()
  const p2 = s.send(1, pattern(50_000), { signal: ac.signal }).catch((e) => e.code)
  ac.abort()
  expect(await network.until(p2)).toBe("aborted")
  await network.until(p1)
  await network.advance(2000)
  expect(flushedAt).toBe(1)
})

test("what a listener sends to another peer goes out at once", async () => {
  const { network, bind } = makeWorld(8)
  const { endpoint: a } = await bind("a")
  const { endpoint: b } = await bind("b")
  const { endpoint: c, host: hc } = await bind("c")
  const toB = await network.until(a.join(`b:${PORT}`))
  const toC = await network.until(a.join(`c:${PORT}`))
  await network.advance(100)
  const got: number[] = []
  b.handle(1, ({ length }) => got.push(length))
  const s = toB.open()
  await network.until(s.send(1, pattern(1)))
  await network.until(s.flush())
  a.on("unreachable", (p) => {
    if (p === toC) s.trySend(1, pattern(2))
  })
  hc.crash()
  await network.advance(15_000)
  expect(toC.state).toBe("unreachable")
  expect(got).toEqual([1, 2])
  void c
})

test("living streams among many finished ones lose nothing", async () => {
  const { network, toB, b } = await makePair(9, { delayMs: 5 })
  const got = new Map<number, number>()
  b.handle(1, ({ stream }) => got.set(stream.id, (got.get(stream.id) ?? 0) + 1))
  const live = []
  for (let round = 0; round < 1100; round++) {
    live.push(toB.open())
    const t = toB.open()
    t.trySend(1, pattern(1))
    t.end().catch(() => {})
    if (round % 50 === 0) await network.advance(20)
  }
  await network.advance(2_000)
  expect(toB.stats().streamsOut).toBe(1100)
  got.clear()
  const first = live[1]!
  let lost = false
  network.filter(({ to, bytes }) => {
    if (to === "b" && bytes.length > 300 && !lost) {
      lost = true
      return false
    }
    return true
  })
  first.trySend(1, pattern(500))
  await network.until(first.flush(), 10_000)
  expect(got.get(first.id)).toBe(1)
})

test("a socket that was full while a peer was forgotten takes the next datagrams", async () => {
  const { network, a, b, hostA, toB } = await makePair(73)
  const leaving = toB.leave()
  hostA.stall(1_500)
  hostA.failSends("full")
  await network.advance(3_000)
  expect(a.sizes.peers).toBe(0)
  hostA.failSends(undefined)
  await network.advance(1_000)
  await network.until(leaving)
  await network.until(a.join(`b:${PORT}`))
  void b
})

test("a join while the socket is full goes on when it takes again", async () => {
  const { network, bind } = makeWorld(1)
  const { endpoint: a, host } = await bind("a")
  await bind("b")
  host.failSends("full")
  const j = a.join(`b:${PORT}`)
  j.catch(() => {})
  await network.advance(1000)
  host.failSends(undefined)
  await network.until(j)
})

test("both ends may close while a second association is half open", async () => {
  let n = 0
  for (let seed = 0; seed < 200; seed++) {
    const { network, bind } = makeWorld(seed, { delayMs: 5, jitterMs: 10 })
    const { endpoint: a } = await bind("a")
    const { endpoint: b } = await bind("b")
    a.join(`b:${PORT}`).catch(() => {})
    b.join(`a:${PORT}`).catch(() => {})
    await network.advance(15 + (seed % 20) * 2)
    if (a.sizes.halfOpen > 0) n++
    await network.until(Promise.all([a.close(), b.close()])).catch((e) => {
      throw new Error(`seed ${seed} ${e.message}`)
    })
  }
  expect(n).toBeGreaterThan(0)
})

test("a restarted process met over the other family replaces the one before", async () => {
  const { network, bind } = makeWorld(60)
  const { endpoint: a } = await bind("a")
  const { host: hostB } = await bind("b")
  const old = await network.until(a.join(`10.0.0.2:${PORT}`))
  await network.advance(100)
  hostB.crash()
  const { endpoint: b2 } = await bind("b")
  await network.until(b2.join(`[fd00::1]:${PORT}`))
  await network.advance(8_000)
  expect([old.state, a.peers.length]).toEqual(["left", 1])
})

test("two joins to the same peer at once give one peer on both sides", async () => {
  const { network, bind } = makeWorld(1, { delayMs: 5 })
  const { endpoint: a } = await bind("a")
  const { endpoint: b } = await bind("b")
  const events: string[] = []
  for (const [n, e] of [
    ["a", a],
    ["b", b],
  ] as const)
    for (const name of ["joined", "rejoined", "restarted", "left"] as const) e.on(name, () => events.push(`${n} ${name}`))
  const first = a.join(`b:${PORT}`)
  await network.advance(5)
  const [p, q] = await network.until(Promise.all([first, a.join(`b:${PORT}`)]))
  const s = p.open()
  await network.until(s.send(1, pattern(10)))
  await network.advance(1_000)
  expect(s.unacknowledgedBytes).toBe(0)
  expect(p).toBe(q)
  expect(events).toEqual(["a joined", "b joined"])
})

test("a stream whose opening is late loses nothing, however many were finished since", async () => {
  const { network, toB, b } = await makePair(9)
  const got: number[] = []
  b.handle(1, ({ length }) => got.push(length))
  const first = toB.open()
  first.trySend(1, pattern(1))
  first.end().catch(() => {})
  await network.advance(100)
  let hold = true
  network.filter(
    ({ to, bytes }) =>
      !(
        hold &&
        to === "b" &&
        wire.describeDatagram(new DataView(bytes.buffer, bytes.byteOffset), 0, bytes.length, 1).packets.some((p) => p["stream"] === 3)
      ),
  )
  toB
    .open()
    .end()
    .catch(() => {})
  await network.advance(100)
  const late = toB.open()
  late.trySend(1, pattern(77))
  await network.advance(2_000)
  for (let round = 0; round < 1100; round++) {
    toB.open()
    toB
      .open()
      .end()
      .catch(() => {})
    if (round % 20 === 0) await network.advance(20)
  }
  await network.advance(900)
  hold = false
  await network.until(late.end())
  expect(got.filter((n) => n === 77)).toEqual([77])
})

test("F60 small messages that share a datagram on a path that turns out narrower arrive all the same", async () => {
  const { network, toB, b } = await makePair(10, { delayMs: 5 })
  const got: number[] = []
  b.handle(1, ({ length }) => got.push(length))
  network.links({ delayMs: 5, mtuBytes: 1_000 })
  const streams = Array.from({ length: 4 }, () => toB.open())
  for (const stream of streams) stream.trySend(1, pattern(360))
  await network.until(Promise.all(streams.map((stream) => stream.flush())), 30_000)
  expect(got).toEqual([360, 360, 360, 360])
})

test("F60 streams opened after the path got narrower are cut to it, large messages too", async () => {
  const { network, toB, b } = await makePair(12, { delayMs: 5 })
  network.links({ delayMs: 5, mtuBytes: 1_000 })
  const received: Uint8Array[] = []
  b.handle(1, (message) => received.push(message.copy()))
  const first = toB.open()
  first.trySend(1, pattern(5_000))
  await expect(network.until(first.flush(), 30_000)).rejects.toMatchObject({ code: "stream-closed" })
  const second = toB.open()
  second.trySend(1, pattern(5_000))
  await network.until(second.flush(), 30_000)
  expect(received).toEqual([pattern(5_000)])
})

test("F60 a path that silently swallows what is longer than the floor is used with datagrams of the floor", async () => {
  const world = makeWorld(13)
  const { endpoint: a } = await world.bind("a")
  const { endpoint: b } = await world.bind("b")
  world.network.filter(({ bytes }) => bytes.length <= 548)
  const received: Uint8Array[] = []
  b.handle(1, (message) => received.push(message.copy()))
  const peer = await world.network.until(a.join(`b:${PORT}`), 10_000)
  const stream = peer.open()
  stream.trySend(1, pattern(20_000))
  await world.network.until(stream.flush(), 10_000)
  expect(received).toEqual([pattern(20_000)])
  // And back.
  a.handle(1, (message) => received.push(message.copy()))
  const back = b.peers[0]!.open()
  back.trySend(1, pattern(3_000))
  await world.network.until(back.flush(), 10_000)
  expect(received[1]).toEqual(pattern(3_000))
})

test("statuses of datagrams at the floor name what is missing first, and fit", async () => {
  const { network, toB, b } = await makePair(11, { delayMs: 5 }, { datagramBytes: 548 })
  let received = 0
  b.handle(1, () => received++)
  network.links({ delayMs: 5, mtuBytes: 548, lossRate: 0.4 })
  const stream = toB.open()
  for (let i = 0; i < 1_000; i++) stream.trySend(1, pattern(450))
  await network.until(stream.flush(), 30_000)
  expect(received).toBe(1_000)
  expect(b.stats().transport.errors.EMSGSIZE).toBe(0)
})

test("a label that no datagram to the peer can carry is refused", async () => {
  const { toB } = await makePair(14, { delayMs: 5 }, { datagramBytes: 548 })
  expect(() => toB.open({ label: "x".repeat(490) })).toThrow("label must have at most 489 bytes")
  expect(toB.open({ label: "x".repeat(489) }).label.length).toBe(489)
})
