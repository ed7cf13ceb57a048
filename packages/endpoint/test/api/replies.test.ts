// Answers: one stream for all of a peer's questions, opened with the first answer, and anew when it is gone; never to
// another peer.

import { defineMessage, type Endpoint, json, type Message, type Peer, type ReceivedMessage, utf8 } from "@x/endpoint"
import { expect, expectTypeOf, test } from "vitest"
import { outcome } from "../outcome.ts"
import { makePair, makeWorld, pattern, PORT } from "../world.ts"

const ASK = 1
const ANSWER = 2

function number(n: number): Uint8Array {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setUint32(0, n)
  return bytes
}

function numbersOf(endpoint: Endpoint): number[] {
  const numbers: number[] = []
  endpoint.handle(ANSWER, ({ view, offset }) => numbers.push(view.getUint32(offset)))
  return numbers
}

const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i)

/** Asks this many times, as fast as the stream accepts it. */
async function ask(peer: Peer, times: number): Promise<void> {
  const stream = peer.open()
  for (let i = 0; i < times; i++) await stream.send(ASK, number(i))
}

test("20,000 answers go over one stream, in order, while nothing grows with their number", async () => {
  const { network, a, b, toB } = await makePair(1, { delayMs: 5, lossRate: 0.01 })
  const answered = numbersOf(a)
  const most = { streams: 0, parked: 0, sendPool: 0 }
  b.handleAsync(ASK, async (message) => {
    await message.reply(ANSWER, message.bytes)
    const { current } = message.peer.replies
    most.streams = Math.max(most.streams, message.peer.stats().streamsOut)
    most.parked = Math.max(most.parked, current!.parked.messages)
    most.sendPool = Math.max(most.sendPool, b.sizes.sendPool)
  })
  await network.until(ask(toB, 20_000), 600_000)
  await network.when(() => answered.length === 20_000, 600_000)
  expect(answered).toEqual(upTo(20_000))
  // One peer asks, so no more than one answer waits.
  expect(most).toMatchObject({ streams: 1, parked: expect.toSatisfy((messages: number) => messages <= 1) })
  expect(most.sendPool).toBeLessThan(100)
  expect(a.stats().streams).toBe(2)
})

test("a handler that doesn't wait is told what has no room, and all that had comes", async () => {
  const { network, a, b, toB } = await makePair(2, { delayMs: 5 }, { windowPackets: 8, parkedMessagesMax: 50 })
  const answered: number[] = []
  a.handle(ANSWER, ({ view, offset }) => answered.push(view.getUint32(offset)))
  const taken: number[] = []
  const refused: string[] = []
  b.handle(ASK, (message) => {
    const n = message.view.getUint32(message.offset)
    const answer = new Uint8Array(1_000)
    answer.set(message.bytes)
    message.reply(ANSWER, answer).then(
      () => taken.push(n),
      ({ code }) => refused.push(code),
    )
  })
  const stream = toB.open()
  for (let i = 0; i < 500; i++) stream.trySend(ASK, number(i))
  await network.advance(5_000)
  expect([...new Set(refused)]).toEqual(["refused"])
  expect(taken.length + refused.length).toBe(500)
  expect(answered).toEqual(taken)
})

test("an answer has the shapes of what is sent: bytes, values and options", async () => {
  const { network, a, b, toB } = await makePair(3)
  const TEXT = defineMessage(ANSWER, utf8)
  const POINT = defineMessage(3, json<{ x: number }>())
  const got: unknown[] = []
  a.handle(TEXT, (text) => got.push(text))
  a.handle(POINT, (point) => got.push(point))
  const settled: unknown[] = []
  const answer = (message: Message | ReceivedMessage): void => {
    expectTypeOf(message.reply<{ x: number }>)
      .parameter(1)
      .toEqualTypeOf<{ x: number }>()
    // @ts-expect-error A point is no text.
    expect(() => message.reply(TEXT, { x: 1 })).toThrow(expect.objectContaining({ code: "invalid-option" }))
    // @ts-expect-error Nor is text bytes.
    expect(() => message.reply(ANSWER, "text")).toThrow("a message is a Uint8Array")
    expect(() => message.reply(70_000, new Uint8Array(1))).toThrow("a message type")
    expect(() => message.reply(TEXT, "", { receipt: 1 as never })).toThrow(
      expect.objectContaining({ code: "invalid-option" }),
    )
    for (const promise of [
      message.reply(ANSWER, new TextEncoder().encode("bytes")),
      message.reply(TEXT, "text", { receipt: true }),
      message.reply(POINT, { x: 1 }, { timeoutMs: 100, signal: new AbortController().signal }),
      message.reply(TEXT, "never", { signal: AbortSignal.abort() }),
    ])
      promise.then(
        (value) => settled.push(value),
        ({ code }) => settled.push(code),
      )
  }
  b.handle(ASK, answer)
  b.handleAsync(4, async (message) => answer(message))
  for (const type of [ASK, 4]) {
    toB.open().trySend(type, new Uint8Array(1))
    await network.advance(100)
    expect([got.splice(0), settled.splice(0)]).toEqual([
      ["bytes", "text", { x: 1 }],
      expect.arrayContaining([undefined, undefined, undefined, "aborted"]),
    ])
  }
})

