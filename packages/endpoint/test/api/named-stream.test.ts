// Streams of a connection: what becomes of one that can't be opened, or is stopped, reset or ended, and what it hands
// back.

import {
  type Connection,
  defineMessage,
  type EndpointError,
  type NamedStream,
  type NamedStreamEnd,
  type OutgoingStream,
  REASON,
  type UnconfirmedMessage,
} from "@x/endpoint"
import { expect, test } from "vitest"
import { makeWorld, pattern, PORT, type World } from "../world.ts"

/** Everything that a stream reports, in order. */
function watch(stream: NamedStream, name = ""): { readonly log: string[]; readonly back: UnconfirmedMessage[] } {
  const log: string[] = []
  const back: UnconfirmedMessage[] = []
  const say = (what: string): void => void log.push(name === "" ? what : `${name} ${what}`)
  stream.on("open", () => say("open"))
  stream.on("unconfirmed", (messages) => {
    say(`unconfirmed ${messages.length}`)
    back.push(...messages)
  })
  stream.on("closed", ({ reason, isComplete }) =>
    say(`closed ${reason}${isComplete ? " complete" : ""}, ${stream.state}`),
  )
  return { log, back }
}

function codeOf(error: unknown): string {
  return (error as EndpointError).code
}

function thrown(act: () => unknown): string {
  try {
    act()
    return "nothing"
  } catch (error) {
    return codeOf(error)
  }
}

interface Lived {
  readonly world: World
  readonly node: Connection
  readonly told: string[]
}

/** A connection to a peer that restarts with other options. */
async function restarted(
  labels: readonly string[],
  before: object,
  after: object,
  own: object = {},
): Promise<Lived & { logs: Map<string, string[]> }> {
  const world = makeWorld(1)
  const { network } = world
  const { endpoint: a } = await world.bind("a", own)
  const first = await world.bind("b", before)
  first.endpoint.handle(1, () => {})
  const node = a.connect(`b:${PORT}`)
  const told: string[] = []
  node.on("up", () => told.push("up"))
  node.on("down", () => told.push("down"))
  const logs = new Map(labels.map((label) => [label, watch(node.stream({ label })).log]))
  await network.until(node.joined())
  await network.advance(100)
  for (const label of labels) node.stream({ label }).trySend(1, pattern(10))
  await network.advance(100)
  first.host.crash()
  for (const label of labels) node.stream({ label }).trySend(1, pattern(10))
  await network.advance(100)
  const second = await world.bind("b", after)
  second.endpoint.handle(1, () => {})
  await network.when(() => told.length === 3, 30_000)
  await network.advance(1_000)
  return { world, node, told, logs }
}

test("a peer comes back and takes fewer streams: who finds no room is told, the others go on, and it opens once there is some", async () => {
  const { world, node, told, logs } = await restarted(["1", "2", "3"], { streamsMax: 3 }, { streamsMax: 2 })
  const { network } = world
  expect(told).toEqual(["up", "down", "up"])
  // By the time this is told, it is open again.
  const found = ["open", "unconfirmed 1", "closed 13, open", "open"]
  const lost = ["open", "unconfirmed 1", "closed 13, waiting"]
  expect([...logs.values()]).toEqual([found, found, [...lost, `closed ${REASON.streamsFull}, waiting`]])
  const three = node.stream({ label: "3" })
  expect([three.state, three.current, three.trySend(1, pattern(1))]).toEqual(["waiting", undefined, "refused"])
  expect(await three.send(1, pattern(1)).catch(codeOf)).toBe("refused")
  expect(node.stream({ label: "1" }).trySend(1, pattern(1))).toBe("sent")
  await network.until(node.stream({ label: "2" }).end(), 5_000)
  await network.when(() => three.state === "open", 1_000)
  expect(logs.get("3")!.at(-1)).toBe("open")
  await network.until(three.send(1, pattern(1), { receipt: true }), 1_000)
  await network.until(node.close())
})

