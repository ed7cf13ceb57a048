// Orderly ends: accepted messages are delivered first, each end closes only its own, and everything settles, whatever
// the order.

import { type Endpoint, type EndpointError, type NamedStream, type Peer, REASON } from "@x/endpoint"
import type { SimulatedHost } from "@x/transport/simulated"
import { expect, test } from "vitest"
import { makePair, makeWorld, pattern, PORT } from "./world.ts"

const PATH = { delayMs: 10, rateBitsPerSecond: 80_000_000 }

function codeOf(error: unknown): string {
  return (error as EndpointError).code
}

const WAYS: readonly (readonly [
  string,
  (a: Endpoint) => Promise<{ peer: Peer; send: (bytes: Uint8Array) => string }>,
])[] = [
  ["join", async (a) => offeredBy(await a.join(`b:${PORT}`))],
  ["the peer of a connection", async (a) => offeredBy(await a.connect(`b:${PORT}`).joined())],
  [
    "join beside a connection",
    async (a) => {
      const [peer] = await Promise.all([a.join(`b:${PORT}`), a.connect(`b:${PORT}`).joined()])
      return offeredBy(peer)
    },
  ],
  [
    "a named stream",
    async (a) => {
      const node = a.connect(`b:${PORT}`)
      const stream = node.stream({ label: "orders" })
      return { peer: await node.joined(), send: (bytes) => stream.trySend(1, bytes) }
    },
  ],
]

function offeredBy(peer: Peer): { peer: Peer; send: (bytes: Uint8Array) => string } {
  const stream = peer.open()
  return { peer, send: (bytes) => stream.trySend(1, bytes) }
}

for (const [way, open] of WAYS) {
  test(`an endpoint that closes delivers what was accepted first, by ${way}`, async () => {
    const { bind, network } = makeWorld(1, PATH)
    const { endpoint: a } = await bind("a")
    const { endpoint: b } = await bind("b")
    let received = 0
    b.handle(1, () => void received++)
    const { send } = await network.until(open(a))
    for (let i = 0; i < 500; i++) expect(["sent", "parked"]).toContain(send(pattern(1_000)))
    await network.until(a.close(), 2_000)
    expect([received, b.peers.length]).toEqual([500, 0])
  })
}

test.each([0, 1, 2, 3, 4, 5, 6, 20])(
  "what is accepted after close() was called, by %i microtasks, is delivered, or refused",
  async (microtasks) => {
    const { network, a, b, toB } = await makePair(1, PATH)
    const received: number[] = []
    b.handle(1, ({ view, offset }) => void received.push(view.getUint8(offset)))
    const stream = toB.open()
    const closing = a.close()
    for (let i = 0; i < microtasks; i++) await Promise.resolve()
    const results = [1, 2, 3].map((n) => stream.trySend(1, new Uint8Array(3_000).fill(n)))
    await network.until(closing, 2_000)
    expect(received).toEqual(results.flatMap((result, i) => (result === "sent" ? [i + 1] : [])))
    expect(stream.account).toMatchObject({ accepted: received.length, acknowledged: received.length })
    if (microtasks === 0) expect(results).toEqual(["sent", "sent", "sent"])
  },
)

test("what a named stream has parked is delivered too before its endpoint closes, and the stream ends complete on both sides", async () => {
  const { bind, network } = makeWorld(2, PATH)
  const { endpoint: a } = await bind("a", { windowPackets: 4 })
  const { endpoint: b } = await bind("b")
  let received = 0
  b.handle(1, () => void received++)
  const ends: boolean[] = []
  b.on("stream", (stream) => stream.closed.then(({ isComplete }) => ends.push(isComplete)))
  const node = a.connect(`b:${PORT}`)
  const orders = node.stream({ label: "orders", delivery: "reliable-unordered" })
  await network.until(node.joined())
  for (let i = 0; i < 100; i++) orders.trySend(1, pattern(3_000))
  expect(orders.current!.parked.messages).toBeGreaterThan(90)
  await network.until(a.close(), 2_000)
  expect([received, ends, await orders.closed]).toMatchObject([100, [true], { isComplete: true }])
})

