import { expect, test } from "vitest"
import { settingsOf } from "../../src/api/options.ts"
import { Liveness } from "../../src/peer/liveness.ts"

const SETTINGS = settingsOf({ heartbeatMs: 100, unreachableMs: 1_000, leaveMs: 5_000 })
const LAST = { lastReceivedMs: 200, lastSentMs: 250 }

test("silence makes a peer unreachable, and more of it makes it gone", () => {
  const liveness = new Liveness(SETTINGS)
  expect([liveness.silenceDueMs(LAST), liveness.absenceDueMs(LAST)]).toEqual([1_200, Infinity])
  liveness.lose()
  expect([liveness.silenceDueMs(LAST), liveness.absenceDueMs(LAST)]).toEqual([Infinity, 6_200])
  expect(liveness.heard()).toBe(true)
  expect(liveness.state).toBe("joined")
  expect(liveness.heard()).toBe(false)
})

test("a peer that is leaving isn't brought back by a datagram of it, nor asked for", () => {
  const liveness = new Liveness(SETTINGS)
  liveness.leave()
  expect(liveness.heard()).toBe(false)
  expect([liveness.state, liveness.isThere]).toEqual(["leaving", false])
  expect([liveness.heartbeatDueMs(LAST, 0), liveness.probeDueMs(LAST, 0)]).toEqual([Infinity, Infinity])
})

test("heartbeats come further apart once only they went for a while, and not to an unreachable peer", () => {
  const liveness = new Liveness(SETTINGS)
  expect(liveness.heartbeatDueMs({ lastReceivedMs: 0, lastSentMs: 1_000 }, 0)).toBe(1_100)
  expect(liveness.heartbeatDueMs({ lastReceivedMs: 0, lastSentMs: 1_001 }, 0)).toBe(1_301)
  liveness.lose()
  expect(liveness.heartbeatDueMs({ lastReceivedMs: 0, lastSentMs: 1_001 }, 0)).toBe(1_101)
})

test("a join asks after three heartbeats' silence, and then as often as a peer could become unreachable", () => {
  const liveness = new Liveness(SETTINGS)
  expect(liveness.probeDueMs(LAST, 200)).toBe(500)
  liveness.probed(500)
  expect(liveness.probeDueMs(LAST, 200)).toBe(1_500)
  liveness.heard()
  expect(liveness.probeDueMs(LAST, 200)).toBe(500)
})
