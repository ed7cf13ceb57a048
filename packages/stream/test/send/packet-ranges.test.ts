import { expect, test } from "vitest"
import { hasUnacked, isGone, isPast, isSettled } from "../../src/send/packet-ranges.ts"
import { Parts } from "./parts.ts"

/** Packets 10 to 15: acknowledged, received, gone, in flight, gone, queued. */
function mixed(): Parts {
  const parts = new Parts({ first: 10 })
  const { ledger } = parts
  parts.write(6)
  parts.send(4)
  ledger.advance(11)
  ledger.receive(11, 12)
  ledger.giveUp(12)
  ledger.giveUp(14)
  return parts
}

test("a range is settled once all of it is acknowledged or given up, and was written", () => {
  const { ledger } = mixed()
  expect([
    isSettled(ledger, 10, 13),
    isSettled(ledger, 10, 14),
    isSettled(ledger, 14, 15),
    isSettled(ledger, 16, 17),
  ]).toEqual([true, false, true, false])
})

test("a packet is past once nothing below it may still be delivered", () => {
  const { ledger } = mixed()
  expect([isPast(ledger, 11), isPast(ledger, 12)]).toEqual([true, false])
  ledger.advance(12)
  expect([isPast(ledger, 13), isPast(ledger, 14), isPast(ledger, 99)]).toEqual([true, false, false])
})

test("a range has a gone packet until the receiver's edge has passed it", () => {
  const { ledger } = mixed()
  expect([isGone(ledger, 10, 12), isGone(ledger, 10, 13), isGone(ledger, 13, 14)]).toEqual([false, true, false])
  ledger.advance(13)
  expect([isGone(ledger, 10, 13), isGone(ledger, 10, 99)]).toEqual([false, true])
})

test("a packet that was sent and is not acknowledged counts by its size; one that was never sent doesn't", () => {
  const { ledger } = mixed()
  expect([hasUnacked(ledger, 13), hasUnacked(ledger, 14)]).toEqual([true, false])
})