test("streamsTotalMax of our own is used up: the named stream waits, and is opened when another peer's stream closes", async () => {
  const world = makeWorld(2)
  const { network } = world
  const { endpoint: a } = await world.bind("a", { streamsTotalMax: 2 })
  await world.bind("b")
  await world.bind("c")
  const other = (await network.until(a.join(`c:${PORT}`))).open()
  const node = a.connect(`b:${PORT}`)
  const one = node.stream({ label: "one" })
  const two = node.stream({ label: "two" })
  const { log } = watch(two)
  await network.until(node.joined())
  expect([one.state, two.state, log]).toEqual(["open", "waiting", [`closed ${REASON.streamsFull}, waiting`]])
  await network.advance(5_000)
  expect(log.length).toBe(1)
  await network.until(other.end(), 5_000)
  await network.when(() => two.state === "open", 1_000)
  // A stream that is requested while there is no room waits as well, and stream() doesn't throw.
  const three = node.stream({ label: "three" })
  expect(three.state).toBe("waiting")
  await network.until(Promise.all([three.end(), node.close()]))
  expect(three.state).toBe("ended")
})

test("a label that is too long for the path to the next incarnation closes its stream, and the one after opens it", async () => {
  const label = "x".repeat(1_000)
  const { bind, network } = makeWorld(18)
  const { endpoint: a } = await bind("a")
  const first = await bind("b")
  const node = a.connect(`b:${PORT}`)
  const ups: string[] = []
  node.on("up", ({ unique }) => ups.push(unique))
  const long = watch(node.stream({ label }))
  const short = watch(node.stream({ label: "short" }))
  let why: EndpointError | undefined
  node.stream({ label }).on("closed", ({ error }) => (why = error))
  await network.until(node.joined())
  await network.advance(100)
  network.links({ delayMs: 5, mtuBytes: 576 })
  first.host.crash()
  const second = await bind("b")
  await network.when(() => ups.length === 2, 30_000)
  expect([short.log, long.log]).toEqual([
    ["open", `closed ${REASON.restarted}, open`, "open"],
    ["open", `closed ${REASON.restarted}, closed`, `closed ${REASON.limits}, closed`],
  ])
  expect([why!.code, why!.message.startsWith("label must have at most")]).toEqual(["invalid-option", true])
  expect(node.stream({ label }).trySend(1, pattern(1))).toBe("closed")
  // Requested again, the lack of room is reported again.
  expect(node.stream({ label }).reopen()).toBe(undefined)
  await network.advance(0)
  expect(long.log.length).toBe(4)
  network.links({ delayMs: 5 })
  second.host.crash()
  await bind("b")
  await network.when(() => ups.length === 3, 30_000)
  expect([node.stream({ label }).state, long.log.slice(4)]).toEqual(["open", ["open"]])
})

test("the next incarnation takes smaller messages: who sends is told, and what is too large for it stays with the application", async () => {
  const { world, node, logs } = await restarted(["1"], {}, { messageBytesMax: 100, assemblyBytesPerPeer: 1_000 })
  const stream = node.stream({ label: "1" })
  expect([logs.get("1")!.at(-1), stream.trySend(1, pattern(101)), stream.trySend(1, pattern(100))]).toEqual([
    "open",
    "too-large",
    "sent",
  ])
  await world.network.until(node.close())
})

