// Repeats until an answer comes: together with other repeats of the same second, and never later than promised.
import { Repeater, RepeatPace } from "@x/stream"
import fc from "fast-check"
import { expect, test } from "vitest"

const timeMs = fc.double({ min: 0, max: 1e9, noNaN: true })

test("what is said once a second is said within a second, and from then on in its second", () => {
  fc.assert(
    fc.property(timeMs, timeMs, (startMs, laterMs) => {
      const pace = new RepeatPace(startMs)
      const nowMs = startMs + laterMs
      const dueMs = pace.align(nowMs, 1_000)
      expect(dueMs).toBeGreaterThan(nowMs - 1e-3)
      expect(dueMs).toBeLessThan(nowMs + 1_000.01)
      expect(pace.align(dueMs, 1_000) - dueMs).toBeCloseTo(1_000, 3)
    }),
  )
})

test("what is said less often is not said sooner than it is due", () => {
  fc.assert(
    fc.property(timeMs, timeMs, fc.double({ min: 1_001, max: 60_000, noNaN: true }), (startMs, laterMs, afterMs) => {
      const nowMs = startMs + laterMs
      const dueMs = new RepeatPace(startMs).align(nowMs, afterMs)
      expect(dueMs).toBeGreaterThanOrEqual(nowMs + afterMs - 0.01)
      expect(dueMs).toBeLessThan(nowMs + afterMs + 1_000)
    }),
  )
})

test("a thing that isn't answered comes further and further apart, up to once a second", () => {
  const pace = new RepeatPace(0)
  const again = new Repeater()
  again.start(0)
  const said: number[] = []
  for (let nowMs = 0; said.length < 8; nowMs = again.dueMs) {
    said.push(nowMs)
    again.said(nowMs, 100, pace)
  }
  expect(said).toEqual([0, 100, 300, 700, 1_500, 2_000, 3_000, 4_000])
})