test("one of two connections to a peer closes: the other goes on, and loses nothing", async () => {
  const { bind, network } = makeWorld(3, { delayMs: 10 })
  const { endpoint: a } = await bind("a")
  const { endpoint: b } = await bind("b")
  let received = 0
  b.handle(1, () => void received++)
  const [one, two] = [a.connect(`b:${PORT}`), a.connect(`b:${PORT}`)]
  const log: string[] = []
  two.on("down", () => log.push("down"))
  const [own, orders] = [one.stream({ label: "own" }), two.stream({ label: "orders" })]
  orders.on("unconfirmed", () => log.push("unconfirmed"))
  await network.until(Promise.all([one.joined(), two.joined()]))
  for (let i = 0; i < 50; i++) {
    own.trySend(1, pattern(1_000))
    orders.trySend(1, pattern(1_000))
  }
  await network.until(one.close(), 2_000)
  expect([one.peer, one.isClosed, own.state]).toEqual([undefined, true, "ended"])
  await network.advance(30_000)
  expect([received, log, two.peer!.state]).toEqual([100, [], "joined"])
  // The last one says goodbye.
  await network.until(two.close(), 2_000)
  expect([a.peers.length, b.peers.length]).toEqual([0, 0])
})

test("two connections that close at once say one goodbye, after what both have", async () => {
  const { bind, network } = makeWorld(4, PATH)
  const { endpoint: a } = await bind("a")
  const { endpoint: b } = await bind("b")
  let received = 0
  b.handle(1, () => void received++)
  const nodes = [a.connect(`b:${PORT}`), a.connect(`b:${PORT}`)]
  const streams = nodes.map((node, i) => node.stream({ label: `${i}` }))
  await network.until(Promise.all(nodes.map((node) => node.joined())))
  streams.forEach((stream, i) => {
    for (let n = 0; n < (i === 0 ? 10 : 500); n++) stream.trySend(1, pattern(1_000))
  })
  await network.until(Promise.all(nodes.map((node) => node.close())), 5_000)
  expect([received, a.peers.length, b.peers.length]).toEqual([510, 0, 0])
})

interface Use {
  readonly a: Endpoint
  readonly b: Endpoint
  readonly peer: Peer
}

const USES: readonly (readonly [string, (use: Use) => unknown, isOver?: boolean])[] = [
  ["endpoint.join() gave it to the application", ({ a }) => a.join(`b:${PORT}`)],
  ["a stream of the application's is open to it", ({ peer }) => peer.open().trySend(1, pattern(10))],
  ["it opened a stream to us", ({ b }) => b.peers[0]!.open().trySend(1, pattern(10))],
  ["another connection has it", ({ a }) => a.connect(`b:${PORT}`).joined()],
  ["nobody else uses it", () => {}, true],
  ["the application's stream was ended", ({ peer }) => peer.open().end(), true],
  ["the application's stream was reset", ({ peer }) => peer.open().reset(), true],
]

for (const [why, use, isOver = false] of USES) {
  test(`a connection that closes ${isOver ? "says goodbye to its peer" : "leaves its peer alone"}: ${why}`, async () => {
    const { bind, network } = makeWorld(5)
    const { endpoint: a } = await bind("a")
    const { endpoint: b } = await bind("b")
    for (const endpoint of [a, b]) endpoint.handle(1, () => {})
    const node = a.connect(`b:${PORT}`)
    node.stream({ label: "own" }).trySend(1, pattern(10))
    const peer = await network.until(node.joined())
    await network.when(() => b.peers.length === 1)
    await network.until(Promise.resolve(use({ a, b, peer })))
    await network.advance(100)
    await network.until(node.close(), 1_000)
    await network.advance(1_000)
    expect([peer.state, a.peers.length, b.peers.length]).toEqual(isOver ? ["left", 0, 0] : ["joined", 1, 1])
  })
}

test("a peer that joined us by itself is not ended by a connection of ours that found it", async () => {
  const { bind, network } = makeWorld(6)
  const { endpoint: a } = await bind("a")
  const { endpoint: b } = await bind("b")
  const toA = await network.until(b.join(`a:${PORT}`))
  const node = a.connect(`b:${PORT}`)
  await network.until(node.joined())
  await network.until(node.close(), 1_000)
  await network.advance(1_000)
  expect([toA.state, a.peers.length]).toEqual(["joined", 1])
})

