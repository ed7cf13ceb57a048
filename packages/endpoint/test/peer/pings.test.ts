import { RepeatPace } from "@x/stream"
import { expect, test } from "vitest"
import { Pings } from "../../src/peer/pings.ts"

test("an answer is one to those whose heartbeat is known to have arrived, and to no later ones", () => {
  const pings = new Pings()
  const first = pings.add()
  pings.sent(3)
  const second = pings.add()
  expect(pings.answered(2)).toEqual([])
  expect(pings.answered(3)).toEqual([first])
  expect([pings.answered(3), pings.hasUnsaid]).toEqual([[], true])
  pings.sent(4)
  expect(pings.answered(4)).toEqual([second])
})

test("what isn't answered is said again, until nobody waits for it", () => {
  const pings = new Pings()
  const ping = pings.add()
  pings.sent(1)
  pings.asked(10, 20, new RepeatPace())
  expect(pings.dueMs).toBe(30)
  pings.end(ping)
  expect([pings.dueMs, pings.answered(9)]).toEqual([Infinity, []])
})

test("a heartbeat that asks for nobody is not said again", () => {
  const pings = new Pings()
  pings.asked(10, 20, new RepeatPace())
  expect(pings.dueMs).toBe(Infinity)
})

test("on another association everything is asked again", () => {
  const pings = new Pings()
  pings.add()
  pings.sent(7)
  expect(pings.hasUnsaid).toBe(false)
  pings.restart()
  expect(pings.hasUnsaid).toBe(true)
})
