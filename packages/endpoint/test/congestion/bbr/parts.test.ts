// The parts of the model, each by itself.

import { expect, test } from "vitest"
import { Bandwidth } from "../../../src/congestion/bbr/bandwidth.ts"
import { ChanceLoss, LOSS_SLACK } from "../../../src/congestion/bbr/chance-loss.ts"
import { ExtraDelivered } from "../../../src/congestion/bbr/extra-delivered.ts"
import { FullPipe } from "../../../src/congestion/bbr/full-pipe.ts"
import { LeastRtt } from "../../../src/congestion/bbr/least-rtt.ts"
import { LineRate } from "../../../src/congestion/bbr/line-rate.ts"
import { queueSigns } from "../../../src/congestion/bbr/queue-signs.ts"
import { RecentRate } from "../../../src/congestion/bbr/recent-rate.ts"
import { Round } from "../../../src/congestion/bbr/round.ts"
import { Sharing } from "../../../src/congestion/bbr/sharing.ts"
import { Swings } from "../../../src/congestion/bbr/swings.ts"
import { createDeliverySample } from "../../../src/congestion/controller.ts"

const DATAGRAM = 1_200

function roundOf(lost: number, delivered: number): Round {
  const round = new Round()
  round.add(lost * DATAGRAM, delivered * DATAGRAM, 0)
  return round
}

test("the rate is the most of two cycles, and the application's rate counts only if it is more", () => {
  const bandwidth = new Bandwidth()
  bandwidth.handleRate(100, false)
  bandwidth.handleRate(50, true)
  expect([bandwidth.most, bandwidth.latest]).toEqual([100, 50])
  bandwidth.handleRate(120, true)
  bandwidth.advance(80)
  expect(bandwidth.most).toBe(120)
  bandwidth.advance(70)
  expect(bandwidth.most).toBe(80)
  bandwidth.replace(10)
  expect(bandwidth.most).toBe(10)
})

test("what is lost without a queue is learned as chance; what is lost with one never is, and less is believed at once", () => {
  const chance = new ChanceLoss()
  for (let i = 0; i < 50; i++) chance.handleRound(roundOf(10, 90), false, DATAGRAM)
  expect([chance.rate, chance.isKnown]).toEqual([0, false])
  for (let i = 0; i < 50; i++) chance.handleRound(roundOf(5, 95), true, DATAGRAM)
  expect(chance.rate).toBeCloseTo(0.05, 2)
  expect(chance.isKnown).toBe(true)
  for (let i = 0; i < 100; i++) chance.handleRound(roundOf(0, 100), false, DATAGRAM)
  expect(chance.rate).toBeLessThan(0.001)
})

test("rounds with a queue that lose now more and now less than chance don't make it smaller", () => {
  const chance = new ChanceLoss()
  for (let i = 0; i < 50; i++) chance.handleRound(roundOf(10, 90), true, DATAGRAM)
  for (let i = 0; i < 200; i++) chance.handleRound(roundOf(7 + 6 * (i % 2), 93 - 6 * (i % 2)), false, DATAGRAM)
  expect(chance.rate).toBeCloseTo(0.1, 2)
  // Once they have lost less for long enough, that is the chance.
  for (let i = 0; i < 20; i++) chance.handleRound(roundOf(4, 96), false, DATAGRAM)
  expect(chance.rate).toBeCloseTo(0.04, 2)
})

test("losses that become known a round late count with that round, and no longer", () => {
  const round = roundOf(0, 100)
  round.clear()
  round.add(20 * DATAGRAM, 80 * DATAGRAM, 5 * DATAGRAM)
  expect([round.recentCongestedBytes, round.recentSentBytes]).toEqual([25 * DATAGRAM, 200 * DATAGRAM])
  round.clear()
  round.clear()
  expect([round.recentCongestedBytes, round.recentSentBytes]).toEqual([0, 0])
})

test("marks aren't losses: chance learns nothing of them, and a round forgets them with the rest", () => {
  const chance = new ChanceLoss()
  const round = new Round()
  round.add(0, 100 * DATAGRAM, 10 * DATAGRAM)
  for (let i = 0; i < 50; i++) chance.handleRound(round, true, DATAGRAM)
  expect([chance.rate, round.markedBytes]).toEqual([0, 10 * DATAGRAM])
  round.clear()
  expect(round.markedBytes).toBe(0)
})

test("once chance is known it is known well: the first rounds count alike", () => {
  const chance = new ChanceLoss()
  for (let i = 0; !chance.isKnown; i++) chance.handleRound(roundOf(10 + (i % 2), 90), true, DATAGRAM)
  expect(chance.rate).toBeCloseTo(0.1, 2)
})