test("who joined a peer keeps it over its restart, whoever else closes a connection to it", async () => {
  const { bind, network } = makeWorld(7)
  const { endpoint: a } = await bind("a")
  const { host } = await bind("b")
  await network.until(a.join(`b:${PORT}`))
  const node = a.connect(`b:${PORT}`)
  const ups: Peer[] = []
  node.on("up", (peer) => ups.push(peer))
  await network.until(node.joined())
  await network.advance(100)
  host.crash()
  await bind("b")
  await network.when(() => ups.length === 2, 30_000)
  await network.until(node.close(), 1_000)
  await network.advance(1_000)
  expect(ups[1]!.state).toBe("joined")
})

test("goodbye comes once the last stream is closed that kept a connection's peer, unless somebody has taken the peer up", async () => {
  for (const isTakenUp of [false, true]) {
    const { bind, network } = makeWorld(8)
    const { endpoint: a } = await bind("a")
    const { endpoint: b } = await bind("b")
    a.handle(1, () => {})
    const node = a.connect(`b:${PORT}`)
    const peer = await network.until(node.joined())
    await network.when(() => b.peers.length === 1)
    const answers = b.peers[0]!.open()
    await network.until(answers.send(1, pattern(10), { receipt: true }))
    await network.until(node.close(), 1_000)
    await network.advance(5_000)
    expect([peer.state, answers.trySend(1, pattern(10))]).toEqual(["joined", "sent"])
    if (isTakenUp) await network.until(a.join(`b:${PORT}`))
    await network.until(answers.end(), 1_000)
    await network.advance(2_000)
    expect([peer.state, b.peers.length]).toEqual(isTakenUp ? ["joined", 1] : ["left", 0])
    await network.until(a.close(), 2_000)
  }
})

test("a connection that closes gives up its own streams after lingerMs, not before, and hands back what they have", async () => {
  const { bind, network } = makeWorld(9)
  const { endpoint: a } = await bind("a")
  const { endpoint: b } = await bind("b")
  b.handle(1, () => {})
  const peer = await network.until(a.join(`b:${PORT}`))
  const other = peer.open()
  const node = a.connect(`b:${PORT}`)
  const orders: NamedStream = node.stream({ label: "orders" })
  const back: number[] = []
  orders.on("unconfirmed", (messages) => back.push(messages.length))
  await network.until(node.joined())
  network.partition("a", "b")
  for (let i = 0; i < 3; i++) orders.trySend(1, pattern(10))
  other.trySend(1, pattern(10))
  const startMs = network.now
  await network.until(node.close(700), 10_000)
  expect(network.now - startMs).toBe(700)
  expect([back, (await orders.closed).reason, other.state, peer.state]).toEqual([[3], REASON.closing, "open", "joined"])
  network.heal()
  await network.until(other.flush(), 5_000)
  await network.advance(1_000)
  expect(a.sizes.streams).toBe(1)
})

test("lingerMs of a connection is its endpoint's unless given; what can't be one is refused, and nothing has happened", async () => {
  const { bind, network } = makeWorld(10)
  const { endpoint: a } = await bind("a", { lingerMs: 300 })
  await bind("b")
  const node = a.connect(`b:${PORT}`)
  const orders = node.stream({ label: "orders" })
  await network.until(node.joined())
  for (const bad of [NaN, -1, "5" as never, null as never])
    expect(
      await node.close(bad).catch((error: EndpointError) => [error.code, error.message.startsWith("lingerMs must be")]),
    ).toEqual(["invalid-option", true])
  expect([node.isClosed, orders.state]).toEqual([false, "open"])
  network.partition("a", "b")
  orders.trySend(1, pattern(10))
  const startMs = network.now
  // Nobody answers the goodbye, which is given up after a second.
  await network.until(node.close(), 10_000)
  expect(network.now - startMs).toBe(1_300)
})

