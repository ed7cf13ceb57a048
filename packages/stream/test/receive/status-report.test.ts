import { createStatus, STATUS } from "@x/wire"
import fc from "fast-check"
import { expect, test } from "vitest"
import { runs } from "../../../../tools/testkit/src/runs.ts"
import { ReceiveEdges } from "../../src/receive/receive-edges.ts"
import { StatusReport } from "../../src/receive/status-report.ts"
import { Parts, rangesOf, syncOf } from "./parts.ts"

test("before the opening came a status asks for that alone", () => {
  const { gaps, kept, gone, statusTimer, room, rtt } = new Parts()
  const edges = new ReceiveEdges(64, true)
  edges.raise(7)
  const report = new StatusReport({ edges, gaps, kept, gone, statusTimer, room, rtt, isOrdered: true })
  const status = createStatus()
  report.fill(status, 0, 64)
  expect([status.state, status.cumulative, status.missing.count, status.received.count]).toEqual([
    STATUS.startUnknown,
    0,
    0,
    0,
  ])
})

test("it tells the edge, asks for what is missing, and tells what lies behind", () => {
  const parts = new Parts()
  parts.miss(2)
  for (const number of [2, 3, 6]) parts.keep(number)
  const status = parts.say(1_000)
  expect([status.state, status.cumulative, rangesOf(status.missing), rangesOf(status.received)]).toEqual([
    0,
    0,
    [
      [0, 2],
      [4, 6],
    ],
    [
      [2, 4],
      [6, 7],
    ],
  ])
  expect(parts.statusTimer.naksSent).toBe(1)
})

test("in order with nothing kept there is nothing to tell but the edge; the end is told once all has left", () => {
  const parts = new Parts()
  const { edges } = parts
  const say = (): number[] => {
    const { state, cumulative, received } = parts.say()
    return [state, cumulative, received.count]
  }
  edges.takeExpected(0)
  edges.advance()
  edges.end(2)
  expect(say()).toEqual([0, 1, 0])
  edges.takeExpected(1)
  edges.advance()
  expect(say()).toEqual([STATUS.closed, 2, 0])
})

test("a packet kept at the edge is not told as lying behind a gap", () => {
  const parts = new Parts()
  for (const number of [1, 2]) parts.keep(number)
  parts.gaps.remove(0, 1)
  parts.edges.moveTo(1)
  expect(rangesOf(parts.say().received)).toEqual([[2, 3]])
})

test("where the sender gave something up, what lies behind is told though nothing is kept", () => {
  const parts = new Parts()
  parts.edges.raise(4)
  parts.gaps.add(0, 3, 0, true)
  parts.gone.note(syncOf(0, 0, [1, 2, 1]))
  expect(rangesOf(parts.say().received)).toEqual([
    [1, 2],
    [3, 4],
  ])
})

test("it asks again after the interval, and not while there is no memory for what is next", () => {
  const parts = new Parts()
  const { report, room } = parts
  expect(report.askDueMs).toBe(Infinity)
  parts.miss(2)
  expect(report.askDueMs).toBe(-Infinity)
  parts.say(100)
  expect([report.askDueMs, parts.say(124).missing.count, parts.say(125).missing.count]).toEqual([125, 0, 1])
  room.lackMemory()
  const { state, missing } = parts.say(10_000)
  expect([report.askDueMs, missing.count, state]).toEqual([Infinity, 0, STATUS.noRoom])
})

test("however little room a status has, what is missing comes first and all in all fits", () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.integer({ min: 1, max: 63 })), fc.nat(40), (early, rangesMax) => {
      const parts = new Parts()
      for (const number of early) parts.keep(number)
      const { missing, received } = parts.say(10_000, rangesMax)
      const isThere = new Set(early)
      for (const [from, to] of rangesOf(missing))
        for (let number = from; number < to; number++) expect(isThere.has(number)).toBe(false)
      for (const [from, to] of rangesOf(received))
        for (let number = from; number < to; number++) expect(isThere.has(number)).toBe(true)
      expect(missing.count + received.count).toBeLessThanOrEqual(rangesMax)
      let gaps = 0
      for (let number = 0; number < parts.edges.high; number++)
        if (!isThere.has(number) && (number === 0 || isThere.has(number - 1))) gaps++
      expect(missing.count).toBe(Math.min(gaps, rangesMax))
    }),
    { numRuns: runs(100) },
  )
})
