import { describe, expect, test } from "vitest"
import { Arrivals } from "../src/arrivals.ts"
import type { PathCase } from "../src/cases.ts"
import type { FlowResult, TrialResult } from "../src/trial.ts"
import { figuresOf, judge, medianOf, possibleMbit } from "../src/judge.ts"
import { lateOf } from "../src/late.ts"
import { alike } from "../src/settings.ts"

const CASE: PathCase = {
  kind: "path",
  name: "a case",
  path: alike({}),
  hasNat: false,
  bytes: 1_000,
  perSecond: 0,
  warmMs: 0,
  runMs: 4_000,
  changes: [],
  possibleMbit: 0,
  figure: "mbit",
}

const counts = {
  arrived: 0,
  delivered: 0,
  lostBefore: 0,
  lostBehind: 0,
  lostQueue: 0,
  lostMtu: 0,
  lostNat: 0,
  lostCodel: 0,
  marked: 0,
}

const result = (...flows: Partial<FlowResult>[]): TrialResult => ({
  flows: flows.map((flow) => ({ count: 0, ms: 4_000, bins: [], gaps: [], cpuUs: 0, settings: "", ...flow })),
  relay: { there: counts, back: counts, late: { p50Us: 32, p99Us: 512 } },
})

/** Messages at these times of a measurement of four seconds that began at 1,000. */
function received(timesMs: readonly number[]): Partial<FlowResult> {
  const arrivals = new Arrivals(1_000)
  for (const atMs of timesMs) arrivals.add(1_000 + atMs)
  return arrivals.end(5_000)
}

const every10Ms = (fromMs: number, toMs: number): number[] =>
  Array.from({ length: (toMs - fromMs) / 10 }, (_, number) => fromMs + number * 10)

describe("figures", () => {
  test("Mbit/s count the bytes of messages alone", () => {
    expect(figuresOf(CASE, result({ count: 4_000 })).mbit).toBeCloseTo(8, 9)
  })

  test("a share is that of the flow that began last", () => {
    const shared = { ...CASE, figure: "share", beside: "tcp-cubic" } as const
    expect(figuresOf(shared, result({ count: 300 }, { count: 100 })).share).toBeCloseTo(0.25, 9)
    expect(figuresOf(shared, result({}, {})).share).toBe(0)
  })

  const changed: PathCase = {
    ...CASE,
    figure: "gapMs",
    changes: [{ atMs: 1_000, change: { what: "rebind" } }],
  }

  test("a silence before the change counts not at all, one that lasts into it from the change on", () => {
    const before = [...every10Ms(0, 300), ...every10Ms(900, 4_000)]
    expect(figuresOf(changed, result(received(before))).gapMs).toBe(0)
    const into = [...every10Ms(0, 800), ...every10Ms(1_500, 4_000)]
    expect(figuresOf(changed, result(received(into))).gapMs).toBe(500)
  })

  test("a silence that doesn't end lasts to the end, and nothing is done", () => {
    const figures = figuresOf(changed, result(received(every10Ms(0, 1_000))))
    expect(figures).toMatchObject({ gapMs: 3_000, isDone: false })
    expect(figures.phasesMbit).toEqual([0.8, 0])
  })

  test("what arrives in the last second is what was resumed", () => {
    const figures = figuresOf(changed, result(received([...every10Ms(0, 1_000), ...every10Ms(3_000, 4_000)])))
    expect(figures).toMatchObject({ isDone: true })
    expect(figures.gapMs).toBeCloseTo(2_000, 6)
  })

  test("nothing at all is a silence too", () => {
    expect(figuresOf(changed, result(received([])))).toMatchObject({ gapMs: 3_000, isDone: false })
  })

  test("latencies are milliseconds", () => {
    const figures = figuresOf({ ...CASE, figure: "p99Ms" }, result({ p50Us: 10_000, p99Us: 30_500, p999Us: 40_000 }))
    expect(figures).toMatchObject({ p50Ms: 10, p99Ms: 30.5, p999Ms: 40 })
  })

  test("what is possible is the rate without headers, framing and what is lost", () => {
    expect(possibleMbit({ rate: 500e6, lossBefore: 0.01 }, 1_024)).toBeCloseTo(
      (500 * 0.99 * 1_472 * 1_024) / 1_500 / 1_028,
      6,
    )
    expect(possibleMbit({ rate: 500e6, mtu: 700 }, 1_024)).toBeLessThan(possibleMbit({ rate: 500e6 }, 1_024))
  })

  test("the relay was late by less than a power of two", () => {
    expect(lateOf([0, 90, 0, 9, 0, 1])).toEqual({ p50Us: 2, p99Us: 8 })
    expect(lateOf([])).toEqual({ p50Us: 0, p99Us: 0 })
  })
})

describe("verdicts", () => {
  test("more is better for a rate, less for a time; the best peer counts", () => {
    const peers = { slow: [{ mbit: 10, p99Ms: 90 }], fast: [{ mbit: 100, p99Ms: 30 }] }
    expect(judge("mbit", [{ mbit: 99 }], peers)).toMatchObject({
      isMet: false,
      text: expect.stringContaining("0.990 x fast"),
    })
    expect(judge("mbit", [{ mbit: 101 }], peers)).toMatchObject({ isMet: true })
    expect(judge("p99Ms", [{ p99Ms: 31 }], peers)).toMatchObject({
      isMet: false,
      text: expect.stringContaining("fast"),
    })
    expect(judge("p99Ms", [{ p99Ms: 29 }], peers)).toMatchObject({ isMet: true })
  })

  test("without a peer that got through there is none", () => {
    expect(judge("mbit", [{ mbit: 1 }], {})).toBeUndefined()
    expect(judge("mbit", [{ mbit: 1 }], { broken: [{ failure: "no" }] })).toBeUndefined()
  })

  test("our own rounds without a figure are missed, not met", () => {
    expect(judge("p99Ms", [{ failure: "no" }], { udx: [{ p99Ms: 30 }] })).toMatchObject({ isMet: false })
  })

  test("a share is fair around a half, and unfair both ways", () => {
    const verdicts = [0.3, 0.4, 0.6, 0.7].map((share) => judge("share", [{ share }], {})?.isMet)
    expect(verdicts).toEqual([false, true, true, false])
  })

  test("one round that stands still is enough to miss", () => {
    const rounds = [
      { gapMs: 100, isDone: true },
      { gapMs: 100, isDone: true },
      { gapMs: 3_000, isDone: false },
    ]
    expect(judge("gapMs", rounds, {})).toMatchObject({ isMet: false, text: "stands still" })
    expect(judge("gapMs", rounds.slice(0, 2), {})).toMatchObject({ isMet: true })
    expect(judge("gapMs", [{ gapMs: 1_001, isDone: true }], {})).toMatchObject({ isMet: false })
  })

  test("rounds count by their median", () => {
    expect(medianOf([{ mbit: 1 }, { mbit: 9 }, { mbit: 5 }, { failure: "no" }], "mbit")).toBe(5)
    expect(medianOf([{ failure: "no" }], "mbit")).toBeNaN()
  })
})
