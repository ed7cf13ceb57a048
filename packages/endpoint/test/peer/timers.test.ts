import { RttEstimator } from "@x/stream"
import fc from "fast-check"
import { expect, test } from "vitest"
import { settingsOf } from "../../src/api/options.ts"
import { Association } from "../../src/path/association.ts"
import { Path } from "../../src/path/path.ts"
import { FeedbackOwed } from "../../src/peer/feedback-owed.ts"
import { Goodbye } from "../../src/peer/goodbye.ts"
import { Liveness } from "../../src/peer/liveness.ts"
import { Pings } from "../../src/peer/pings.ts"
import { RateAsked } from "../../src/peer/rate-asked.ts"
import { Retiring } from "../../src/peer/retiring.ts"
import { type Timer, Timers } from "../../src/peer/timers.ts"
import { LIMITS } from "./limits.ts"

const NAMES: readonly Timer[] = [
  ...(["silence", "absence", "probe", "heartbeat", "shut", "ping", "rate", "goodbye"] as const),
  ...(["forget", "feedback", "retire", "pace", "mtu", "outgoing", "incoming"] as const),
]

function makeAssociation(nowMs: number): Association {
  return new Association({ slot: 1, remoteSlot: 2, address: 1, isOurs: true, order: 0, inFlightMax: 64, nowMs })
}

function makeParts(nextMs: { outgoing: number; incoming: number }) {
  const settings = settingsOf({})
  const parts = {
    ...{ liveness: new Liveness(settings), goodbye: new Goodbye(), pings: new Pings() },
    rate: new RateAsked(),
    ...{ feedback: new FeedbackOwed(), retiring: new Retiring(), limits: LIMITS },
    outgoing: { lastDataMs: 0, hasData: false, nextTimeoutMs: () => nextMs.outgoing },
    incoming: { lastDataMs: 0, nextTimeoutMs: () => nextMs.incoming },
  }
  return {
    parts,
    path: new Path({
      settings,
      limits: LIMITS,
      timerMs: 1,
      rtt: new RttEstimator(),
      random: () => 0,
      hasMarks: () => false,
      isLocal: () => false,
    }),
  }
}

test("the next time to come back is that at which the first of all is due, and not before", () => {
  const ms = fc.nat(20_000)
  const maybe = fc.oneof(ms, fc.constant(Infinity))
  const drawn = {
    outgoing: maybe,
    incoming: maybe,
    feedbackMs: maybe,
    retireMs: maybe,
    state: fc.nat(2),
    saysGoodbye: fc.boolean(),
    asksForRate: fc.boolean(),
    isProbed: fc.boolean(),
  }
  fc.assert(
    fc.property(fc.record(drawn), ({ feedbackMs, retireMs, state, saysGoodbye, asksForRate, isProbed, ...nextMs }) => {
      const { parts, path } = makeParts(nextMs)
      const association = makeAssociation(0)
      if (feedbackMs < Infinity) parts.feedback.within(feedbackMs, 0)
      if (retireMs < Infinity) parts.retiring.add(makeAssociation(0), retireMs, 0)
      if (state === 1) parts.liveness.lose()
      if (state === 2) parts.liveness.leave()
      if (isProbed) path.mtu.handleSent({ bytes: 1_200, largestBytes: 1_200, counter: 1, missingBytes: 0 }, 50)
      if (asksForRate) parts.rate.ask(1_000, 20)
      if (saysGoodbye) parts.goodbye.begin({ reason: 0, text: "" }, 10)
      const timers = new Timers(parts)
      const next = timers.nextMs(path, association)
      if (next < Infinity) expect(NAMES.some((name) => timers.isDue(name, path, association, next))).toBe(true)
      const before = next === Infinity ? 1e9 : next - 1e-6
      expect(NAMES.filter((name) => timers.isDue(name, path, association, before))).toEqual([])
    }),
  )
})

/** Timers whose streams are due at these times, joined, with everything handled at 0. */
function handled(nextMs = { outgoing: Infinity, incoming: Infinity }) {
  const { parts, path } = makeParts(nextMs)
  const association = makeAssociation(0)
  const timers = new Timers(parts)
  const begin = (nowMs: number): boolean => timers.begin(path, association, nowMs)
  expect(begin(0)).toBe(true)
  return {
    parts,
    path,
    association,
    timers,
    begin,
    nextMs,
    next: () => timers.nextMs(path, association),
  }
}

test("turns are for data alone, for fifty milliseconds after one that handled everything", () => {
  const { begin } = handled()
  expect([1, 49, 50, 51, 99, 100].map(begin)).toEqual([false, false, true, false, false, true])
})

test("a turn handles everything where anything but data happened, or something that data moves is due", () => {
  const disturbed = handled()
  disturbed.timers.isUncertain = true
  expect([disturbed.begin(1), disturbed.begin(1)]).toEqual([true, false])
  const fed = handled()
  fed.parts.feedback.within(1, 0)
  expect([fed.begin(0.9), fed.begin(1)]).toEqual([false, true])
  const reporting = handled({ outgoing: Infinity, incoming: 2 })
  expect([reporting.begin(1.9), reporting.begin(2)]).toEqual([false, true])
  const silent = handled()
  silent.parts.liveness.lose()
  expect(silent.begin(1)).toBe(true)
})

test("after a turn for data alone the next one is no later than what data moves, and than what else was due", () => {
  const { begin, next, nextMs, parts } = handled()
  nextMs.outgoing = 8
  parts.rate.ask(1_000, 20)
  expect([next(), begin(1)]).toEqual([8, false])
  // What was due of data before is not any more.
  nextMs.outgoing = Infinity
  expect(next()).toBe(20)
  nextMs.incoming = 2
  expect(next()).toBe(2)
  parts.feedback.within(0.5, 1)
  expect(next()).toBe(1.5)
})

test("what else may be due is looked at fifty milliseconds after a turn for data alone, at the latest", () => {
  const { begin, next } = handled()
  next()
  expect([begin(1), next(), begin(50)]).toEqual([false, 50, true])
})
