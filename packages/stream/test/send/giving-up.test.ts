import { MODE } from "@x/wire"
import fc from "fast-check"
import { expect, test } from "vitest"
import { runs } from "../../../../tools/testkit/src/runs.ts"
import { PACKET } from "../../src/send/send-ring.ts"
import { Parts } from "./parts.ts"

const bestEffort = { mode: MODE["best-effort"] } as const

test("for the window the oldest goes of which nothing was sent", () => {
  const parts = new Parts(bestEffort)
  const { ledger } = parts
  parts.write(1)
  parts.send(1)
  parts.write(8)
  expect(parts.givingUp.makeRoom(1)).toBe(true)
  expect([0, 1, 2].map((number) => ledger.state(number))).toEqual([PACKET.inFlight, PACKET.gone, PACKET.queued])
  expect(parts.account.messages).toMatchObject({ dropped: 1, unconfirmed: 0 })
})

test("for memory what is on its way goes, and what is known to be missing last", () => {
  const parts = new Parts({ ...bestEffort, slotsMax: 3 })
  const { ledger } = parts
  parts.write(3)
  parts.send(3)
  parts.queue.push(0)
  expect(parts.givingUp.makeRoom(1)).toBe(true)
  expect([0, 1, 2].map((number) => ledger.state(number))).toEqual([PACKET.lost, PACKET.gone, PACKET.inFlight])
  expect(parts.account.messages).toMatchObject({ dropped: 0, unconfirmed: 1 })
})

test("a message goes with all its pieces, those that came too; one that is half sent stays", () => {
  const parts = new Parts({ ...bestEffort, windowPackets: 4 })
  const { ledger, givingUp } = parts
  parts.writePieces(3)
  parts.send(3)
  ledger.receive(1, 2)
  givingUp.giveUp(2)
  expect([0, 1, 2].map((number) => ledger.state(number))).toEqual([PACKET.gone, PACKET.gone, PACKET.gone])
  parts.writePieces(4)
  parts.send(2)
  expect([givingUp.makeRoom(4), givingUp.makeRoom(5), ledger.state(4)]).toEqual([true, false, PACKET.inFlight])
})

test("what was sent is kept within a window of its own", () => {
  const parts = new Parts({ ...bestEffort, windowPackets: 2 })
  parts.write(2)
  parts.send(2)
  parts.write(2)
  parts.send(2)
  parts.givingUp.trimSent()
  expect([parts.ledger.sentPackets, parts.ledger.gonePackets]).toEqual([2, 2])
  parts.assertInvariants()
})

test("what is too old goes, at its time; a message that is half sent has as long again", () => {
  const parts = new Parts({ ...bestEffort, lifetimeMs: 50 })
  const { givingUp, ledger } = parts
  parts.writePieces(2, true, 10)
  parts.write(1, 20)
  expect(givingUp.expiryMs).toBe(60)
  parts.send(1)
  expect(givingUp.expiryMs).toBe(70)
  givingUp.expire(69)
  expect(ledger.gonePackets).toBe(0)
  givingUp.expire(70)
  expect([ledger.gonePackets, givingUp.expiryMs]).toEqual([1, 110])
  givingUp.expire(110)
  expect([ledger.gonePackets, givingUp.expiryMs]).toEqual([3, Infinity])
})

test("many numbers that nobody has seen are used again, and what is followed moves with its packets", () => {
  const parts = new Parts({ ...bestEffort, spreadPackets: 1_024, windowPackets: 200 })
  const { ledger, givingUp } = parts
  parts.write(101)
  const [among, behind] = [
    { from: 40, to: 42 },
    { from: 100, to: 101 },
  ]
  givingUp.follow(among)
  givingUp.follow(behind)
  for (let number = 0; number < 64; number++) givingUp.giveUp(number)
  expect(ledger.high).toBe(101)
  givingUp.giveUp(64)
  expect([ledger.high, ledger.gonePackets, ledger.firstQueued]).toEqual([37, 1, 1])
  expect([among, behind]).toEqual([
    { from: 0, to: 1 },
    { from: 36, to: 37 },
  ])
  givingUp.unfollow(among)
  expect(givingUp.followed).toBe(1)
})

test("once the end was told no number moves", () => {
  const parts = new Parts({ ...bestEffort, spreadPackets: 1_024, windowPackets: 200 })
  parts.write(101)
  parts.life.end(0)
  for (let number = 0; number < 100; number++) parts.givingUp.giveUp(number)
  expect(parts.ledger.high).toBe(101)
})

test("something newer replaces what is unsent, if there is room for it", () => {
  const parts = new Parts({ mode: MODE.latest, windowPackets: 4 })
  const { givingUp, filling, ledger, account } = parts
  parts.write(2)
  filling.begin()
  filling.commit(10)
  filling.commit(10)
  expect(givingUp.supersede(5)).toBe(false)
  expect(account.messages).toMatchObject({ accepted: 4, dropped: 0 })
  expect(givingUp.supersede(4)).toBe(true)
  expect([ledger.high, filling.bytes, filling.slots, filling.begunInAll]).toEqual([0, 0, 1, 0])
  expect(account.messages).toMatchObject({ accepted: 4, dropped: 4, pending: 0 })
})

test("whatever is written, sent, lost and given up, the parts agree, and room is made if it is said to be", () => {
  const step = fc.tuple(
    fc.constantFrom("whole", "pieces", "send", "lose", "advance", "room", "expire", "trim"),
    fc.integer({ min: 1, max: 6 }),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const parts = new Parts({ ...bestEffort, lifetimeMs: 30, slotsMax: 12 })
      const { givingUp, ledger, queue, window, account } = parts
      let nowMs = 0
      for (const [kind, draw] of steps) {
        nowMs += draw
        if (kind === "whole" && draw <= window.roomPackets) parts.write(draw, nowMs)
        else if (kind === "pieces" && draw < window.roomPackets) parts.writePieces(draw + 1, true, nowMs)
        else if (kind === "send") {
          for (let i = 0; i < draw && parts.send(1, nowMs).length > 0; i++) {
            givingUp.trimSent()
            queue.trim()
          }
        } else if (kind === "lose") {
          const number = ledger.low + draw - 1
          if (number < ledger.next && ledger.state(number) === PACKET.inFlight) queue.push(number)
        } else if (kind === "advance") account.acknowledge(ledger.advance(Math.min(ledger.low + draw, ledger.next)))
        else if (kind === "room" && givingUp.makeRoom(draw)) expect(window.roomPackets).toBeGreaterThanOrEqual(draw)
        else if (kind === "expire") {
          givingUp.expire(nowMs)
          expect(givingUp.expiryMs).toBeGreaterThan(nowMs)
        } else if (kind === "trim") givingUp.trimSent()
        queue.trim()
        parts.assertInvariants()
      }
    }),
    { numRuns: runs(300) },
  )
})