test("chance explains what it usually takes and its deviation, slack explains 2 % more, and always one datagram", () => {
  const chance = new ChanceLoss()
  expect(chance.explains(1_000 * DATAGRAM, LOSS_SLACK, DATAGRAM)).toBe(20 * DATAGRAM)
  expect(chance.explains(1_000 * DATAGRAM, 0, DATAGRAM)).toBe(0)
  expect(chance.explains(4 * DATAGRAM, LOSS_SLACK, DATAGRAM)).toBe(DATAGRAM)
  for (let i = 0; i < 200; i++) chance.handleRound(roundOf(100, 900), true, DATAGRAM)
  const explained = chance.explains(1_000 * DATAGRAM, 0, DATAGRAM) / DATAGRAM
  expect(explained).toBeGreaterThan(125 + 15)
  expect(explained).toBeLessThan(125 + 25)
})

test("a path is full once three rounds bring no quarter more, unless the application had no more", () => {
  const pipe = new FullPipe()
  for (const rate of [100, 130, 170, 180, 190]) pipe.handleRound(rate, true)
  expect([pipe.rounds, pipe.isFull]).toEqual([2, false])
  pipe.handleRound(190, false)
  expect(pipe.isFull).toBe(false)
  pipe.handleRound(190, true)
  expect(pipe.isFull).toBe(true)
})

test("the least round trip is probed for once it wasn't seen for five seconds, and is kept while others have a queue", () => {
  const least = new LeastRtt()
  let nowMs = 0
  least.handleRtt(40, false, nowMs)
  // What is seen all the time is probed for too, later.
  least.endProbe(50, nowMs)
  for (; nowMs < 1_000; nowMs += 10) least.handleRtt(40, false, nowMs)
  for (; nowMs < 5_900; nowMs += 10) least.handleRtt(60, false, nowMs)
  expect([least.ms, least.isProbeDue]).toEqual([40, false])
  for (; !least.isProbeDue && nowMs < 9_000; nowMs += 10) least.handleRtt(60, false, nowMs)
  expect(nowMs).toBeGreaterThan(5_900)
  expect(nowMs).toBeLessThan(6_100)
  expect([least.endProbe(50, nowMs), least.ms]).toEqual([true, 40])
})

test("one that is seen all the time is probed for ever more rarely, and often again once a lesser one was seen", () => {
  const least = new LeastRtt()
  const waits: number[] = []
  let nowMs = 0
  const untilProbe = (rttMs: number, isSharing = false): void => {
    const sinceMs = nowMs
    do least.handleRtt(rttMs, isSharing, (nowMs += 10))
    while (!least.isProbeDue && nowMs < sinceMs + 100_000)
    waits.push(Math.round((nowMs - sinceMs) / 1_000))
    least.handleRtt(rttMs, isSharing, nowMs)
    least.endProbe(rttMs + 10, nowMs)
  }
  for (let i = 0; i < 6; i++) untilProbe(60)
  expect(waits.splice(0)).toEqual([5, 10, 20, 40, 60, 60])
  // The others, whose queue that was, are gone.
  least.handleRtt(40, false, nowMs)
  untilProbe(40)
  untilProbe(40)
  expect(waits.splice(0)).toEqual([5, 10])
  // Where others fill the queue each probe gives up a share.
  untilProbe(40, true)
  expect(waits).toEqual([100])
})

test("a path is as fast as a flow was when it got most of it, until it is slower or that was long ago", () => {
  const line = new LineRate()
  line.handleRound(1_000, 0)
  for (let nowMs = 100; nowMs <= 10_000; nowMs += 100) line.handleRound(10, nowMs)
  expect(line.rate).toBeGreaterThan(700)
  for (let nowMs = 10_100; nowMs <= 300_000; nowMs += 100) line.handleRound(10, nowMs)
  expect(line.rate).toBe(10)
  line.handleRound(1_000, 300_100)
  expect(line.rate).toBe(1_000)
  line.forget()
  expect(line.rate).toBe(0)
})

test("a path that is as much longer at each probe, for half a minute, is longer", () => {
  const least = new LeastRtt()
  let nowMs = 0
  for (; nowMs < 100; nowMs += 10) least.handleRtt(40, false, nowMs)
  const probes: boolean[] = []
  while (least.ms === 40 && nowMs < 60_000) {
    for (; !least.isProbeDue && nowMs < 60_000; nowMs += 10) least.handleRtt(90, false, nowMs)
    least.handleRtt(90, false, (nowMs += 10))
    probes.push(least.endProbe(50, nowMs))
  }
  expect(least.ms).toBe(90)
  expect(nowMs).toBeGreaterThan(30_000)
  expect(probes.at(-1)).toBe(false)
})

