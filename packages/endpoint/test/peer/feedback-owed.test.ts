import { expect, test } from "vitest"
import { FeedbackOwed } from "../../src/peer/feedback-owed.ts"

test("data is answered within its time, and what follows doesn't put that off", () => {
  const owed = new FeedbackOwed()
  owed.within(20, 5)
  owed.within(20, 15)
  expect(owed.dueMs).toBe(25)
  owed.said(25)
  expect(owed.dueMs).toBe(Infinity)
})

test("the 64th datagram that nothing answered is answered at once", () => {
  const owed = new FeedbackOwed()
  for (let i = 0; i < 63; i++) owed.heard(i)
  expect(owed.dueMs).toBe(Infinity)
  owed.heard(63)
  expect(owed.dueMs).toBe(63)
})

/** When feedback goes, each time it is due, until this time. */
function timesOf(owed: FeedbackOwed, untilMs: number, isRestless = false): number[] {
  const times: number[] = []
  for (let dueMs = owed.dueMs; dueMs < untilMs && times.length < 100; dueMs = owed.dueMs) {
    times.push(dueMs)
    owed.said(dueMs, isRestless)
  }
  return times
}

test("a flow that falls silent is answered four times more, further and further apart", () => {
  const owed = new FeedbackOwed()
  for (const nowMs of [0, 20, 20]) owed.within(5, nowMs, 25)
  expect(timesOf(owed, 10_000)).toEqual([5, 45, 95, 195, 395])
})

test("between its bursts a flow isn't silent", () => {
  const owed = new FeedbackOwed()
  const times: number[] = []
  for (let burst = 0; burst < 100; burst++) {
    for (let i = 0; i < 5; i++) owed.within(1, burst * 40 + i, 3)
    times.push(...timesOf(owed, burst * 40 + 40))
  }
  // The first pause can't be told from an end.
  expect([times.length, times.slice(0, 6)]).toEqual([103, [1, 7, 13, 25, 41, 81]])
  expect(timesOf(owed, 5_000)).toEqual([3964 + 45, 3964 + 3 * 45, 3964 + 7 * 45, 3964 + 15 * 45])
})

test("a pause counts for a second at most, then a shorter one is silence", () => {
  const owed = new FeedbackOwed()
  for (const nowMs of [0, 80]) owed.within(1, nowMs, 3)
  for (let nowMs = 81; nowMs <= 1_100; nowMs++) {
    owed.within(1, nowMs, 3)
    timesOf(owed, nowMs + 1)
  }
  expect(timesOf(owed, 1_110)[1]).toBe(1_103)
})

test("while our address changes pauses are its doing, and don't count then or later", () => {
  const owed = new FeedbackOwed()
  for (const nowMs of [0, 60, 120]) {
    owed.keepOn(3, nowMs)
    owed.within(1, nowMs, 3)
  }
  expect(timesOf(owed, 130)[1]).toBe(123)
  owed.within(1, 140, 3)
  // Only what it pauses for by itself counts again.
  expect(timesOf(owed, 170)[1]).toBe(140 + 1.25 * 20)
})

test("data that comes alone is answered once", () => {
  const owed = new FeedbackOwed()
  owed.within(5, 0, 25)
  expect(timesOf(owed, 90)).toEqual([5])
  owed.within(5, 100, 25)
  expect(timesOf(owed, 10_000)).toEqual([105])
})

test("while our address changes silence is answered again and again, at intervals of changing length", () => {
  const owed = new FeedbackOwed()
  owed.keepOn(100, 0)
  expect(timesOf(owed, 1_000, true)).toEqual([100, 225, 375, 550, 650, 775, 925])
})

test("on a short path too it goes no more than some forty times a second then", () => {
  const owed = new FeedbackOwed()
  owed.keepOn(3.5, 0)
  const times = timesOf(owed, 1_000, true)
  expect([times[0], times.length > 30, times.length < 45]).toEqual([20, true, true])
})

test("what may have gone where the peer wasn't is due at once", () => {
  const owed = new FeedbackOwed()
  owed.owe(7)
  expect(timesOf(owed, 1_000)).toEqual([7])
})
