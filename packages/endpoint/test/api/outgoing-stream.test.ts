// How a stream to a peer goes on and ends for its holder: no call that waits is left waiting.

import {
  defineMessage,
  type Delivery,
  type EndpointError,
  type EndpointOptions,
  fixed,
  type IncomingStream,
  type OutgoingEnd,
  type OutgoingStream,
  type SendResult,
  REASON,
  type WaitOptions,
} from "@x/endpoint"
import type { LinkOptions } from "@x/transport/simulated"
import { DELIVERIES } from "@x/wire"
import { expect, test } from "vitest"
import { GrowableBuffer, ResizableBuffer, transfer } from "../memory.ts"
import { outcomes, valuesOf } from "../outcome.ts"
import { makePair, pattern } from "../world.ts"

async function pair(
  seed: number,
  options: EndpointOptions = {},
  link: LinkOptions = { delayMs: 10 },
): Promise<Awaited<ReturnType<typeof makePair>>> {
  return makePair(seed, link, { congestion: fixed(), ...options })
}

/** What a stream reports of its end: each event, and the promise. */
function endsOf(stream: OutgoingStream): { events: OutgoingEnd[]; promised: OutgoingEnd[]; drains: number } {
  const ends = { events: [] as OutgoingEnd[], promised: [] as OutgoingEnd[], drains: 0 }
  stream.on("closed", (end) => void ends.events.push(end))
  stream.on("drain", () => void ends.drains++)
  void stream.closed.then((end) => ends.promised.push(end))
  return ends
}

/** A signal that counts its listeners. */
function watchedSignal(): { readonly aborting: AbortController; readonly signal: AbortSignal & { listeners: number } } {
  const aborting = new AbortController()
  const signal = Object.assign(aborting.signal, { listeners: 0 })
  const { addEventListener, removeEventListener } = signal
  signal.addEventListener = (...args: Parameters<typeof addEventListener>) => {
    signal.listeners++
    addEventListener.apply(signal, args)
  }
  signal.removeEventListener = (...args: Parameters<typeof removeEventListener>) => {
    signal.listeners--
    removeEventListener.apply(signal, args)
  }
  signal.addEventListener("abort", () => signal.listeners--, { once: true })
  signal.listeners = 0
  return { aborting, signal }
}

interface Scene extends Awaited<ReturnType<typeof makePair>> {
  readonly stream: OutgoingStream
  /** Its other end. */
  readonly incoming: IncomingStream
}

/** A stream whose consumer takes nothing: window and parking lot are full. */
async function stuck(seed: number, delivery: Delivery = "reliable"): Promise<Scene> {
  const scene = await pair(seed, { windowPackets: 8, parkedMessagesMax: 4, queuedMessagesMax: 4, datagramBytes: 1_400 })
  let incoming: IncomingStream | undefined
  scene.b.on("stream", (it) => {
    incoming = it
    it.pause()
  })
  const stream = scene.toB.open({ delivery })
  stream.trySend(1, pattern(10))
  await scene.network.when(() => incoming !== undefined)
  while (stream.parked.messages < 3) {
    stream.trySend(1, pattern(1_300))
    await scene.network.advance(20)
  }
  return { ...scene, stream, incoming: incoming! }
}

/** Everything that ends a stream, and the reason that it gives. */
const CAUSES: readonly [string, number, (scene: Scene) => unknown][] = [
  ["we reset it", 40_000, ({ stream }) => stream.reset(40_000)],
  ["we reset it without a reason", REASON.unspecified, ({ stream }) => stream.reset(REASON.unspecified)],
  ["the peer stops it", 40_001, ({ incoming }) => incoming.stop(40_001)],
  ["the peer leaves", 40_002, ({ b }) => void b.peers[0]!.leave(40_002)],
  ["we leave", 40_003, ({ toB }) => void toB.leave(40_003)],
  ["the peer closes", REASON.closing, ({ b }) => void b.close()],
  ["we close", REASON.closing, ({ a }) => void a.close()],
  ["the peer is silent for too long", REASON.timeout, ({ network }) => network.partition("a", "b")],
  [
    "the peer restarts",
    REASON.restarted,
    ({ hostB, bind }) => {
      hostB.crash()
      return bind("b")
    },
  ],
]