test("a peer stops a named stream: it is told, gets back what is unconfirmed, and reopens", async () => {
  const world = makeWorld(3)
  const { network } = world
  const { endpoint: a } = await world.bind("a")
  const { endpoint: b } = await world.bind("b")
  const received: number[] = []
  let isStopped = false
  b.on("stream", (stream) => {
    if (!isStopped) stream.pause()
  })
  b.handle(1, ({ view, offset }) => received.push(view.getUint8(offset)))
  let stop = (): void => {}
  b.on("stream", (stream) => (stop = () => stream.stop(40_000)))
  const node = a.connect(`b:${PORT}`)
  const downs: unknown[] = []
  node.on("down", () => downs.push("down"))
  const orders = node.stream({ label: "orders" })
  const { log, back } = watch(orders)
  let end: NamedStreamEnd | undefined
  orders.on("closed", (it) => (end = it))
  await network.until(node.joined())
  for (let i = 0; i < 3; i++) expect(orders.trySend(1, pattern(10, i))).toBe("sent")
  await network.advance(1_000)
  // They reached the peer's queue, so they are acknowledged.
  expect(orders.current!.account.acknowledged).toBe(3)
  network.partition("b", "a")
  for (let i = 3; i < 5; i++) orders.trySend(1, pattern(10, i))
  await network.advance(50)
  isStopped = true
  stop()
  network.heal()
  network.partition("a", "b")
  await network.advance(200)
  network.heal()
  await network.advance(60_000)
  expect(log).toEqual(["open", "unconfirmed 2", "closed 40000, closed"])
  expect(back.map(({ bytes, wasSent }) => [bytes[0], wasSent])).toEqual([
    [3, true],
    [4, true],
  ])
  expect([end!.reason, end!.error.code, end!.error.message.includes("reopen()")]).toEqual([
    40_000,
    "stream-closed",
    true,
  ])
  expect([orders.state, orders.current, orders.trySend(1, pattern(1)), downs]).toEqual([
    "closed",
    undefined,
    "closed",
    [],
  ])
  expect(await orders.send(1, pattern(1)).catch(codeOf)).toBe("stream-closed")
  const again = orders.reopen()
  expect([again, orders.state]).toEqual([orders.current, "open"])
  expect(orders.reopen()).toBe(again)
  for (const { type, bytes } of back) orders.trySend(type, bytes)
  await network.until(again!.flush(), 5_000)
  expect(received).toEqual([3, 4])
})

test("the path carries less: a named stream stays open, and hands back nothing", async () => {
  const world = makeWorld(4, { delayMs: 10 })
  const { network } = world
  const { endpoint: a } = await world.bind("a", { datagramBytes: 1_400 })
  const { endpoint: b } = await world.bind("b", { datagramBytes: 1_400 })
  const received = new Set<number>()
  b.handle(1, ({ view, offset }) => received.add(view.getUint8(offset)))
  const node = a.connect(`b:${PORT}`)
  const orders = node.stream({ label: "orders" })
  const { log, back } = watch(orders)
  await network.until(node.joined())
  for (let i = 0; i < 10; i++) orders.trySend(1, pattern(2_000, i))
  await network.advance(1_000)
  network.links({ delayMs: 10, mtuBytes: 1_280 })
  for (let i = 10; i < 20; i++) orders.trySend(1, pattern(2_000, i))
  await network.advance(1_000)
  await network.until(orders.current!.flush(), 5_000)
  expect([received.size, log, back, node.peer!.state]).toEqual([20, ["open"], [], "joined"])
})

test("who says again and again that the path is too small isn't opened to again and again", async () => {
  const world = makeWorld(5)
  const { network } = world
  const { endpoint: a } = await world.bind("a")
  const { endpoint: b } = await world.bind("b")
  b.on("stream", (stream) => stream.stop(REASON.pathTooSmall))
  const node = a.connect(`b:${PORT}`)
  const orders = node.stream({ label: "orders" })
  const { log } = watch(orders)
  await network.until(node.joined())
  await network.advance(60_000)
  expect(log).toEqual(["open", `closed ${REASON.pathTooSmall}, closed`])
})

const CLOSINGS: readonly (readonly [string, (stream: OutgoingStream) => unknown, string])[] = [
  ["reset by us", (stream) => stream.reset(), `closed ${REASON.aborted}, closed`],
  ["reset with a reason of the application's", (stream) => stream.reset(50_000), "closed 50000, closed"],
  ["ended by the application", (stream) => stream.end(), "closed 0 complete, closed"],
  [
    "ended and then reset",
    (stream) => [stream.end().catch(() => {}), stream.reset()],
    `closed ${REASON.aborted}, closed`,
  ],
]

