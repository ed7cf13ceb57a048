// A peer's life: restarts, what they leave unconfirmed, handles that survive them, and packets of the dead.

import type { Departure, NamedStream, Peer, UnconfirmedMessage } from "@x/endpoint"
import { expect, test } from "vitest"
import { makePair, makeWorld, pattern, PORT } from "./world.ts"

test("F26 a restart tells exactly how much was unconfirmed and how much was never sent", async () => {
  const { network, a, b, bind, hostB, toB } = await makePair(1, { delayMs: 5 }, { windowPackets: 4 })
  b.handle(1, () => {})
  const events: unknown[] = []
  a.on("left", (peer, { unconfirmed, dropped }) => events.push(["left", peer.unique, unconfirmed, dropped]))
  a.on("restarted", (peer, before) => events.push(["restarted", peer.unique, before.unique]))
  const stream = toB.open()
  const loose = toB.open({ delivery: "fire-and-forget" })
  for (let i = 0; i < 3; i++) await network.until(stream.send(1, pattern(1_000), { receipt: true }))
  hostB.crash()
  loose.trySend(1, pattern(10))
  // Four in the window, five in the lot, one of them large and half sent.
  for (let i = 0; i < 3; i++) stream.trySend(1, pattern(1_000))
  stream.trySend(1, pattern(5_000))
  for (let i = 0; i < 4; i++) stream.trySend(1, pattern(1_000))
  const again = await bind("b")
  await network.when(() => events.length === 2, 20_000)
  expect(events).toEqual([
    ["left", toB.unique, 3, 5],
    ["restarted", again.endpoint.unique, toB.unique],
  ])
  expect(stream.account).toEqual({ accepted: 11, acknowledged: 3, unconfirmed: 3, dropped: 5, pending: 0 })
})

test("F26 late packets of a former incarnation change nothing, acknowledgements included", async () => {
  const { network, a, b, bind, hostB, toB } = await makePair(2)
  let received = 0
  b.handle(1, () => {})
  a.handle(1, () => received++)
  const recorded: { readonly to: string; readonly bytes: Uint8Array }[] = []
  const addressOf = { b: toB.address, a: a.addresses.find(({ family }) => family === toB.address.family)! }
  const stream = toB.open()
  const answers = b.peers[0]!.open()
  await network.advance(50)
  network.filter((datagram) => {
    recorded.push({ to: datagram.to, bytes: new Uint8Array(datagram.bytes) })
    return true
  })
  for (let i = 0; i < 10; i++) {
    stream.trySend(1, pattern(500))
    answers.trySend(1, pattern(500))
    await network.advance(10)
  }
  await network.advance(100)
  hostB.crash()
  const again = await bind("b")
  received = 0
  again.endpoint.handle(1, () => received++)
  const peer = await network.until(a.join(`b:${PORT}`))
  const fresh = peer.open()
  network.filter(({ to }) => to !== "b")
  for (let i = 0; i < 5; i++) fresh.trySend(1, pattern(500))
  await network.advance(20)
  const before = [fresh.account, received, a.peers.length, again.endpoint.peers.length]
  network.filter(() => true)
  for (const { to, bytes } of recorded)
    if (to === "a") network.inject(addressOf.b, addressOf.a, bytes)
    else network.inject(addressOf.a, addressOf.b, bytes)
  await network.advance(1)
  expect([fresh.account, received, a.peers.length, again.endpoint.peers.length]).toEqual(before)
  const drops = a.stats().drops
  expect(drops["unknown-slot"] + drops.tag + drops.duplicate + drops.stale).toBeGreaterThan(10)
  await network.until(fresh.flush(), 5_000)
  expect(received).toBe(5)
})

