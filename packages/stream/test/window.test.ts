// How much may be in flight, what an answer acknowledges, and which packets a followed range means.

import {
  createOutgoingPacket,
  FixedAllowance,
  PacketPool,
  RttEstimator,
  SendStream,
  type SendStreamOptions,
  slotBytesOf,
  type StreamOptions,
  streamOptions,
} from "@x/stream"
import { createStatus, FORM, MODE, type Mode, NUMBER_MAX, type Status, STATUS } from "@x/wire"
import { expect, test } from "vitest"
import { ROW_BYTES } from "../src/send/send-ring.ts"

const PAYLOAD = 64

function make(
  mode: Mode,
  given: Partial<StreamOptions> = {},
  more: Partial<SendStreamOptions> & { slotsMax?: number } = {},
): SendStream {
  const options = streamOptions({ payloadBytesMax: PAYLOAD, windowPackets: 8, spreadPackets: 64, ...given })
  const pool = new PacketPool({ slotBytes: slotBytesOf(options), slotsMax: more.slotsMax ?? 1_000 })
  return new SendStream({ id: 1, mode, options, rtt: new RttEstimator(10), pool, ...more })
}

/** Writes one message of this many bytes in a packet of its own; returns whether there was room. */
function write(sender: SendStream, bytes = 10): boolean {
  if (sender.reserve(bytes) < 0) return false
  sender.commit(bytes)
  sender.closePacket()
  return true
}

function writeAll(sender: SendStream, bytes = 10): number {
  let count = 0
  while (count < 100 && write(sender, bytes)) count++
  return count
}

function take(sender: SendStream, nowMs = 0): number[] {
  const out = createOutgoingPacket()
  const numbers: number[] = []
  while (sender.take(nowMs, out)) numbers.push(out.number)
  return numbers
}

function status({
  cumulative = 0,
  state = 0,
  received = [],
  missing = [],
}: Partial<Record<"cumulative" | "state", number>> & { received?: number[]; missing?: number[] }): Status {
  const it = createStatus()
  Object.assign(it, { cumulative, state })
  it.received.edges.set(received)
  it.received.count = received.length / 2
  it.missing.edges.set(missing)
  it.missing.count = missing.length / 2
  return it
}

test("a window holds as many packets as it says, in number and in bytes, and room comes back with what is acknowledged", () => {
  const byNumber = make(MODE.reliable)
  expect([byNumber.roomPackets, byNumber.windowPackets, writeAll(byNumber)]).toEqual([8, 8, 8])
  take(byNumber)
  byNumber.handleStatus(status({ cumulative: 3 }), 1)
  expect([byNumber.roomPackets, byNumber.unackedPackets, writeAll(byNumber)]).toEqual([3, 5, 3])

  // By bytes, four whole payloads fit.
  const byBytes = make(MODE.reliable, { windowBytes: 4 * PAYLOAD })
  expect([byBytes.windowPackets, byBytes.roomPackets]).toEqual([4, 4])
  expect(writeAll(byBytes, PAYLOAD)).toBe(4)
  expect([byBytes.roomPackets, byBytes.unackedBytes]).toEqual([0, 4 * PAYLOAD])
  take(byBytes)
  byBytes.handleStatus(status({ cumulative: 2 }), 1)
  expect([byBytes.roomPackets, write(byBytes, PAYLOAD - 1), byBytes.roomPackets]).toEqual([2, true, 1])
})

test("a window smaller than a packet takes one packet at a time", () => {
  const sender = make(MODE.reliable, { windowBytes: 1 })
  expect([sender.windowPackets, writeAll(sender, PAYLOAD)]).toEqual([1, 1])
  take(sender)
  sender.handleStatus(status({ cumulative: 1 }), 1)
  expect(writeAll(sender, PAYLOAD)).toBe(1)
})

test("messages share a packet as long as they fit it to the byte", () => {
  const sender = make(MODE.reliable)
  const first = sender.reserve(PAYLOAD - 10)
  sender.commit(PAYLOAD - 10)
  expect([sender.high, sender.roomPackets]).toEqual([1, 7])
  expect(sender.reserve(10)).toBe(first + PAYLOAD - 10)
  sender.commit(10)
  // One byte more goes into the next packet.
  sender.reserve(1)
  sender.commit(1)
  expect(sender.high).toBe(2)
  expect(() => sender.reserve(PAYLOAD + 1)).toThrow("don't fit a payload")
})

test("no packet gets a number that the last one of all couldn't be told behind", () => {
  const sender = make(MODE.reliable, {}, { first: NUMBER_MAX - 3 })
  expect([sender.roomPackets, writeAll(sender)]).toEqual([3, 3])
  expect(take(sender)).toEqual([NUMBER_MAX - 3, NUMBER_MAX - 2, NUMBER_MAX - 1])
})

