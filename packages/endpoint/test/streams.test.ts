// What the two ends of a stream offer besides sending: receipts, deadlines, turns, slow consumers, payloads in parts.

import { type EndpointOptions, fixed, type Peer, type SendResult } from "@x/endpoint"
import type { LinkOptions } from "@x/transport/simulated"
import { Readable, Writable } from "node:stream"
import { expect, test } from "vitest"
import { makePair, pattern } from "./world.ts"

const SLOW: LinkOptions = { delayMs: 5, rateBitsPerSecond: 8_000_000, queueBytes: 1_000_000 }

async function pair(
  seed: number,
  options: EndpointOptions = {},
  link: LinkOptions = { delayMs: 5 },
): Promise<Awaited<ReturnType<typeof makePair>>> {
  return makePair(seed, link, { congestion: fixed(), ...options })
}

/** Records how a promise ends. */
function outcome(promise: Promise<unknown>): { value: string } {
  const it = { value: "pending" }
  promise.then(
    () => (it.value = "resolved"),
    (error: Error & { code?: string }) => (it.value = error.code ?? error.message),
  )
  return it
}

test("best effort: what is too old is given up, told once as a gap, and nothing after it waits", async () => {
  const { network, b, toB } = await pair(1)
  const delivered: number[] = []
  const gaps: number[] = []
  b.on("stream", (stream) => stream.on("gap", (messages) => gaps.push(messages)))
  b.handle(1, ({ view, offset }) => delivered.push(view.getUint8(offset)))
  const stream = toB.open({ delivery: "best-effort", lifetimeMs: 40 })
  await network.advance(50)
  network.filter(({ to, bytes }) => to !== "b" || bytes.length < 500)
  for (const index of [0, 1, 2]) stream.trySend(1, pattern(900, index))
  await network.advance(100)
  network.filter(() => true)
  stream.trySend(1, pattern(900, 3))
  await network.advance(100)
  expect([delivered, gaps]).toEqual([[3], [3]])
  expect(stream.account).toEqual({ accepted: 4, acknowledged: 1, unconfirmed: 3, dropped: 0, pending: 0 })
})

test("best effort: a packet that was resent as often as allowed is given up", async () => {
  const { network, b, toB } = await pair(2)
  const delivered: number[] = []
  b.handle(1, ({ view, offset }) => delivered.push(view.getUint8(offset)))
  const stream = toB.open({ delivery: "best-effort", resendsMax: 1 })
  await network.advance(50)
  let tries = 0
  network.filter(({ to, bytes }) => !(to === "b" && bytes.length > 850 && bytes.length < 950 && ++tries <= 10))
  stream.trySend(1, pattern(850, 0))
  for (let i = 1; i < 6; i++) stream.trySend(1, pattern(1_000, i))
  await network.until(stream.flush(), 5_000)
  expect([tries, delivered, stream.account.unconfirmed]).toEqual([2, [1, 2, 3, 4, 5], 1])
})

test("F55 best effort: with the buffer full the oldest messages make way, whole ones", async () => {
  const { network, b, toB } = await pair(3, { windowPackets: 16, congestion: fixed({ windowBytes: 2_400 }) }, SLOW)
  const delivered: number[] = []
  let gone = 0
  b.on("stream", (stream) => stream.on("gap", (messages) => (gone += messages)))
  b.handle(1, (message) => {
    expect(message.copy()).toEqual(pattern(4_000, message.view.getUint8(message.offset)))
    delivered.push(message.view.getUint8(message.offset))
  })
  const stream = toB.open({ delivery: "best-effort" })
  for (let i = 0; i < 50; i++) expect(stream.trySend(1, pattern(4_000, i))).toBe("sent")
  await network.until(stream.flush(), 10_000)
  expect(delivered.at(-1)).toBe(49)
  expect(delivered.length + gone).toBe(50)
  expect(gone).toBeGreaterThan(40)
})

