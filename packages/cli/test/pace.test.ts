import { expect, test } from "vitest"
import { Pace } from "../src/pace.ts"

const TOTAL = 100_000_000

/** Ten megabytes a second for this many seconds, updated ten times in each. */
function run(pace: Pace, seconds: number): void {
  for (let tick = 1; tick <= seconds * 10; tick++) pace.update(tick * 100, tick * 1_000_000, tick * 1_000_000)
}

test("at first nobody knows the rate or what is left", () => {
  const pace = new Pace(0)
  pace.update(50, 1_000, 1_000)
  expect(pace.at(100, TOTAL)).toEqual({ done: 1_000, rate: undefined, leftMs: undefined, idleMs: 50 })
})

test("the rate is that of the last two seconds, and so is the time that is left", () => {
  const pace = new Pace(0)
  run(pace, 5)
  expect(pace.at(5_000, TOTAL)).toEqual({ done: 50_000_000, rate: 10_000_000, leftMs: 5_000, idleMs: 0 })
})

test("when nothing came for two seconds the rate is nothing, and what is left isn't known", () => {
  const pace = new Pace(0)
  run(pace, 5)
  // Between two samples, but it counts as done all the same.
  pace.update(5_001, 50_000_001, 50_000_001)
  expect(pace.at(7_001, TOTAL)).toEqual({ done: 50_000_001, rate: 0, leftMs: undefined, idleMs: 2_000 })
})

test("the rate falls from the moment on when nothing comes", () => {
  const pace = new Pace(0)
  run(pace, 5)
  const rates = [5_000, 5_500, 6_000, 6_500, 6_999].map((ms) => pace.at(ms, TOTAL).rate!)
  expect(rates).toEqual(rates.toSorted((one, other) => other - one))
  expect(rates.at(-1)).toBeLessThan(1_000_000)
  expect(pace.at(7_000, TOTAL)).toEqual({ done: 50_000_000, rate: 0, leftMs: undefined, idleMs: 2_000 })
  expect(pace.at(35_000, TOTAL)).toEqual({ done: 50_000_000, rate: 0, leftMs: undefined, idleMs: 30_000 })
})

test("when it goes on the rate is what it is now", () => {
  const pace = new Pace(0)
  run(pace, 5)
  pace.at(35_000, TOTAL)
  for (let tick = 1; tick <= 30; tick++)
    pace.update(35_000 + tick * 100, 50_000_000 + tick * 100_000, 50_000_000 + tick * 100_000)
  expect(pace.at(38_000, TOTAL).rate).toBe(1_000_000)
})

test("a receiver that says again what it said has done nothing", () => {
  const pace = new Pace(0)
  run(pace, 5)
  for (let ms = 5_000; ms < 10_000; ms += 100) pace.update(ms, 50_000_000, 50_000_000)
  expect(pace.at(10_000, TOTAL).idleMs).toBe(5_000)
})

test("what was there before counts for no rate", () => {
  const pace = new Pace(0)
  pace.startFrom(1_000, 40_000_000)
  expect(pace.at(1_500, TOTAL)).toEqual({ done: 40_000_000, rate: 0, leftMs: undefined, idleMs: 500 })
  pace.update(2_000, 50_000_000, 50_000_000)
  expect(pace.at(2_000, TOTAL)).toEqual({ done: 50_000_000, rate: 10_000_000, leftMs: 5_000, idleMs: 0 })
  expect(pace.whole(2_000)).toEqual({ ms: 2_000, rate: 5_000_000 })
})