test.each(CAUSES)("who waits on a stream is told once that it closed, and why: %s", async (_, reason, act) => {
  const scene = await stuck(100)
  const { network, a, stream } = scene
  const ends = endsOf(stream)
  const waits = outcomes([
    stream.flush(),
    stream.send(1, pattern(1)),
    stream.end(),
    stream.end(),
    stream.send(1, pattern(1)),
  ])
  await act(scene)
  await network.advance(120_000)
  expect(ends.events.length).toBe(1)
  expect(ends.promised).toEqual(ends.events)
  const { account, ...end } = ends.events[0]!
  expect(end).toEqual({ isComplete: false, reason })
  expect(account).toMatchObject({ pending: 0, accepted: account.acknowledged + account.unconfirmed + account.dropped })
  expect([stream.state, stream.account, stream.parked.bytes, stream.unacknowledgedBytes]).toEqual([
    "closed",
    account,
    0,
    0,
  ])
  for (const { value } of waits) expect(["stream-closed", "not-joined"]).toContain(value)
  expect(ends.drains).toBe(0)
  // A later call gets the same result.
  expect(await stream.closed).toEqual(ends.events[0])
  const later = outcomes([
    stream.flush(),
    stream.end(),
    stream.send(1, pattern(1)),
    stream.send(1, pattern(1), { receipt: true }),
  ])
  await network.advance(0)
  for (const { value } of later) expect(["stream-closed", "not-joined"]).toContain(value)
  expect(["closed", "not-joined"]).toContain(stream.trySend(1, pattern(1)))
  a.assertInvariants()
  expect(a.sizes.sendPool).toBe(0)
})

test.each(DELIVERIES)(
  "a stream that was ended and delivered says that it is complete, as far as it can know: %s",
  async (delivery) => {
    const { network, b, toB } = await pair(200)
    b.handle(1, () => {})
    const stream = toB.open({ delivery })
    const ends = endsOf(stream)
    for (let i = 0; i < 10; i++) stream.trySend(1, pattern(500))
    const waits = outcomes([stream.end(), stream.flush(), stream.end()])
    await network.advance(2_000)
    waits.push(...outcomes([stream.end(), stream.flush()]))
    await network.advance(0)
    expect(new Set(valuesOf(waits))).toEqual(new Set(["resolved"]))
    expect(ends).toEqual({ events: [ends.promised[0]], promised: [ends.promised[0]], drains: 0 })
    expect(ends.promised[0]).toEqual({
      isComplete: delivery !== "latest" && delivery !== "fire-and-forget",
      reason: REASON.unspecified,
      account: stream.account,
    })
  },
)

test("a stream that gave up a message is not complete, though it was ended and answered", async () => {
  const { network, b, toB } = await pair(300)
  b.handle(1, () => {})
  const stream = toB.open({ delivery: "best-effort", lifetimeMs: 30 })
  await network.advance(100)
  network.partition("a", "b")
  stream.trySend(1, pattern(10))
  await network.advance(100)
  network.heal()
  stream.trySend(1, pattern(10))
  await network.until(stream.end(), 5_000)
  expect(await stream.closed).toEqual({
    isComplete: false,
    reason: REASON.unspecified,
    account: { accepted: 2, acknowledged: 1, unconfirmed: 1, dropped: 0, pending: 0 },
  })
})

// A caller can stop waiting.

/** Calls whose answer doesn't come, and what a caller that gives up is told. */
const CALLS: readonly [string, RegExp, (stream: OutgoingStream, options: WaitOptions) => Promise<void>][] = [
  [
    "receipt",
    /may have been delivered/,
    (stream, options) => stream.send(1, pattern(10), { receipt: true, ...options }),
  ],
  [
    "large receipt",
    /may have been delivered/,
    (stream, options) => stream.send(1, pattern(5_000), { receipt: true, ...options }),
  ],
  ["flush", /is still being delivered/, (stream, options) => stream.flush(options)],
  ["end", /is still being delivered, and the stream ends after it/, (stream, options) => stream.end(options)],
]