test("latest: what is unsent when something newer comes is not sent, and what is half sent is finished", async () => {
  const congestion = fixed({ windowBytes: 6_000, paceBytesPerMs: 100 })
  const { network, b, toB } = await pair(4, { congestion, datagramBytes: 1_200 }, SLOW)
  const delivered: number[] = []
  b.handle(1, (message) => {
    expect(message.copy()).toEqual(pattern(20_000, message.view.getUint8(message.offset)))
    delivered.push(message.view.getUint8(message.offset))
  })
  const stream = toB.open({ delivery: "latest" })
  for (let i = 0; i < 40; i++) {
    expect(stream.trySend(1, pattern(20_000, i))).toBe("sent")
    await network.advance(37)
  }
  await network.until(stream.flush(), 5_000)
  await network.advance(100)
  // Each takes 200 ms: then the newest one follows.
  expect(delivered).toEqual([0, 3, 8, 14, 19, 25, 31, 36, 39])
  expect(stream.account).toMatchObject({ accepted: 40, unconfirmed: 9, dropped: 31, pending: 0 })
  expect(b.sizes.assemblyBytes).toBe(0)
})

test("reliable without order: a message of one packet passes a large one that waits for a lost piece", async () => {
  const { network, b, toB } = await pair(5)
  const order: number[] = []
  b.handle(1, ({ length }) => order.push(length))
  const stream = toB.open({ delivery: "reliable-unordered" })
  await network.advance(50)
  let lost = 0
  network.filter(({ to, bytes }) => !(to === "b" && bytes.length > 1_100 && ++lost === 3))
  stream.trySend(1, pattern(20_000))
  stream.trySend(1, pattern(10))
  await network.until(stream.flush(), 5_000)
  expect(order).toEqual([10, 20_000])
})

test("an abandoned message of an unordered stream leaves no memory behind, whatever comes in which order", async () => {
  for (let seed = 0; seed < 20; seed++) {
    const { network, b, toB } = await pair(
      600 + seed,
      { windowPackets: 8 },
      { delayMs: 5, jitterMs: 8, reorderRate: 0.5, lossRate: 0.2 },
    )
    const stream = toB.open({ delivery: "reliable-unordered" })
    const aborting = new AbortController()
    const sending = outcome(stream.send(1, pattern(60_000), { signal: aborting.signal }))
    await network.advance(20)
    aborting.abort()
    stream.trySend(1, pattern(10))
    await network.until(stream.flush(), 30_000)
    expect([sending.value, b.sizes.assemblyBytes]).toEqual(["aborted", 0])
  }
})

test("a receipt comes when the peer's stream has the message, not before", async () => {
  const { network, toB } = await pair(7, {}, { delayMs: 20 })
  const stream = toB.open()
  await network.advance(100)
  const [sent, receipt, large] = [
    stream.send(1, pattern(10)),
    stream.send(1, pattern(10), { receipt: true }),
    stream.send(1, pattern(90_000), { receipt: true }),
  ].map(outcome)
  await network.advance(39)
  expect([sent!.value, receipt!.value, large!.value]).toEqual(["resolved", "pending", "pending"])
  await network.advance(100)
  expect([receipt!.value, large!.value]).toEqual(["resolved", "resolved"])
  expect(() => toB.open({ delivery: "latest" }).send(1, pattern(1), { receipt: true })).toThrow("nothing acknowledges")
})

test("a receipt of a message that was given up, or whose peer left, is an error", async () => {
  const { network, b, toB } = await pair(8, {}, { delayMs: 20 })
  const [stream, other] = [toB.open({ delivery: "best-effort", lifetimeMs: 30 }), toB.open()]
  await network.advance(100)
  network.partition("a", "b")
  const given = outcome(stream.send(1, pattern(10), { receipt: true }))
  const cut = outcome(other.send(1, pattern(10), { receipt: true }))
  await network.advance(50)
  expect([given.value, cut.value]).toEqual(["dropped", "pending"])
  network.heal()
  await network.until(b.close())
  await network.advance(100)
  expect(["resolved", "not-joined"]).toContain(cut.value)
})

test("a message that waits longer than it may is given up, half sent too, and is never completed with another's bytes", async () => {
  const { network, b, toB } = await pair(9, { windowPackets: 4 }, SLOW)
  const received: Uint8Array[] = []
  b.handle(1, (message) => received.push(message.copy()))
  const stream = toB.open()
  const sends = [200_000, 50_000, 3_000].map((length, i) =>
    outcome(stream.send(1, pattern(length, i), { timeoutMs: i < 2 ? 60 : 60_000 })),
  )
  expect(stream.trySend(1, pattern(40_000), { timeoutMs: 50 })).toBe("parked")
  expect(stream.parked).toMatchObject({ messages: 4, expired: 0, messagesMax: 1_024 })
  await network.advance(70)
  expect(sends.map(({ value }) => value === "timeout")).toEqual([true, true, false])
  await network.until(stream.flush(), 10_000)
  expect(stream.parked.expired).toBe(3)
  expect(received).toEqual([pattern(3_000, 2)])
  expect(stream.account).toEqual({ accepted: 4, acknowledged: 1, unconfirmed: 0, dropped: 3, pending: 0 })
})