for (const [title, close, closed] of CLOSINGS) {
  test(`the current stream of a named one is ${title}: told once, and it reopens, at once or to the next incarnation`, async () => {
    const world = makeWorld(6)
    const { network } = world
    const { endpoint: a } = await world.bind("a")
    const { endpoint: b, host } = await world.bind("b")
    b.handle(1, () => {})
    const node = a.connect(`b:${PORT}`)
    const orders = node.stream({ label: "orders" })
    const { log } = watch(orders)
    await network.until(node.joined())
    close(orders.current!)
    expect(["ending", "closed"]).toContain(orders.state)
    expect(orders.trySend(1, pattern(1))).toBe("closed")
    await network.advance(1_000)
    expect([log, orders.trySend(1, pattern(1))]).toEqual([["open", closed], "closed"])
    expect(orders.reopen()).toBe(orders.current)
    await network.until(orders.send(1, pattern(1), { receipt: true }), 1_000)
    close(orders.current!)
    await network.advance(1_000)
    expect(log).toEqual(["open", closed, "open", closed])
    host.crash()
    const again = await world.bind("b")
    again.endpoint.handle(1, () => {})
    await network.when(() => orders.state === "open", 30_000)
    await network.until(orders.send(1, pattern(1), { receipt: true }), 1_000)
    expect(log.slice(4)).toEqual(["open"])
  })
}

test("reopened while it is ending, a named stream delivers what it has and then opens anew", async () => {
  const world = makeWorld(7)
  const { network } = world
  const { endpoint: a } = await world.bind("a")
  const { endpoint: b } = await world.bind("b")
  const received: number[] = []
  b.handle(1, ({ view, offset }) => received.push(view.getUint8(offset)))
  const node = a.connect(`b:${PORT}`)
  const orders = node.stream({ label: "orders" })
  const { log } = watch(orders)
  await network.until(node.joined())
  orders.trySend(1, pattern(5, 1))
  void orders.current!.end()
  expect([orders.reopen(), orders.state]).toEqual([undefined, "ending"])
  await network.advance(500)
  orders.trySend(1, pattern(5, 2))
  await network.advance(500)
  expect([log, received]).toEqual([
    ["open", "closed 0 complete, open", "open"],
    [1, 2],
  ])
})

test("an ended named stream is over for good, its promise tells, and its name is free", async () => {
  const world = makeWorld(8)
  const { network } = world
  const { endpoint: a } = await world.bind("a")
  const { endpoint: b, host } = await world.bind("b")
  b.handle(1, () => {})
  const node = a.connect(`b:${PORT}`)
  const [early, late] = [node.stream({ label: "early" }), node.stream({ label: "late" })]
  // Before anybody is there.
  await early.end()
  expect([early.state, (await early.closed).isComplete, early.end()]).toEqual(["ended", true, early.end()])
  expect(node.stream({ label: "early" })).not.toBe(early)
  await network.until(node.joined())
  const { log } = watch(late)
  expect(late.trySend(1, pattern(5))).toBe("sent")
  const ending = late.end()
  expect([late.end(), late.state, late.trySend(1, pattern(5))]).toEqual([ending, "ending", "closed"])
  expect(thrown(() => late.reopen())).toBe("stream-closed")
  const another = node.stream({ label: "late" })
  expect([another === late, another.state]).toEqual([false, "open"])
  await network.until(ending, 1_000)
  expect(await network.until(late.closed)).toMatchObject({ isComplete: true, reason: 0 })
  expect([log, late.state, late.trySend(1, pattern(1))]).toEqual([["closed 0 complete, ended"], "ended", "closed"])
  host.crash()
  await world.bind("b")
  const opened = watch(another).log
  await network.when(() => opened.length === 2, 30_000)
  expect([opened, log.length]).toEqual([[`closed ${REASON.restarted}, open`, "open"], 1])
})

test("an end that can't be delivered rejects, and the stream is over all the same", async () => {
  const world = makeWorld(9)
  const { network } = world
  const { endpoint: a } = await world.bind("a")
  const { host } = await world.bind("b")
  const node = a.connect(`b:${PORT}`)
  const orders = node.stream({ label: "orders" })
  const { log, back } = watch(orders)
  await network.until(node.joined())
  host.crash()
  orders.trySend(1, pattern(5))
  const ending = orders.end().catch(codeOf)
  await network.advance(1_000)
  await world.bind("b")
  expect(await network.until(ending, 30_000)).toBe("not-joined")
  expect(await network.until(orders.closed)).toMatchObject({ isComplete: false, reason: REASON.restarted })
  expect([log, back.length, orders.state]).toEqual([
    ["unconfirmed 1", `closed ${REASON.restarted}, ended`].toSpliced(0, 0, "open"),
    1,
    "ended",
  ])
})