test("an endpoint that closes waits for a silent peer as long as lingerMs says, and delivers to it if it comes back", async () => {
  for (const isBack of [true, false]) {
    const { network, a, b, toB } = await makePair(
      11,
      { delayMs: 5 },
      { unreachableMs: 2_000, heartbeatMs: 500, lingerMs: 4_000 },
    )
    let received = 0
    b.handle(1, () => void received++)
    const stream = toB.open()
    await network.advance(100)
    network.partition("a", "b")
    for (let i = 0; i < 3; i++) stream.trySend(1, pattern(10))
    await network.advance(3_000)
    expect(toB.state).toBe("unreachable")
    const startMs = network.now
    const closing = a.close()
    await network.advance(2_000)
    if (isBack) network.heal()
    await network.until(closing, 10_000)
    const tookMs = network.now - startMs
    expect(received).toBe(isBack ? 3 : 0)
    if (isBack) expect(tookMs).toBeLessThan(3_500)
    else expect(tookMs).toBe(5_000)
  }
})

test("goodbye is over when it is answered, or after a second, and a second leave() settles with the first", async () => {
  for (const isAnswered of [true, false]) {
    const { network, toB } = await makePair(12, { delayMs: 5 })
    if (!isAnswered) network.partition("a", "b")
    const startMs = network.now
    let settled = 0
    const leaving = toB.leave().then(() => settled++)
    await network.advance(5)
    const again = toB.leave(50_000, "again").then(() => settled++)
    expect([settled, toB.state]).toEqual([0, "left"])
    await network.until(Promise.all([leaving, again]))
    expect(network.now - startMs).toBe(isAnswered ? 10 : 1_000)
    await network.until(toB.leave())
    expect(network.now - startMs).toBe(isAnswered ? 10 : 1_000)
  }
})

test("what goodbye can't say is refused, and the peer stays", async () => {
  const { network, toB } = await makePair(13)
  for (const bad of [[-1], [65_536], [NaN], ["closing"], [1, 5]] as never[][])
    expect(await toB.leave(...(bad as [])).catch(codeOf)).toBe("invalid-option")
  await network.advance(100)
  expect(toB.state).toBe("joined")
})

function sleep(host: SimulatedHost, ms: number): Promise<void> {
  return new Promise((resolve) => host.wakeUp(resolve).at(host.now() + ms))
}

test("an endpoint that closes hands over what it has acknowledged, waits for handlers that are busy, and delivers their answers", async () => {
  const { network, a, b, hostB, toB } = await makePair(14, { delayMs: 5 })
  const [handled, answered]: [number[], number[]] = [[], []]
  a.handle(2, ({ view, offset }) => answered.push(view.getUint8(offset)))
  const answers = b.peers[0]!.open()
  b.handleAsync(1, async ({ bytes }) => {
    await sleep(hostB, 100)
    handled.push(bytes[0]!)
    await answers.send(2, bytes)
  })
  const stream = toB.open()
  for (let i = 0; i < 10; i++) stream.trySend(1, pattern(10, i))
  await network.until(stream.flush())
  expect(handled).toEqual([])
  await network.until(b.close(), 3_000)
  const all = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
  expect([handled, answered]).toEqual([all, all])
})

test("while it closes a busy endpoint acknowledges nothing that it doesn't hand over, and who sends is told", async () => {
  const { network, b, hostB, toB } = await makePair(15, { delayMs: 5 })
  const handled: number[] = []
  b.handleAsync(1, async ({ bytes }) => {
    await sleep(hostB, 20)
    handled.push(bytes[0]!)
  })
  const stream = toB.open()
  let sent = 0
  const send = (): void => {
    if (stream.trySend(1, pattern(1_000, sent)) === "sent") sent++
  }
  for (let i = 0; i < 50; i++) send()
  await network.advance(100)
  const closing = b.close()
  for (let i = 0; i < 120; i++) {
    send()
    await network.advance(10)
  }
  await network.until(closing, 1_000)
  await network.advance(100)
  const { acknowledged, unconfirmed } = stream.account
  expect(handled).toEqual(Array.from({ length: acknowledged }, (_, i) => i))
  expect([acknowledged >= 50, unconfirmed > 0, acknowledged + unconfirmed]).toEqual([true, true, sent])
  expect((await stream.closed).reason).toBe(REASON.closing)
})

