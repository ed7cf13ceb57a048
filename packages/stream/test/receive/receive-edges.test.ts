import { NUMBER_MAX } from "@x/wire"
import fc from "fast-check"
import { expect, test } from "vitest"
import { runs } from "../../../../tools/testkit/src/runs.ts"
import { ReceiveEdges } from "../../src/receive/receive-edges.ts"
import { firsts } from "./parts.ts"

test("a stream that resends begins with its opening, and what came before that tells how far its sender was", () => {
  const edges = new ReceiveEdges(64, true)
  edges.raise(12)
  expect([edges.isStarted, edges.takeExpected(12), edges.start(10)]).toEqual([false, false, 12])
  expect([edges.isStarted, edges.next, edges.high]).toEqual([true, 10, 10])
})

test("what was seen before the opening counts no further than the spread", () => {
  const edges = new ReceiveEdges(64, true)
  edges.raise(1_000)
  expect(edges.start(10)).toBe(74)
})

test("only the next packet is expected, while none behind it is known of and the stream goes on", () => {
  const edges = new ReceiveEdges(64, true)
  edges.start(5)
  expect([edges.takeExpected(6), edges.takeExpected(4), edges.takeExpected(5), edges.high]).toEqual([
    false,
    false,
    true,
    6,
  ])
  expect([edges.takeExpected(5), edges.takeExpected(6)]).toEqual([false, false])
  edges.advance()
  edges.end(6)
  expect([edges.takeExpected(6), edges.isComplete]).toEqual([false, true])
})

test("packets end where the spread, the numbers or the stream do", () => {
  const edges = new ReceiveEdges(64, true)
  edges.start(10)
  expect([edges.reach, edges.isBeyond(73), edges.isBeyond(74)]).toEqual([74, false, true])
  expect([edges.mayHaveSent(74), edges.mayHaveSent(75)]).toEqual([true, false])
  expect(edges.end(20)).toBe(true)
  expect([edges.reach, edges.isBeyond(19), edges.isBeyond(20)]).toEqual([20, false, true])
  expect([edges.mayHaveSent(20), edges.mayHaveSent(21)]).toEqual([true, false])
  const last = new ReceiveEdges(64, true)
  last.start(NUMBER_MAX - 3)
  expect(last.reach).toBe(NUMBER_MAX)
})

test("an end is one, and not below what came", () => {
  const edges = new ReceiveEdges(64, true)
  edges.start(0)
  edges.raise(8)
  expect([edges.end(7), edges.end(8), edges.end(8), edges.end(9), edges.final]).toEqual([false, true, true, false, 8])
})

test("it is complete once all has left, or where nothing is resent once the end is known", () => {
  const [waits, doesNot] = [new ReceiveEdges(64, true), new ReceiveEdges(64, false)]
  waits.start(0)
  for (const edges of [waits, doesNot]) edges.end(2)
  expect([waits.isComplete, doesNot.isComplete]).toEqual([false, true])
  expect([waits.advance(), waits.isComplete, waits.advance(), waits.isComplete]).toEqual([false, false, true, true])
})

test("in whichever order packets come, the edges are in order and no further apart than the spread", () => {
  const step = fc.tuple(fc.constantFrom("expected", "raise", "advance", "move"), fc.nat(80))
  fc.assert(
    fc.property(firsts, fc.array(step, { maxLength: 60 }), (first, steps) => {
      const edges = new ReceiveEdges(64, true)
      edges.start(first)
      for (const [kind, draw] of steps) {
        const [before, number] = [edges.next, edges.next + draw]
        if (kind === "expected") edges.takeExpected(number)
        else if (kind === "raise" && !edges.isBeyond(number)) edges.raise(number + 1)
        else if (kind === "advance" && edges.next < edges.high) edges.advance()
        else if (kind === "move") edges.moveTo(Math.min(number, edges.high))
        edges.assertInvariants()
        expect(edges.next).toBeGreaterThanOrEqual(before)
      }
    }),
    { numRuns: runs(100) },
  )
})

test("edges out of order are told", () => {
  const edges = new ReceiveEdges(64, true)
  edges.start(0)
  edges.advance()
  expect(() => edges.assertInvariants()).toThrow("edge 1 above the newest 0")
  edges.raise(66)
  expect(() => edges.assertInvariants()).toThrow("spread")
})
