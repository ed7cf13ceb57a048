import { createSync, FORM, MODE } from "@x/wire"
import fc from "fast-check"
import { expect, test } from "vitest"
import { runs } from "../../../../tools/testkit/src/runs.ts"
import { PACKET } from "../../src/send/send-ring.ts"
import { firsts, Parts } from "./parts.ts"

const RANGES = 64

/** The times of syncs while nothing moves, up to a time. */
function times({ sync }: Parts, untilMs: number): number[] {
  const all: number[] = []
  while (sync.dueMs <= untilMs) {
    all.push(sync.dueMs)
    expect(sync.poll(sync.dueMs, createSync(), RANGES)).toBe(true)
  }
  return all
}

test("while nothing moves syncs come further and further apart, up to a bound", () => {
  const parts = new Parts()
  parts.write(1)
  parts.send(1)
  expect(parts.sync.isWaiting).toBe(false)
  parts.sync.wait(0)
  const all = times(parts, 2_000)
  const gaps = all.slice(1).map((atMs, i) => atMs - all[i]!)
  expect(gaps).toEqual(gaps.toSorted((a, b) => a - b))
  expect([all[0]! > 0, Math.max(...gaps) <= 200, parts.sync.sent]).toEqual([true, true, all.length])
})

test("the first sync comes within a second, whatever a stall has made of the round trip", () => {
  fc.assert(
    fc.property(fc.double({ min: 0, max: 60_000, noNaN: true }), fc.nat(100_000), (stallMs, sentMs) => {
      const parts = new Parts({ peerStatusDelayMs: 25 })
      // A sample counts as three PTOs at most.
      for (let i = 0; i < 20; i++) parts.rtt.addSample(stallMs, 0, stallMs)
      parts.ledger.append(parts.pool.acquire(), 10, FORM.whole, 1, sentMs)
      parts.ledger.send(0, sentMs, parts.out)
      parts.sync.wait(sentMs)
      expect(parts.sync.dueMs - sentMs).toBeGreaterThan(0)
      expect(parts.sync.dueMs - sentMs).toBeLessThanOrEqual(1_000)
    }),
    { numRuns: runs(200) },
  )
})

test("what moves begins the intervals anew; with everything answered none is due", () => {
  const parts = new Parts()
  const { sync, ledger } = parts
  parts.write(2)
  parts.send(2)
  sync.wait(0)
  const first = sync.dueMs
  times(parts, 500)
  ledger.advance(1)
  sync.move(600)
  expect(sync.dueMs).toBe(600 + first)
  ledger.advance(2)
  sync.move(700)
  expect([sync.dueMs, sync.isWaiting]).toEqual([Infinity, false])
})

test("nothing is asked where nothing answers, or nothing is delivered any more", () => {
  const unanswered = new Parts({ mode: MODE.latest })
  unanswered.write(1)
  unanswered.send(1)
  unanswered.sync.wait(0)
  const reset = new Parts()
  reset.write(1)
  reset.send(1)
  reset.life.reset(0, false, 0)
  reset.sync.wait(0)
  expect([unanswered.sync.dueMs, reset.sync.dueMs]).toEqual([Infinity, Infinity])
})

test("what was given up is told soon, but not with each message that is", () => {
  const parts = new Parts()
  const { sync, ledger } = parts
  parts.write(3)
  parts.send(3)
  sync.wait(0)
  ledger.giveUp(1)
  sync.want()
  expect(sync.poll(5, createSync(), RANGES)).toBe(true)
  ledger.giveUp(2)
  sync.want()
  expect([sync.poll(5, createSync(), RANGES), sync.dueMs > 5, sync.dueMs < 20]).toEqual([false, true, true])
})

test("a receiver without room is asked after what can't be sent to it", () => {
  const parts = new Parts()
  const { sync, queue } = parts
  parts.write(1)
  parts.send(1)
  parts.ledger.advance(1)
  sync.want()
  sync.poll(10, createSync(), RANGES)
  expect(sync.dueMs).toBe(Infinity)
  queue.hold(true)
  parts.write(1)
  expect(sync.dueMs).toBe(110)
})

test("a peer that is heard again is asked at once", () => {
  const parts = new Parts()
  parts.write(1)
  parts.send(1)
  parts.sync.wait(0)
  times(parts, 5_000)
  parts.sync.handleReachable(5_001)
  expect(parts.sync.dueMs).toBe(5_001)
})

test("the ranges of a sync are the gone packets above its low mark, maximal, as many as fit", () => {
  fc.assert(
    fc.property(
      firsts,
      fc.array(fc.boolean(), { maxLength: 60 }),
      fc.integer({ min: 0, max: 9 }),
      (first, isGone, rangesMax) => {
        const parts = new Parts({ first })
        const { ledger } = parts
        parts.write(isGone.length)
        parts.send(isGone.length)
        isGone.forEach((is, i) => is && ledger.giveUp(first + i))
        const sync = createSync()
        parts.sync.want()
        expect(parts.sync.poll(0, sync, rangesMax)).toBe(true)
        const { low, high, gone } = sync
        expect([low <= high, high, gone.count <= rangesMax]).toEqual([true, ledger.next, true])
        const told = new Set<number>()
        for (let number = first; number < low; number++) told.add(number)
        for (let i = 0; i < gone.count; i++) {
          const [from, to] = [gone.edges[2 * i]!, gone.edges[2 * i + 1]!]
          expect([from > low, gone.begun[i]]).toEqual([true, ledger.begunBelow(to)])
          expect(to === high || ledger.state(to) !== PACKET.gone).toBe(true)
          for (let number = from; number < to; number++) told.add(number)
        }
        const all = isGone.flatMap((is, i) => (is ? [first + i] : []))
        expect([...told]).toEqual(all.slice(0, told.size))
        if (gone.count < rangesMax) expect(told.size).toBe(all.length)
      },
    ),
    { numRuns: runs(100) },
  )
})

test("what was given up unsent, behind a message that was half sent then, is told once that has come", () => {
  const parts = new Parts({ mode: MODE["best-effort"] })
  const { sync, ledger } = parts
  parts.write(4)
  parts.send(1)
  ledger.giveUp(3)
  sync.want()
  sync.poll(50, createSync(), RANGES)
  parts.send(2)
  ledger.advance(3)
  sync.move(100)
  const told = createSync()
  expect([sync.isWaiting, sync.poll(1_000, told, RANGES)]).toEqual([true, true])
  // Nothing of the stream is unsettled once the receiver's edge is there.
  expect([told.low, told.high]).toEqual([4, 4])
  ledger.advance(4)
  sync.move(1_010)
  expect(sync.dueMs).toBe(Infinity)
})
