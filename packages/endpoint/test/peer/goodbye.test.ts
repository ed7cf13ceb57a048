import { expect, test } from "vitest"
import { Goodbye, GOODBYE_MS } from "../../src/peer/goodbye.ts"

const WHY = { reason: 3, text: "done" }

test("a goodbye is said again until it is answered, or its time is over", () => {
  const goodbye = new Goodbye()
  expect([goodbye.dueMs, goodbye.endMs, goodbye.isActive]).toEqual([Infinity, Infinity, false])
  goodbye.begin(WHY, 50)
  expect([goodbye.dueMs, goodbye.endMs, goodbye.why(true)]).toEqual([50, 50 + GOODBYE_MS, WHY])
  goodbye.said(true, 50, 20)
  expect(goodbye.dueMs).toBe(70)
  goodbye.said(true, 70, 20)
  expect(goodbye.dueMs).toBe(110)
  goodbye.heard(30, 80)
  expect([goodbye.dueMs, goodbye.endMs, goodbye.isActive]).toEqual([Infinity, 110, false])
})

test("an answer is owed until it is said, and tells no text", () => {
  const goodbye = new Goodbye()
  goodbye.isAnswerOwed = true
  goodbye.heard(30, 0)
  expect(goodbye.endMs).toBe(30)
  expect(goodbye.why(false)).toEqual({ reason: 0, text: "" })
  goodbye.said(false, 0, 20)
  expect([goodbye.isAnswerOwed, goodbye.dueMs]).toEqual([false, Infinity])
})

test("a goodbye that crosses ours doesn't make it stay longer", () => {
  const goodbye = new Goodbye()
  goodbye.begin(WHY, 0)
  goodbye.heard(10_000, 0)
  expect(goodbye.endMs).toBe(GOODBYE_MS)
})
