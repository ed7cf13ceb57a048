// Changes of the payload size while a stream runs.

import {
  createKeptPacket,
  createOutgoingPacket,
  PacketPool,
  ReceiveStream,
  RttEstimator,
  SendStream,
  slotBytesOf,
  streamOptions,
} from "@x/stream"
import { createStatus, createSync, FORM, MODE } from "@x/wire"
import fc from "fast-check"
import { expect, test } from "vitest"
import { runs } from "../../../tools/testkit/src/runs.ts"

const LARGEST = streamOptions({ payloadBytesMax: 500 })

/** A stream whose pool has room for payloads of 500 bytes. */
function makeSender(payloadBytesMax: number, windowPackets = 1_024, copies = 0): SendStream {
  return new SendStream({
    ...{ id: 1, copies },
    mode: MODE.reliable,
    options: streamOptions({ payloadBytesMax, windowPackets }),
    rtt: new RttEstimator(10),
    pool: new PacketPool({ slotBytes: slotBytesOf(LARGEST) }),
  })
}

/** Bytes of the packets that can be sent. */
function lengths(sender: SendStream): number[] {
  const out = createOutgoingPacket()
  const all: number[] = []
  while (sender.take(0, out)) all.push(out.length)
  return all
}

test("packets that were cut go in parts of the new size, and those behind them have it", () => {
  const sender = makeSender(100)
  const write = (messages: number): void => {
    for (let i = 0; i < messages; i++) if (sender.reserve(40) >= 0) sender.commit(40)
  }
  write(3)
  sender.setPayloadBytesMax(400)
  write(11)
  sender.setPayloadBytesMax(64)
  write(2)
  sender.closePacket()
  // A part has four bytes more of header.
  const [of80, of400] = [
    [60, 20],
    [60, 60, 60, 60, 60, 60, 40],
  ]
  expect(lengths(sender)).toEqual([...of80, 40, ...of400, 40, 40, 40])
  expect(() => sender.reserve(65)).toThrow("65 B don't fit a payload of 64 B")
})

test("a packet that was cut for another size gets no copy, which would be too long", () => {
  const sender = makeSender(400, 1_024, 1)
  expect(sender.reserve(300)).toBeGreaterThanOrEqual(0)
  sender.commit(300)
  sender.closePacket()
  expect(lengths(sender)).toEqual([300])
  sender.setPayloadBytesMax(100)
  sender.handleTimeout(10)
  expect(sender.peek()).toBe(-1)
})

test("the same size again cuts nothing", () => {
  const sender = makeSender(100)
  sender.reserve(40)
  sender.commit(40)
  sender.setPayloadBytesMax(100)
  expect([sender.isFilling, sender.queuedPackets]).toEqual([true, 0])
})

test("a size that no packet may have, or no slot holds, is refused, and the one before stays", () => {
  const sender = makeSender(100)
  for (const bytes of [63, 505, 64.5, Number.NaN]) expect(() => sender.setPayloadBytesMax(bytes)).toThrow(RangeError)
  expect(() => sender.setPayloadBytesMax(505)).toThrow(/payloadBytesMax must be .*64.*504/)
  sender.setPayloadBytesMax(500)
  expect(sender.payloadBytesMax).toBe(500)
  const own = new SendStream({ id: 1, mode: MODE.reliable, options: LARGEST, rtt: new RttEstimator(10) })
  expect(() => own.setPayloadBytesMax(600)).toThrow(RangeError)
})

test("a large payload counts for as much of the window as a packet of it takes", () => {
  const options = streamOptions({ payloadBytesMax: 100, windowBytes: 1_000 })
  const pool = new PacketPool({ slotBytes: slotBytesOf(LARGEST) })
  const sender = new SendStream({ id: 1, mode: MODE.reliable, options, rtt: new RttEstimator(10), pool })
  expect([sender.roomPackets, sender.windowPackets]).toEqual([10, 10])
  sender.reserve(90)
  sender.commit(90)
  sender.setPayloadBytesMax(400)
  expect([sender.roomPackets, sender.windowPackets, sender.unackedBytes]).toEqual([2, 2, 90])
})

const step = fc.oneof(
  fc.record({ kind: fc.constant("size"), bytes: fc.integer({ min: 64, max: 500 }) }),
  fc.record({ kind: fc.constantFrom("whole", "large"), bytes: fc.integer({ min: 2, max: 1_500 }) }),
  fc.record({ kind: fc.constant("send"), bytes: fc.nat(255) }),
)

