import { createOutgoingPacket } from "@x/stream"
import { FORM, MODE, type Mode, modeOf } from "@x/wire"
import fc from "fast-check"
import { expect, test } from "vitest"
import { runs } from "../../../../tools/testkit/src/runs.ts"
import { PACKET, SENDS_MAX } from "../../src/send/send-ring.ts"
import { firsts, Parts } from "./parts.ts"

test("a packet that goes out is filled in as it was written, and counted", () => {
  const { pool, ledger, options } = new Parts({ mode: MODE["best-effort"], first: 7 })
  const out = createOutgoingPacket()
  const slot = pool.acquire()
  ledger.append(slot, 50, FORM.first, 1, 3)
  ledger.send(7, 20, out)
  expect(out).toMatchObject({
    number: 7,
    slot,
    length: 50,
    isResend: false,
    offset: pool.offset(slot) + options.headRoomBytes,
  })
  expect([modeOf(out.delivery), ledger.form(7)]).toEqual([MODE["best-effort"], FORM.first])
  expect([ledger.next, ledger.sentMs(7), ledger.writtenMs(7), ledger.inFlightBytes, ledger.sentPackets]).toEqual([
    8, 20, 3, 50, 1,
  ])
  ledger.lose(7)
  expect([ledger.inFlightBytes, ledger.sentBytes]).toEqual([0, 50])
  ledger.send(7, 40, out)
  expect([out.isResend, ledger.sends(7), ledger.inFlightBytes, ledger.sentPackets]).toEqual([true, 2, 50, 1])
})

test("messages end with the last piece of each, and where whole ones are", () => {
  const parts = new Parts()
  const { ledger } = parts
  parts.write(2)
  parts.writePieces(3)
  parts.writePieces(2, false)
  expect([0, 1, 2, 3, 4, 5, 6].map((number) => ledger.endedIn(number))).toEqual([1, 1, 0, 0, 1, 0, 0])
  expect([0, 1, 2, 3, 4, 5, 6, 7].map((number) => ledger.endedBelow(number))).toEqual([0, 1, 2, 2, 2, 3, 3, 3])
  expect([ledger.begun, ledger.isUnfinished]).toEqual([4, true])
})

test("the receiver's edge tells which messages it has: those that were not given up", () => {
  const parts = new Parts()
  const { ledger, pool } = parts
  parts.write(4)
  parts.send(4)
  ledger.giveUp(1)
  ledger.receive(3, 4)
  expect([ledger.gonePackets, ledger.unackedPackets, pool.used]).toEqual([1, 2, 2])
  expect(ledger.advance(3)).toBe(2)
  expect([ledger.low, ledger.gonePackets, ledger.unackedPackets]).toEqual([3, 0, 0])
})

test("what is sent unanswered is forgotten at once", () => {
  const parts = new Parts({ mode: MODE.latest })
  const { ledger, pool, out } = parts
  parts.write(2)
  expect([ledger.sendUnanswered(0, out), ledger.low, pool.used]).toEqual([1, 1, 1])
  expect([ledger.sendUnanswered(1, out), ledger.low, pool.used]).toEqual([1, 2, 0])
})

test("what was withdrawn never was: its numbers and its messages' are used again", () => {
  const parts = new Parts()
  const { ledger } = parts
  parts.write(5)
  parts.send(2)
  ledger.withdraw(3)
  expect([ledger.high, ledger.begun, ledger.firstQueued]).toEqual([3, 3, 2])
})

test("gone packets that were never sent become one, and those behind them move down", () => {
  const parts = new Parts()
  const { ledger } = parts
  parts.write(7)
  parts.send(1)
  for (const number of [1, 2, 3, 4]) ledger.giveUp(number)
  expect(ledger.firstQueued).toBe(5)
  const bytes = [5, 6].map((number) => ledger.bytes(number))
  ledger.merge(1, 5)
  expect([ledger.high, ledger.firstQueued, ledger.gonePackets, ledger.begunWith(1)]).toEqual([4, 2, 1, 5])
  expect([2, 3].map((number) => ledger.bytes(number))).toEqual(bytes)
  expect([2, 3].map((number) => ledger.begunWith(number))).toEqual([6, 7])
  ledger.passGone()
  expect(ledger.next).toBe(2)
})

