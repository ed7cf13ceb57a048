import { RepeatPace, RttEstimator } from "@x/stream"
import { REASON } from "@x/wire"
import { expect, test } from "vitest"
import { SendLife } from "../../src/send/send-life.ts"

const make = (): SendLife => new SendLife(new RttEstimator(10), new RepeatPace())

test("the opening is said again until it is answered", () => {
  const life = make()
  life.open(0)
  expect(life.openDueMs).toBe(0)
  life.saidOpen(0)
  expect(life.openDueMs).toBeGreaterThan(0)
  life.handleOpenAnswered(30)
  expect([life.openDueMs, life.isOpenAnswered, life.openAnsweredMs]).toEqual([Infinity, true, 30])
  life.handleOpenAnswered(60)
  expect(life.openAnsweredMs).toBe(30)
})

test("an end that came before the opening is said again once that is answered", () => {
  const life = make()
  life.open(0)
  life.end(1)
  life.saidClose(1)
  life.handleOpenAnswered(5)
  expect([life.state, life.closeDueMs]).toEqual(["ending", 5])
  life.saidClose(5)
  life.handleOpenAnswered(6)
  expect(life.closeDueMs).toBeGreaterThan(6)
})

test("a reset ends delivery; only the answer to it ends what is said", () => {
  const life = make()
  life.end(0)
  expect([life.isOpen, life.isDelivering]).toEqual([false, true])
  life.reset(REASON.protocolError, true, 1)
  life.assertInvariants()
  expect([life.state, life.isDelivering, life.wasReset, life.wasDrained, life.reason]).toEqual([
    "resetting",
    false,
    true,
    true,
    REASON.protocolError,
  ])
  life.close()
  life.assertInvariants()
  expect([life.state, life.openDueMs, life.closeDueMs, life.wasReset]).toEqual(["closed", Infinity, Infinity, true])
})

test("once the peer is heard again only what was being said is said at once", () => {
  const life = make()
  life.open(0)
  for (const nowMs of [0, 100, 400]) life.saidOpen(nowMs)
  life.handleReachable(500)
  expect([life.openDueMs, life.closeDueMs]).toEqual([500, Infinity])
})
