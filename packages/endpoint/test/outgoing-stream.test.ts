// How a stream to a peer goes on and ends, seen from who holds it: nobody who waits for something is left waiting.

import { type Delivery, type EndpointOptions, fixed, type IncomingStream, type OutgoingEnd, type OutgoingStream, REASON } from "@x/endpoint"
import type { LinkOptions } from "@x/transport/simulated"
import { DELIVERIES } from "@x/wire"
import { expect, test } from "vitest"
import { outcomes, valuesOf } from "./outcome.ts"
import { makePair, pattern } from "./world.ts"

async function pair(
  seed: number,
  options: EndpointOptions = {},
  link: LinkOptions = { delayMs: 10 },
): Promise<Awaited<ReturnType<typeof makePair>>> {
  return makePair(seed, link, { congestion: fixed(), ...options })
}

/** What a stream says of its end: the event as often as it comes, and the promise. */
function endsOf(stream: OutgoingStream): { events: OutgoingEnd[]; promised: OutgoingEnd[]; drains: number } {
  const ends = { events: [] as OutgoingEnd[], promised: [] as OutgoingEnd[], drains: 0 }
  stream.on("closed", (end) => void ends.events.push(end))
  stream.on("drain", () => void ends.drains++)
  void stream.closed.then((end) => ends.promised.push(end))
  return ends
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

/** Everything that ends a stream, and the reason it gives. */
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
  [
    "the path gets too small",
    REASON.pathTooSmall,
    ({ network, incoming }) => {
      network.links({ delayMs: 10, mtuBytes: 1_250 })
      incoming.resume()
    },
  ],
]

test.each(CAUSES)("who waits on a stream is told once that it closed, and why: %s", async (_, reason, act) => {
  const scene = await stuck(100)
  const { network, a, stream } = scene
  const ends = endsOf(stream)
  const waits = outcomes([stream.flush(), stream.send(1, pattern(1)), stream.end(), stream.end(), stream.send(1, pattern(1))])
  await act(scene)
  await network.advance(120_000)
  expect(ends.events.length).toBe(1)
  expect(ends.promised).toEqual(ends.events)
  const { account, ...end } = ends.events[0]!
  expect(end).toEqual({ isComplete: false, reason })
  expect(account).toMatchObject({ pending: 0, accepted: account.acknowledged + account.unconfirmed + account.dropped })
  expect([stream.state, stream.account, stream.parked.bytes, stream.unacknowledgedBytes]).toEqual(["closed", account, 0, 0])
  for (const { value } of waits) expect(["stream-closed", "not-joined"]).toContain(value)
  expect(ends.drains).toBe(0)
  // Whoever asks later hears the same.
  expect(await stream.closed).toEqual(ends.events[0])
  const later = outcomes([stream.flush(), stream.end(), stream.send(1, pattern(1)), stream.send(1, pattern(1), { receipt: true })])
  await network.advance(0)
  for (const { value } of later) expect(["stream-closed", "not-joined"]).toContain(value)
  expect(["closed", "not-joined"]).toContain(stream.trySend(1, pattern(1)))
  a.assertInvariants()
  expect(a.sizes.sendPool).toBe(0)
})

test.each(DELIVERIES)("a stream that was ended and delivered says that it is complete, as far as it can know: %s", async (delivery) => {
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
})

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