test("drain comes once after something was parked or refused, when all of it is in the window", async () => {
  const { network, b, toB } = await pair(10, { windowPackets: 8, parkedMessagesMax: 2 }, SLOW)
  b.handle(1, () => {})
  const stream = toB.open()
  const drains: number[] = []
  stream.on("drain", () => drains.push(stream.parked.messages))
  expect(stream.trySend(1, pattern(10))).toBe("sent")
  await network.advance(100)
  expect(drains).toEqual([])
  const results: SendResult[] = []
  for (let i = 0; i < 20; i++) results.push(stream.trySend(1, pattern(1_000)))
  expect(new Set(results)).toEqual(new Set(["sent", "parked", "refused"]))
  await network.until(stream.flush(), 5_000)
  expect(drains).toEqual([0])
})

test("streams share by weight, and higher priorities go first", async () => {
  const { network, b, toB } = await pair(
    11,
    { congestion: fixed({ windowBytes: 20_000, paceBytesPerMs: 900 }), windowPackets: 512 },
    SLOW,
  )
  const bytes = new Map<string, number>()
  b.handle(1, ({ stream, length }) => void bytes.set(stream.label, (bytes.get(stream.label) ?? 0) + length))
  const weights = { one: 1, three: 3, six: 6 }
  for (const [label, weight] of Object.entries(weights)) feed(toB, label, { weight })
  await network.advance(1_500)
  const total = [...bytes.values()].reduce((sum, it) => sum + it, 0)
  for (const [label, weight] of Object.entries(weights)) expect(bytes.get(label)! / total).toBeCloseTo(weight / 10, 1)
  const before = new Map(bytes)
  feed(toB, "first", { priority: 200 })
  // What the others had under way is still coming.
  await network.advance(60)
  const from = new Map(bytes)
  await network.advance(200)
  expect(bytes.get("first")!).toBeGreaterThan(150_000)
  for (const label of Object.keys(weights)) expect(bytes.get(label)!).toBe(from.get(label) ?? before.get(label))
})

/** Keeps the window of a stream full for more than a second. */
function feed(peer: Peer, label: string, options: { weight?: number; priority?: number }): void {
  const stream = peer.open({ label, ...options })
  for (let i = 0; i < 2_000; i++) stream.trySend(1, pattern(1_100))
  stream.on("drain", () => {
    for (let i = 0; i < 1_000; i++) stream.trySend(1, pattern(1_100))
  })
}

test("peers share by weight too", async () => {
  const { network, bind, a, b, toB } = await pair(12, {
    congestion: fixed({ windowBytes: 1_000_000, paceBytesPerMs: Infinity }),
  })
  const { endpoint: c } = await bind("c")
  const toC = await network.until(a.join("c:4000"))
  // One send buffer for both: they share the host's link.
  network.links({ delayMs: 5, rateBitsPerSecond: 80_000_000, queueBytes: 100_000 })
  toB.setShare({ weight: 3 })
  expect(() => toB.setShare({ weight: 0 })).toThrow("weight must be")
  let atC = 0
  const order: string[] = []
  network.filter(({ to, bytes }) => {
    if ((to === "b" || to === "c") && bytes.length > 1_000) order.push(to)
    return true
  })
  for (const endpoint of [c]) endpoint.handle(1, ({ length }) => (atC += length))
  // While a message is handled nothing is sent until everything was written: then both have something to send.
  a.handle(2, () => {
    for (const [peer, label] of [
      [toB, "b"],
      [toC, "c"],
    ] as const) {
      const stream = peer.open({ label })
      for (let i = 0; i < 400; i++) stream.trySend(1, pattern(1_100))
    }
  })
  b.peers[0]!.open().trySend(2, pattern(1))
  await network.advance(1_000)
  // While both have something to send, every four rounds of eight datagrams hold three of the heavier peer.
  const head = order.slice(0, 256)
  expect(head.filter((to) => to === "b").length / head.length).toBeCloseTo(0.75, 1)
  expect(atC).toBe(440_000)
})

