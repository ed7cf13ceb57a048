import { expect, test } from "vitest"
import { CubicCurve } from "../../../src/congestion/cubic-curve.ts"
import { HyStart } from "../../../src/congestion/loss-based/hystart.ts"

/** The window after so many round trips of 100 ms. */
function after(curve: CubicCurve, datagrams: number, rounds: number): number {
  let window = datagrams
  for (let round = 0; round < rounds; round++) window = curve.grow(window, window, 100, 100 * round)
  return window
}

test("after a loss the window is 0.7 of what it was, and back there after the time of the curve", () => {
  const curve = new CubicCurve()
  const reduced = curve.reduce(1_000)
  expect(reduced).toBe(700)
  const seconds = Math.cbrt((1_000 * 0.3) / 0.4)
  const window = after(curve, reduced, Math.round(10 * seconds))
  expect(window).toBeGreaterThan(985)
  expect(window).toBeLessThan(1_010)
})

test("around the loss it grows slowly, and then faster and faster", () => {
  const curve = new CubicCurve()
  const reduced = curve.reduce(1_000)
  const rounds = Math.round(10 * Math.cbrt((1_000 * 0.3) / 0.4))
  const windows = [rounds - 10, rounds, rounds + 10, rounds + 30, rounds + 50].map((count) => {
    const again = new CubicCurve()
    again.reduce(1_000)
    return after(again, reduced, count)
  })
  const growth = windows.slice(1).map((window, at) => window - windows[at]!)
  expect(growth[0]!).toBeLessThan(3)
  expect(growth[1]!).toBeLessThan(3)
  expect(growth[2]!).toBeGreaterThan(growth[1]!)
  expect(growth[3]!).toBeGreaterThan(growth[2]!)
})

test("a second loss below the first gives room to others sooner", () => {
  const [one, two] = [new CubicCurve(), new CubicCurve()]
  one.reduce(500)
  two.reduce(1_000)
  two.reduce(500)
  expect(after(two, 350, 60)).toBeLessThan(after(one, 350, 60))
})

test("with a small window it grows at least as Reno does", () => {
  const curve = new CubicCurve()
  const reduced = curve.reduce(10)
  expect(after(curve, reduced, 10)).toBeGreaterThan(reduced + 10 * 0.5)
})

test("round trips that grow by an eighth end slow start after five more rounds, unless they shrink again", () => {
  const rounds = (rtts: readonly number[]): number => {
    const hystart = new HyStart()
    for (const [round, rttMs] of rtts.entries())
      for (let i = 0; i < 8; i++) if (hystart.handleRtt(rttMs, i === 0)) return round
    return -1
  }
  expect(rounds([100, 100, 100, 115, 120, 125, 130, 135, 140, 145])).toBe(8)
  expect(rounds([100, 100, 100, 105, 110, 108, 106, 104, 103, 102])).toBe(-1)
  expect(rounds([100, 100, 115, 105, 104, 103, 104, 103, 104, 103])).toBe(-1)
})
