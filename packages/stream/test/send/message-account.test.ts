import { FORM, MODE } from "@x/wire"
import fc from "fast-check"
import { expect, test } from "vitest"
import { runs } from "../../../../tools/testkit/src/runs.ts"
import { Parts } from "./parts.ts"

test("each message is in one place, and accepted is the sum of them", () => {
  const { account, ledger, filling, ...parts } = new Parts()
  filling.begin()
  for (let i = 0; i < 9; i++) filling.commit(10)
  account.acknowledge(1)
  account.sendUnanswered(1)
  account.giveUp(1, true)
  account.giveUp(2, false)
  account.supersede(3)
  expect(account.messages).toEqual({ accepted: 12, acknowledged: 1, unconfirmed: 2, dropped: 5, pending: 4 })
  expect([account.settled, account.pending, ledger.begun]).toEqual([8, 4, 0])
  expect(parts.pool.used).toBe(1)
})

test("a message that was given up half written was not sent", () => {
  const parts = new Parts()
  parts.writePieces(2, false)
  parts.ledger.append(parts.pool.acquire(), 5, FORM.abandoned, 0, 0)
  parts.account.abandon()
  expect(parts.account.messages).toMatchObject({ accepted: 1, dropped: 1, pending: 0 })
  parts.account.assertInvariants()
})

test("what is left when a stream is given up was sent or not, as a whole", () => {
  const parts = new Parts()
  const { account, ledger } = parts
  parts.write(2)
  parts.writePieces(3)
  parts.write(1)
  parts.send(4)
  account.acknowledge(ledger.advance(1))
  expect(account.fateOf(0)).toBe("unsent")
  account.settleAll()
  expect(account.messages).toEqual({ accepted: 4, acknowledged: 1, unconfirmed: 1, dropped: 2, pending: 0 })
  expect([0, 1, 2, 3].map((message) => account.fateOf(message))).toEqual(["acknowledged", "sent", "unsent", "unsent"])
  ledger.forget()
  account.settleAll()
  expect(account.messages).toMatchObject({ unconfirmed: 1, dropped: 2 })
})

test("where there is no order, messages that the receiver took above a gap are acknowledged", () => {
  const parts = new Parts({ mode: MODE["reliable-unordered"] })
  const { account, ledger } = parts
  parts.write(2)
  parts.writePieces(2)
  parts.writePieces(2)
  parts.send(6)
  ledger.receive(1, 4)
  ledger.receive(5, 6)
  account.settleAll()
  expect([0, 1, 2, 3].map((message) => account.fateOf(message))).toEqual([
    "sent",
    "acknowledged",
    "acknowledged",
    "sent",
  ])
  expect(account.messages).toMatchObject({ acknowledged: 2, unconfirmed: 2, pending: 0 })
})

test("whatever was written, sent and received, nothing is pending once all is settled, and the sum stays", () => {
  const modes = fc.constantFrom(MODE.reliable, MODE["reliable-unordered"])
  const step = fc.tuple(
    fc.constantFrom("whole", "pieces", "send", "receive", "advance"),
    fc.integer({ min: 1, max: 5 }),
  )
  fc.assert(
    fc.property(modes, fc.array(step, { maxLength: 40 }), (mode, steps) => {
      const parts = new Parts({ mode })
      const { account, ledger } = parts
      for (const [kind, draw] of steps) {
        if (kind === "whole") parts.write(draw)
        else if (kind === "pieces") parts.writePieces(draw + 1)
        else if (kind === "send") parts.send(draw)
        else if (kind === "receive")
          ledger.receive(Math.min(ledger.low + draw, ledger.next), Math.min(ledger.low + 2 * draw, ledger.next))
        else account.acknowledge(ledger.advance(Math.min(ledger.low + draw, ledger.next)))
        account.assertInvariants()
      }
      const { accepted } = account.messages
      account.settleAll()
      const { acknowledged, unconfirmed, dropped, pending } = account.messages
      expect([pending, acknowledged + unconfirmed + dropped, account.messages.accepted]).toEqual([
        0,
        accepted,
        accepted,
      ])
      const fates = Array.from({ length: accepted }, (_, message) => account.fateOf(message))
      expect(fates.filter((fate) => fate === "acknowledged").length).toBe(acknowledged)
      expect(fates.filter((fate) => fate === "sent").length).toBe(unconfirmed)
    }),
    { numRuns: runs(200) },
  )
})