test("an async handler gets copies, one at a time for each stream, and holds up that stream alone", async () => {
  const { network, b, toB } = await pair(13, { queuedMessagesMax: 4 })
  const log: string[] = []
  let release = (): void => {}
  b.handleAsync(1, async ({ stream, bytes }) => {
    log.push(`begin ${stream.label}${bytes[0]}`)
    if (stream.label === "slow") await new Promise<void>((resolve) => (release = resolve))
    expect(bytes).toEqual(pattern(200, bytes[0]))
    log.push(`end ${stream.label}${bytes[0]}`)
  })
  const [slow, fast] = [toB.open({ label: "slow" }), toB.open({ label: "fast" })]
  for (let i = 0; i < 3; i++) slow.trySend(1, pattern(200, i))
  for (let i = 0; i < 2; i++) fast.trySend(1, pattern(200, i))
  await network.advance(100)
  expect(log).toEqual(["begin slow0", "begin fast0", "end fast0", "begin fast1", "end fast1"])
  log.length = 0
  release()
  await network.advance(1)
  release()
  await network.advance(1)
  release()
  await network.advance(1)
  expect(log).toEqual(["end slow0", "begin slow1", "end slow1", "begin slow2", "end slow2"])
})

test("F57 a consumer that is behind fills its own queue, then its sender's window, then its parking lot; nothing is lost and others flow", async () => {
  const { network, a, b, toB } = await pair(14, { queuedMessagesMax: 8, windowPackets: 16, parkedMessagesMax: 4 })
  const received: number[] = []
  let flowing = 0
  b.handle(1, ({ view, offset }) => received.push(view.getUint16(offset)))
  b.handle(2, () => flowing++)
  let paused: { resume: () => void; queued: { messages: number } } | undefined
  b.on("stream", (stream) => {
    if (stream.label !== "paused") return
    stream.pause()
    paused = stream
  })
  const stream = toB.open({ label: "paused" })
  const other = toB.open({ label: "other" })
  let sent = 0
  const offer = (): void => {
    for (;;) {
      const message = pattern(1_000)
      new DataView(message.buffer).setUint16(0, sent)
      if (stream.trySend(1, message) === "refused") return
      sent++
    }
  }
  for (let i = 0; i < 50; i++) {
    offer()
    other.trySend(2, pattern(100))
    await network.advance(100)
  }
  // Queue, window, parking lot: no more than these were accepted; and the sender was told, so it doesn't try for ever.
  expect(sent).toBeLessThanOrEqual(8 + 16 + 4)
  expect([received.length, flowing]).toEqual([0, 50])
  expect(paused!.queued.messages).toBe(8)
  expect(b.sizes.pool).toBeLessThanOrEqual(16)
  expect(toB.stats().packetsResent).toBeLessThan(100)
  paused!.resume()
  await network.until(stream.flush(), 5_000)
  await network.advance(100)
  expect(received).toEqual(Array.from({ length: sent }, (_, i) => i))
  a.assertInvariants()
  b.assertInvariants()
})

test("a stream that doesn't wait drops the oldest of what its consumer is behind with, and says so", async () => {
  for (const [delivery, kept] of [
    ["fire-and-forget", [15, 16, 17, 18, 19]],
    ["best-effort", [15, 16, 17, 18, 19]],
    ["latest", [19]],
  ] as const) {
    const { network, b, toB } = await pair(15, { queuedMessagesMax: 6 })
    const received: number[] = []
    let gone = 0
    b.handle(1, ({ view, offset }) => received.push(view.getUint8(offset)))
    let resume = (): void => {}
    b.on("stream", (stream) => {
      stream.pause()
      stream.on("gap", (messages) => (gone += messages))
      resume = () => stream.resume()
    })
    const stream = toB.open({ delivery })
    await network.advance(50)
    for (let i = 0; i < 20; i++) {
      stream.trySend(1, pattern(500, i))
      await network.advance(10)
    }
    resume()
    await network.advance(0)
    expect([delivery, received, gone]).toEqual([delivery, kept, 20 - kept.length])
  }
})

