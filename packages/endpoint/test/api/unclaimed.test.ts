// Messages of a type that nothing handles: they wait for a consumer for a limited time, and hold up only what they
// must.
import type { Endpoint, IncomingStream, OutgoingStream, Peer, ReceivedMessage, StreamEnd, Unhandled } from "@x/endpoint"
import { Endpoint as AnEndpoint, type EndpointOptions, type OpenOptions } from "@x/endpoint"
import type { Network } from "@x/transport/simulated"
import { expect, test } from "vitest"
import { makePair } from "../world.ts"

const BOUND_MS = 5_000

interface Scene {
  readonly network: Network
  readonly a: Endpoint
  readonly b: Endpoint
  readonly toB: Peer
  readonly out: OutgoingStream
  readonly incoming: IncomingStream
  readonly unhandled: Unhandled[]
  /** Numbers of the messages that handlers of {@link Scene.handle} got. */
  readonly got: number[]
  handle(type: number): () => void
  /** Sends numbered messages of a type, and lets them arrive. */
  send(type: number, ...numbers: number[]): Promise<void>
}

async function scene(open: OpenOptions = {}, options: EndpointOptions = {}): Promise<Scene> {
  const { network, a, b, toB } = await makePair(1, { delayMs: 5 }, options)
  const unhandled: Unhandled[] = []
  const got: number[] = []
  b.on("unhandled", (it) => void unhandled.push(it))
  let incoming: IncomingStream | undefined
  b.on("stream", (stream) => void (incoming = stream))
  const out = toB.open({ label: "news", ...open })
  await network.advance(20)
  return {
    network,
    a,
    b,
    toB,
    out,
    incoming: incoming!,
    unhandled,
    got,
    handle: (type) => b.handle(type, ({ bytes }) => void got.push(bytes[0]!)),
    async send(type, ...numbers) {
      for (const number of numbers) out.trySend(type, Uint8Array.of(number))
      await network.advance(20)
    },
  }
}

/** How a stream ended, if it has. */
function endOf(stream: IncomingStream): { end: StreamEnd | undefined } {
  const held: { end: StreamEnd | undefined } = { end: undefined }
  void stream.closed.then((end) => (held.end = end))
  return held
}

async function numbersOf(messages: AsyncIterable<ReceivedMessage>, into: number[]): Promise<void> {
  for await (const { bytes } of messages) into.push(bytes[0]!)
}

const CONSUMERS: Record<string, (it: Scene, got: number[]) => unknown> = {
  "endpoint.handle": ({ b }, got) => b.handle(7, ({ bytes }) => void got.push(bytes[0]!)),
  "endpoint.handleAsync": ({ b }, got) => b.handleAsync(7, async ({ bytes }) => void got.push(bytes[0]!)),
  "stream.handle": ({ incoming }, got) => incoming.handle(7, ({ bytes }) => void got.push(bytes[0]!)),
  "stream.handleAsync": ({ incoming }, got) => incoming.handleAsync(7, async ({ bytes }) => void got.push(bytes[0]!)),
  "stream.messages": ({ incoming }, got) => void numbersOf(incoming.messages(), got),
  "peer.messages": ({ b }, got) => void numbersOf(b.peers[0]!.messages(7), got),
  async "stream.readable"({ incoming }, got) {
    for await (const chunk of incoming.readable) got.push(chunk[0]!)
  },
}

test.each(Object.keys(CONSUMERS))(
  "what comes before anybody is there waits, and %s gets it, in order and once",
  async (name) => {
    const it = await scene()
    const receipt = it.out.send(7, Uint8Array.of(1), { receipt: true })
    await it.network.until(receipt, 100)
    await it.send(7, 2, 3)
    await it.network.advance(BOUND_MS - 200)
    expect([it.incoming.queued, it.b.stats().queuedBytes]).toEqual([{ messages: 3, bytes: 3 }, 3])
    const got: number[] = []
    CONSUMERS[name]!(it, got)
    await it.network.advance(BOUND_MS)
    await it.send(7, 4)
    expect([got, it.b.stats().unhandled, it.b.stats().queuedBytes, it.unhandled]).toEqual([[1, 2, 3, 4], 0, 0, []])
  },
)