test("a connection joins, outlives restarts, opens its named streams anew and hands back what is unconfirmed", async () => {
  const world = makeWorld(3)
  const { network } = world
  const { endpoint: a } = await world.bind("a", { windowPackets: 4 })
  const node = a.connect(`b:${PORT}`, { retry: { minMs: 50, maxMs: 400 } })
  const log: string[] = []
  const retries: number[] = []
  node.on("up", () => log.push("up"))
  node.on("down", () => log.push("down"))
  node.on("retry", (_, afterMs) => retries.push(afterMs))
  const orders = node.stream({ label: "orders" })
  expect(node.stream({ label: "orders" })).toBe(orders)
  const back: UnconfirmedMessage[] = []
  orders.on("unconfirmed", (messages) => back.push(...messages))
  expect(orders.trySend(1, pattern(1))).toBe("not-joined")
  // Nobody is there yet.
  await network.advance(12_000)
  expect([log, retries.length > 1]).toEqual([[], true])
  for (const afterMs of retries) expect(afterMs).toBeLessThanOrEqual(400)

  const first = await world.bind("b")
  const labels: string[] = []
  const received: number[] = []
  const listen = ({ endpoint }: typeof first): void => {
    endpoint.on("stream", ({ label }) => labels.push(label))
    endpoint.handle(1, ({ view, offset }) => received.push(view.getUint8(offset)))
  }
  listen(first)
  const peer = await network.until(node.joined(), 15_000)
  expect(peer).toBe(node.peer)
  for (let i = 0; i < 3; i++) expect(orders.trySend(1, pattern(1_000, i))).toBe("sent")
  await network.advance(200)
  first.host.crash()
  for (let i = 3; i < 9; i++) orders.trySend(1, pattern(1_000, i))
  await network.advance(100)
  const second = await world.bind("b")
  listen(second)
  await network.when(() => log.length === 3, 30_000)
  expect(log).toEqual(["up", "down", "up"])
  expect(node.peer!.unique).toBe(second.endpoint.unique)
  expect(back.map(({ bytes, wasSent }) => [bytes[0], wasSent])).toEqual([
    [3, true],
    [4, true],
    [5, true],
    [6, true],
    [7, false],
    [8, false],
  ])
  // What is unconfirmed is the application's to send again.
  for (const { type, bytes } of back) expect(["sent", "parked"]).toContain(orders.trySend(type, bytes))
  await network.until(orders.current!.flush(), 5_000)
  expect([labels, received]).toEqual([
    ["orders", "orders"],
    [0, 1, 2, 3, 4, 5, 6, 7, 8],
  ])
  const closing: Promise<void> = node.close()
  await network.until(closing)
  await network.advance(1_000)
  expect([node.isClosed, a.sizes.streams, second.endpoint.peers.length]).toEqual([true, 0, 0])
  expect(() => node.stream({ label: "more" })).toThrow("connect again")
})

test("a connection takes up the incarnation that joins by itself, and gives up with its endpoint", async () => {
  const world = makeWorld(4)
  const { network } = world
  const { endpoint: a } = await world.bind("a")
  const { endpoint: b, host } = await world.bind("b")
  const node = a.connect(`b:${PORT}`)
  const ups: Peer[] = []
  node.on("up", (peer) => ups.push(peer))
  await network.until(node.joined())
  const stream: NamedStream = node.stream({ label: "x" })
  await network.advance(100)
  host.crash()
  const { endpoint: again } = await world.bind("b")
  await network.until(again.join(`a:${PORT}`))
  await network.when(() => ups.length === 2, 5_000)
  expect(ups.map(({ unique }) => unique)).toEqual([b.unique, again.unique])
  expect(stream.trySend(1, pattern(5))).toBe("sent")
  const waiting = a.connect(`nobody:${PORT}`)
  const failed = waiting.joined().catch((error: { code: string }) => error.code)
  await network.until(a.close(), 20_000)
  expect([node.isClosed, await failed]).toEqual([true, "closed"])
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
  expect([log, why]).toEqual([["unreachable", "reachable", "unreachable"], { reason: 12, text: "", unconfirmed: 1, dropped: 0 }])
  expect(a.sizes).toMatchObject({ peers: 0, slots: 0, timers: 0, streams: 0, sendPool: 0 })
})