test("a consumer that never comes holds up close for lingerMs, and no longer", async () => {
  for (const kind of ["handler", "paused", "unread"] as const) {
    const { network, b, toB } = await makePair(16, { delayMs: 5 }, { lingerMs: 2_000 })
    let iterator: AsyncIterator<unknown> | undefined
    b.on("stream", (stream) => {
      if (kind === "paused") stream.pause()
      if (kind === "unread") iterator = stream.messages()
    })
    b.handleAsync(1, () => new Promise(() => {}))
    const stream = toB.open()
    for (let i = 0; i < 3; i++) stream.trySend(1, pattern(10, i))
    await network.until(stream.flush())
    const startMs = network.now
    await network.until(b.close(), 10_000)
    expect(network.now - startMs).toBe(2_010)
    // Waiting messages are still there for a later reader.
    if (iterator !== undefined) expect(await iterator.next()).toMatchObject({ done: false })
  }
})

test("what is left of a peer that is gone is handed over as well before its endpoint closes", async () => {
  const { network, a, b, hostB, toB } = await makePair(17, { delayMs: 5 })
  const handled: number[] = []
  b.handleAsync(1, async ({ bytes }) => {
    await sleep(hostB, 50)
    handled.push(bytes[0]!)
  })
  const stream = toB.open()
  for (let i = 0; i < 5; i++) stream.trySend(1, pattern(10, i))
  await network.until(stream.flush())
  await network.until(a.close())
  expect([b.peers.length, handled.length]).toEqual([0, 0])
  await network.until(b.close(), 1_000)
  expect(handled).toEqual([0, 1, 2, 3, 4])
})

test("what was handed over is acknowledged before a goodbye, by leave and by close", async () => {
  for (const how of ["leave", "close"] as const) {
    const { network, b, toB } = await makePair(18, { delayMs: 5 })
    let count = 0
    b.handle(1, ({ peer }) => {
      count++
      if (count === 3) void (how === "leave" ? peer.leave() : b.close())
    })
    const stream = toB.open()
    await network.advance(100)
    for (let i = 0; i < 3; i++) stream.trySend(1, pattern(1_000, i))
    const receipts = stream.flush().then(
      () => "flushed",
      (error: unknown) => codeOf(error),
    )
    await network.advance(100)
    expect([toB.state, stream.account]).toEqual([
      "left",
      { accepted: 3, acknowledged: 3, unconfirmed: 0, dropped: 0, pending: 0 },
    ])
    expect(await receipts).toBe("flushed")
  }
})

test("two endpoints that close at once deliver what both have accepted", async () => {
  const { network, a, b, toB } = await makePair(19, PATH)
  const received = [0, 0]
  a.handle(1, () => void received[0]!++)
  b.handle(1, () => void received[1]!++)
  const [there, back] = [toB.open(), b.peers[0]!.open()]
  await network.advance(100)
  for (let i = 0; i < 20; i++) {
    there.trySend(1, pattern(1_000, i))
    back.trySend(1, pattern(1_000, i))
  }
  await network.until(Promise.all([a.close(), b.close()]), 5_000)
  expect(received).toEqual([20, 20])
})

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
  // Nothing is sent to a peer that nobody hears: these fill the first chunk of memory, and later ones lie in another.
  const waiting = toB.open()
  for (let i = 0; i < 300; i++) waiting.trySend(1, pattern(1_000))
  const stream = toC.open()
  stream.trySend(1, pattern(1_000))
  await network.until(stream.flush())
  await network.until(Promise.all([a.close(), b.close(), c.close()]))
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

test("an endpoint that closes just after it accepted a join says goodbye to whoever joined", async () => {
  const { network, bind } = makeWorld(6, { delayMs: 10 })
  const { endpoint: server } = await bind("server")
  const { endpoint: client } = await bind("client")
  const events: string[] = []
  client.on("left", (_, { text, reason }) => events.push(`left ${reason}${text}`))
  server.on("left", () => events.push("a peer the server never knew of"))
  await network.until(client.join(`server:${PORT}`))
  expect(server.peers).toEqual([])
  await network.until(server.close())
  await network.advance(100)
  expect(events).toEqual(["left 1"])
  await network.advance(5_000)
  expect(client.sizes).toMatchObject({ peers: 0, slots: 0, timers: 0 })
})