test("without an order a consumer that is behind holds up its sender too, and nothing is lost", async () => {
  const { network, b, toB } = await pair(23, { queuedMessagesMax: 4, windowPackets: 8 })
  const received: number[] = []
  b.handle(1, ({ view, offset }) => received.push(view.getUint8(offset)))
  let resume = (): void => {}
  b.on("stream", (stream) => {
    stream.pause()
    resume = () => stream.resume()
  })
  const stream = toB.open({ delivery: "reliable-unordered" })
  for (let i = 0; i < 100; i++) stream.trySend(1, pattern(1_000, i))
  await network.advance(3_000)
  expect(stream.account.acknowledged).toBe(4)
  expect(toB.stats().packetsResent).toBeLessThan(100)
  resume()
  await network.until(stream.flush(), 10_000)
  expect(received.toSorted((x, y) => x - y)).toEqual(Array.from({ length: 100 }, (_, i) => i))
})

test("an iterator that isn't read holds up the streams it reads from, and nothing is lost", async () => {
  const { network, b, toB } = await pair(16, { queuedMessagesMax: 4, windowPackets: 8, parkedMessagesMax: 1_000 })
  let messages: AsyncIterator<{ bytes: Uint8Array }> | undefined
  b.on("stream", (stream) => (messages = stream.messages()))
  const stream = toB.open()
  for (let i = 0; i < 100; i++) stream.trySend(1, pattern(1_000, i))
  await network.advance(5_000)
  expect(b.sizes.pool).toBeLessThanOrEqual(8)
  expect(stream.account.acknowledged).toBeLessThan(20)
  const ending = outcome(stream.end())
  for (let i = 0; i < 100; i++) {
    const { value } = await network.until(messages!.next())
    expect((value as { bytes: Uint8Array }).bytes).toEqual(pattern(1_000, i))
  }
  expect((await network.until(messages!.next())).done).toBe(true)
  await network.advance(100)
  expect(ending.value).toBe("resolved")
})

test("a payload in parts arrives whole through web streams, of any size, at the reader's pace", async () => {
  const { network, b, toB } = await pair(17, { windowBytes: 100_000, queuedBytesMax: 100_000 })
  let readable: ReadableStream<Uint8Array> | undefined
  b.on("stream", (stream) => (readable = stream.readable))
  const writer = toB.open().writable(1).getWriter()
  const total = 3_000_000
  let written = 0
  const writing = (async () => {
    for (; written < total; written += 100_000) await writer.write(pattern(100_000, written))
    await writer.close()
  })()
  await network.advance(2_000)
  // The reader has not begun: the amount under way is bounded.
  expect(written).toBeLessThan(600_000)
  const chunks: Uint8Array[] = []
  const reading = (async () => {
    for await (const chunk of readable!) chunks.push(chunk)
  })()
  await network.until(Promise.all([reading, writing]), 60_000)
  const sent = Array.from({ length: total / 100_000 }, (_, i) => pattern(100_000, i * 100_000))
  expect(Buffer.compare(Buffer.concat(chunks), Buffer.concat(sent))).toBe(0)
})

test("a payload that ends closes its reader, one that is aborted errors it, and one that is cancelled stops its writer", async () => {
  const { network, b, toB } = await pair(18)
  const readables: ReadableStream<Uint8Array>[] = []
  b.on("stream", (stream) => readables.push(stream.readable))
  const [whole, aborted, cancelled] = [toB.open(), toB.open(), toB.open()].map((stream) =>
    stream.writable(1).getWriter(),
  )
  for (const writer of [whole!, aborted!, cancelled!]) {
    void writer.write(pattern(70_000))
    void writer.closed.catch(() => {})
  }
  await network.advance(100)
  const readAll = async (stream: ReadableStream<Uint8Array>): Promise<number> => {
    let bytes = 0
    for await (const chunk of stream) bytes += chunk.length
    return bytes
  }
  const [first, second] = [readAll(readables[0]!), readAll(readables[1]!)]
  const [ended, broken] = [outcome(whole!.close()), outcome(second)]
  void aborted!.abort()
  expect(await network.until(first)).toBe(70_000)
  await network.advance(100)
  expect([ended.value, broken.value]).toEqual(["resolved", "stream-closed"])
  void readables[2]!.cancel()
  await network.advance(100)
  const late = outcome(cancelled!.write(pattern(10)))
  await network.advance(100)
  expect(late.value).toBe("stream-closed")
})

