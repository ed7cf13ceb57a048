import { expect, test } from "vitest"
import { FeedbackOwed } from "../../src/peer/feedback-owed.ts"

test("data is answered within its time, and what follows doesn't put that off", () => {
  const owed = new FeedbackOwed()
  owed.within(20, 5)
  owed.within(20, 15)
  expect(owed.dueMs).toBe(25)
  owed.said()
  expect(owed.dueMs).toBe(Infinity)
})

test("the 64th datagram that nothing answered is answered at once", () => {
  const owed = new FeedbackOwed()
  for (let i = 0; i < 63; i++) owed.heard(i)
  expect(owed.dueMs).toBe(Infinity)
  owed.heard(63)
  expect(owed.dueMs).toBe(63)
})
