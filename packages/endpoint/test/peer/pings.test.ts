import { RepeatPace } from "@x/stream"
import { expect, test } from "vitest"
import { Pings } from "../../src/peer/pings.ts"

test("an answer settles those whose heartbeat is known to have arrived, and no later ones", () => {
  const pings = new Pings()
  const answered: string[] = []
  pings.add(() => answered.push("first"))
  pings.sent(3)
  pings.add(() => answered.push("second"))
  pings.answered(2)
  expect(answered).toEqual([])
  pings.answered(3)
  expect(answered).toEqual(["first"])
  expect(pings.hasUnsaid).toBe(true)
  pings.sent(4)
  pings.answered(4)
  expect(answered).toEqual(["first", "second"])
})

test("what isn't answered is said again, until nobody waits for it", () => {
  const pings = new Pings()
  const cancel = pings.add(() => {})
  pings.sent(1)
  pings.asked(10, 20, new RepeatPace())
  expect(pings.dueMs).toBe(30)
  cancel()
  expect(pings.dueMs).toBe(Infinity)
})

test("a heartbeat that asks for nobody is not said again", () => {
  const pings = new Pings()
  pings.asked(10, 20, new RepeatPace())
  expect(pings.dueMs).toBe(Infinity)
})

test("on another association everything is asked again", () => {
  const pings = new Pings()
  pings.add(() => {})
  pings.sent(7)
  expect(pings.hasUnsaid).toBe(false)
  pings.restart()
  expect(pings.hasUnsaid).toBe(true)
})