test("streams of all peers together have a bound, and who is refused is counted", async () => {
  const { network, a, b, toB } = await pair(19, { streamsTotalMax: 3 })
  const streams = [toB.open(), toB.open(), toB.open()]
  expect(() => toB.open()).toThrow("streamsTotalMax")
  expect(a.stats().full).toMatchObject({ pool: 0, sendPool: 0, streams: 1 })
  await network.advance(100)
  expect(b.stats().streams).toBe(3)
  await network.until(Promise.all(streams.map((stream) => stream.end())))
  expect([a.stats().streams, b.stats().streams]).toEqual([0, 0])
  toB.open()
})

test("with the memory of all streams used up messages wait, and go on in turn when there is some", async () => {
  const { network, a, b, toB } = await pair(20, { sendPoolPacketsMax: 64 }, SLOW)
  let received = 0
  b.handle(1, () => received++)
  const streams = Array.from({ length: 8 }, () => toB.open())
  for (let i = 0; i < 30; i++)
    for (const stream of streams) expect(["sent", "parked"]).toContain(stream.trySend(1, pattern(1_000)))
  // Some is reserved for other peers.
  expect([a.sizes.sendPool > 20, a.sizes.sendPool < 32]).toEqual([true, true])
  await network.until(Promise.all(streams.map((stream) => stream.flush())), 10_000)
  expect([received, a.stats().full.sendPool > 0]).toEqual([240, true])
  await network.advance(2_000)
  expect(a.sizes.sendPool).toBe(0)
})

test("write that resets its own stream writes nothing", async () => {
  const { network, b, toB } = await pair(21)
  let received = 0
  b.handle(1, () => received++)
  const stream = toB.open()
  expect(stream.write(1, 10, () => stream.reset())).toBe("closed")
  await network.advance(100)
  expect([received, stream.account.accepted]).toEqual([0, 0])
})

test("one peer can't take all memory for early or for unacknowledged packets; the bounds that were met are counted", async () => {
  const { network, a, b, toB, bind } = await pair(22, {
    poolPacketsPerPeer: 16,
    poolPacketsMax: 64,
    sendPoolPacketsPerPeer: 32,
    sendPoolPacketsMax: 256,
  })
  const { endpoint: c } = await bind("c")
  const toC = await network.until(a.join("c:4000"))
  let received = 0
  c.handle(1, () => received++)
  b.handle(1, () => {})
  await network.advance(50)
  network.partition("a", "b")
  const stream = toB.open()
  for (let i = 0; i < 100; i++) stream.trySend(1, pattern(1_000))
  expect([a.sizes.sendPool, a.stats().full.sendPoolPerPeer > 0, a.stats().full.sendPool]).toEqual([26, true, 0])
  // One stream leaves a part to the others of its peer.
  const second = toB.open()
  for (let i = 0; i < 100; i++) second.trySend(1, pattern(1_000))
  // An eighth is reserved for messages under way.
  expect(a.sizes.sendPool).toBe(29)
  const other = toC.open()
  for (let i = 0; i < 100; i++) other.trySend(1, pattern(1_000))
  await network.until(other.flush(), 5_000)
  expect(received).toBe(100)
  network.heal()
  await network.until(Promise.all([stream.flush(), second.flush()]), 20_000)
  // And in the other direction: the first packet of a window is lost, the rest comes early.
  let lost = 0
  network.filter(({ to, bytes }) => !(to === "b" && bytes.length > 1_000 && ++lost === 1))
  for (let i = 0; i < 32; i++) stream.trySend(1, pattern(1_000))
  await network.advance(9)
  expect([b.sizes.pool, b.stats().full.poolPerPeer > 0]).toEqual([16, true])
  await network.until(stream.flush(), 20_000)
  expect(b.sizes.pool).toBe(0)
})

