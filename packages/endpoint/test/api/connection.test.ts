// A connection to the peer at a target: how it joins again, what it lets go of, and that every call settles whatever
// the order.

import {
  type Connection,
  type Endpoint,
  type EndpointError,
  type NamedStream,
  type Peer,
  REASON,
  type UnconfirmedMessage,
} from "@x/endpoint"
import { expect, test } from "vitest"
import { makeWorld, pattern, PORT } from "../world.ts"

function codeOf(error: unknown): string {
  return (error as EndpointError).code
}

/** How a promise settles, if it does. */
function outcomeOf(promise: Promise<unknown>): { is: string } {
  const outcome = { is: "pending" }
  promise.then(
    () => (outcome.is = "resolved"),
    (error: unknown) => (outcome.is = codeOf(error)),
  )
  return outcome
}

test("a peer that leaves again as soon as it is joined is asked less and less often, and at once after it had stayed", async () => {
  const { bind, network } = makeWorld(1)
  const { endpoint: a } = await bind("a")
  const { endpoint: b } = await bind("b")
  let isWelcome = false
  b.on("joined", (peer) => {
    if (!isWelcome) void peer.leave(40_000, "not today")
  })
  const node = a.connect(`b:${PORT}`, { retry: { minMs: 100, maxMs: 5_000 } })
  const ups: number[] = []
  let downs = 0
  node.on("up", () => ups.push(network.now))
  node.on("down", () => downs++)
  await network.advance(60_000)
  expect([downs, ups.length > 6, ups.length < 25]).toEqual([ups.length, true, true])
  isWelcome = true
  await network.until(node.joined(), 10_000)
  await network.advance(10_000)
  const startMs = network.now
  isWelcome = false
  void b.peers[0]!.leave()
  isWelcome = true
  await network.when(() => node.peer !== undefined && node.peer.state === "joined" && ups.at(-1)! > startMs, 1_000)
  expect(network.now - startMs).toBeLessThan(100)
})

test("each up is followed by one down, whatever listeners do, and joined() waits for who stays", async () => {
  const { bind, network } = makeWorld(2)
  const { endpoint: a } = await bind("a")
  await bind("b")
  const node = a.connect(`b:${PORT}`, { retry: { minMs: 50, maxMs: 50 } })
  const log: string[] = []
  let leaves = 2
  node.on("up", (peer) => {
    log.push("up")
    if (leaves-- > 0) void peer.leave()
  })
  node.on("down", (_, { reason }) => log.push(`down ${reason}`))
  await network.advance(2_000)
  const peer = await network.until(node.joined())
  expect([log, peer.state]).toEqual([["up", `down ${REASON.closing}`, "up", `down ${REASON.closing}`, "up"], "joined"])
})

test("a connection that is closed while it joins leaves nobody behind", async () => {
  for (const afterMs of [0, 4, 6, 9, 11, 16, 21, 26]) {
    const { bind, network } = makeWorld(3)
    const { endpoint: a } = await bind("a")
    const { endpoint: b } = await bind("b")
    const node = a.connect(`b:${PORT}`)
    const joined = outcomeOf(node.joined())
    await network.advance(afterMs)
    await network.until(node.close(), 2_000)
    await network.advance(12_000)
    expect([a.peers.length, b.peers.length, node.peer, ["closed", "resolved"].includes(joined.is)]).toEqual([
      0,
      0,
      undefined,
      true,
    ])
    expect(await node.joined().catch(codeOf)).toBe("closed")
    await network.until(a.close(), 2_000)
    await network.until(b.close(), 2_000)
  }
})

test("a connection that is closed as its peer joins leaves nobody behind either", async () => {
  for (const when of ["joined", "restarted", "another incarnation's join"] as const) {
    const { bind, network } = makeWorld(10)
    const { endpoint: a } = await bind("a")
    const { endpoint: b, host } = await bind("b")
    const node = a.connect(`b:${PORT}`)
    const close = (): void => void node.close()
    // The join is done, and the connection doesn't know yet.
    if (when === "joined") a.on("joined", () => queueMicrotask(close))
    else await network.until(node.joined())
    if (when !== "joined") {
      a.on("restarted", close)
      host.crash()
    }
    const now = when === "joined" ? b : (await bind("b")).endpoint
    if (when === "another incarnation's join") await network.until(now.join(`a:${PORT}`))
    await network.when(() => node.isClosed, 30_000)
    await network.advance(5_000)
    // It joined us by itself, and stays as long as it likes.
    const isOwn = when !== "another incarnation's join"
    expect([when, a.peers.length, now.peers.length, node.peer]).toEqual([when, isOwn ? 0 : 1, isOwn ? 0 : 1, undefined])
  }
})

