import { PacketPool, RttEstimator } from "@x/stream"
import { FORM, MODE } from "@x/wire"
import fc from "fast-check"
import { expect, test } from "vitest"
import { createOutgoingPacket } from "../../src/send/outgoing-packet.ts"
import { Resends } from "../../src/send/resends.ts"
import { SendLedger } from "../../src/send/send-ledger.ts"
import { runs } from "../../../../tools/testkit/src/runs.ts"

const REORDER_MS = 5
const ascending = (a: number, b: number): number => a - b

function make(packets: number): {
  ledger: SendLedger
  resends: Resends
  resend: (number: number, nowMs: number) => void
} {
  const pool = new PacketPool({ slotBytes: 64 })
  const ledger = new SendLedger(pool, MODE.reliable, 0, 0)
  const resends = new Resends(ledger, new RttEstimator(8 * REORDER_MS))
  const out = createOutgoingPacket()
  for (let number = 0; number < packets; number++) ledger.append(pool.acquire(), 10, FORM.whole, 1, 0)
  for (let number = 0; number < packets; number++) ledger.send(number, 0, out)
  const resend = (number: number, nowMs: number): void => {
    ledger.lose(number)
    ledger.send(number, nowMs, out)
    resends.sent(number, nowMs)
  }
  return { ledger, resends, resend }
}

test("a resend is lost once the receiver has something that was sent so much later that nothing overtakes it", () => {
  const { resends, resend } = make(10)
  resend(3, 100)
  expect([...resends.judge(100 + REORDER_MS - 1, 10)]).toEqual([])
  expect([...resends.judge(100 + REORDER_MS, 10)]).toEqual([3])
  // Once.
  expect([...resends.judge(200, 10)]).toEqual([])
})

test("a status that says nothing of a packet, or whose datagram tells of none, proves nothing", () => {
  const { resends, resend } = make(10)
  resend(3, 100)
  expect([...resends.judge(1_000, 3)]).toEqual([])
  expect([...resends.judge(-Infinity, 10)]).toEqual([])
  expect([...resends.judge(1_000, 4)]).toEqual([3])
})

test("the first packet a little after a resend asks for a status, and the next ones don't", () => {
  const { resends, resend } = make(10)
  expect(resends.takeAsk(1_000)).toBe(false)
  resend(3, 100)
  resend(4, 102)
  expect([100, 104, 105, 106, 200].filter((nowMs) => resends.takeAsk(nowMs))).toEqual([105])
})

test("a packet that was sent eight times in vain waits until it is asked for", () => {
  const { resends, resend } = make(10)
  const inVain: boolean[] = []
  for (let times = 1; times <= 8; times++) {
    inVain.push(resends.isInVain(3))
    resend(3, 100 * times)
  }
  expect([inVain.includes(true), resends.isInVain(3), resends.hasRested(3, 839), resends.hasRested(3, 840)]).toEqual([
    ...[true, true, false, true],
  ])
})

test("whatever is resent, comes and is told, exactly those are lost that were resent long before what was heard", () => {
  const step = fc.record({ kind: fc.constantFrom("resend", "receive", "judge"), number: fc.nat(19), passMs: fc.nat(4) })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 100, size: "max" }), (steps) => {
      const { ledger, resends, resend } = make(20)
      const resentMs = new Map<number, number>()
      let nowMs = 0
      for (const { kind, number, passMs } of steps) {
        nowMs += passMs
        if (kind === "resend" && ledger.isKept(number)) {
          resend(number, nowMs)
          resentMs.set(number, nowMs)
        } else if (kind === "receive") {
          ledger.receive(number, number + 1)
          resentMs.delete(number)
        } else if (kind === "judge") {
          const heardMs = nowMs - passMs
          const lost = [...resentMs].filter(([at, ms]) => at < number && ms + REORDER_MS <= heardMs).map(([at]) => at)
          expect([...new Set(resends.judge(heardMs, number))].sort(ascending)).toEqual(lost.sort(ascending))
          for (const at of lost) resentMs.delete(at)
        }
      }
    }),
    { numRuns: runs(200) },
  )
})