test("whatever sizes are set in between, all arrives as it was written, and nothing longer than its size is sent", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), fc.nat(60), (steps, lossPercent) => {
      const sender = makeSender(200, 16)
      const pool = new PacketPool({ slotBytes: 500 })
      const receiver = new ReceiveStream({
        id: 1,
        mode: MODE.reliable,
        options: LARGEST,
        rtt: new RttEstimator(10),
        pool,
      })
      receiver.handleOpen(0, 0)
      const [out, kept, status, sync] = [createOutgoingPacket(), createKeptPacket(), createStatus(), createSync()]
      const [written, arrived]: [number[], number[]] = [[], []]
      /** Of the packet that goes in parts, those that came. */
      let parts = { number: -1, bytes: new Uint8Array(0), missing: new Set<number>() }
      let draw = 1
      let nowMs = 0
      const deliver = (bytes: Uint8Array, offset: number, length: number): void => {
        arrived.push(...bytes.subarray(offset, offset + length))
        receiver.advance()
      }
      const send = (percent: number): void => {
        nowMs += 5
        sender.closePacket()
        while (sender.take(nowMs, out)) {
          const { number, delivery, wanted, partOffset, total } = out
          let { bytes, offset, length } = out
          expect(length).toBeLessThanOrEqual(sender.payloadBytesMax - (partOffset < 0 ? 0 : 4))
          draw = (Math.imul(draw, 1_664_525) + 1_013_904_223) >>> 0
          if ((draw / 2 ** 32) * 100 < percent) continue
          if (partOffset >= 0) {
            if (receiver.refusal(number, nowMs) !== undefined) continue
            if (partOffset === 0)
              parts = { number, bytes: new Uint8Array(total), missing: new Set(Array.from({ length: total }).keys()) }
            if (parts.number !== number) continue
            parts.bytes.set(bytes.subarray(offset, offset + length), partOffset)
            for (let at = partOffset; at < partOffset + length; at++) parts.missing.delete(at)
            if (parts.missing.size > 0) continue
            ;[bytes, offset, length] = [parts.bytes, 0, total]
          }
          if (receiver.handlePacket(number, delivery, wanted, bytes, offset, length, nowMs) !== "deliver") continue
          deliver(bytes, offset, length)
          while (receiver.peekKept(kept)) deliver(kept.bytes, kept.offset, kept.length)
        }
        if (sender.pollSync(nowMs, sync)) receiver.handleSync(sync, true, nowMs)
        if (receiver.pollStatus(nowMs, status)) sender.handleStatus(status, nowMs)
        sender.assertInvariants()
        receiver.assertInvariants()
      }
      const put = (offset: number, length: number): void => {
        for (let i = 0; i < length; i++) written.push((sender.slab[offset + i] = written.length % 251))
      }
      const resize = (bytes: number): void => sender.setPayloadBytesMax(bytes)
      for (const { kind, bytes } of steps) {
        if (kind === "send") send(lossPercent)
        else if (kind === "size") resize(bytes)
        else if (kind === "whole") {
          const length = Math.min(bytes, sender.payloadBytesMax)
          const offset = sender.reserve(length)
          if (offset < 0) continue
          put(offset, length)
          sender.commit(length)
        } else {
          for (let left = bytes; left > 0;) {
            const offset = sender.reservePiece()
            if (offset < 0) send(0)
            if (offset < 0) continue
            const isFirst = left === bytes
            const length = Math.min(isFirst ? left - 1 : left, sender.payloadBytesMax)
            put(offset, length)
            sender.commitPiece(isFirst ? FORM.first : length === left ? FORM.last : FORM.middle, length)
            left -= length
            // The size changes in the middle of a message too.
            if (bytes % 3 === 0) resize(64 + ((7 * left) % 437))
          }
        }
      }
      for (let rounds = 0; rounds < 1_000 && (sender.isFilling || !sender.isDrained); rounds++) send(0)
      expect(sender.isDrained).toBe(true)
      expect(Buffer.from(arrived).equals(Buffer.from(written))).toBe(true)
      expect(pool.used).toBe(0)
    }),
    { numRuns: runs(100) },
  )
})