test("after the bound they are dropped, counted, and told once with what to do; what comes then is dropped at once, until somebody handles it", async () => {
  const it = await scene()
  await it.send(7, 1, 2)
  await it.network.advance(BOUND_MS - 100)
  await it.send(7, 3)
  expect([it.unhandled.length, it.incoming.queued.messages]).toEqual([0, 3])
  await it.network.advance(100)
  expect([it.unhandled.length, it.b.stats().unhandled, it.b.stats().queuedBytes]).toEqual([1, 3, 0])
  const [{ stream, type, text }] = it.unhandled as [Unhandled]
  expect([stream === it.incoming, type]).toEqual([true, 7])
  expect(text).toMatch(
    /nobody handles messages of type 7 .*"news".*endpoint\.handle\(7, …\).*"stream".*messages\(\).*does nothing/,
  )
  await it.send(7, 4)
  expect([it.incoming.queued.messages, it.b.stats().unhandled, it.unhandled.length]).toEqual([0, 4, 1])
  expect([it.incoming.delivered, it.incoming.gone]).toEqual([0, 4])
  it.handle(7)
  await it.send(7, 5)
  expect([it.got, it.incoming.delivered, it.incoming.gone]).toEqual([[5], 1, 4])
})

test("it is told for each stream and each type", async () => {
  const it = await scene()
  const other = it.toB.open({ label: "other" })
  await it.send(7, 1)
  await it.send(8, 2)
  other.trySend(7, Uint8Array.of(3))
  await it.network.advance(BOUND_MS + 100)
  await it.send(7, 4)
  expect(it.unhandled.map(({ stream, type }) => `${stream.label} ${type}`)).toEqual(["news 7", "news 8", "other 7"])
})

test("in order, one that waits holds up those behind it; the time of each type begins as it comes, not in turn", async () => {
  const it = await scene()
  it.handle(1)
  await it.send(1, 0)
  await it.send(7, 1)
  await it.send(8, 2)
  await it.send(1, 3)
  expect(it.got).toEqual([0])
  await it.network.advance(BOUND_MS)
  expect([it.got, it.unhandled.map(({ type }) => type)]).toEqual([
    [0, 3],
    [7, 8],
  ])
})

test.each(["reliable-unordered", "fire-and-forget"] as const)(
  "without an order (%s) those with a handler go on",
  async (delivery) => {
    const it = await scene({ delivery })
    it.handle(1)
    await it.send(7, 10, 11)
    await it.send(1, 0, 1)
    await it.send(7, 12)
    await it.send(1, 2)
    expect([it.got, it.incoming.queued.messages]).toEqual([[0, 1, 2], 3])
    await it.network.advance(BOUND_MS / 2)
    it.handle(7)
    await it.send(1, 3)
    expect([it.got.toSorted((x, y) => x - y), it.incoming.queued.messages]).toEqual([[0, 1, 2, 3, 10, 11, 12], 0])
    await it.network.advance(BOUND_MS)
    expect([it.unhandled, it.b.stats().queuedBytes]).toEqual([[], 0])
  },
)

test("without an order what nobody handles is dropped after the bound, once a handler that takes its time is done", async () => {
  const it = await scene({ delivery: "reliable-unordered" })
  let release = (): void => {}
  it.b.handleAsync(1, () => new Promise<void>((resolve) => (release = resolve)))
  await it.send(7, 1)
  await it.send(1, 2, 3)
  await it.send(7, 4)
  await it.network.advance(BOUND_MS)
  expect([it.incoming.queued.messages, it.unhandled.length]).toEqual([3, 1])
  release()
  await it.network.advance(1)
  release()
  await it.network.advance(1)
  expect([it.incoming.queued.messages, it.b.stats().unhandled, it.b.stats().queuedBytes, it.unhandled.length]).toEqual([
    0, 2, 0, 1,
  ])
})

test.each(["reliable", "reliable-unordered"] as const)(
  "they are charged as whatever waits: the sender is held up once the queue is full, and goes on after the bound (%s)",
  async (delivery) => {
    const it = await scene({ delivery }, { queuedMessagesMax: 8, windowPackets: 4 })
    it.handle(1)
    for (let i = 0; i < 40; i++) it.out.trySend(7, new Uint8Array(1_000))
    it.out.trySend(1, Uint8Array.of(1))
    await it.network.advance(BOUND_MS - 200)
    expect([it.out.account.acknowledged, it.b.stats().queuedBytes, it.got]).toEqual([8, 8_000, []])
    await it.network.advance(2_000)
    expect([it.out.account.acknowledged, it.b.stats().unhandled, it.b.stats().queuedBytes, it.got]).toEqual([
      41,
      40,
      0,
      [1],
    ])
    it.b.assertInvariants()
  },
)

