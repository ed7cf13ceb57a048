// The controllers as pure machines, and then on a simulated link.

import { bbr, type CongestionFactory, fixed, lossBased } from "@x/endpoint"
import fc from "fast-check"
import { expect, test } from "vitest"
import { createDeliverySample } from "../../src/congestion/controller.ts"
import { makePair, makeWorld, pattern, PORT } from "../world.ts"

const DATAGRAM = 1_200

function feed(
  controller: ReturnType<CongestionFactory>,
  nowMs: number,
  deliveredBytes: number,
  lostBytes = 0,
  srttMs = 20,
): void {
  controller.onFeedback({ ...createDeliverySample(), nowMs, srttMs, minRttMs: srttMs, deliveredBytes, lostBytes })
}

test("the window doubles in a round trip until something is lost, then shrinks to 0.7, and grows back slowly", () => {
  const controller = lossBased()(DATAGRAM, Math.random)
  expect(controller.windowBytes).toBe(10 * DATAGRAM)
  for (let round = 1; round <= 3; round++) {
    controller.onSent(DATAGRAM, controller.windowBytes, 20 * round)
    feed(controller, 20 * round, controller.windowBytes)
    expect(controller.windowBytes).toBe(10 * DATAGRAM * 2 ** round)
  }
  feed(controller, 80, 0, DATAGRAM)
  expect(controller.windowBytes).toBeCloseTo(56 * DATAGRAM)
  const after = controller.windowBytes
  controller.onSent(DATAGRAM, controller.windowBytes, 101)
  feed(controller, 101, after)
  expect(controller.windowBytes).toBeGreaterThan(after)
  expect(controller.windowBytes).toBeLessThan(after + 3 * DATAGRAM)
})

test("the window shrinks once in a round trip, however often and however much loss is told, and never below its least", () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ gapMs: fc.integer({ min: 0, max: 30 }), lost: fc.integer({ min: 0, max: 50 }) })),
      (events) => {
        const controller = lossBased()(DATAGRAM, Math.random)
        let nowMs = 0
        let reducedMs = -Infinity
        for (const { gapMs, lost } of events) {
          nowMs += gapMs
          const before = controller.windowBytes
          feed(controller, nowMs, DATAGRAM, lost * DATAGRAM)
          if (controller.windowBytes < before) {
            expect(nowMs - reducedMs).toBeGreaterThanOrEqual(20)
            expect(controller.windowBytes).toBeGreaterThanOrEqual(before * 0.7 - 1e-6)
            reducedMs = nowMs
          }
          expect(controller.windowBytes).toBeGreaterThanOrEqual(4 * DATAGRAM)
        }
      },
    ),
  )
})

test("a mark of a queue counts as a loss: once in a round trip, and it ends slow start", () => {
  const controller = lossBased()(DATAGRAM, Math.random)
  expect(controller.answersMarks).toBe(true)
  const mark = (nowMs: number, deliveredBytes: number, markedBytes: number): void =>
    controller.onFeedback({
      ...createDeliverySample(),
      ...{ nowMs, srttMs: 20, minRttMs: 20, deliveredBytes, markedBytes },
    })
  controller.onSent(DATAGRAM, controller.windowBytes, 20)
  mark(20, 10 * DATAGRAM, DATAGRAM)
  expect(controller.windowBytes).toBeCloseTo(7 * DATAGRAM)
  mark(30, 3 * DATAGRAM, 3 * DATAGRAM)
  expect(controller.windowBytes).toBeCloseTo(7 * DATAGRAM)
  controller.onSent(DATAGRAM, controller.windowBytes, 40)
  mark(41, 7 * DATAGRAM, 0)
  // It no longer doubles.
  expect(controller.windowBytes).toBeGreaterThan(7 * DATAGRAM)
  expect(controller.windowBytes).toBeLessThan(9 * DATAGRAM)
})

test("what is fixed answers no marks, and says so", () => {
  expect(fixed()(DATAGRAM, Math.random).answersMarks).not.toBe(true)
  expect(bbr()(DATAGRAM, Math.random).answersMarks).toBe(true)
})

test("a window that isn't used doesn't grow", () => {
  const controller = lossBased()(DATAGRAM, Math.random)
  for (let i = 0; i < 100; i++) {
    controller.onSent(DATAGRAM, DATAGRAM, 20 * i)
    feed(controller, 20 * i, DATAGRAM)
  }
  expect(controller.windowBytes).toBe(10 * DATAGRAM)
})

