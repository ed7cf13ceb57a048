import { RepeatPace } from "@x/stream"
import { expect, test } from "vitest"
import { RateAsked } from "../../src/peer/rate-asked.ts"

test("a rate is asked for until its own answer comes, each time later, and no longer when another is wanted", () => {
  const rate = new RateAsked()
  expect(rate.dueMs).toBe(Infinity)
  rate.ask(Infinity, 0)
  expect(rate.dueMs).toBe(Infinity)
  rate.ask(5_000, 10)
  expect([rate.dueMs, rate.asked]).toEqual([10, { number: 1, bytesPerSecond: 5_000 }])
  rate.said(10, 100, new RepeatPace())
  const againMs = rate.dueMs
  expect(againMs).toBeGreaterThanOrEqual(100)
  rate.said(againMs, 100, new RepeatPace())
  expect(rate.dueMs - againMs).toBeGreaterThan(againMs - 10)
  rate.ask(6_000, 500)
  expect([rate.dueMs, rate.answered({ number: 1, bytesPerSecond: 5_000 })]).toEqual([500, false])
  expect(rate.answered({ number: 2, bytesPerSecond: 5_000 })).toBe(false)
  expect([rate.answered({ number: 2, bytesPerSecond: 6_000 }), rate.dueMs]).toEqual([true, Infinity])
  expect(rate.answered({ number: 2, bytesPerSecond: 6_000 })).toBe(false)
})

test("what the peer asked for earlier, and came late, is answered and changes nothing", () => {
  const rate = new RateAsked()
  expect(rate.take({ number: 2, bytesPerSecond: 7_000 })).toBe(7_000)
  for (const number of [1, 2]) {
    expect(rate.take({ number, bytesPerSecond: 1 })).toBeUndefined()
    expect(rate.answerOwed).toEqual({ number, bytesPerSecond: 1 })
  }
  expect(rate.take({ number: 3, bytesPerSecond: 0 })).toBe(Infinity)
})