test("bad options throw from stream() at once, and the connection goes on without them", async () => {
  const world = makeWorld(10)
  const { network } = world
  const { endpoint: a } = await world.bind("a")
  await world.bind("b")
  const node = a.connect(`b:${PORT}`)
  const bad = (options: object): string => thrown(() => node.stream(options as { label: string }))
  const tryAll = (): void => {
    expect([
      bad({ label: "x".repeat(1_100) }),
      bad({ label: "é".repeat(513) }),
      bad({}),
      bad({ label: 7 }),
      bad({ label: "x", delivery: "realiable" }),
      bad({ label: "x", delivery: "toString" }),
      bad({ label: "x", priority: 256 }),
      bad({ label: "x", weight: 0 }),
      bad({ label: "x", lifetimeMs: 5 }),
      bad({ label: "x", delivery: "best-effort", lifetimeMs: NaN }),
      bad({ label: "x", delivery: "best-effort", resendsMax: -1 }),
      bad({ label: "x", lable: "y" }),
    ]).toEqual(Array.from({ length: 12 }, () => "invalid-option"))
    expect(() => node.stream(undefined as never)).toThrow("options")
  }
  tryAll()
  await network.until(node.joined(), 1_000)
  tryAll()
  expect([node.stream({ label: "x" }).state, a.sizes.streams]).toEqual(["open", 1])
})

test("the same label is the same stream; with other options it is refused, with the cure", async () => {
  const { bind, network } = makeWorld(11)
  const { endpoint: a } = await bind("a")
  await bind("b")
  const node = a.connect(`b:${PORT}`)
  const options = { label: "orders", priority: 9 }
  const orders = node.stream(options)
  options.priority = 10
  expect(() => node.stream(options)).toThrow(/priority 9, not 10: .* end\(\) it first/)
  expect(() => node.stream({ label: "orders" })).toThrow("priority 9, not 128")
  expect(() => node.stream({ label: "orders", priority: 9, delivery: "latest" })).toThrow(
    "delivery reliable, not latest",
  )
  expect(node.stream({ label: "orders", priority: 9, weight: 1, delivery: "reliable" })).toBe(orders)
  await network.until(orders.end())
  expect(node.stream({ label: "orders" })).not.toBe(orders)
})

test("who hears of a stream may ask for another, close the connection or have the peer leave", async () => {
  for (const act of ["stream", "close", "leave", "end"] as const) {
    const { bind, network } = makeWorld(12)
    const { endpoint: a } = await bind("a")
    await bind("b")
    const node = a.connect(`b:${PORT}`, { retry: { minMs: 60_000, maxMs: 60_000 } })
    const log: string[] = []
    node.on("up", () => log.push("up"))
    node.on("down", () => log.push("down"))
    const one = node.stream({ label: "one" })
    const two = node.stream({ label: "two" })
    one.on("open", () => {
      if (act === "stream") for (let i = 0; i < 3; i++) watchOpen(node.stream({ label: `more ${i}` }))
      if (act === "close") void node.close()
      if (act === "leave") void one.current!.peer.leave()
      if (act === "end") void two.end()
    })
    const opened: string[] = []
    const watchOpen = (stream: NamedStream): void => void stream.on("open", () => opened.push(stream.label))
    watchOpen(one)
    watchOpen(two)
    const joined = node.joined().then(
      () => "joined",
      (error: unknown) => codeOf(error),
    )
    await network.advance(10_000)
    const is = [log, opened, a.sizes.streams, one.state, two.state]
    // What had happened before is told nevertheless.
    const [both, more] = [
      ["one", "two"],
      ["more 0", "more 1", "more 2"],
    ]
    if (act === "stream") expect(is).toEqual([["up"], [...both, ...more], 5, "open", "open"])
    if (act === "close") expect(is).toEqual([["up"], both, 0, "ended", "ended"])
    if (act === "leave") expect(is).toEqual([["up", "down"], both, 0, "waiting", "waiting"])
    if (act === "end") expect(is).toEqual([["up"], both, 1, "open", "ended"])
    await network.until(node.close())
    expect(await joined).toBe("joined")
  }
})