test.each(CALLS)(
  "the signal and the time-out of a %s hold until it settles, and nothing else is disturbed",
  async (_, text, call) => {
    const { network, a, b, toB } = await pair(400)
    const received: number[] = []
    b.handle(1, ({ length }) => received.push(length))
    const stream = toB.open()
    await network.until(stream.send(1, pattern(10), { receipt: true }))
    network.partition("a", "b")
    stream.trySend(1, pattern(11))
    const { signal, aborting } = watchedSignal()
    const startMs = network.now
    const [late, given, kept] = outcomes([
      call(stream, { timeoutMs: 1_000 }),
      call(stream, { signal }),
      call(stream, { timeoutMs: Infinity }),
    ])
    await network.advance(999)
    expect(valuesOf([late!, given!, kept!])).toEqual(["pending", "pending", "pending"])
    await network.advance(1)
    expect([late!.value, given!.value]).toEqual(["timeout", "pending"])
    aborting.abort("changed my mind")
    await network.advance(0)
    expect([given!.value, kept!.value, network.now - startMs]).toEqual(["aborted", "pending", 1_000])
    for (const { error } of [late!, given!]) expect((error as Error).message).toMatch(text)
    expect((given!.error as Error).cause).toBe("changed my mind")
    expect(stream.account).toMatchObject({ acknowledged: 1, dropped: 0, pending: stream.account.accepted - 1 })
    network.heal()
    await network.advance(2_000)
    // All of it comes, in order, though nothing waits for it any more.
    expect([kept!.value, received.length]).toEqual(["resolved", stream.account.accepted])
    expect(stream.account).toMatchObject({ acknowledged: received.length, pending: 0 })
    expect(signal.listeners).toBe(0)
    a.assertInvariants()
  },
)

test.each(CALLS)("a %s that settles in time leaves nothing behind on its signal", async (_, _text, call) => {
  const { network, b, toB } = await pair(401)
  b.handle(1, () => {})
  const { signal, aborting } = watchedSignal()
  const stream = toB.open()
  stream.trySend(1, pattern(10))
  await network.until(call(stream, { signal, timeoutMs: 5_000 }))
  expect(signal.listeners).toBe(0)
  // Nor does a call leave a listener when its stream closes.
  const other = toB.open()
  other.trySend(1, pattern(10))
  const cut = outcomes([call(other, { signal, timeoutMs: 5_000 })])
  other.reset()
  await network.advance(0)
  expect([valuesOf(cut), signal.listeners]).toEqual([["stream-closed"], 0])
  aborting.abort()
  await network.advance(10_000)
})

test.each(CALLS)(
  "a signal that has aborted already keeps a %s from happening, and a time-out of 0 doesn't wait",
  async (_, _text, call) => {
    const { network, b, toB } = await pair(402)
    b.handle(1, () => {})
    const stream = toB.open()
    stream.trySend(1, pattern(10))
    const given = outcomes([call(stream, { signal: AbortSignal.abort() })])
    await network.advance(0)
    expect([valuesOf(given), stream.state, stream.account.accepted]).toEqual([["aborted"], "open", 1])
    const late = outcomes([call(stream, { timeoutMs: 0 })])
    await network.advance(0)
    expect(valuesOf(late)).toEqual(["timeout"])
    await network.advance(1_000)
    expect(stream.account).toMatchObject({ acknowledged: stream.account.accepted, pending: 0 })
  },
)

test("an abort in the turn of the acknowledgement ends a receipt once, whichever comes first", async () => {
  for (const isLast of [false, true]) {
    const { network, b, toB } = await pair(403)
    const aborting = new AbortController()
    const stream = toB.open()
    b.handle(1, () => {})
    b.handle(2, ({ peer }) => void peer.open().trySend(3, pattern(1)))
    await network.advance(100)
    // Its answer comes in one datagram with the acknowledgement, or a little later.
    toB.open().trySend(2, pattern(1))
    const receipt = outcomes([stream.send(1, pattern(10), { receipt: true, signal: aborting.signal })])
    await network.when(() => stream.account.acknowledged === 1)
    if (isLast) await network.advance(0)
    aborting.abort()
    await network.advance(100)
    expect(valuesOf(receipt)).toEqual(["resolved"])
  }
})