test("the stream is there from the first answer on, and not before, and says what it is for", async () => {
  const { network, a, b, toB } = await makePair(4)
  const labels: string[] = []
  a.on("stream", ({ label, delivery }) => labels.push(`${label} ${delivery}`))
  b.handle(ASK, (message) => (message.length === 0 ? undefined : message.reply(ANSWER, message.bytes)))
  const stream = toB.open()
  const toA = b.peers[0]!
  stream.trySend(ASK, new Uint8Array(0))
  expect(() => toA.replies.trySend(ANSWER, "text" as never)).toThrow(TypeError)
  await network.advance(100)
  expect([toA.replies.current, toA.stats().streamsOut, labels]).toEqual([undefined, 0, []])
  for (let i = 0; i < 3; i++) {
    stream.trySend(ASK, number(i))
    await network.advance(100)
    expect([toA.replies.current!.account.acknowledged, toA.stats().streamsOut, labels]).toEqual([
      i + 1,
      1,
      ["replies reliable"],
    ])
  }
})

const ENDS: readonly (readonly [string, (world: { toA: Peer; stop: () => void }) => unknown])[] = [
  ["who asked stops it", ({ stop }) => stop()],
  ["it is reset", ({ toA }) => toA.replies.current!.reset()],
  ["it is ended", ({ toA }) => toA.replies.current!.end()],
]

test.each(ENDS)("the stream is opened anew for the next answer: %s", async (_, end) => {
  const { network, a, b, toB } = await makePair(5)
  const answered = numbersOf(a)
  let stop = (): void => {}
  a.on("stream", (stream) => (stop = () => stream.stop()))
  b.handle(ASK, (message) => message.reply(ANSWER, message.bytes))
  const stream = toB.open()
  const toA = b.peers[0]!
  const { replies } = toA
  stream.trySend(ASK, number(1))
  await network.advance(100)
  const before = replies.current!
  end({ toA, stop })
  await network.advance(100)
  expect([before.state, replies.current]).toEqual(["closed", undefined])
  stream.trySend(ASK, number(2))
  await network.advance(100)
  expect([answered, replies.current!.id > before.id, toA.replies === replies]).toEqual([[1, 2], true, true])
})

test("what is kept is answered later; the handler's own message only while it is called, and never with another's peer", async () => {
  const world = makeWorld(6)
  const { endpoint: b } = await world.bind("b")
  const askers: { answered: number[]; toB: Peer }[] = []
  for (const name of ["ann", "ben"]) {
    const { endpoint } = await world.bind(name)
    askers.push({ answered: numbersOf(endpoint), toB: await world.network.until(endpoint.join(`b:${PORT}`)) })
  }
  const copies: ReceivedMessage[] = []
  const peers: Peer[] = []
  let reused: Message | undefined
  b.handle(ASK, (message) => {
    // The object is the same for all: it answers the sender of its present message.
    if (reused !== undefined) void reused.reply(ANSWER, number(10))
    reused = message
    peers.push(message.peer)
  })
  b.handleAsync(3, async (message) => copies.push(message))
  for (const { toB } of askers) {
    toB.open().trySend(ASK, number(0))
    toB.open().trySend(3, number(0))
    await world.network.advance(100)
    expect(() => reused!.reply(ANSWER, number(1))).toThrow("message.peer to answer later")
  }
  const [ann, ben] = askers
  expect([ann!.answered, ben!.answered]).toEqual([[], [10]])
  await world.network.until(
    Promise.all(copies.map((message, i) => message.reply(ANSWER, number(20 + i), { receipt: true }))),
  )
  await world.network.until(
    Promise.all(peers.map((peer, i) => peer.replies.send(ANSWER, number(30 + i), { receipt: true }))),
  )
  expect([ann!.answered, ben!.answered]).toEqual([
    [20, 30],
    [10, 21, 31],
  ])
})