test.each([64, 300])(
  "a packet's memory is not given to another while its datagram still waits to be sent, of %i",
  async (slots) => {
    const { network, b, toB } = await pair(24, { sendPoolPacketsMax: slots })
    const received: [number, number][] = []
    b.handle(1, (message) => {
      const salt = message.view.getUint8(message.offset)
      expect(message.copy()).toEqual(pattern(1_000, salt))
      received.push([message.stream.id, salt])
    })
    const [loose, waiting] = [toB.open({ delivery: "fire-and-forget" }), toB.open()]
    await network.advance(50)
    // The first takes most of the memory; the second goes on as soon as a packet of the first was sent, which is before
    // the batch has left.
    let count = 0
    while (loose.trySend(1, pattern(1_000, count)) === "sent") count++
    const results = Array.from({ length: 64 }, (_, i) => waiting.trySend(1, pattern(1_000, 200 + (i % 50))))
    expect([count > slots / 6, results.at(-1)]).toEqual([true, "parked"])
    await network.until(waiting.flush(), 5_000)
    await network.advance(100)
    const of = (id: number): number[] => received.filter(([stream]) => stream === id).map(([, salt]) => salt)
    expect(of(loose.id).toSorted((x, y) => x - y)).toEqual(Array.from({ length: count }, (_, i) => i))
    expect(of(waiting.id)).toEqual(Array.from({ length: 64 }, (_, i) => 200 + (i % 50)))
  },
)

test("a stream's own handler comes before the endpoint's of the type, and who reads a stream has all of it", async () => {
  const { network, b, toB } = await pair(25)
  const log: string[] = []
  b.handle(1, ({ stream }) => log.push(`endpoint ${stream.label}`))
  b.on("stream", (stream) => {
    if (stream.label === "own") {
      const remove = stream.handle(1, () => {
        log.push("own")
        remove()
      })
      expect(() => stream.handle(1, () => {})).toThrow("has a handler already")
    }
    if (stream.label === "read")
      void stream
        .messages()
        .next()
        .then(({ value }) => log.push(`read ${(value as { type: number }).type}`))
  })
  for (const label of ["own", "read", "plain"]) {
    const stream = toB.open({ label })
    for (let i = 0; i < 2; i++) stream.trySend(1, pattern(10))
    await network.advance(50)
  }
  expect(log).toEqual(["own", "endpoint own", "read 1", "endpoint plain", "endpoint plain"])
})

test("Node's streams of a payload tell ending from destroying", async () => {
  const { network, b, toB } = await pair(26)
  const ends: string[] = []
  b.on("stream", (stream) => {
    const readable = Readable.fromWeb(stream.readable as never)
    readable.on("end", () => ends.push("end"))
    readable.on("error", (error: { code?: string }) => ends.push(error.code!))
    readable.resume()
  })
  const [whole, destroyed] = [toB.open(), toB.open()].map((stream) => Writable.fromWeb(stream.writable(1)))
  whole!.end(Buffer.alloc(100_000))
  destroyed!.on("error", () => {})
  destroyed!.write(Buffer.alloc(100_000))
  await network.advance(200)
  expect(ends).toEqual(["end"])
  destroyed!.destroy(new Error("changed my mind"))
  await network.advance(200)
  expect(ends).toEqual(["end", "stream-closed"])
})

test("copies that wait for consumers are bounded over all streams, and a stream without any goes on", async () => {
  const { network, b, toB } = await pair(27, { queuedBytesTotalMax: 10_000, windowPackets: 8 })
  const received = new Map<string, number>()
  const paused: { resume: () => void }[] = []
  b.handle(1, ({ stream }) => void received.set(stream.label, (received.get(stream.label) ?? 0) + 1))
  b.on("stream", (stream) => {
    if (stream.label === "free") return
    stream.pause()
    paused.push(stream)
  })
  const streams = ["x", "y", "z", "free"].map((label) => toB.open({ label }))
  for (let i = 0; i < 50; i++) for (const stream of streams) stream.trySend(1, pattern(1_000))
  await network.advance(2_000)
  // Each may exceed it by one message: it is held up once it has one.
  expect(b.stats().queuedBytes).toBeLessThanOrEqual(13_000)
  expect(b.stats().full.queues).toBeGreaterThan(0)
  expect([...received]).toEqual([["free", 50]])
  for (const stream of paused) stream.resume()
  await network.until(Promise.all(streams.map((stream) => stream.flush())), 10_000)
  expect([...received.values()]).toEqual([50, 50, 50, 50])
  expect(b.stats().queuedBytes).toBe(0)
  // Messages that wait when the peer has left are held until a consumer comes.
  const last = toB.open({ label: "last" })
  await network.advance(50)
  last.trySend(1, pattern(1_000))
  await network.advance(50)
  await network.until(toB.leave())
  await network.advance(50)
  expect([b.stats().queuedBytes, b.sizes.streams]).toEqual([1_000, 1])
  paused.at(-1)!.resume()
  await network.advance(1)
  expect([received.get("last"), b.stats().queuedBytes, b.sizes.streams]).toEqual([1, 0, 0])
})

