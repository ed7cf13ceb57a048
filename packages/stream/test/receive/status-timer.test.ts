import fc from "fast-check"
import { expect, test } from "vitest"
import { runs } from "../../../../tools/testkit/src/runs.ts"
import { Parts } from "./parts.ts"

test("a status is due a quarter of a round trip after the first packet, or at once with the fourth", () => {
  const { statusTimer } = new Parts()
  expect(statusTimer.dueMs).toBe(Infinity)
  for (const nowMs of [10, 11, 12]) statusTimer.handleTaken(nowMs)
  expect(statusTimer.dueMs).toBe(15)
  statusTimer.handleTaken(13)
  expect(statusTimer.dueMs).toBe(-Infinity)
  statusTimer.said(13)
  expect(statusTimer.dueMs).toBe(Infinity)
})

test("a status waits no longer than its option says, however slow the path is", () => {
  const { statusTimer, rtt } = new Parts({ statusDelayMs: 7 })
  for (let i = 0; i < 50; i++) rtt.addSample(400, 1_000 * i, 1_000 * i + 400)
  statusTimer.handleTaken(10)
  expect(statusTimer.dueMs).toBe(17)
})

test("there is nothing to hurry with before anything came", () => {
  const { statusTimer } = new Parts()
  statusTimer.hurry()
  expect(statusTimer.dueMs).toBe(Infinity)
  statusTimer.handleTaken(1)
  statusTimer.hurry()
  expect(statusTimer.dueMs).toBe(-Infinity)
})

test("a status that went astray is said again, one that was sent before isn't", () => {
  const { statusTimer } = new Parts()
  statusTimer.said(10)
  statusTimer.hurry(11)
  expect(statusTimer.dueMs).toBe(Infinity)
  statusTimer.hurry(10)
  expect(statusTimer.dueMs).toBe(-Infinity)
})

test("that there is room is told eight times, further and further apart, or until something comes", () => {
  const { statusTimer } = new Parts()
  const times = (): number[] => {
    const all: number[] = []
    statusTimer.tellRoom()
    for (let nowMs = 0; nowMs !== Infinity; nowMs = statusTimer.dueMs) {
      all.push(nowMs)
      statusTimer.said(nowMs)
    }
    return all
  }
  const all = times()
  const apart = all.slice(1).map((atMs, i) => atMs - all[i]!)
  expect([all.length, apart.slice(0, 3)]).toEqual([8, [85, 170, 340]])
  expect(times().length).toBe(8)
  for (const hear of [() => statusTimer.handleArrival(5), () => statusTimer.handleSync(0)]) {
    statusTimer.tellRoom()
    statusTimer.said(0)
    expect(statusTimer.dueMs).toBe(85)
    hear()
    expect(statusTimer.dueMs).toBe(Infinity)
  }
})

test("NAKs are repeated after 1.25 round trips while something comes, and else further and further apart", () => {
  const { statusTimer } = new Parts()
  const intervals: number[] = []
  for (let nowMs = 0; intervals.length < 8; nowMs += intervals.at(-1)!) {
    statusTimer.asked(nowMs)
    intervals.push(statusTimer.repeatMs)
  }
  expect(intervals).toEqual([25, 50, 100, 200, 400, 800, 1_000, 1_000])
  statusTimer.handleArrival(1e6)
  expect([statusTimer.repeatMs, statusTimer.naksSent]).toEqual([25, 8])
})

test("whatever comes, a packet that was taken is told within the delay, and nothing is due once all was said", () => {
  const step = fc.tuple(fc.constantFrom("taken", "arrival", "want", "hurry", "said"), fc.nat(10))
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const { statusTimer } = new Parts()
      let nowMs = 0
      let takenMs = Infinity
      for (const [kind, passMs] of steps) {
        nowMs += passMs
        if (kind === "taken") statusTimer.handleTaken(nowMs)
        else if (kind === "arrival") statusTimer.handleArrival(nowMs)
        else if (kind === "want") statusTimer.want()
        else if (kind === "hurry") statusTimer.hurry()
        else statusTimer.said(nowMs)
        if (kind === "taken") takenMs = Math.min(takenMs, nowMs)
        if (kind === "said") takenMs = Infinity
        expect(statusTimer.dueMs).toBeLessThanOrEqual(takenMs + 5)
        if (kind === "said") expect(statusTimer.dueMs).toBe(Infinity)
      }
    }),
    { numRuns: runs(100) },
  )
})
