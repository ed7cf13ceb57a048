// Packets that are too long for the path, on their way in parts.

import { createOutgoingPacket, PacketPool, RttEstimator, SendStream, slotBytesOf, streamOptions } from "@x/stream"
import { createStatus, MODE, type Mode } from "@x/wire"
import { expect, test } from "vitest"

const OPTIONS = streamOptions({ payloadBytesMax: 500 })

/** A stream with packets of 500 B that were written before the path carried only 100. */
function makeSender(mode: Mode = MODE.reliable): SendStream {
  const rtt = new RttEstimator(10)
  const pool = new PacketPool({ slotBytes: slotBytesOf(OPTIONS) })
  const sender = new SendStream({ id: 1, mode, options: OPTIONS, rtt, pool })
  for (let i = 0; i < 3; i++) {
    sender.reserve(500)
    sender.commit(500)
    sender.closePacket()
  }
  sender.setPayloadBytesMax(100)
  return sender
}

/** Takes so many packets or parts: their numbers, and where they begin. */
function take(sender: SendStream, count: number, nowMs = 0): [number, number][] {
  const out = createOutgoingPacket()
  const taken: [number, number][] = []
  while (taken.length < count && sender.take(nowMs, out)) taken.push([out.number, out.partOffset])
  sender.assertInvariants()
  return taken
}

function tell(sender: SendStream, cumulative: number, missing: readonly [number, number][], nowMs: number): void {
  const status = createStatus()
  status.stream = 1
  status.cumulative = cumulative
  status.missing.count = missing.length
  missing.flat().forEach((edge, i) => void (status.missing.edges[i] = edge))
  expect(sender.handleStatus(status, nowMs)).toBeUndefined()
}

test("all parts of a packet go before the next one, and none of them asks for a status", () => {
  const sender = makeSender()
  const out = createOutgoingPacket()
  const offsets: number[] = []
  for (let i = 0; i < 6; i++) {
    sender.take(0, out)
    expect([out.number, out.total, out.wanted, sender.isInParts]).toEqual([0, 500, false, i < 5])
    offsets.push(out.partOffset, out.length)
  }
  expect(offsets).toEqual([0, 96, 96, 96, 192, 96, 288, 96, 384, 96, 480, 20])
  expect(take(sender, 1)).toEqual([[1, 0]])
})

test("a packet that is acknowledged while its parts go has no more", () => {
  const sender = makeSender()
  take(sender, 2)
  tell(sender, 1, [], 5)
  expect(take(sender, 1, 5)).toEqual([[1, 0]])
})

test("a packet that is missed while its parts go is not begun anew; once all have gone it is, after a round trip", () => {
  const sender = makeSender()
  take(sender, 7)
  // The first is sent again.
  tell(sender, 0, [[0, 1]], 5)
  expect(take(sender, 5, 20)[4]).toEqual([1, 480])
  expect(take(sender, 2, 30)).toEqual([
    [0, 0],
    [0, 96],
  ])
  tell(sender, 0, [[0, 1]], 500)
  expect(take(sender, 4, 500)[3]).toEqual([0, 480])
  tell(sender, 0, [[0, 1]], 501)
  expect(take(sender, 1, 501)[0]![0]).toBe(2)
  take(sender, 5, 501)
  tell(sender, 0, [[0, 1]], 1_000)
  expect(take(sender, 1, 1_000)).toEqual([[0, 0]])
})

test("parts have the size of the path as it is when they go", () => {
  const sender = makeSender()
  take(sender, 1)
  sender.setPayloadBytesMax(300)
  expect(take(sender, 4)).toEqual([
    [0, 96],
    [0, 392],
    [1, 0],
    [1, 296],
  ])
  sender.setPayloadBytesMax(500)
  expect(take(sender, 2)).toEqual([[2, -1]])
})

test.each([MODE.latest, MODE["fire-and-forget"]])("where nothing is answered, packets go whole: mode %d", (mode) => {
  expect(take(makeSender(mode), 9).map(([, offset]) => offset)).not.toContain(0)
})