test("an abort from within a handler, while acknowledgements are applied, settles what it is for and nothing else", async () => {
  const { network, a, b, toB } = await pair(404, { windowPackets: 4 })
  const [aborting, received] = [new AbortController(), [] as number[]]
  b.handle(1, ({ length, peer }) => {
    received.push(length)
    if (received.length === 1) peer.open().trySend(2, pattern(1))
  })
  a.handle(2, () => aborting.abort())
  const stream = toB.open()
  const { signal } = aborting
  const waits = outcomes([
    stream.send(1, pattern(1_000), { receipt: true }),
    stream.send(1, pattern(30_000), { receipt: true, signal }),
    stream.send(1, pattern(2_000), { signal }),
    stream.send(1, pattern(500), { receipt: true }),
    stream.flush({ signal }),
    stream.flush(),
  ])
  await network.advance(2_000)
  expect(valuesOf(waits)).toEqual(["resolved", "aborted", "aborted", "resolved", "aborted", "resolved"])
  expect(received).toEqual([1_000, 500])
  expect(stream.account).toEqual({ accepted: 4, acknowledged: 2, unconfirmed: 0, dropped: 2, pending: 0 })
  expect(b.sizes.assemblyBytes).toBe(0)
  a.assertInvariants()
})

test("a receipt of best effort fails for its own message only, not for the one before it", async () => {
  const { network, b, toB } = await pair(405, { windowPackets: 64 })
  b.handle(1, () => {})
  const stream = toB.open({ delivery: "best-effort", lifetimeMs: 400 })
  await network.advance(100)
  network.partition("a", "b")
  const before = outcomes([stream.send(1, pattern(5_000), { receipt: true })])
  await network.advance(250)
  const behind = outcomes([stream.send(1, pattern(5_000), { receipt: true })])
  await network.advance(160)
  expect([valuesOf(before), valuesOf(behind)]).toEqual([["dropped"], ["pending"]])
  network.heal()
  await network.advance(1_000)
  expect(valuesOf(behind)).toEqual(["resolved"])
})

test("flush waits for what was accepted before it, and for nothing that came behind it", async () => {
  // At the floor, losing what is long is no sign of a narrower path.
  const { network, b, toB } = await pair(406, { windowPackets: 8, datagramBytes: 548 })
  const received: number[] = []
  b.handle(1, ({ view, offset }) => received.push(view.getUint8(offset)))
  const stream = toB.open()
  await network.advance(100)
  // Two windows; the first flush comes after the first message of the lot.
  for (let i = 0; i < 9; i++) stream.trySend(1, pattern(450, i))
  expect(stream.parked.messages).toBe(1)
  const first = outcomes([stream.flush()])
  for (let i = 9; i < 16; i++) stream.trySend(1, pattern(450, i))
  // The last seven are lost for a while.
  let sent = 0
  network.filter(({ to, bytes }) => to !== "b" || bytes.length < 400 || ++sent <= 9)
  const second = outcomes([stream.flush()])
  await network.when(() => first[0]!.value !== "pending", 10_000)
  expect([first[0]!.value, second[0]!.value, stream.account.pending > 0]).toEqual(["resolved", "pending", true])
  network.filter(() => true)
  await network.advance(5_000)
  expect([valuesOf(second), stream.account.pending]).toEqual([["resolved"], 0])
})

test("flush and end go on when the message that they wait for is given up", async () => {
  for (const call of ["flush", "end"] as const) {
    const { network, b, toB } = await pair(408, { windowPackets: 8 })
    b.handle(1, () => {})
    const stream = toB.open()
    for (let i = 0; i < 8; i++) stream.trySend(1, pattern(1_000, i))
    const aborting = new AbortController()
    const waits = outcomes([stream.send(1, pattern(1_000), { signal: aborting.signal }), stream[call]()])
    aborting.abort()
    await network.advance(1_000)
    expect(valuesOf(waits)).toEqual(["aborted", "resolved"])
  }
})