test("what is fixed stays, and spreads its window over a round trip", () => {
  const controller = fixed({ windowBytes: 100_000 })(DATAGRAM, Math.random)
  feed(controller, 0, 0, 50_000, 50)
  expect([controller.windowBytes, controller.paceBytesPerMs]).toEqual([100_000, 2_500])
  expect(fixed({ paceBytesPerMs: 7 })(DATAGRAM, Math.random).paceBytesPerMs).toBe(7)
  expect(() => fixed({ paceBytesPerMs: 0 })).toThrow("paceBytesPerMs must be above 0")
  expect(() => lossBased({ initialDatagrams: 2 })).toThrow("leastDatagrams must be")
})

async function bulk(
  seed: number,
  congestion: CongestionFactory,
  lossRate: number,
): Promise<{ rate: number; lost: number; queueMs: number }> {
  const { network, a, b, toB } = await makePair(
    seed,
    { delayMs: 10 },
    { congestion, windowBytes: 4_194_304, windowPackets: 4_096 },
  )
  network.links({ delayMs: 10, rateBitsPerSecond: 80_000_000, queueBytes: 200_000, lossRate })
  let bytes = 0
  b.handle(1, ({ length }) => (bytes += length))
  const stream = toB.open()
  const message = pattern(20_000)
  const offer = async (): Promise<void> => {
    while (stream.state === "open") await stream.send(1, message)
  }
  void offer().catch(() => {})
  await network.advance(5_000)
  const { bytesLost, bytesSent, rttMs } = toB.stats()
  stream.reset()
  void a.close()
  await network.advance(6_000)
  return { rate: bytes / 5 / 10_000_000, lost: bytesLost / bytesSent, queueMs: rttMs - 20 }
}

test("on a link of 80 Mbit/s and 20 ms CUBIC fills the link, and loses little in its queue", async () => {
  const { rate, lost, queueMs } = await bulk(1, lossBased(), 0)
  console.log(
    `loss-based, 80 Mbit/s, 20 ms: ${(100 * rate).toFixed(0)} % of the link, ${(100 * lost).toFixed(2)} % lost, queue ${queueMs.toFixed(0)} ms`,
  )
  expect(rate).toBeGreaterThan(0.75)
  expect(lost).toBeLessThan(0.02)
}, 60_000)

test("under losses by chance bbr keeps its rate, as what is fixed does, and CUBIC doesn't, which is known", async () => {
  const [kept, ours, shrunk] = [
    await bulk(2, fixed({ windowBytes: 400_000, paceBytesPerMs: 9_000 }), 0.01),
    await bulk(2, bbr(), 0.01),
    await bulk(2, lossBased(), 0.01),
  ]
  const percent = (rate: number): string => `${(100 * rate).toFixed(0)} %`
  console.log(
    `1 % loss: fixed ${percent(kept.rate)}, bbr ${percent(ours.rate)}, CUBIC ${percent(shrunk.rate)} of the link`,
  )
  expect(kept.rate).toBeGreaterThan(0.8)
  expect(ours.rate).toBeGreaterThan(0.8)
  expect(shrunk.rate).toBeGreaterThan(0.05)
}, 60_000)

test("what goes out keeps to the pace, whatever is offered", async () => {
  const { network, toB } = await makePair(3, { delayMs: 5 }, { congestion: fixed({ paceBytesPerMs: 500 }) })
  await network.advance(50)
  const stream = toB.open({ delivery: "fire-and-forget" })
  // Probes of the MTU are not data: they are over before.
  stream.trySend(1, pattern(1_100))
  await network.advance(100)
  const before = toB.stats().bytesSent
  for (let i = 0; i < 800; i++) stream.trySend(1, pattern(1_100))
  await network.advance(1_000)
  expect(toB.stats().bytesSent - before).toBeLessThan(510_000)
  expect(toB.stats().bytesSent - before).toBeGreaterThan(480_000)
})

test("streams without acknowledgements are counted by feedback: what is in flight, what was lost, and the round trip", async () => {
  const { network, toB } = await makePair(4, { delayMs: 20 }, { congestion: fixed() })
  await network.advance(3_000)
  network.links({ delayMs: 20, lossRate: 0.2 })
  const stream = toB.open({ delivery: "fire-and-forget" })
  const before = toB.stats()
  for (let i = 0; i < 200; i++) {
    stream.trySend(1, pattern(1_000))
    await network.advance(5)
  }
  await network.advance(200)
  const { inFlightBytes, bytesLost, bytesDelivered, rttMs } = toB.stats()
  expect(inFlightBytes).toBeLessThanOrEqual(10_000)
  expect((bytesLost - before.bytesLost) / 200_000).toBeCloseTo(0.2, 1)
  expect((bytesDelivered - before.bytesDelivered) / 200_000).toBeCloseTo(0.8, 1)
  expect(rttMs).toBeGreaterThanOrEqual(40)
  expect(rttMs).toBeLessThan(50)
})

