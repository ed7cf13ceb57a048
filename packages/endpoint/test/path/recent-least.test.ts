import fc from "fast-check"
import { expect, test } from "vitest"
import { runs } from "../../../../tools/testkit/src/runs.ts"
import { RecentLeast } from "../../src/path/recent-least.ts"

test("the least of the last ten seconds counts, and nothing that is older than twenty", () => {
  const sample = fc.record({ afterMs: fc.nat(6_000), rttMs: fc.nat(1_000) })
  fc.assert(
    fc.property(fc.array(sample, { minLength: 1, maxLength: 50, size: "max" }), (samples) => {
      const least = new RecentLeast()
      const seen: [number, number][] = []
      let nowMs = 0
      for (const { afterMs, rttMs } of samples) {
        nowMs += afterMs
        least.handleRtt(rttMs, nowMs)
        seen.push([nowMs, rttMs])
        const within = (ms: number): number[] => seen.filter(([atMs]) => atMs > nowMs - ms).map(([, rtt]) => rtt)
        expect(least.ms).toBeLessThanOrEqual(Math.min(...within(10_000)))
        expect(least.ms).toBeGreaterThanOrEqual(Math.min(...within(20_000)))
      }
    }),
    { numRuns: runs(300) },
  )
})

test("before the first one, and on another path, nothing is known", () => {
  const least = new RecentLeast()
  expect(least.ms).toBe(Infinity)
  least.handleRtt(5, 0)
  least.restart()
  expect(least.ms).toBe(Infinity)
})
