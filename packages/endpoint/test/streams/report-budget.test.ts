import { expect, test } from "vitest"
import { ReportBudget } from "../../src/streams/report-budget.ts"

/** Rows that may be looked at now, one after the other. */
function rowsAt(budget: ReportBudget, nowMs: number): number {
  let rows = 0
  for (; budget.hasLeft(nowMs); rows++) budget.spend(1)
  return rows
}

test("each datagram allows so many rows, and a millisecond in which none comes fewer", () => {
  const budget = new ReportBudget()
  budget.heard(0)
  expect([rowsAt(budget, 0), rowsAt(budget, 0.9), rowsAt(budget, 1)]).toEqual([512, 0, 64])
  for (let i = 0; i < 3; i++) budget.heard(2)
  expect(rowsAt(budget, 2)).toBe(3 * 512)
  for (let i = 0; i < 1_000; i++) budget.heard(3)
  expect(rowsAt(budget, 3)).toBe(64 * 512)
  // What isn't used is there later, but no more than for one datagram.
  expect(rowsAt(budget, 1_000)).toBe(512)
})

test("what one thing needs more than there is, is missing afterwards", () => {
  const budget = new ReportBudget()
  budget.heard(0)
  expect(budget.hasLeft(0)).toBe(true)
  budget.spend(1_300)
  expect([budget.nextMs > 12, budget.nextMs < 13]).toEqual([true, true])
  expect([0, 1, 12, 13].map((nowMs) => rowsAt(budget, nowMs))).toEqual([0, 0, 0, 13 * 64 + 512 - 1_300])
  budget.heard(14)
  expect(rowsAt(budget, 14)).toBe(512)
})

test("while nothing comes there are ever fewer, and it is looked again once there are many", () => {
  const budget = new ReportBudget()
  let [rows, turns] = [0, 0]
  for (let nowMs = 0; nowMs < 10_000; nowMs = budget.nextMs) {
    rows += rowsAt(budget, nowMs)
    turns++
  }
  // What was left, and 8 a millisecond.
  expect(rows).toBeGreaterThan(65_536 + 70_000)
  expect(rows).toBeLessThan(65_536 + 82_000)
  expect(turns).toBeLessThan(65_536 / 50 + 10_000 / 60)
  budget.heard(10_000)
  expect(rowsAt(budget, 10_000)).toBeGreaterThan(0)
})