test("what arrives at once beyond the rate is kept for two times ten rounds", () => {
  const extra = new ExtraDelivered()
  extra.handleFeedback(1_000, 100, 1e6, true, 10)
  expect(extra.bytes).toBe(1_000)
  for (let round = 1; round < 25; round++) extra.handleFeedback(1_000, 100, 1e6, true, 10 + 10 * round)
  expect(extra.bytes).toBeLessThanOrEqual(1_000)
  extra.handleFeedback(50_000, 100, 20_000, false, 400)
  expect(extra.bytes).toBe(20_000)
})

test("the recent rate takes a round trip, twenty milliseconds and ten datagrams", () => {
  const recent = new RecentRate()
  const feed = (nowMs: number, datagrams: number, rttMs: number): boolean =>
    recent.handleFeedback(
      { ...createDeliverySample(), nowMs, rttMs, deliveredBytes: datagrams * DATAGRAM },
      5,
      DATAGRAM,
    )
  expect([feed(0, 0, 9), feed(10, 20, 8), feed(20, 20, 7)]).toEqual([false, false, true])
  expect([recent.rate, recent.rttMs]).toEqual([(40 * DATAGRAM) / 20, 7])
  expect([feed(30, 2, 50), feed(45, 2, 50), feed(519, 2, 50), feed(520, 2, 50)]).toEqual([false, false, false, true])
  expect([recent.rate, recent.rttMs]).toEqual([(8 * DATAGRAM) / 500, 50])
})

test("on a slow path a few datagrams' time is no queue", () => {
  const fast = queueSigns(40, 0.1)
  const slow = queueSigns(40, 10)
  expect(fast.queuedMs).toBeCloseTo(49.2)
  expect(slow.queuedMs).toBeCloseTo(69)
  for (const { quietMs, queuedMs, droppedMs } of [fast, slow]) {
    expect(quietMs).toBeLessThan(queuedMs)
    expect(queuedMs).toBeLessThan(droppedMs)
  }
})

test("sharing is CUBIC's window: cut once an overflow, grown back, and over after two rounds without a queue", () => {
  const sharing = new Sharing()
  sharing.begin(100, true)
  expect(sharing.datagrams).toBe(70)
  expect([sharing.handleRound(true, false), sharing.datagrams]).toEqual([false, 70])
  sharing.handleRound(true, false)
  expect(sharing.datagrams).toBeCloseTo(49)
  for (let nowMs = 0; nowMs < 4_000; nowMs += 40) sharing.grow(sharing.datagrams, 40, nowMs)
  expect(sharing.datagrams).toBeGreaterThan(65)
  expect([sharing.handleRound(false, true), sharing.handleRound(false, true)]).toEqual([false, true])
})

test("the rounds of a pause see no queue, and show nothing", () => {
  const sharing = new Sharing()
  sharing.begin(100, true)
  sharing.resume()
  for (let round = 0; round < 4; round++) expect(sharing.handleRound(false, true)).toBe(false)
  expect(sharing.handleRound(false, true)).toBe(true)
})

test("one that has never overflown a queue of others doubles its window in a round trip, until it does", () => {
  const sharing = new Sharing()
  sharing.begin(10, false)
  sharing.grow(10, 40, 0)
  sharing.grow(20, 40, 40)
  expect(sharing.datagrams).toBe(40)
  sharing.handleRound(true, false)
  expect(sharing.datagrams).toBe(28)
  sharing.grow(28, 40, 80)
  expect(sharing.datagrams).toBeLessThan(31)
})

/** Rates that go up and down by this factor, each time after so long. */
function swing(swings: Swings, factor: number, everyMs: number, hasQueue: (isHigh: boolean) => boolean): void {
  for (let i = 0; i < 20; i++) {
    const isHigh = i % 2 === 0
    swings.handleRate(isHigh ? 100 * factor : 100, hasQueue(isHigh), i * everyMs)
  }
}

test("a rate that doubles and halves six times within three seconds is unsteady, for three seconds", () => {
  const swings = new Swings()
  swing(swings, 2, 100, (isHigh) => !isHigh)
  expect([swings.isUnsteady(2_000), swings.areMany(4_800), swings.areMany(5_000)]).toEqual([true, true, false])
  swings.forget()
  expect(swings.isUnsteady(2_000)).toBe(false)
})

test("smaller swings, slower ones, and those in a queue that never goes are of others", () => {
  const [small, slow, queued] = [new Swings(), new Swings(), new Swings()]
  swing(small, 1.9, 100, (isHigh) => !isHigh)
  swing(slow, 2, 700, (isHigh) => !isHigh)
  swing(queued, 2, 100, () => true)
  expect([small.areMany(2_000), slow.areMany(14_000)]).toEqual([false, false])
  expect([queued.areMany(2_000), queued.isUnsteady(2_000)]).toEqual([true, false])
})
