import { FixedAllowance } from "@x/stream"
import { ringIndex } from "@x/wire"
import fc from "fast-check"
import { expect, test } from "vitest"
import { runs } from "../../../../tools/testkit/src/runs.ts"
import { AGE_BYTES, isKept, isRest, PACKET, ROW_BYTES, SendRing } from "../../src/send/send-ring.ts"
import { firsts } from "./parts.ts"

const counts = fc.integer({ min: 1, max: 400 })

/** Writes a row whose every column identifies its packet. */
function fill(ring: SendRing, number: number): void {
  const at = ring.index(number)
  const small = number % 200
  ring.slot[at] = ring.length[at] = ring.delivery[at] = ring.state[at] = ring.sends[at] = small
  ring.sentMs[at] = ring.begun[at] = number
  if (ring.hasAges) ring.writtenMs[at] = number
}

/** Bytes of all columns. */
function columnBytes(ring: SendRing): number {
  let bytes = 0
  for (const column of Object.values(ring)) if (ArrayBuffer.isView(column)) bytes += column.byteLength
  return bytes
}

function row(ring: SendRing, number: number): number[] {
  const at = ring.index(number)
  const { slot, length, delivery, state, sends, sentMs, begun, writtenMs } = ring
  const ages = ring.hasAges ? [writtenMs] : []
  return [slot, length, delivery, state, sends, sentMs, begun, ...ages].map((column) => column[at]!)
}

test("each packet keeps its row while the ring grows, wherever its numbers begin", () => {
  fc.assert(
    fc.property(firsts, fc.integer({ min: 1, max: 200 }), fc.boolean(), (first, packets, hasAges) => {
      const ring = new SendRing(undefined, hasAges)
      for (let number = first; number < first + packets; number++) {
        ring.makeRoom(number + 1 - first)
        fill(ring, number)
      }
      for (let number = first; number < first + packets; number++) {
        const small = number % 200
        const begun = number % 2 ** 32
        const ages = hasAges ? [number] : []
        expect(row(ring, number)).toEqual([small, small, small, small, small, number, begun, ...ages])
      }
      expect(columnBytes(ring)).toBe(ring.rows * (ROW_BYTES + (hasAges ? AGE_BYTES : 0)))
    }),
    { numRuns: runs(30) },
  )
})

test.each([true, false])("a row is copied whole, with ages: %s", (hasAges) => {
  const ring = new SendRing(undefined, hasAges)
  ring.makeRoom(2)
  fill(ring, 7)
  ring.move(ring.index(7), ring.index(8))
  expect(row(ring, 8)).toEqual(row(ring, 7))
})

test("a ring begins with 16 rows, doubles, and gives its memory back", () => {
  const ring = new SendRing()
  const rows = [0, 1, 16, 17, 33].map((packets) => {
    ring.makeRoom(packets)
    return ring.rows
  })
  expect(rows).toEqual([0, 16, 16, 32, 64])
  expect(ring.index(100)).toBe(ringIndex(100, 63))
  ring.clear()
  expect([ring.rows, ring.slot.length, ring.begun.length]).toEqual([0, 0, 0])
})

test("what is to be sent, or sent again, is kept; what goes on with a message is its rest", () => {
  expect(Object.values(PACKET).filter(isKept)).toEqual([PACKET.queued, PACKET.inFlight, PACKET.lost])
  expect([0, 1, 2, 3, 4].map(isRest)).toEqual([false, false, true, true, false])
})

test("rows beyond those of a stream are charged, no more are made than there is room for, and all are given back", () => {
  fc.assert(
    fc.property(fc.nat(20_000), fc.array(counts, { maxLength: 20 }), fc.boolean(), (bytes, wanted, hasAges) => {
      const allowance = new FixedAllowance(bytes)
      const ring = new SendRing(allowance, hasAges)
      for (const packets of wanted) {
        const room = ring.roomFor(packets)
        expect([ring.makeRoom(room), room >= Math.min(16, packets)]).toEqual([true, true])
        // As many as fit, by doubling.
        if (room < packets) expect([ring.makeRoom(packets), ring.roomFor(packets)]).toEqual([false, ring.rows])
        expect(bytes - allowance.room).toBe(Math.max(0, ring.rows - 16) * (ROW_BYTES + (hasAges ? AGE_BYTES : 0)))
      }
      ring.clear()
      expect(allowance.room).toBe(bytes)
    }),
    { numRuns: runs(200) },
  )
})