interface Actors {
  readonly a: Endpoint
  readonly node: Connection
  readonly peer: Peer
}

const CALLS: Readonly<Record<string, (actors: Actors) => Promise<unknown>>> = {
  "endpoint.close": ({ a }) => a.close(),
  "connection.close": ({ node }) => node.close(),
  "peer.leave": ({ peer }) => peer.leave(),
  "stream.end": ({ node }) => (node.isClosed ? Promise.resolve() : node.stream({ label: "orders" }).end()),
}

for (const [first, one] of Object.entries(CALLS)) {
  for (const [second, two] of Object.entries(CALLS)) {
    test(`${first}, then ${second}: at once or a little later, while the peer answers or is silent, both settle, and so do their repeats`, async () => {
      for (const isSilent of [false, true]) {
        for (const laterMs of [0, 3, 700]) {
          const { bind, network } = makeWorld(4)
          const { endpoint: a } = await bind("a", { lingerMs: 1_500 })
          const { endpoint: b } = await bind("b")
          let received = 0
          b.handle(1, () => void received++)
          const node = a.connect(`b:${PORT}`, { retry: { minMs: 60_000, maxMs: 60_000 } })
          const orders = node.stream({ label: "orders" })
          const counts = { up: 0, down: 0, left: 0, closed: 0, open: 0, unconfirmed: 0 }
          node.on("up", () => counts.up++)
          node.on("down", () => counts.down++)
          a.on("left", () => counts.left++)
          orders.on("open", () => counts.open++)
          orders.on("closed", () => counts.closed++)
          orders.on("unconfirmed", (messages) => (counts.unconfirmed += messages.length))
          const peer = await network.until(node.joined())
          if (isSilent) network.partition("a", "b")
          for (let i = 0; i < 5; i++) orders.trySend(1, pattern(10))
          const account = orders.current!
          const actors = { a, node, peer }
          const outcomes = [outcomeOf(one(actors))]
          await network.advance(laterMs)
          for (const call of [two, one, two]) outcomes.push(outcomeOf(call(actors)))
          await network.until(a.close(), 10_000)
          await network.until(node.close(), 1_000)
          await network.until(orders.closed, 1_000)
          await network.advance(3_000)
          for (const { is } of outcomes) expect(["resolved", "stream-closed", "not-joined"]).toContain(is)
          expect(counts).toMatchObject({ up: 1, left: 1, closed: 1, open: 1 })
          const { acknowledged, pending, accepted } = account.account
          expect([pending, accepted, counts.unconfirmed]).toEqual([0, 5, 5 - acknowledged])
          expect([peer.state, orders.state, node.isClosed, a.isClosed]).toEqual(["left", "ended", true, true])
          // Only a goodbye cuts off accepted messages.
          if (!isSilent && first !== "peer.leave" && !(second === "peer.leave" && laterMs < 20))
            expect(received).toBe(5)
          expect(a.sizes).toMatchObject({ peers: 0, streams: 0, sendPool: 0, timers: 0 })
        }
      }
    })
  }
}