test("a message's own bytes may be its answer, also where that has to wait", async () => {
  const { network, a, b, toB } = await makePair(7, { delayMs: 5 }, { windowPackets: 4 })
  const came: Uint8Array[] = []
  a.handle(ANSWER, (message) => came.push(message.copy()))
  let waited = 0
  b.handle(ASK, (message) => {
    const answering = message.reply(ANSWER, message.bytes)
    waited = Math.max(waited, message.peer.replies.current!.parked.messages)
    return answering
  })
  const sizes = [1_000, 30_000, 0, 1_000, 5_000, 1_000, 1_000, 1_000, 20_000, 10]
  const stream = toB.open()
  sizes.forEach((size, i) => stream.trySend(ASK, pattern(size, i)))
  await network.when(() => came.length === sizes.length)
  expect(came).toEqual(sizes.map((size, i) => pattern(size, i)))
  expect(waited).toBeGreaterThan(2)
})

test("who has left can't be answered, which is said as `send` says it, whether there was an answer before or not", async () => {
  for (const wasAnswered of [false, true]) {
    const { network, b, toB } = await makePair(8)
    const kept: ReceivedMessage[] = []
    b.handleAsync(ASK, async (message) => {
      kept.push(message)
      if (wasAnswered) await message.reply(ANSWER, message.bytes)
    })
    const stream = b.peers[0]!.open()
    toB.open().trySend(ASK, number(1))
    await network.advance(100)
    await network.until(toB.leave())
    const [message] = kept
    const expected = outcome(stream.send(ANSWER, number(2)))
    const found = outcome(message!.reply(ANSWER, number(2)))
    await network.advance(1)
    expect([found.value, String(found.error)]).toEqual(["not-joined", String(expected.error)])
    expect(message!.peer.replies.trySend(ANSWER, number(2))).toBe("not-joined")
    // What is wrong in any case is reported first.
    expect(() => message!.reply(ANSWER, "text" as never)).toThrow(TypeError)
    expect(() => message!.reply(ANSWER, number(2), { timeoutMs: -1 })).toThrow(
      expect.objectContaining({ code: "invalid-option" }),
    )
  }
})

test("where the peer has no room for the stream, answers are refused, and go once it has", async () => {
  const world = makeWorld(9)
  const { endpoint: a } = await world.bind("a", { streamsMax: 1 })
  const { endpoint: b } = await world.bind("b")
  const answered = numbersOf(a)
  const toB = await world.network.until(a.join(`b:${PORT}`))
  await world.network.when(() => b.peers.length === 1)
  const other = b.peers[0]!.open()
  const results: unknown[] = []
  b.handle(ASK, (message) => {
    results.push(message.peer.replies.trySend(ANSWER, message.bytes))
    message.reply(ANSWER, message.bytes).catch(({ code }) => results.push(code))
  })
  const stream = toB.open()
  stream.trySend(ASK, number(1))
  await world.network.advance(100)
  expect([results.splice(0), answered]).toEqual([["refused", "refused"], []])
  await world.network.until(other.end())
  stream.trySend(ASK, number(2))
  await world.network.advance(100)
  expect([results, answered]).toEqual([["sent"], [2, 2]])
})

test("an answer to one incarnation never reaches the next, which has a stream of its own", async () => {
  const world = makeWorld(10)
  const { endpoint: b } = await world.bind("b")
  const kept: ReceivedMessage[] = []
  b.handleAsync(ASK, async (message) => {
    kept.push(message)
    await message.reply(ANSWER, message.bytes)
  })
  const answered: number[][] = []
  for (const n of [1, 2]) {
    const { endpoint: a, host } = await world.bind("a")
    answered.push(numbersOf(a))
    const toB = await world.network.until(a.join(`b:${PORT}`))
    toB.open().trySend(ASK, number(n))
    await world.network.advance(100)
    if (n === 1) host.crash()
  }
  const [before, after] = kept
  expect(before!.peer.replies).not.toBe(after!.peer.replies)
  await expect(before!.reply(ANSWER, number(3))).rejects.toMatchObject({ code: "not-joined" })
  await world.network.until(after!.reply(ANSWER, number(4), { receipt: true }))
  expect(answered).toEqual([[1], [2, 4]])
})

