// Payloads that several streams send: one place in memory, a ledger for each receiver.

import {
  createOutgoingPacket,
  PacketPool,
  PoolShare,
  RttEstimator,
  SendStream,
  slotBytesOf,
  streamOptions,
} from "@x/stream"
import { createStatus, FORM, MODE } from "@x/wire"
import fc from "fast-check"
import { expect, test } from "vitest"
import { runs } from "../../../tools/testkit/src/runs.ts"

const OPTIONS = streamOptions({ payloadBytesMax: 100, windowPackets: 8, spreadPackets: 64 })

const makePool = (slotsMax = 64): PacketPool => new PacketPool({ slotBytes: slotBytesOf(OPTIONS), slotsMax })

function makeStream(id: number, pool: PacketPool | PoolShare, first = 0): SendStream {
  return new SendStream({ id, mode: MODE.reliable, options: OPTIONS, rtt: new RttEstimator(10), pool, first })
}

/** Writes one payload that is filled with a number; returns the number of its packet. */
function write(stream: SendStream, fill: number): number {
  const offset = stream.reserve(80)
  if (offset < 0) return -1
  stream.slab.fill(fill, offset, offset + 80)
  stream.commit(80)
  stream.closePacket()
  return stream.high - 1
}

/** The numbers and first bytes of the packets that can be sent. */
function taken(stream: SendStream): [number, number][] {
  const out = createOutgoingPacket()
  const all: [number, number][] = []
  while (stream.take(0, out)) all.push([out.number, out.bytes[out.offset]!])
  return all
}

function acknowledge(stream: SendStream, cumulative: number): void {
  expect(stream.handleStatus({ ...createStatus(), stream: stream.id, cumulative }, 0)).toBeUndefined()
}

test("one payload goes to three receivers, each under its own number, and is free once the last one has it", () => {
  const pool = makePool()
  const [a, b, c] = [makeStream(1, pool), makeStream(2, pool, 500), makeStream(3, pool, 70)]
  const payload = a.payloadOf(write(a, 7))!
  expect([b.share(payload), c.share(payload), pool.used]).toEqual([true, true, 1])
  expect([taken(a), taken(b), taken(c)]).toEqual([[[0, 7]], [[500, 7]], [[70, 7]]])
  acknowledge(a, 1)
  c.reset(0, 0)
  expect([a.payloadOf(0), pool.used, pool.isShared(payload.slot)]).toEqual([undefined, 1, false])
  acknowledge(b, 501)
  expect(pool.used).toBe(0)
})

test("a payload counts for the share of each peer that it waits for, and one without room doesn't get it", () => {
  const pool = makePool()
  const [ours, theirs] = [new PoolShare(pool, 4), new PoolShare(pool, 1)]
  const [a, b] = [makeStream(1, ours), makeStream(2, theirs)]
  const payloads = [write(a, 1), write(a, 2)].map((number) => a.payloadOf(number)!)
  expect(payloads.map((payload) => b.share(payload))).toEqual([true, false])
  expect([ours.used, theirs.used, pool.used]).toEqual([2, 1, 2])
  b.reset(0, 0)
  expect([ours.used, theirs.used, pool.used]).toEqual([2, 0, 2])
})

test("what is too large for a stream, or a piece of a message with another number there, is refused", () => {
  const pool = makePool()
  const [a, b] = [makeStream(1, pool), makeStream(2, pool)]
  const payload = a.payloadOf(write(a, 1))!
  b.setPayloadBytesMax(64)
  expect(() => b.share(payload)).toThrow("a payload of 80 B is larger than 64 B: cut it for both streams")
  b.setPayloadBytesMax(100)
  const piece = { ...payload, form: FORM.first, begunBefore: 3 }
  expect(() => b.share(piece)).toThrow("a piece of message 3 doesn't fit a stream that has begun 0")
  expect([b.high, pool.isShared(payload.slot)]).toEqual([0, false])
})

test("whatever is shared, acknowledged and reset: each stream sends what it was given, and memory is held just as long", () => {
  const step = fc.record({ what: fc.nat(4), which: fc.nat(2), count: fc.nat(5) })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const pool = makePool(12)
      const log = makeStream(9, pool)
      const streams = [1, 2, 3].map((id) => makeStream(id, pool))
      const given = streams.map((): number[] => [])
      const sent = streams.map((): number[] => [])
      const fills = new Map<number, number>()
      for (const [at, { what, which, count }] of steps.entries()) {
        const stream = streams[which]!
        if (what === 0) fills.set(write(log, at + 1), at + 1)
        else if (what === 1) {
          const payload = log.payloadOf(log.low + count)
          if (payload !== undefined && stream.share(payload)) given[which]!.push(fills.get(log.low + count)!)
        } else if (what === 2) sent[which]!.push(...taken(stream).map(([, fill]) => fill))
        else if (what === 3) acknowledge(stream, Math.min(stream.low + count, sent[which]!.length))
        else {
          taken(log)
          acknowledge(log, Math.min(log.low + count, log.high))
        }
        for (const each of [log, ...streams]) each.assertInvariants()
        const held = new Set([log, ...streams].flatMap((each) => slotsOf(each)))
        expect(pool.used).toBe(held.size)
      }
      for (const [which, those] of sent.entries()) expect(given[which]!.slice(0, those.length)).toEqual(those)
    }),
    { numRuns: runs(200) },
  )
})

function slotsOf(stream: SendStream): number[] {
  return Array.from({ length: stream.high - stream.low }, (_, i) => stream.payloadOf(stream.low + i)).flatMap(
    (payload) => (payload === undefined ? [] : [payload.slot]),
  )
}
