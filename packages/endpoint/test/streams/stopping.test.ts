import { RepeatPace } from "@x/stream"
import { expect, test } from "vitest"
import { Stopping } from "../../src/streams/stopping.ts"

const PTO_MS = 100

/** Sends the stop whenever it is due, until this time; returns when. */
function sayUntil(stopping: Stopping, pace: RepeatPace, fromMs: number, toMs: number): number[] {
  const said: number[] = []
  for (let nowMs = fromMs; nowMs <= toMs; nowMs = Math.max(nowMs + 1, Math.min(stopping.dueMs, toMs + 1))) {
    if (stopping.dueMs > nowMs) continue
    stopping.said(nowMs, PTO_MS, pace)
    said.push(nowMs)
  }
  return said
}

test("a stop is said at once, eight times by itself, and then only when something comes, a second apart or more", () => {
  const [stopping, pace] = [new Stopping(), new RepeatPace()]
  expect(stopping.dueMs).toBe(Infinity)
  stopping.begin(5)
  expect([stopping.reason, stopping.dueMs]).toEqual([5, -Infinity])
  const said = sayUntil(stopping, pace, 0, 1_000_000)
  expect([said[0], said.length, stopping.dueMs]).toEqual([0, 8, Infinity])
  let quietMs = 1_000
  let nowMs = said.at(-1)!
  for (let i = 0; i < 8; i++) {
    expect(stopping.remind(nowMs + quietMs - 1)).toBe(false)
    nowMs += quietMs
    expect([stopping.remind(nowMs), stopping.remind(nowMs)]).toEqual([true, false])
    stopping.said(nowMs, PTO_MS, pace)
    quietMs = Math.min(2 * quietMs, 64_000)
  }
})

test("a peer that is heard again is told anew, eight times", () => {
  const [stopping, pace] = [new Stopping(), new RepeatPace()]
  stopping.begin(5)
  sayUntil(stopping, pace, 0, 1_000_000)
  stopping.handleReachable(2_000_000)
  // Nothing is sent by itself any more: the limit was reached.
  expect([stopping.dueMs, stopping.remind(2_000_000)]).toEqual([Infinity, true])
  expect(sayUntil(stopping, pace, 2_000_000, 3_000_000)).toHaveLength(8)
  stopping.begin(5)
  stopping.end()
  expect(stopping.dueMs).toBe(Infinity)
})
