import { FORM, MODE } from "@x/wire"
import fc from "fast-check"
import { expect, test } from "vitest"
import { runs } from "../../../../tools/testkit/src/runs.ts"
import { Parts } from "./parts.ts"

test("messages lie back to back until the packet is full or closed", () => {
  const { filling, ledger } = new Parts({ mode: MODE["best-effort"] })
  expect(filling.roomBehind(10)).toBe(-1)
  const begin = filling.begin()
  filling.setTime(5)
  filling.commit(60)
  filling.setTime(6)
  expect([filling.roomBehind(40), filling.roomBehind(41)]).toEqual([begin + 60, -1])
  filling.commit(40)
  expect([filling.high, filling.begunInAll, ledger.begun]).toEqual([1, 2, 0])
  expect([filling.close(), filling.close()]).toEqual([true, false])
  expect([ledger.high, ledger.begun, ledger.bytes(0), ledger.writtenMs(0), ledger.form(0)]).toEqual([
    1,
    2,
    100,
    5,
    FORM.whole,
  ])
})

test("after a packet that became large the next one has the room at once, and after a small one it hasn't", () => {
  const { filling, ledger, pool } = new Parts({
    payloadBytesMax: 2_000,
    usualBytes: 104,
    slotBytes: 2_004,
    slotsMax: 45,
  })
  /** Returns whether the packet moved for the second message. */
  const writeTwice = (bytes: number): boolean => {
    const at = filling.begin(60)
    const { slab } = filling
    filling.commit(60)
    const behind = filling.roomBehind(bytes)
    filling.commit(bytes)
    filling.close()
    return filling.slab !== slab || behind !== at + 60
  }
  const small = pool.unitsFor(104)
  expect([writeTwice(1_800), writeTwice(1_800)]).toEqual([true, false])
  // Where there is no memory for a large one, a small one will do.
  filling.begin(60)
  filling.commit(60)
  expect(pool.unitsOf(ledger.slot(1))).toBeGreaterThan(small)
  expect([filling.bytes, filling.slots]).toEqual([60, 1])
  filling.close()
  filling.begin(60)
  filling.commit(60)
  filling.close()
  expect(pool.unitsOf(ledger.slot(3))).toBe(small)
})

test("a piece has a packet of its own, and only the first begins a message", () => {
  const { filling, ledger } = new Parts()
  for (const form of [FORM.first, FORM.middle, FORM.last]) {
    filling.begin()
    expect(filling.commitPiece(form, 100)).toBe(true)
  }
  expect([ledger.high, ledger.begun, ledger.isUnfinished]).toEqual([3, 1, false])
})

test("what is committed after the slot went back is not written", () => {
  const { filling, ledger, pool } = new Parts()
  filling.begin()
  filling.commit(10)
  filling.release()
  filling.commit(10)
  expect([filling.commitPiece(FORM.first, 10), filling.bytes, ledger.high, pool.used]).toEqual([false, 0, 0, 0])
})

test("an emptied packet keeps its slot for the next one", () => {
  const { filling, pool } = new Parts()
  const begin = filling.begin()
  filling.commit(10)
  expect([filling.slots, filling.reserved]).toEqual([1, 0])
  filling.empty()
  expect([filling.slots, filling.reserved, filling.begin(), pool.used]).toEqual([1, 1, begin, 1])
})

test("a message may be finished from what is kept for it once all that was written of it has come, where a sender waits", () => {
  for (const mode of [MODE.reliable, MODE["best-effort"]]) {
    const parts = new Parts({ mode })
    parts.writePieces(2, false)
    parts.send(2)
    expect(parts.filling.mayFinish).toBe(false)
    parts.ledger.receive(0, 2)
    expect(parts.filling.mayFinish).toBe(mode === MODE.reliable)
  }
})

test("the largest payload may change while a packet is being filled: what is written before keeps its size", () => {
  const { filling, ledger } = new Parts()
  filling.begin()
  filling.commit(80)
  expect(filling.setPayloadBytesMax(100)).toBe(false)
  expect(filling.setPayloadBytesMax(64)).toBe(true)
  expect([filling.roomBehind(1), ledger.high]).toEqual([-1, 1])
  filling.begin()
  filling.commit(30)
  expect([filling.roomBehind(34) >= 0, filling.roomBehind(35), ledger.bytes(0)]).toEqual([true, -1, 80])
})

test("whatever is written in whichever order, each slot is one packet's or goes back", () => {
  const step = fc.constantFrom("begin", "commit", "piece", "close", "empty", "release")
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const { filling, ledger, pool } = new Parts()
      let begun = 0
      for (const kind of steps) {
        if (kind === "begin" && filling.bytes === 0) filling.begin()
        else if (kind === "commit" && filling.slots > 0 && filling.bytes < 90) filling.commit(10)
        else if (kind === "piece" && filling.reserved > 0) filling.commitPiece(FORM.first, 50)
        else if (kind === "close") filling.close()
        else if (kind === "empty") filling.empty()
        else if (kind === "release") filling.release()
        filling.assertInvariants()
        ledger.assertInvariants()
        expect(pool.used).toBe(ledger.unackedPackets + filling.slots)
        if (filling.bytes === 0) begun = ledger.begun
        expect(filling.begunInAll).toBeGreaterThanOrEqual(begun)
      }
    }),
    { numRuns: runs(100) },
  )
})

test("a packet lies in a slot of its size, and moves to a larger one when more is written behind it", () => {
  const { filling, ledger, pool } = new Parts({ payloadBytesMax: 2_000, usualBytes: 100 })
  const room = 104 - 40
  const begin = filling.begin(room)
  filling.slab.fill(7, begin, begin + room)
  filling.commit(room)
  expect([pool.used, pool.bytesOf(0)]).toEqual([1, 104])
  const behind = filling.roomBehind(10)
  expect(filling.slab.subarray(behind - room, behind)).toEqual(new Uint8Array(room).fill(7))
  filling.commit(10)
  expect(pool.used).toBeGreaterThan(1)
  expect(filling.roomBehind(2_000 - room - 10)).toBeGreaterThan(0)
  expect(filling.roomBehind(2_000 - room - 9)).toBe(-1)
  filling.close()
  ledger.forget()
  expect(pool.used).toBe(0)
})

test("where no larger slot is free, a packet stays as it is, and the next message goes into another", () => {
  const { filling, pool } = new Parts({ payloadBytesMax: 2_000, usualBytes: 100, slotsMax: 3 })
  filling.begin(10)
  filling.commit(10)
  expect([filling.roomBehind(100), filling.roomBehind(54), pool.used]).toEqual([-1, expect.any(Number), 1])
  filling.close()
  expect([filling.begin(), filling.begin(64) >= 0]).toEqual([-1, true])
})

test("after a change of size a slot for the next packet is used if it holds one", () => {
  const { filling, pool } = new Parts({ payloadBytesMax: 64, usualBytes: 104, slotBytes: 1_000 })
  filling.begin()
  filling.setPayloadBytesMax(500)
  expect([filling.reserved, filling.begin() >= 0, filling.reserved]).toEqual([0, true, 1])
  filling.setPayloadBytesMax(64)
  expect([filling.reserved, filling.begin() >= 0, pool.used > 1]).toEqual([1, true, true])
})