test("without an order a full stream that has set much aside goes on for others as it has room", async () => {
  const it = await scene({ delivery: "reliable-unordered" }, { queuedMessagesMax: 32, windowPackets: 8 })
  it.handle(1)
  for (let i = 0; i < 30; i++) it.out.trySend(7, Uint8Array.of(i))
  await it.network.advance(100)
  for (let i = 0; i < 200; i++) it.out.trySend(1, new Uint8Array(1_000))
  await it.network.advance(BOUND_MS - 1_000)
  expect([it.got.length, it.incoming.queued.messages]).toEqual([200, 30])
})

test("`latest` keeps the newest only, and hands it over at once if there is somebody for it", async () => {
  const it = await scene({ delivery: "latest" })
  const gaps: number[] = []
  it.incoming.on("gap", (messages) => void gaps.push(messages))
  await it.send(7, 1)
  await it.send(7, 2)
  await it.send(7, 3)
  expect([it.incoming.queued.messages, gaps]).toEqual([1, [1, 1]])
  it.handle(1)
  await it.send(1, 4)
  expect([it.got, it.incoming.queued.messages, gaps]).toEqual([[4], 0, [1, 1, 1]])
  await it.send(7, 5)
  it.handle(7)
  await it.network.advance(1)
  expect([it.got, it.b.stats().unhandled]).toEqual([[4, 5], 0])
})

test("a queue that is full drops the oldest where nothing waits, and tells a gap", async () => {
  for (const delivery of ["best-effort", "fire-and-forget"] as const) {
    const it = await scene({ delivery }, { queuedMessagesMax: 3 })
    let gone = 0
    it.incoming.on("gap", (messages) => void (gone += messages))
    for (const number of [1, 2, 3, 4, 5]) await it.send(7, number)
    const kept = it.incoming.queued.messages
    expect([delivery, kept + gone]).toEqual([delivery, 5])
    it.handle(7)
    await it.network.advance(1)
    expect([delivery, it.got]).toEqual([delivery, [1, 2, 3, 4, 5].slice(5 - kept)])
    expect([it.incoming.delivered, it.incoming.gone, it.b.stats().queuedBytes]).toEqual([kept, gone, 0])
  }
})

test.each(["ended", "reset", "left"] as const)(
  "what came of a stream that is over (%s) still finds its handler within the bound",
  async (how) => {
    const it = await scene()
    const { end } = endOf(it.incoming)
    await it.send(7, 1, 2)
    if (how === "ended") await it.network.until(it.out.end())
    else if (how === "reset") it.out.reset()
    else await it.network.until(it.toB.leave())
    await it.network.advance(BOUND_MS - 1_000)
    expect([end, it.b.stats().queuedBytes, it.b.stats().streams]).toEqual([undefined, 2, 1])
    it.handle(7)
    await it.network.advance(1)
    expect([it.got, it.b.stats().queuedBytes, it.b.stats().streams]).toEqual([[1, 2], 0, 0])
  },
)

test.each(["ended", "left"] as const)(
  "and is let go after it: the stream closes, and isn't complete (%s)",
  async (how) => {
    for (const delivery of ["reliable", "reliable-unordered"] as const) {
      const it = await scene({ delivery })
      const held = endOf(it.incoming)
      const reading = it.b.peers[0]!.messages(8).next()
      await it.send(7, 1, 2)
      if (how === "ended") await it.network.until(it.out.end())
      else await it.network.until(it.toB.leave())
      // A reader of other types of the peer is not kept waiting.
      if (how === "left") expect(await it.network.until(reading, 100)).toEqual({ value: undefined, done: true })
      await it.network.advance(BOUND_MS)
      expect([held.end?.isComplete, held.end?.gone, it.unhandled.length]).toEqual([false, 2, 1])
      expect([it.b.stats().queuedBytes, it.b.stats().streams]).toEqual([0, 0])
    }
  },
)

test("a reader of another type ends once its peer has left, also when it was read last and what nobody handles came first", async () => {
  const it = await scene({ delivery: "reliable-unordered" })
  const got: number[] = []
  await it.send(7, 1)
  const messages = it.b.peers[0]!.messages(8)
  await it.send(8, 2)
  await it.network.until(it.toB.leave())
  const reading = numbersOf(messages, got)
  await it.network.until(reading, 100)
  expect(got).toEqual([2])
})