test("a window that was lost whole opens again after a probe, not after the next heartbeat", async () => {
  const { network, b, toB } = await makePair(5, { delayMs: 5 }, { congestion: fixed({ windowBytes: 3_600 }) })
  let received = 0
  b.handle(1, () => received++)
  const stream = toB.open({ delivery: "fire-and-forget" })
  await network.advance(100)
  network.filter(({ to }) => to !== "b")
  for (let i = 0; i < 9; i++) stream.trySend(1, pattern(1_000))
  await network.advance(10)
  network.filter(() => true)
  await network.advance(150)
  expect(received).toBe(6)
})

test("who only received may send at once: answers are not in flight", async () => {
  const { network, a, b, toB } = await makePair(6, { delayMs: 5 }, { congestion: fixed({ windowBytes: 2_400 }) })
  b.handle(1, () => {})
  const answers: number[] = []
  a.handle(2, () => answers.push(network.now))
  const stream = toB.open()
  const back = b.peers[0]!.open()
  await network.advance(50)
  for (let i = 0; i < 300; i++) {
    stream.trySend(1, pattern(100))
    await network.advance(2)
  }
  const sentMs = network.now
  for (let i = 0; i < 2; i++) back.trySend(2, pattern(900))
  await network.advance(100)
  expect(answers).toHaveLength(2)
  for (const answerMs of answers) expect(answerMs - sentMs).toBeLessThanOrEqual(6)
  // Nor are they remembered for ever: they get feedback too.
  const { bytesDelivered, bytesSent } = b.peers[0]!.stats()
  expect(bytesDelivered / bytesSent).toBeGreaterThan(0.6)
})

const STARTS = { windowBytes: 20_000, paceBytesPerMs: 1_000, onSent() {}, onFeedback() {} }

test.each<[string, CongestionFactory, string]>([
  [
    "makes none",
    () => undefined as never,
    "what congestion returns must be a congestion controller, which has onSent, onFeedback, not undefined",
  ],
  [
    "throws",
    () => {
      throw new Error("no memory")
    },
    "no memory",
  ],
  [
    "starts with no window",
    () => ({ ...STARTS, windowBytes: Number.NaN }),
    "windowBytes of a controller must be a number from 1",
  ],
  ["starts with no pace", () => ({ ...STARTS, paceBytesPerMs: 0 }), "paceBytesPerMs of a controller must be above 0"],
  [
    "throws when something is sent",
    () => ({
      ...STARTS,
      onSent() {
        throw new Error("sent")
      },
    }),
    "sent",
  ],
  [
    "throws at feedback",
    () => ({
      ...STARTS,
      onFeedback() {
        throw new Error("feedback")
      },
    }),
    "feedback",
  ],
  [
    "loses its window",
    () => ({
      ...STARTS,
      onFeedback() {
        Object.assign(this, { windowBytes: Number.NaN })
      },
    }),
    "windowBytes of a controller must be",
  ],
  [
    "loses its pace",
    () => ({
      ...STARTS,
      onFeedback() {
        Object.assign(this, { paceBytesPerMs: Number.NaN })
      },
    }),
    "paceBytesPerMs of a controller must be",
  ],
  [
    "goes backwards",
    () => ({
      ...STARTS,
      onFeedback() {
        Object.assign(this, { paceBytesPerMs: -1 })
      },
    }),
    "paceBytesPerMs of a controller must be",
  ],
])("a controller of the application's that %s is told once, and its peer goes on", async (_, congestion, text) => {
  const world = makeWorld(9)
  const { network } = world
  const { endpoint: a } = await world.bind("a", { congestion })
  const { endpoint: b } = await world.bind("b")
  const errors: Error[] = []
  a.on("error", (error) => errors.push(error))
  let received = 0
  b.handle(1, ({ length }) => (received += length))
  const stream = (await network.until(a.join(`b:${PORT}`))).open()
  for (let i = 0; i < 100; i++) stream.trySend(1, pattern(10_000))
  await network.until(stream.end())
  expect(received).toBe(1_000_000)
  expect(errors).toMatchObject([{ code: "handler-failed", message: expect.stringContaining(text) }])
})
