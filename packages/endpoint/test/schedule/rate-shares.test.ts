import fc from "fast-check"
import { expect, test } from "vitest"
import { divideRate, type RateClaim } from "../../src/schedule/rate-shares.ts"
import { runs } from "../../../../tools/testkit/src/runs.ts"

const claim = (had: number, used: number, most = Infinity): RateClaim => ({
  ...{ hadBytesPerSecond: had, usedBytesPerSecond: used, mostBytesPerSecond: most },
})

test("who uses all of its part has an equal part of what the others leave", () => {
  expect(divideRate(900, [claim(300, 300), claim(300, 290), claim(300, 40)])).toEqual([420, 420, 60])
  // Nobody wants more: it is there for whoever begins.
  expect(divideRate(900, [claim(300, 0), claim(300, 0), claim(300, 0)])).toEqual([300, 300, 300])
  // Its own cap keeps one from taking its part.
  expect(divideRate(900, [claim(300, 100, 100), claim(300, 300)])).toEqual([100, 800])
  expect(divideRate(900, [])).toEqual([])
})

test("all of the rate is given, and no more, nobody has more than its own cap, and who uses nothing has something", () => {
  const amount = fc.integer({ min: 0, max: 2_000_000 })
  fc.assert(
    fc.property(
      fc.integer({ min: 100_000, max: 10_000_000 }),
      fc.array(fc.record({ had: amount, used: amount, most: fc.oneof(fc.constant(Infinity), amount) }), {
        minLength: 1,
        maxLength: 20,
      }),
      (rate, drawn) => {
        const claims = drawn.map(({ had, used, most }) => claim(had, used, most))
        const rates = divideRate(rate, claims)
        const sum = rates.reduce((total, it) => total + it, 0)
        expect(sum).toBeLessThanOrEqual(rate)
        const mostOfAll = claims.reduce((total, { mostBytesPerSecond }) => total + mostBytesPerSecond, 0)
        if (claims.every(({ mostBytesPerSecond }) => mostBytesPerSecond === Infinity))
          expect(sum).toBeGreaterThan(rate - claims.length)
        else expect(sum).toBeLessThanOrEqual(mostOfAll)
        for (const [i, { mostBytesPerSecond }] of claims.entries()) {
          expect(rates[i]).toBeLessThanOrEqual(mostBytesPerSecond)
          expect(rates[i]).toBeGreaterThanOrEqual(
            Math.floor(Math.min(mostBytesPerSecond, (0.1 * rate) / claims.length) - 1),
          )
        }
      },
    ),
    { numRuns: runs(300) },
  )
})