test("an open window without memory is starved, a shut one isn't, and one that has ended has no room", () => {
  const sender = make(MODE.reliable, {}, { slotsMax: 3 })
  expect([sender.roomPackets, sender.isStarved, writeAll(sender)]).toEqual([3, false, 3])
  expect([sender.roomPackets, sender.isStarved]).toEqual([0, true])
  take(sender)
  sender.handleStatus(status({ cumulative: 1 }), 1)
  expect([sender.roomPackets, sender.isStarved]).toEqual([1, false])
  // The place that a packet already has counts.
  sender.reserve(10)
  expect([sender.roomPackets, sender.isStarved]).toEqual([1, false])
  sender.end(2)
  expect([sender.roomPackets, sender.reserve(10)]).toEqual([0, -1])

  const shut = make(MODE.reliable, { windowPackets: 2 })
  writeAll(shut)
  expect([shut.roomPackets, shut.isStarved]).toEqual([0, false])
})

test("what was received above the edge needs no memory any more, and its packets are settled before those below", () => {
  const sender = make(MODE["reliable-unordered"])
  writeAll(sender, 20)
  take(sender)
  sender.handleStatus(status({ cumulative: 1, received: [2, 4, 5, 6], missing: [1, 2] }), 1)
  expect([sender.low, sender.unackedPackets, sender.unackedBytes]).toEqual([1, 4, 80])
  expect([
    sender.isSettled(0, 1),
    sender.isSettled(1, 2),
    sender.isSettled(2, 4),
    sender.isSettled(2, 5),
    sender.isSettled(5, 6),
  ]).toEqual([true, false, true, false, true])
  // What was never written can't be settled.
  expect(sender.isSettled(7, 9)).toBe(false)
  expect(take(sender, 30)).toEqual([1])
  expect([sender.hasUnacked(20), sender.hasUnacked(21)]).toEqual([true, false])
  sender.handleStatus(status({ cumulative: 8 }), 40)
  expect([sender.isDrained, sender.hasUnacked(1), sender.unackedBytes, sender.inFlightBytes]).toEqual([
    true,
    false,
    0,
    0,
  ])
})

test("what is asked for again within a round trip of its last sending is not sent again, and is after it", () => {
  const sender = make(MODE.reliable)
  write(sender)
  write(sender)
  take(sender)
  const ask = (nowMs: number): number[] => {
    sender.handleStatus(status({ cumulative: 0, missing: [0, 1] }), nowMs)
    return take(sender, nowMs)
  }
  // The first time it is resent at once.
  expect(ask(1)).toEqual([0])
  expect([ask(10.9), ask(11), ask(20.9), ask(21)]).toEqual([[], [0], [], [0]])
  expect(sender.resentPackets).toBe(3)
})

test("a message may be resent as often as it may, and not once more", () => {
  const sender = make(MODE["best-effort"], {}, { resendsMax: 2 })
  write(sender)
  write(sender)
  take(sender)
  const sent: number[][] = []
  for (let nowMs = 20; nowMs < 120; nowMs += 20) {
    sender.handleStatus(status({ cumulative: 0, missing: [0, 1] }), nowMs)
    sent.push(take(sender, nowMs))
  }
  expect(sent).toEqual([[0], [0], [], [], []])
  expect([sender.isGone(0, 1), sender.isGone(1, 2), sender.messages.unconfirmed]).toEqual([true, false, 1])
})

test("a status wants one back when it empties the queue or fills the window", () => {
  const sender = make(MODE.reliable, { windowPackets: 4 })
  const out = createOutgoingPacket()
  const wanted = (): boolean[] => {
    const all: boolean[] = []
    while (sender.take(0, out)) all.push(out.wanted)
    return all
  }
  for (let i = 0; i < 3; i++) write(sender)
  expect(wanted()).toEqual([false, false, true])
  // More is being written, and there is room for it: the status can wait for that.
  sender.handleStatus(status({ cumulative: 3 }), 1)
  write(sender)
  sender.reserve(10)
  sender.commit(10)
  expect(sender.take(1, out) && out.wanted).toBe(false)
})

