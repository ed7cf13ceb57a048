import { RttEstimator } from "@x/stream"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { runs } from "../../../tools/testkit/src/runs.ts"

/** An estimator on a path with this round trip, which it knows well, and the time. */
function settled(rttMs: number): { rtt: RttEstimator; nowMs: number } {
  const rtt = new RttEstimator()
  let nowMs = 0
  for (let i = 0; i < 60; i++, nowMs += 20) rtt.addSample(rttMs, nowMs, nowMs + rttMs)
  return { rtt, nowMs }
}

test("the estimate is that of RFC 6298 for samples within a PTO", () => {
  const rtt = new RttEstimator()
  let [srttMs, varianceMs] = [40, 20]
  rtt.addSample(40, 0, 40)
  for (const [i, sample] of [42, 55, 38, 40, 61, 39].entries()) {
    rtt.addSample(sample, 100 * i, 100 * i + sample)
    varianceMs = 0.75 * varianceMs + 0.25 * Math.abs(srttMs - sample)
    srttMs = 0.875 * srttMs + 0.125 * sample
    expect(rtt.srttMs).toBeCloseTo(srttMs, 9)
    expect(rtt.varianceMs).toBeCloseTo(varianceMs, 9)
    expect(rtt.ptoMs).toBeCloseTo(srttMs + 4 * varianceMs, 9)
  }
})

describe("a peer that was suspended and answers all that waited at once", () => {
  const burst = (rtt: RttEstimator, nowMs: number): void => {
    for (const ago of [9_000, 6_000, 3_000, 500, 60]) rtt.addSample(ago, nowMs - ago, nowMs)
  }

  test("is forgiven by the first datagram that was sent afterwards", () => {
    const { rtt, nowMs } = settled(6)
    const [srttMs, ptoMs] = [rtt.srttMs, rtt.ptoMs]
    burst(rtt, nowMs + 10_000)
    expect(rtt.srttMs).toBeGreaterThan(20)
    rtt.addSample(6, nowMs + 10_001, nowMs + 10_007)
    expect(Math.abs(rtt.srttMs - srttMs)).toBeLessThan(0.1)
    expect(rtt.ptoMs).toBeLessThan(ptoMs + 0.1)
  })

  test("isn't by one that was sent before", () => {
    const { rtt, nowMs } = settled(6)
    burst(rtt, nowMs + 10_000)
    const { srttMs } = rtt
    rtt.addSample(6, nowMs + 9_995, nowMs + 10_001)
    expect(rtt.srttMs).toBeGreaterThan(0.8 * srttMs)
  })

  test("isn't by one that takes longer than a PTO did before", () => {
    const { rtt, nowMs } = settled(6)
    const { ptoMs } = rtt
    burst(rtt, nowMs + 10_000)
    const { srttMs } = rtt
    rtt.addSample(ptoMs + 0.1, nowMs + 10_001, nowMs + 10_009)
    expect(rtt.srttMs).toBeGreaterThan(0.8 * srttMs)
    // That settled the doubt: the next sample changes nothing.
    rtt.addSample(6, nowMs + 10_020, nowMs + 10_026)
    expect(rtt.srttMs).toBeGreaterThan(0.7 * srttMs)
  })
})

test("a path that is slower from now on is known within eight round trips", () => {
  for (const rttMs of [60, 600, 3_000]) {
    const { rtt, nowMs } = settled(6)
    for (let i = 0; i < 8; i++) rtt.addSample(rttMs, nowMs + i * rttMs, nowMs + (i + 1) * rttMs)
    expect(rtt.ptoMs).toBeGreaterThan(rttMs)
  }
})

test("a path that is slow now and then is known for one", () => {
  const { rtt } = settled(6)
  let nowMs = 10_000
  let early = 0
  for (let i = 0; i < 400; i++) {
    const sample = i % 3 === 2 ? 200 : 6
    if (i >= 100 && sample > rtt.ptoMs) early++
    rtt.addSample(sample, nowMs, nowMs + sample)
    nowMs += 250
  }
  // Without that limit it would be every third.
  expect(early).toBeLessThanOrEqual(10)
})

test("for another path all begins anew: whatever came before, samples are judged as by an estimator that knows nothing", () => {
  const rttMs = fc.oneof(fc.constantFrom(0, 0.5, 1, 6), fc.double({ min: 0, max: 5_000, noNaN: true }))
  const sample = fc.tuple(rttMs, fc.nat(2_000))
  const feed = (rtt: RttEstimator, list: [number, number][], startMs: number): number[][] => {
    let nowMs = startMs
    const seen = (): number[] => [rtt.srttMs, rtt.varianceMs, rtt.minMs, rtt.latestMs, rtt.samples, rtt.ptoMs]
    const all = [seen()]
    for (const [rttMs, pauseMs] of list) {
      nowMs += pauseMs
      rtt.addSample(rttMs, nowMs - rttMs, nowMs)
      all.push(seen())
    }
    return all
  }
  fc.assert(
    fc.property(
      fc.constantFrom(10, 100, 333),
      fc.array(sample, { maxLength: 20 }),
      fc.array(sample, { maxLength: 20 }),
      (initialMs, before, after) => {
        const [rtt, fresh] = [new RttEstimator(initialMs), new RttEstimator(initialMs)]
        feed(rtt, before, 0)
        rtt.restart()
        // The clock goes on: a datagram of the old path would make a difference.
        expect(feed(rtt, after, 50_000)).toEqual(feed(fresh, after, 50_000))
      },
    ),
    { numRuns: runs(200) },
  )
})

test("before the first sample of another path it goes by the initial value", () => {
  const { rtt } = settled(6)
  rtt.restart()
  expect([rtt.srttMs, rtt.varianceMs, rtt.minMs, rtt.latestMs, rtt.samples]).toEqual([100, 50, Infinity, 0, 0])
})

test("whatever samples come in whatever order, the estimate lies between the least and the most that counted", () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.double({ min: 0, max: 1e5, noNaN: true }), fc.double({ min: 0, max: 1e5, noNaN: true })), {
        minLength: 1,
      }),
      (list) => {
        const rtt = new RttEstimator()
        let nowMs = 0
        let [least, most] = [Infinity, 0]
        for (const [sample, pauseMs] of list) {
          nowMs += pauseMs
          rtt.addSample(sample, nowMs - sample, nowMs)
          least = Math.min(least, rtt.latestMs)
          most = Math.max(most, rtt.latestMs)
          expect(rtt.srttMs).toBeGreaterThanOrEqual(least - 1e-6)
          expect(rtt.srttMs).toBeLessThanOrEqual(most + 1e-6)
          expect(rtt.varianceMs).toBeGreaterThanOrEqual(0)
          expect(rtt.ptoMs).toBeGreaterThan(rtt.srttMs)
        }
      },
    ),
    { numRuns: runs(200) },
  )
})