test("flush settles once all that is left was given up, though the peer is silent", async () => {
  const { network, toB } = await pair(407)
  const stream = toB.open({ delivery: "best-effort", lifetimeMs: 200 })
  await network.advance(100)
  network.partition("a", "b")
  stream.trySend(1, pattern(5_000))
  const waits = outcomes([stream.flush()])
  await network.advance(150)
  expect(valuesOf(waits)).toEqual(["pending"])
  await network.advance(100)
  waits.push(...outcomes([stream.flush()]))
  await network.advance(0)
  expect(valuesOf(waits)).toEqual(["resolved", "resolved"])
})

// The caller's memory.

/** A stream with a shut window, and what its peer receives. */
async function shut(seed: number): Promise<Scene & { readonly received: Uint8Array[] }> {
  const scene = await pair(seed, { windowPackets: 4, datagramBytes: 1_400 })
  const received: Uint8Array[] = []
  scene.b.handle(1, (message) => received.push(message.copy()))
  const incoming = new Promise<IncomingStream>((resolve) => void scene.b.on("stream", resolve))
  const stream = scene.toB.open()
  stream.trySend(1, pattern(1))
  const it = await scene.network.until(incoming)
  for (let i = 0; i < 4; i++) stream.trySend(1, pattern(1_300, i))
  return { ...scene, stream, incoming: it, received }
}

/** Ways in which the memory of a message disappears. */
const LOSSES: readonly [string, (bytes: number) => { readonly bytes: Uint8Array; readonly lose: () => void }][] = [
  [
    "transferred",
    (length) => {
      const bytes = pattern(length)
      return { bytes, lose: () => transfer(bytes) }
    },
  ],
  ...([true, false] as const).map((isTracking): (typeof LOSSES)[number] => [
    `shrunk under a view that ${isTracking ? "follows" : "doesn't follow"} it`,
    (length) => {
      const buffer = new ResizableBuffer(length, { maxByteLength: length })
      const bytes = isTracking ? new Uint8Array(buffer) : new Uint8Array(buffer, 0, length)
      return { bytes, lose: () => buffer.resize(length - 1) }
    },
  ]),
]

test.each(LOSSES)(
  "a message whose memory is %s while it waits is refused alone, and all else goes on",
  async (_, make) => {
    for (const length of [1, 1_000, 20_000]) {
      const { network, a, b, stream, received } = await shut(500)
      const [one, two] = [make(length), make(length)]
      const waits = outcomes([
        stream.send(1, one.bytes, { receipt: true }),
        stream.send(1, pattern(20, 1)),
        stream.send(1, two.bytes),
        stream.send(1, pattern(30_000, 2), { receipt: true }),
        stream.flush(),
      ])
      one.lose()
      two.lose()
      expect(stream.trySend(1, pattern(40, 3))).toBe("parked")
      await network.advance(5_000)
      expect(valuesOf(waits)).toEqual(["bytes-gone", "resolved", "bytes-gone", "resolved", "resolved"])
      expect(received.slice(5)).toEqual([pattern(20, 1), pattern(30_000, 2), pattern(40, 3)])
      expect(stream.account).toEqual({ accepted: 10, acknowledged: 8, unconfirmed: 0, dropped: 2, pending: 0 })
      expect([stream.parked.messages, stream.parked.bytes, b.sizes.assemblyBytes]).toEqual([0, 0, 0])
      a.assertInvariants()
      await network.until(stream.end())
    }
  },
)

test.each(LOSSES)(
  "a message whose memory is %s when it is half sent is abandoned, and never completed with other bytes",
  async (_, make) => {
    const { network, a, b, stream, received } = await shut(501)
    const { bytes, lose } = make(20_000)
    const waits = outcomes([stream.send(1, bytes), stream.send(1, pattern(50, 1), { receipt: true })])
    await network.when(() => stream.parked.bytes < 20_050)
    lose()
    await network.advance(5_000)
    expect([valuesOf(waits), received.slice(5)]).toEqual([["bytes-gone", "resolved"], [pattern(50, 1)]])
    expect(stream.account).toEqual({ accepted: 7, acknowledged: 6, unconfirmed: 0, dropped: 1, pending: 0 })
    expect([stream.parked.messages, stream.parked.bytes, b.sizes.assemblyBytes]).toEqual([0, 0, 0])
    a.assertInvariants()
  },
)