test("a range goes on to mean its packets when numbers of what was given up unsent are used again", () => {
  const sender = make(MODE["best-effort"], { windowPackets: 64, spreadPackets: 64 })
  for (let i = 0; i < 4; i++) write(sender)
  take(sender)
  for (let i = 0; i < 40; i++) write(sender)
  const sent = { from: 2, to: 4 }
  const givenUp = { from: 10, to: 12 }
  const across = { from: 3, to: 20 }
  const kept = { from: 42, to: 44 }
  const forgotten = { from: 42, to: 44 }
  for (const range of [sent, givenUp, across, kept, forgotten]) sender.follow(range)
  sender.unfollow(forgotten)
  expect(sender.makeRoom(31)).toBe(true)
  // All but one of the numbers that were given up are free again: later packets moved down.
  const shift = 44 - sender.high
  expect(shift).toBe(11)
  expect([sent, kept, forgotten]).toEqual([
    { from: 2, to: 4 },
    { from: 42 - shift, to: 44 - shift },
    { from: 42, to: 44 },
  ])
  expect(givenUp).toEqual({ from: 4, to: 5 })
  expect(across).toEqual({ from: 3, to: 20 - shift })
  expect([sender.isGone(givenUp.from, givenUp.to), sender.isGone(kept.from, kept.to)]).toEqual([true, false])
})

test("of what was superseded unsent nothing is left to mean", () => {
  const sender = make(MODE.latest)
  write(sender)
  take(sender)
  write(sender)
  write(sender)
  sender.reserve(10)
  sender.commit(10)
  const all = { from: 0, to: sender.high }
  const last = { from: 3, to: 4 }
  for (const range of [all, last]) sender.follow(range)
  expect(sender.supersede()).toBe(true)
  expect([all, last, sender.high]).toEqual([{ from: 0, to: 1 }, { from: 1, to: 1 }, 1])
})

test("an answer that the stream is over ends it, with all acknowledged that it acknowledges", () => {
  const sender = make(MODE.reliable)
  writeAll(sender)
  take(sender)
  expect(sender.isOpenAnswered).toBe(false)
  // Before the end was sent this is no answer to it.
  sender.handleStatus(status({ cumulative: 2, state: STATUS.closed }), 1)
  expect([sender.state, sender.low, sender.isOpenAnswered]).toEqual(["open", 2, true])
  sender.end(2)
  sender.handleStatus(status({ cumulative: 8, state: STATUS.closed }), 3)
  expect([sender.state, sender.messages]).toEqual([
    "closed",
    { accepted: 8, acknowledged: 8, unconfirmed: 0, dropped: 0, pending: 0 },
  ])
})

test("after a reset an answer acknowledges nothing any more", () => {
  const sender = make(MODE.reliable)
  writeAll(sender)
  take(sender)
  sender.reset(9, 1)
  sender.handleStatus(status({ cumulative: 8 }), 2)
  expect([sender.state, sender.messages.unconfirmed, sender.messages.acknowledged]).toEqual(["resetting", 8, 0])
  sender.handleStatus(status({ cumulative: 8, state: STATUS.closed }), 3)
  expect([sender.state, sender.messages.unconfirmed, sender.messages.acknowledged]).toEqual(["closed", 8, 0])
})

test("a large message is given up whole, and no other", () => {
  const sender = make(MODE["best-effort"], { windowPackets: 16 }, { lifetimeMs: 10 })
  write(sender)
  for (const form of [FORM.first, FORM.middle, FORM.last]) {
    sender.reservePiece()
    sender.commitPiece(form, 64)
  }
  sender.setTime(5)
  write(sender)
  take(sender)
  // A piece in the middle is the oldest one left: all three are given up, and their neighbours stay.
  sender.handleStatus(status({ cumulative: 2 }), 1)
  sender.handleTimeout(10)
  expect([0, 1, 2, 3, 4].map((number) => sender.isGone(number, number + 1))).toEqual([false, false, true, true, false])
  expect([sender.messages.unconfirmed, sender.messages.pending]).toEqual([1, 1])
  sender.handleTimeout(15)
  expect([sender.messages.unconfirmed, sender.messages.pending]).toEqual([2, 0])
})

test("without memory for tables a stream goes on with the few packets that it always has, and says how many fit", () => {
  const tables = new FixedAllowance(0)
  const sender = make(MODE.reliable, { windowPackets: 64, windowBytes: 64_000 }, { tables })
  sender.open(0)
  expect(sender.roomPackets).toBe(16)
  expect([writeAll(sender), sender.roomPackets, sender.isStarved]).toEqual([16, 0, false])
  take(sender)
  // The first is missing: what came behind it leaves no room in the table.
  sender.handleStatus(status({ received: [1, 16] }), 1)
  expect(writeAll(sender)).toBe(0)
  sender.handleStatus(status({ cumulative: 16 }), 2)
  expect(writeAll(sender)).toBe(16)
  tables.give(16 * ROW_BYTES)
  expect(writeAll(sender)).toBe(16)
  expect(tables.room).toBe(0)
  sender.reset(9, 3)
  expect(tables.room).toBe(16 * ROW_BYTES)
})