test("closed from within a handler, a listener or its own events, everything settles", async () => {
  for (const where of ["handler", "async handler", "stream", "up", "down", "left", "open", "closed"] as const) {
    for (const what of ["endpoint", "connection"] as const) {
      const { bind, network } = makeWorld(5)
      const { endpoint: a } = await bind("a", { lingerMs: 1_000 })
      const { endpoint: b } = await bind("b")
      const node = a.connect(`b:${PORT}`)
      const orders = node.stream({ label: "orders" })
      const closings: { is: string }[] = []
      const close = (): void => {
        for (let i = 0; i < 2; i++) closings.push(outcomeOf(what === "endpoint" ? a.close() : node.close()))
      }
      if (where === "handler") a.handle(1, close)
      if (where === "async handler")
        a.handleAsync(1, async () => {
          await Promise.resolve()
          close()
        })
      if (where === "stream" || where === "left") a.on(where, close)
      if (where === "up" || where === "down") node.on(where, close)
      if (where === "open" || where === "closed") orders.on(where, close)
      b.on("stream", ({ peer }) => peer.open().trySend(1, pattern(10)))
      await network.advance(500)
      if (where === "down" || where === "left") await network.until(b.close(), 5_000)
      if (where === "closed") orders.current!.reset()
      await network.advance(5_000)
      expect([where, what, closings.length >= 2, ...new Set(closings.map(({ is }) => is))]).toEqual([
        where,
        what,
        true,
        "resolved",
      ])
      expect([node.isClosed, orders.state]).toEqual([true, "ended"])
    }
  }
})

test("disposing closes, as often as it is done", async () => {
  const { bind, network } = makeWorld(6)
  const { endpoint: a } = await bind("a")
  const { endpoint: b } = await bind("b")
  const node = a.connect(`b:${PORT}`)
  await network.until(node.joined())
  await network.until(Promise.all([node[Symbol.asyncDispose](), node[Symbol.asyncDispose]()]))
  expect([node.isClosed, b.peers.length]).toEqual([true, 0])
  await network.until(Promise.all([a[Symbol.asyncDispose](), a.close(), a[Symbol.asyncDispose]()]))
  for (const call of [() => a.connect(`b:${PORT}`), () => a.setSecrets([])]) expect(call).toThrow("bind another")
  expect(await a.join(`b:${PORT}`).catch(codeOf)).toBe("closed")
})

test("a second close of a connection settles with the first, not at once", async () => {
  const { bind, network } = makeWorld(7)
  const { endpoint: a } = await bind("a")
  await bind("b")
  const node = a.connect(`b:${PORT}`)
  const orders = node.stream({ label: "orders" })
  await network.until(node.joined())
  network.partition("a", "b")
  orders.trySend(1, pattern(10))
  const startMs = network.now
  const times: number[] = []
  for (const lingerMs of [400, 0, Infinity]) void node.close(lingerMs).then(() => times.push(network.now - startMs))
  await network.advance(10_000)
  expect(times).toEqual([1_400, 1_400, 1_400])
})

test("a share with one bad value changes nothing", async () => {
  const { bind, network } = makeWorld(8)
  const { endpoint: a } = await bind("a")
  const { endpoint: b } = await bind("b")
  let received = 0
  b.handle(1, () => void received++)
  const peer = await network.until(a.join(`b:${PORT}`))
  peer.setShare({ priority: 7, weight: 3 })
  const throwing: (() => void)[] = [
    () => peer.setShare({ priority: 9, weight: 0 }),
    () => peer.setShare({ priority: 256, weight: 5 }),
    () => peer.setShare({ priority: 9, wieght: 5 } as never),
  ]
  for (const call of throwing) expect(call).toThrow(/weight|priority/)
  await network.until(peer.open().send(1, pattern(10), { receipt: true }))
  expect(received).toBe(1)
})

test("what can't be a retry, a target or a key is refused by connect at once, and leaves no connection", async () => {
  const { bind, network } = makeWorld(9)
  const { endpoint: a } = await bind("a")
  const bad: readonly object[] = [
    { retry: { minMs: 0 } },
    { retry: { minMs: 10, maxMs: 5 } },
    { retry: { minMs: NaN } },
    { retry: { maxMs: Infinity } },
    { retry: null },
    { retry: { min: 5 } },
    { rety: {} },
    { publicKey: new Uint8Array(32) },
  ]
  for (const options of bad)
    expect(() => a.connect(`b:${PORT}`, options)).toThrow(expect.objectContaining({ code: "invalid-option" }))
  for (const target of ["", "b:", ":5", "b:70000", {} as never])
    expect(() => a.connect(target)).toThrow(expect.objectContaining({ code: "invalid-target" }))
  await network.advance(10_000)
  expect([a.stats().joins, a.sizes.timers]).toEqual([0, 0])
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
  // The application decides whether to send unconfirmed messages again.
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