// A view that follows the length of a buffer, which has shrunk to nothing, is an empty message.
test.each(LOSSES.filter(([how]) => !how.includes("follows")))(
  "memory that is %s before it is given to be sent is refused at once, also where nothing of it was left",
  async (_, make) => {
    const { network, stream, received } = await shut(502)
    const { bytes, lose } = make(1)
    lose()
    for (const act of [() => stream.send(1, bytes), () => stream.trySend(1, bytes)])
      expect(act).toThrow("there is nothing of it to send")
    await network.until(stream.flush())
    // Also after others, in an open packet.
    expect(stream.trySend(1, pattern(1))).toBe("sent")
    expect(() => stream.trySend(1, bytes)).toThrow("there is nothing of it to send")
    // A message that was always empty is valid.
    expect(stream.trySend(1, new Uint8Array(0))).toBe("sent")
    await network.until(stream.flush())
    expect(received.at(-1)).toEqual(new Uint8Array(0))
  },
)

test("an empty message is sent, whatever becomes of its memory", async () => {
  const { network, stream, received } = await shut(505)
  const bytes = new Uint8Array(new ArrayBuffer(10), 0, 0)
  const waits = outcomes([stream.send(1, bytes, { receipt: true })])
  transfer(bytes)
  await network.advance(1_000)
  expect([valuesOf(waits), received.slice(5)]).toEqual([["resolved"], [new Uint8Array(0)]])
})

test("memory that grows while its message waits is sent as far as it was the message's", async () => {
  const { network, stream, received } = await shut(503)
  const buffers = [
    new ResizableBuffer(10_000, { maxByteLength: 20_000 }),
    new GrowableBuffer(10, { maxByteLength: 20 }),
  ] as const
  const waits = outcomes(buffers.map((buffer) => stream.send(1, new Uint8Array(buffer), { receipt: true })))
  buffers[0].resize(20_000)
  buffers[1].grow(20)
  await network.advance(5_000)
  expect([valuesOf(waits), received.slice(5).map(({ length }) => length)]).toEqual([
    ["resolved", "resolved"],
    [10_000, 10],
  ])
  expect(stream.parked.bytes).toBe(0)
})

test("trySend copies what it parks, and so is done with what a codec wrote into memory that it uses again", async () => {
  const { network, stream, received } = await shut(504)
  const memory = new Uint8Array(100)
  const reusing = defineMessage<number>(1, { encode: (value) => memory.fill(value), decode: ([value]) => value! })
  const bytes = pattern(100)
  expect(stream.trySend(1, bytes)).toBe("parked")
  transfer(bytes)
  const sending = outcomes([stream.send(reusing, 1), stream.send(reusing, 2)])
  expect(stream.trySend(reusing, 3)).toBe("parked")
  memory.fill(9)
  await network.advance(1_000)
  expect(valuesOf(sending)).toEqual(["resolved", "resolved"])
  expect(received.slice(5)).toEqual([pattern(100), ...[1, 2, 3].map((value) => new Uint8Array(100).fill(value))])
})

// Memory that all streams share.

/**
 * Two peers, the path to the first cut off and to the second long, and memory for 64 packets; a stream to each, and
 * both have the most that they can have.
 */
async function starved(
  seed: number,
  delivery: Delivery,
  given: EndpointOptions = {},
): Promise<Awaited<ReturnType<typeof makePair>> & { hog: OutgoingStream; thin: OutgoingStream }> {
  const options = {
    sendPoolPacketsMax: 64,
    sendPoolPacketsPerPeer: 64,
    parkedMessagesMax: 2,
    unreachableMs: 2_000,
    leaveMs: 1_000,
    ...given,
  }
  const scene = await pair(seed, options)
  const { endpoint: c } = await scene.bind("c")
  const toC = await scene.network.until(scene.a.join("c:4000"))
  for (const endpoint of [scene.b, c]) endpoint.handle(1, () => {})
  const [hog, thin] = [
    scene.toB.open({ delivery, ...(delivery === "best-effort" ? { lifetimeMs: 2_000 } : {}) }),
    toC.open(),
  ]
  await scene.network.advance(2_000)
  scene.network.partition("a", "b")
  scene.network.link("a", "c", { delayMs: 30_000 })
  for (let i = 0; i < 100; i++) hog.trySend(1, pattern(1_000))
  while (thin.write(1, 1_000, (bytes, offset) => bytes.fill(1, offset, offset + 1_000)) === "sent");
  return { ...scene, hog, thin }
}