test("the receipt of a message that makes way for others fails at once", async () => {
  const { network, toB } = await pair(28, { windowPackets: 4 })
  const stream = toB.open({ delivery: "best-effort" })
  await network.advance(50)
  network.partition("a", "b")
  const receipt = outcome(stream.send(1, pattern(1_000), { receipt: true }))
  for (let i = 0; i < 4; i++) stream.trySend(1, pattern(1_000))
  await Promise.resolve()
  await Promise.resolve()
  expect(receipt.value).toBe("dropped")
})

test("an iterator over a peer's messages gets all that was acknowledged, also after the peer has left", async () => {
  const { network, a, b, toB } = await pair(29)
  const messages = b.peers[0]!.messages(1)
  const stream = toB.open()
  for (let i = 0; i < 50; i++) stream.trySend(1, pattern(500, i))
  await network.until(stream.end())
  await network.until(a.close())
  await network.advance(1_000)
  expect(b.peers).toEqual([])
  for (let i = 0; i < 50; i++) expect((await messages.next()).value.bytes).toEqual(pattern(500, i))
  expect((await messages.next()).done).toBe(true)
  expect(b.stats().unhandled).toBe(0)
})

test.each(["fire-and-forget", "latest", "best-effort"] as const)(
  "with little memory left a large message goes whole or not at all, %s",
  async (delivery) => {
    const { network, a, b, toB } = await pair(30, { sendPoolPacketsMax: 64 })
    const received: number[] = []
    b.handle(1, (message) => {
      expect(message.copy()).toEqual(pattern(message.length, 7))
      received.push(message.length)
    })
    const [other, stream] = [toB.open(), toB.open({ delivery })]
    await network.advance(50)
    network.partition("a", "b")
    for (let i = 0; i < 60; i++) other.trySend(1, pattern(1_000, 7))
    expect([stream.trySend(1, pattern(20_000, 7)), stream.account.accepted]).toEqual(["dropped", 0])
    expect(stream.trySend(1, pattern(3_000, 7))).toBe("sent")
    network.heal()
    await network.until(Promise.all([other.flush(), stream.flush()]), 20_000)
    expect(stream.trySend(1, pattern(20_000, 7))).toBe("sent")
    await network.until(stream.flush(), 20_000)
    await network.advance(100)
    expect(received.filter((length) => length !== 1_000).at(-1)).toBe(20_000)
    a.assertInvariants()
  },
)

test("who writes much in a turn has it sent while it writes; little waits for the end of the turn", async () => {
  const { network, toB } = await pair(13)
  const stream = toB.open()
  stream.trySend(1, pattern(100))
  await network.until(stream.flush())
  const sent = (): number => network.linkOf("a", "b").sent
  const before = sent()
  for (let i = 0; i < 50; i++) stream.trySend(1, pattern(1_100))
  expect(sent()).toBe(before)
  for (let i = 0; i < 50; i++) stream.trySend(1, pattern(1_100))
  expect(sent() - before).toBeGreaterThan(50)
  await network.until(stream.flush())
  expect(stream.account).toMatchObject({ accepted: 101, acknowledged: 101 })
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

test("the end of a fire-and-forget stream doesn't overtake what was sent before it", async () => {
  const { network, b, toB } = await makePair(7)
  const received: number[] = []
  const ends: unknown[] = []
  b.on("stream", (stream) => void stream.closed.then((end) => ends.push(end)))
  b.handle(1, ({ length }) => received.push(length))
  const stream = toB.open({ delivery: "fire-and-forget" })
  for (let i = 0; i < 10; i++) stream.trySend(1, new Uint8Array(1_000 + i))
  await network.until(stream.end())
  expect(received).toEqual(Array.from({ length: 10 }, (_, i) => 1_000 + i))
  expect(ends).toMatchObject([{ isComplete: false }])
})