test.each([false, true])(
  "a connection that has asked and closes says goodbye behind the last answer, where both ask: %s",
  async (isMutual) => {
    const { bind, network } = makeWorld(11, { delayMs: 20, lossRate: 0.1 })
    const { endpoint: a } = await bind("a")
    const { endpoint: b } = await bind("b")
    const answered = [a, b].map((side) => numbersOf(side))
    for (const side of [a, b]) side.handle(ASK, (message) => message.reply(ANSWER, message.bytes))
    const node = a.connect(`b:${PORT}`)
    const peer = await network.until(node.joined())
    await network.when(() => b.peers.length === 1)
    const streams = [node.stream({ label: "orders" }), ...(isMutual ? [b.peers[0]!.open()] : [])]
    for (let i = 0; i < 100; i++) {
      for (const stream of streams) stream.trySend(ASK, number(i))
      await network.advance(1)
    }
    await network.until(Promise.all(streams.map((stream) => stream.end())))
    await network.until(node.close())
    await network.when(() => peer.state === "left", 10_000)
    expect(answered).toEqual([upTo(100), isMutual ? upTo(100) : []])
    await network.when(() => b.peers.length === 0)
  },
)

test("a peer that could still ask keeps the stream for its answers; one that couldn't has it ended, and late answers share one", async () => {
  const { network, a, b, toB } = await makePair(12, { delayMs: 20 })
  const answered = numbersOf(a)
  const kept: ReceivedMessage[] = []
  b.handleAsync(ASK, async (message) => kept.push(message))
  const [first, second] = [toB.open(), toB.open()]
  for (let i = 0; i < 1_000; i++) (i % 2 === 0 ? first : second).trySend(ASK, number(i))
  const toA = b.peers[0]!
  toA.replies.trySend(ANSWER, number(0))
  second.trySend(ASK, number(1_000))
  await network.until(first.end())
  await network.advance(1_000)
  expect(toA.replies.current?.state).toBe("open")
  await network.until(second.end())
  await network.advance(1_000)
  expect([toA.replies.current, toA.stats().streamsOut]).toEqual([undefined, 0])
  // A round trip's worth of answers, and then more: as many streams as there were pauses.
  let opened = 0
  a.on("stream", () => void opened++)
  for (const [i, message] of kept.entries()) {
    void message.reply(ANSWER, number(i + 1))
    if (i % 10 === 0) await network.advance(1)
  }
  await network.advance(1_000)
  expect([answered, opened, toA.stats().streamsOut]).toEqual([upTo(kept.length + 1), 1, 0])
  await kept[0]!.reply(ANSWER, number(2_000))
  await network.advance(1_000)
  expect([answered.at(-1), opened, toA.stats().streamsOut]).toEqual([2_000, 2, 0])
})

test("what was asked and waits for its consumer is answered on the stream that answered before it", async () => {
  const { network, a, b, toB } = await makePair(13)
  const answered = numbersOf(a)
  const streams: number[] = []
  a.on("stream", ({ id }) => streams.push(id))
  b.handle(ASK, (message) => message.reply(ANSWER, message.bytes))
  let resume = (): void => {}
  const stream = toB.open({ label: "asking" })
  b.on("stream", (it) => {
    if (it.label === "asking") resume = () => it.resume()
  })
  stream.trySend(ASK, number(0))
  await network.advance(100)
  b.handleAsync(3, async ({ stream: it }) => it.pause())
  stream.trySend(3, number(0))
  stream.trySend(ASK, number(1))
  await network.until(stream.end())
  await network.until(toB.open().end())
  await network.advance(1_000)
  expect([answered, b.peers[0]!.replies.current?.state]).toEqual([[0], "open"])
  resume()
  await network.advance(1_000)
  expect([answered, streams.length, b.peers[0]!.replies.current]).toEqual([[0, 1], 1, undefined])
})