test.each<[string, Delivery, number, (scene: Awaited<ReturnType<typeof starved>>) => unknown]>([
  ["its stream is reset", "reliable", 100, ({ hog }) => hog.reset()],
  ["its peer leaves", "reliable", 100, ({ toB }) => void toB.leave()],
  ["its peer is gone", "reliable", 5_000, () => {}],
  ["its peer is back", "reliable", 10_000, ({ network }) => network.heal()],
  ["its stream gives it up", "best-effort", 3_000, () => {}],
])(
  "a stream that found no memory goes on once there is some, whoever had it: %s",
  async (_, delivery, withinMs, act) => {
    const scene = await starved(600, delivery)
    const { network, thin } = scene
    expect([1, 2, 3].map(() => thin.trySend(1, pattern(1_000)))).toEqual(["parked", "parked", "refused"])
    const ends = endsOf(thin)
    await network.advance(10)
    expect([thin.parked.messages, ends.drains]).toEqual([2, 0])
    void act(scene)
    await network.advance(withinMs)
    expect([thin.parked.messages, ends.drains, thin.account.acknowledged]).toEqual([0, 1, 0])
  },
)

test("a stream that was refused for want of memory and parked nothing hears of the memory too", async () => {
  const { network, hog, thin } = await starved(601, "reliable")
  const ends = endsOf(thin)
  expect(thin.write(1, 1_000, () => {})).toBe("refused")
  await network.advance(1_000)
  expect(ends.drains).toBe(0)
  hog.reset()
  await network.advance(10)
  expect([ends.drains, thin.write(1, 10, (bytes, offset) => bytes.fill(1, offset, offset + 10))]).toEqual([1, "sent"])
})

test("a stream that was to hear of memory hears of it later where another had taken it by then", async () => {
  // Windows that don't grow, and nothing that comes back: nothing but memory lets a stream go on.
  const { network, hog, thin } = await starved(601, "reliable", { windowPackets: 1_024 })
  const open = (): OutgoingStream => thin.peer.open()
  const write = (stream: OutgoingStream): SendResult => stream.write(1, 1_000, () => {})
  // A few slots are there for streams that have none yet.
  while (write(open()) === "sent");
  const late = open()
  const drained = endsOf(late)
  expect(write(late)).toBe("refused")
  // Behind it in the order, and what waits in these is written before it looks.
  const pushy = Array.from({ length: 20 }, open)
  for (const stream of pushy) expect(stream.trySend(1, pattern(60_000))).toBe("parked")
  hog.reset()
  await network.advance(100)
  expect([late.account.accepted, drained.drains]).toEqual([0, 0])
  for (const stream of pushy) stream.reset()
  await network.advance(100)
  expect([drained.drains, write(late)]).toEqual([1, "sent"])
})

test("memory that was taken for messages that were not written in the end goes back", async () => {
  const { network, a, toB } = await pair(602, { sendPoolPacketsMax: 64 })
  await network.advance(2_000)
  const fail = (): never => {
    throw new Error("can't")
  }
  for (let i = 0; i < 20; i++) expect(() => toB.open().write(1, 10, fail)).toThrow("can't")
  const thin = toB.open()
  const ends = endsOf(thin)
  const result = thin.trySend(1, pattern(10))
  await network.advance(2_000)
  expect([result, ends.drains <= 1, thin.account.pending, a.sizes.sendPool]).toEqual([expect.any(String), true, 0, 0])
})