test("who reads a stream after the bound is told that something is missing", async () => {
  const it = await scene()
  await it.send(7, 1)
  await it.network.advance(BOUND_MS)
  await it.send(7, 2)
  await it.network.until(it.out.end())
  await expect(it.network.until(it.incoming.readable.getReader().read())).rejects.toThrow("before it was complete")
})

test("a handler that comes and goes begins the time anew", async () => {
  const it = await scene()
  await it.send(7, 1)
  await it.network.advance(BOUND_MS - 1_000)
  const off = it.handle(7)
  await it.network.advance(1)
  off()
  await it.send(7, 2)
  await it.network.advance(BOUND_MS - 1_000)
  expect([it.got, it.incoming.queued.messages, it.unhandled.length]).toEqual([[1], 1, 0])
  await it.network.advance(1_000)
  expect([it.b.stats().unhandled, it.unhandled.length]).toEqual([1, 1])
})

test("a handler of another type takes nobody's time away", async () => {
  const it = await scene()
  await it.send(7, 1)
  for (let i = 0; i < 10; i++) {
    it.handle(100 + i)
    it.incoming.handle(200 + i, () => {})
    await it.network.advance(BOUND_MS / 10)
  }
  expect([it.unhandled.length, it.b.stats().unhandled]).toEqual([1, 1])
})

test("two handlers that come in one turn, of which the second is the one, are in time", async () => {
  const it = await scene()
  await it.send(7, 1)
  it.handle(8)
  it.handle(7)
  await it.network.advance(BOUND_MS * 2)
  expect([it.got, it.unhandled]).toEqual([[1], []])
})

test.each(["reliable", "reliable-unordered"] as const)(
  "while a stream is paused no time passes (%s)",
  async (delivery) => {
    const it = await scene({ delivery })
    await it.send(7, 1)
    it.incoming.pause()
    await it.send(7, 2)
    await it.send(8, 3)
    await it.network.advance(3 * BOUND_MS)
    expect([it.incoming.queued.messages, it.unhandled.length]).toEqual([3, 0])
    it.incoming.resume()
    await it.network.advance(BOUND_MS - 100)
    it.handle(8)
    expect(it.unhandled.length).toBe(0)
    await it.network.advance(200)
    expect([it.got, it.unhandled.length, it.b.stats().unhandled]).toEqual([[3], 1, 2])
  },
)

test.each(["reliable", "reliable-unordered"] as const)(
  "and it passes again from `resume` on (%s)",
  async (delivery) => {
    const it = await scene({ delivery })
    await it.send(7, 1)
    it.incoming.pause()
    await it.network.advance(BOUND_MS)
    it.incoming.resume()
    await it.network.advance(BOUND_MS - 1)
    expect([it.incoming.queued.messages, it.unhandled.length]).toEqual([1, 0])
    await it.network.advance(1)
    expect([it.incoming.queued.messages, it.unhandled.length]).toEqual([0, 1])
  },
)

test("what a reader leaves, of a stream or of a peer's type, waits for the next without a bound", async () => {
  const it = await scene()
  void it.b.peers[0]!.messages(7).return!()
  await it.send(7, 1)
  await it.network.advance(3 * BOUND_MS)
  expect(it.unhandled).toEqual([])
  const got: number[] = []
  void numbersOf(it.incoming.messages(), got)
  await it.network.advance(1)
  expect(got).toEqual([1])
})

test("`unclaimedMs` says how long; with 0 nothing waits, and it is told all the same", async () => {
  const soon = await scene({}, { unclaimedMs: 100 })
  await soon.send(7, 1)
  await soon.network.advance(100)
  expect([soon.unhandled.length, soon.b.stats().unhandled]).toEqual([1, 1])
  for (const delivery of ["reliable", "reliable-unordered", "latest"] as const) {
    const it = await scene({ delivery }, { unclaimedMs: 0 })
    it.handle(1)
    await it.send(7, 1)
    await it.send(7, 2)
    await it.send(1, 3)
    expect([it.got, it.unhandled.length, it.b.stats().unhandled, it.b.stats().queuedBytes]).toEqual([[3], 1, 2, 0])
  }
})