test("whatever happens to packets, the counts are those of their states, and each kept one has its slot", () => {
  const step = fc.tuple(
    fc.constantFrom("write", "send", "lose", "advance", "receive", "give up", "withdraw", "pass"),
    fc.nat(30),
  )
  fc.assert(
    fc.property(firsts, fc.array(step, { maxLength: 80 }), (first, steps) => {
      const parts = new Parts({ first, slotsMax: 10_000 })
      const { ledger, pool, queue } = parts
      const pick = (from: number, to: number, draw: number): number => from + (draw % Math.max(1, to - from))
      for (const [kind, draw] of steps) {
        const number = pick(ledger.low, ledger.next, draw)
        const isSent = ledger.low < ledger.next
        if (kind === "write") parts.write(draw)
        else if (kind === "send") parts.send(draw)
        else if (kind === "lose" && isSent && ledger.state(number) === PACKET.inFlight) queue.push(number)
        else if (kind === "advance") ledger.advance(number)
        else if (kind === "receive" && isSent) ledger.receive(number, Math.min(number + draw, ledger.next))
        else if (kind === "withdraw" && ledger.gonePackets === 0)
          ledger.withdraw(pick(ledger.firstQueued, ledger.high, draw))
        else if (kind === "pass") ledger.passGone()
        else if (kind === "give up" && ledger.low < ledger.high) {
          const victim = pick(ledger.low, ledger.high, draw)
          if (ledger.state(victim) !== PACKET.gone) ledger.giveUp(victim)
        }
        queue.trim()
        ledger.assertInvariants()
        expect(pool.used).toBe(ledger.unackedPackets)
      }
      ledger.forget()
      ledger.assertInvariants()
      expect([pool.used, ledger.unackedBytes, ledger.sentBytes, ledger.inFlightBytes, ledger.rows]).toEqual([
        0, 0, 0, 0, 0,
      ])
    }),
    { numRuns: runs(200) },
  )
})

test("messages are counted beyond what a column holds, wherever the marks are", () => {
  const parts = new Parts()
  const { ledger, pool } = parts
  const many = 2 ** 31 - 5
  for (let packet = 0; packet < 5; packet++) ledger.append(pool.acquire(), 50, FORM.whole, many, 0)
  const out = createOutgoingPacket()
  for (let number = 0; number < 5; number++) {
    ledger.send(number, 0, out)
    expect(ledger.begunBelow(number + 1) - ledger.begunBelow(number)).toBe(number === 0 ? many : ledger.endedIn(number))
    expect(ledger.advance(number + 1)).toBe(many)
    expect(ledger.begunBelow(number + 1)).toBe((number + 1) * many)
  }
  expect(ledger.begun).toBe(5 * many)
})

test("a packet that is sent more often than can be counted counts as sent that often", () => {
  const { pool, ledger } = new Parts()
  ledger.append(pool.acquire(), 50, FORM.whole, 1, 0)
  const out = createOutgoingPacket()
  for (let sends = 0; sends < SENDS_MAX + 3; sends++) {
    ledger.send(0, 0, out)
    ledger.lose(0)
  }
  ledger.send(0, 0, out)
  expect([ledger.sends(0), out.isResend, ledger.sentPackets]).toEqual([SENDS_MAX, true, 1])
})

test("when packets were written is kept where messages grow too old, and nowhere else", () => {
  const written = (mode: Mode): number => {
    const { pool, ledger } = new Parts({ mode })
    ledger.append(pool.acquire(), 50, FORM.whole, 1, 7)
    return ledger.writtenMs(0)
  }
  expect([MODE["best-effort"], MODE.reliable, MODE["reliable-unordered"]].map(written)).toEqual([7, 0, 0])
})