test.each<[string, string, (stream: OutgoingStream) => unknown]>([
  ["resets", "closed", (stream) => stream.reset()],
  ["ends", "closed", (stream) => stream.end()],
  ["leaves the peer of", "not-joined", (stream) => stream.peer.leave()],
])("what is written after the application %s its stream goes into no other message", async (_, taken, act) => {
  // In a packet of its own, and after another message.
  for (const isBehind of [false, true]) {
    const { network, a, b, bind, toB } = await pair(603)
    const { endpoint: c } = await bind("c")
    const toC = await network.until(a.join("c:4000"))
    const received: Uint8Array[] = []
    c.handle(1, (message) => received.push(message.copy()))
    b.handle(1, () => {})
    const [stream, other] = [toB.open(), toC.open()]
    await network.advance(2_000)
    if (isBehind) stream.trySend(1, pattern(10))
    const result = stream.write(1, 500, (bytes, offset) => {
      act(stream)
      for (let i = 0; i < 20; i++) other.trySend(1, pattern(1_000, i))
      bytes.fill(255, offset, offset + 500)
    })
    await network.advance(2_000)
    expect(result).toBe(taken)
    expect(received).toEqual(Array.from({ length: 20 }, (_, i) => pattern(1_000, i)))
    expect(a.sizes.sendPool).toBe(0)
    a.assertInvariants()
  }
})

test("a handler that transfers the memory of its message away loses what else was in it for a while, and nothing for good", async () => {
  const { network, a, b, toB } = await pair(506)
  const received: number[] = []
  const errors: unknown[] = []
  b.on("error", (error) => errors.push(error))
  b.handle(1, ({ view, length }) => {
    received.push(length)
    if (received.length === 1) transfer(new Uint8Array(view.buffer))
  })
  const stream = toB.open()
  await network.advance(100)
  // Each in a datagram of its own, all of one turn in one batch; some in pieces.
  for (let i = 0; i < 4; i++) for (const length of [900, 901, 902, 20_000, 903]) stream.trySend(1, pattern(length))
  await network.until(stream.flush(), 10_000)
  expect(received).toEqual(Array.from({ length: 20 }, (_, i) => [900, 901, 902, 20_000, 903][i % 5]))
  expect(stream.account).toMatchObject({ accepted: 20, acknowledged: 20 })
  expect(errors).toMatchObject([{ code: "handler-failed", message: expect.stringContaining("not to be transferred") }])
  for (const endpoint of [a, b]) endpoint.assertInvariants()
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
  const { network, b, toB } = await makePair(
    7,
    { delayMs: 5 },
    { congestion: fixed({ windowBytes: 100_000, paceBytesPerMs: 1 }) },
  )
  b.handle(1, () => {})
  const stream = toB.open({ delivery: "best-effort", lifetimeMs: 100 })
  for (let i = 0; i < 300; i++) stream.trySend(1, pattern(1_000))
  const ending = stream.end()
  await network.until(ending, 5_000)
  expect(stream.account.dropped).toBeGreaterThan(100)
  expect(b.stats().drops["not-sent"]).toBe(0)
})

test("a message that found memory only while others were sent goes out, though nothing follows it", async () => {
  const { network, b, toB } = await makePair(12, { delayMs: 5 }, { sendPoolPacketsMax: 64, sendPoolPacketsPerPeer: 64 })
  const received: number[] = []
  b.handle(1, ({ length }) => received.push(length))
  // Each stream that has nothing yet gets one of the reserved slots.
  const quick = Array.from({ length: 12 }, () => toB.open({ delivery: "fire-and-forget" }))
  const stream = toB.open()
  await network.until(stream.send(1, pattern(1)))
  await network.until(stream.flush())
  await network.advance(2_000)
  for (const other of quick) while (other.trySend(1, pattern(1_000)) === "sent");
  expect(stream.trySend(1, pattern(2))).toBe("parked")
  await network.advance(1_000)
  expect(received).toContain(2)
})

test("a flush of a fire-and-forget stream settles once all was sent", async () => {
  const { network, toB } = await makePair(1)
  const s = toB.open({ delivery: "fire-and-forget" })
  s.trySend(1, pattern(10))
  await network.until(s.flush(), 5_000)
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

test("write takes messages larger than the window, which then wait", async () => {
  const { network, b, toB } = await makePair(3)
  const received: Uint8Array[] = []
  b.handle(1, (message) => received.push(message.copy()))
  const stream = toB.open()
  expect(stream.write(1, 3_000_000, (bytes, offset) => bytes.set(pattern(3_000_000), offset))).toBe("parked")
  await network.until(stream.flush())
  expect(Buffer.compare(received[0]!, pattern(3_000_000))).toBe(0)
})