test("a stream with types without number tells of some, keeps few, and drops all alike", async () => {
  const it = await scene()
  for (let type = 100; type < 400; type++) it.out.trySend(type, Uint8Array.of(1))
  await it.network.advance(BOUND_MS + 100)
  for (let type = 100; type < 1_400; type++) it.out.trySend(type, Uint8Array.of(1))
  await it.network.advance(100)
  expect([it.b.stats().unhandled, it.b.stats().queuedBytes]).toEqual([1_600, 0])
  expect(it.unhandled.map(({ type }) => type)).toEqual(Array.from({ length: 17 }, (_, i) => 100 + i))
  expect(it.unhandled.at(-1)!.text).toContain("of type 116 and of others")
})

test("of many types each finds its handler within the bound", async () => {
  const it = await scene()
  for (let type = 100; type < 140; type++) it.out.trySend(type, Uint8Array.of(type))
  await it.network.advance(BOUND_MS - 1_000)
  for (let type = 100; type < 140; type++) it.handle(type)
  await it.network.advance(1)
  expect([it.got, it.b.stats().unhandled]).toEqual([Array.from({ length: 40 }, (_, i) => 100 + i), 0])
})

test("an endpoint that closes waits for nobody: it drops them, tells, and hands over what they held up", async () => {
  const it = await scene()
  const clock = it.network.host("c")
  const stored: number[] = []
  it.b.handleAsync(1, async ({ bytes }) => {
    await new Promise<void>((resolve) => clock.wakeUp(resolve).at(clock.now() + 100))
    stored.push(bytes[0]!)
  })
  await it.send(7, 1)
  await it.send(1, 2, 3)
  const other = it.toB.open()
  await it.network.advance(20)
  const beforeMs = it.network.now
  const closing = it.b.close()
  await it.network.advance(20)
  expect(it.b.stats().unhandled).toBe(1)
  other.trySend(7, Uint8Array.of(4))
  await it.network.advance(20)
  expect(it.b.stats().unhandled).toBe(2)
  await it.network.until(closing)
  expect([stored, it.unhandled.length, it.b.stats().unhandled, it.b.stats().queuedBytes]).toEqual([[2, 3], 2, 2, 0])
  expect(it.network.now - beforeMs).toBeLessThan(300)
  expect(it.b.sizes.streams).toBe(0)
})

test("a message that is dropped leaves nothing to be done: an endpoint sleeps as long as without", async () => {
  const it = await scene({}, { heartbeatMs: 60_000, unreachableMs: 100_000 })
  await it.send(7, 1)
  await it.network.until(it.out.end())
  await it.network.advance(BOUND_MS)
  const sent = it.b.stats().transport.datagramsSent
  await it.network.advance(30_000)
  expect([it.unhandled.length, it.b.stats().transport.datagramsSent - sent]).toEqual([1, 0])
})

test("the time begins as a handler before them is done, whatever else the endpoint does then", async () => {
  const it = await scene({}, { heartbeatMs: 60_000, unreachableMs: 100_000 })
  let release = (): void => {}
  it.b.handleAsync(1, () => new Promise<void>((resolve) => (release = resolve)))
  await it.send(1, 1)
  await it.send(7, 2)
  await it.network.advance(10_000)
  release()
  await it.network.advance(BOUND_MS - 1)
  expect(it.unhandled.length).toBe(0)
  await it.network.advance(1)
  expect(it.unhandled.length).toBe(1)
})

test("a stop drops them at once, and tells nobody", async () => {
  for (const delivery of ["reliable", "reliable-unordered"] as const) {
    const it = await scene({ delivery })
    const held = endOf(it.incoming)
    await it.send(7, 1, 2)
    it.incoming.stop(40_000)
    await it.network.advance(2 * BOUND_MS)
    expect(held.end).toEqual({ isComplete: false, reason: 40_000, gone: 2 })
    expect([it.unhandled, it.b.stats().unhandled, it.b.stats().queuedBytes, it.b.stats().streams]).toEqual([
      [],
      0,
      0,
      0,
    ])
  }
})

test("a listener of `unhandled` may handle the type: what comes then is its", async () => {
  const it = await scene()
  it.b.on("unhandled", ({ stream, type }) => void stream.handle(type, ({ bytes }) => void it.got.push(bytes[0]!)))
  await it.send(7, 1)
  await it.network.advance(BOUND_MS)
  await it.send(7, 2)
  expect(it.got.at(-1)).toBe(2)
})

test("what is too long to wait for is refused by name", async () => {
  const { network } = await scene()
  for (const unclaimedMs of [-1, 1.5, 3_600_001, Infinity, "5000"] as number[])
    await expect(AnEndpoint.bind({ host: network.host("c"), unclaimedMs })).rejects.toThrow("unclaimedMs must be")
})