test("named streams without acknowledgements keep nothing and hand nothing back", async () => {
  for (const delivery of ["latest", "fire-and-forget", "best-effort"] as const) {
    const { bind, network } = makeWorld(13)
    const { endpoint: a } = await bind("a")
    const { host } = await bind("b")
    const node = a.connect(`b:${PORT}`)
    const stream = node.stream({ label: "news", delivery })
    const { log } = watch(stream)
    await network.until(node.joined())
    host.crash()
    stream.trySend(1, pattern(10))
    await network.until(stream.send(1, pattern(10)))
    await network.advance(100)
    await bind("b")
    await network.when(() => log.length === 3, 30_000)
    expect(log).toEqual(["open", `closed ${REASON.restarted}, open`, "open"])
  }
})

test("without an order what is handed back is exactly what was never acknowledged, and the account says the same", async () => {
  const { bind, network } = makeWorld(14)
  const { endpoint: a } = await bind("a")
  const { endpoint: b, host } = await bind("b")
  const received: number[] = []
  b.handle(1, ({ view, offset }) => received.push(view.getUint8(offset)))
  const node = a.connect(`b:${PORT}`)
  const stream = node.stream({ label: "any order", delivery: "reliable-unordered" })
  const { back } = watch(stream)
  await network.until(node.joined())
  await network.until(stream.send(1, pattern(10, 0), { receipt: true }))
  // Messages 1 and 4 are lost, and so is everything that is resent; 4 has three pieces, 5 has two. Each packet has a
  // datagram of its own.
  let sent = 0
  network.filter(({ from, bytes }) => {
    if (from !== "a" || bytes.length < 400) return true
    sent++
    return !(sent === 1 || sent === 4 || sent > 9)
  })
  stream.trySend(1, pattern(900, 1))
  stream.trySend(1, pattern(900, 2))
  stream.trySend(1, pattern(900, 3))
  stream.trySend(1, pattern(3_000, 4))
  stream.trySend(1, pattern(2_000, 5))
  const receipt = stream.send(1, pattern(500, 6), { receipt: true })
  await network.until(receipt, 5_000)
  const current = stream.current!
  host.crash()
  stream.trySend(1, pattern(700, 7))
  await network.advance(200)
  network.filter(() => true)
  await bind("b")
  await network.when(() => back.length > 0, 30_000)
  expect(received.toSorted((x, y) => x - y)).toEqual([0, 2, 3, 5, 6])
  expect(back.map(({ bytes, wasSent }) => [bytes[0], wasSent])).toEqual([
    [1, true],
    [4, true],
    [7, true],
  ])
  expect(current.account).toEqual({ accepted: 8, acknowledged: 5, unconfirmed: 3, dropped: 0, pending: 0 })
})

test("what else happens on a stream doesn't shift what is handed back: other senders, aborted and expired messages", async () => {
  for (const delivery of ["reliable", "reliable-unordered"] as const) {
    const { bind, network } = makeWorld(15)
    const { endpoint: a } = await bind("a", { windowPackets: 4 })
    const { endpoint: b, host } = await bind("b")
    b.handle(1, () => {})
    const node = a.connect(`b:${PORT}`)
    const stream = node.stream({ label: "orders", delivery })
    const { back } = watch(stream)
    await network.until(node.joined())
    // Acknowledged, but not sent by name.
    for (let i = 0; i < 5; i++) await network.until(stream.current!.send(1, pattern(10), { receipt: true }))
    await network.until(stream.send(1, pattern(1_000, 0), { receipt: true }))
    network.partition("a", "b")
    const abort = new AbortController()
    const results: unknown[] = [
      stream.trySend(1, pattern(1_000, 1)),
      stream.current!.trySend(1, pattern(1_000, 99)),
      stream.trySend(1, pattern(1_000, 2)),
      // Half in the window, and given up there.
      stream.send(1, pattern(3_000, 3), { signal: abort.signal }).catch(codeOf),
      stream.trySend(1, pattern(1_000, 4), { timeoutMs: 50 }),
      stream.trySend(1, pattern(1_000, 5)),
      stream.send(1, pattern(1_000, 6), { timeoutMs: 60 }).catch(codeOf),
      stream.send(1, pattern(1_000, 7)).catch(codeOf),
      stream.trySend(1, pattern(10, 8)),
    ]
    abort.abort()
    await network.advance(100)
    host.crash()
    network.heal()
    await bind("b")
    await network.when(() => back.length > 0, 30_000)
    expect(await Promise.all(results)).toEqual([
      "sent",
      "sent",
      "sent",
      "aborted",
      "parked",
      "parked",
      "timeout",
      "not-joined",
      "parked",
    ])
    expect(back.map(({ bytes, wasSent }) => [bytes[0], wasSent])).toEqual([
      [1, true],
      [2, true],
      [5, false],
      [7, false],
      [8, false],
    ])
  }
})

