import fc from "fast-check"
import { expect, test } from "vitest"
import { runs } from "../../../../tools/testkit/src/runs.ts"
import { PACKET } from "../../src/send/send-ring.ts"
import { Parts } from "./parts.ts"

test("what is lost goes before what is new, in the order in which it was reported", () => {
  const parts = new Parts()
  const { queue } = parts
  parts.write(6)
  parts.send(4)
  queue.push(2)
  queue.push(0)
  expect(parts.send(4)).toEqual([2, 0, 4, 5])
  expect([queue.next, queue.resent]).toEqual([-1, 2])
})

test("what came after all, or was given up, is not sent again", () => {
  const parts = new Parts()
  const { queue, ledger } = parts
  parts.write(4)
  parts.send(4)
  for (const number of [0, 1, 2, 3]) queue.push(number)
  ledger.advance(1)
  ledger.receive(2, 3)
  ledger.giveUp(1)
  queue.trim()
  queue.assertInvariants()
  expect(parts.send(4)).toEqual([3])
  queue.assertInvariants()
})

test("to ask what is next changes nothing", () => {
  const parts = new Parts()
  parts.write(3)
  parts.send(2)
  parts.queue.push(1)
  expect([parts.queue.next, parts.queue.next, parts.queue.resent]).toEqual([1, 1, 0])
})

test("a receiver without room gets what it asks for, and what is new below the edge that it allows", () => {
  const parts = new Parts()
  const { queue } = parts
  parts.write(6)
  parts.send(2)
  queue.hold(true)
  expect([queue.next, queue.isStuck, queue.isAtAllowedEdge]).toEqual([-1, true, true])
  expect([queue.allow(4), queue.allow(4), queue.allow(3)]).toEqual([true, false, false])
  expect([parts.send(9), queue.isAtAllowedEdge]).toEqual([[2, 3], true])
  queue.push(1)
  expect(parts.send(9)).toEqual([1])
  queue.hold(false)
  expect([parts.send(9), queue.isStuck]).toEqual([[4, 5], false])
})

test("nothing is next once it was cleared", () => {
  const parts = new Parts()
  parts.write(1)
  parts.send(1)
  parts.queue.push(0)
  parts.ledger.forget()
  parts.queue.clear()
  expect([parts.queue.next, parts.queue.isHeld]).toEqual([-1, false])
  parts.queue.assertInvariants()
})

test("each lost packet is sent again once for each report, whatever happens in between", () => {
  const step = fc.tuple(fc.constantFrom("write", "send", "lose", "advance", "receive"), fc.nat(9))
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const parts = new Parts({ slotsMax: 10_000 })
      const { queue, ledger } = parts
      for (const [kind, draw] of steps) {
        const number = Math.min(ledger.low + draw, ledger.next)
        if (kind === "write") parts.write(draw)
        else if (kind === "advance") ledger.advance(number)
        else if (kind === "receive") ledger.receive(number, ledger.next)
        else if (kind === "lose" && number < ledger.next && ledger.state(number) === PACKET.inFlight) queue.push(number)
        else if (kind === "send") for (const sent of parts.send(draw)) expect(ledger.state(sent)).toBe(PACKET.inFlight)
        queue.trim()
        queue.assertInvariants()
      }
    }),
    { numRuns: runs(200) },
  )
})
