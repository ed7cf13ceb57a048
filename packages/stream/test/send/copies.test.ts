import { PacketPool } from "@x/stream"
import { FORM, MODE } from "@x/wire"
import fc from "fast-check"
import { expect, test } from "vitest"
import { Copies } from "../../src/send/copies.ts"
import { createOutgoingPacket } from "../../src/send/outgoing-packet.ts"
import { SendLedger } from "../../src/send/send-ledger.ts"
import { runs } from "../../../../tools/testkit/src/runs.ts"

class Sender {
  readonly ledger = new SendLedger(new PacketPool({ slotBytes: 64 }), MODE.reliable, 0, 0)
  readonly #pool = new PacketPool({ slotBytes: 64 })
  readonly copies: Copies

  constructor(copies: number, spreadMs: number) {
    this.copies = new Copies(this.ledger, copies, spreadMs)
  }

  send(nowMs: number): void {
    const number = this.ledger.high
    this.ledger.append(this.#pool.acquire(), 10, FORM.whole, 1, nowMs)
    this.ledger.send(number, nowMs, createOutgoingPacket())
    this.copies.add(number, nowMs)
  }

  /** The copies that go now. */
  take(nowMs: number): number[] {
    const taken: number[] = []
    this.copies.handleTimeout(nowMs)
    for (let { next } = this.copies; next >= 0; { next } = this.copies) {
      taken.push(next)
      this.copies.shift(nowMs)
    }
    return taken
  }
}

test("copies follow a packet at the distance that was asked for, as many as were asked for", () => {
  const sender = new Sender(2, 4)
  sender.send(0)
  sender.send(1)
  expect([3, 4, 5, 8, 9, 50].map((nowMs) => sender.take(nowMs))).toEqual([[], [0], [1], [0], [1], []])
  expect([sender.copies.sent, sender.copies.dueMs]).toEqual([4, Infinity])
})

test("a copy never goes at once: it would be lost together with its packet", () => {
  const sender = new Sender(1, 0)
  sender.send(0)
  expect([sender.take(0), sender.copies.dueMs, sender.take(1)]).toEqual([[], 1, [0]])
})

test("a packet that has come, is lost, or is gone needs no copy", () => {
  const sender = new Sender(1, 1)
  for (let i = 0; i < 4; i++) sender.send(0)
  sender.ledger.advance(1)
  sender.ledger.receive(1, 2)
  sender.ledger.lose(2)
  expect(sender.take(10)).toEqual([3])
})

test("whatever is sent and comes, each packet has as many copies as it was asked for at most, and none once it came", () => {
  const step = fc.record({ kind: fc.constantFrom("send", "take", "receive"), number: fc.nat(30), passMs: fc.nat(3) })
  fc.assert(
    fc.property(fc.nat(3), fc.nat(5), fc.array(step, { maxLength: 80, size: "max" }), (copies, spreadMs, steps) => {
      const sender = new Sender(copies, spreadMs)
      const counts = new Map<number, number>()
      const received = new Set<number>()
      let nowMs = 0
      for (const { kind, number, passMs } of steps) {
        nowMs += passMs
        if (kind === "send") sender.send(nowMs)
        else if (kind === "receive" && number < sender.ledger.high) {
          sender.ledger.receive(number, number + 1)
          received.add(number)
        } else if (kind === "take") {
          for (const it of sender.take(nowMs)) {
            expect(received.has(it)).toBe(false)
            counts.set(it, (counts.get(it) ?? 0) + 1)
          }
          expect(sender.copies.dueMs).toBeGreaterThan(nowMs)
        }
      }
      for (const count of counts.values()) expect(count).toBeLessThanOrEqual(copies)
    }),
    { numRuns: runs(200) },
  )
})