test("what is handed back are copies: the caller's memory is the caller's again", async () => {
  const { bind, network } = makeWorld(16)
  const { endpoint: a } = await bind("a", { windowPackets: 1 })
  const { host } = await bind("b")
  const node = a.connect(`b:${PORT}`)
  const stream = node.stream({ label: "orders" })
  const { back } = watch(stream)
  await network.until(node.joined())
  network.partition("a", "b")
  const bytes = pattern(900, 1)
  stream.trySend(1, bytes)
  bytes.fill(2)
  stream.trySend(1, bytes)
  bytes.fill(3)
  const sending = stream.send(1, bytes).catch(codeOf)
  // Lent until it settles, but transferred meanwhile.
  structuredClone(bytes, { transfer: [bytes.buffer as ArrayBuffer] })
  host.crash()
  network.heal()
  await bind("b")
  await network.when(() => back.length > 0, 30_000)
  expect(back.map((message) => [message.bytes[0], message.bytes.length])).toEqual([
    [1, 900],
    [2, 900],
    [3, 900],
  ])
  expect(await sending).toBe("not-joined")
})

test("a codec that uses its memory again disturbs neither what is sent nor what is handed back", async () => {
  const memory = new Uint8Array(100)
  const reusing = defineMessage<number>(1, { encode: (value) => memory.fill(value), decode: ([value]) => value! })
  for (const delivery of ["reliable", "best-effort"] as const) {
    const { network, bind } = makeWorld(21)
    const { endpoint: a } = await bind("a", { windowPackets: 4 })
    const { endpoint: b } = await bind("b")
    const received: number[] = []
    b.handle(1, ({ bytes }) => received.push(Math.min(...bytes), Math.max(...bytes)))
    b.handle(2, () => {})
    const stream = a.connect(`b:${PORT}`).stream({ label: "s", delivery })
    const { back } = watch(stream)
    await network.when(() => stream.state === "open")
    // After what fills the window, where messages wait.
    if (delivery === "reliable") for (let i = 0; i < 4; i++) stream.trySend(2, pattern(1_000))
    void stream.send(reusing, 1)
    stream.trySend(reusing, 2)
    void stream.send(reusing, 3)
    memory.fill(9)
    await network.advance(1_000)
    expect([delivery, received]).toEqual([delivery, [1, 1, 2, 2, 3, 3]])
    network.partition("a", "b")
    const cut = stream.send(reusing, 4, { receipt: true }).catch(codeOf)
    stream.trySend(reusing, 5)
    memory.fill(9)
    stream.current!.reset()
    expect([delivery, await network.until(cut)]).toEqual([delivery, "stream-closed"])
    await network.advance(0)
    expect(back.map(({ bytes }) => [...new Set(bytes)])).toEqual(delivery === "reliable" ? [[4], [5]] : [])
  }
})

test("bad messages are refused also while nobody is there to send to", async () => {
  const { bind } = makeWorld(17)
  const { endpoint: a } = await bind("a")
  const stream = a.connect(`b:${PORT}`).stream({ label: "orders" })
  expect(() => stream.trySend(70_000, pattern(1))).toThrow("message type")
  expect(() => stream.trySend(1, "text" as never)).toThrow("Uint8Array")
  expect(() => stream.send(-1, pattern(1))).toThrow("message type")
  expect([stream.state, stream.trySend(1, pattern(1)), await stream.send(1, pattern(1)).catch(codeOf)]).toEqual([
    "waiting",
    "not-joined",
    "not-joined",
  ])
})
