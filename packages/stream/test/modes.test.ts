// What each mode does by itself, packet by packet.

import {
  type Allowance,
  createOutgoingPacket,
  type OutgoingPacket,
  PacketPool,
  PoolShare,
  ReceiveStream,
  RttEstimator,
  SendStream,
  type SendStreamOptions,
  slotBytesOf,
  streamOptions,
} from "@x/stream"
import {
  createStatus,
  createSync,
  deliveryByte,
  FORM,
  MODE,
  type Mode,
  NUMBER_MAX,
  REASON,
  type Status,
  STATUS,
} from "@x/wire"
import { expect, test } from "vitest"

const OPTIONS = streamOptions({ payloadBytesMax: 64, windowPackets: 8, spreadPackets: 64 })

function makeSender(mode: Mode, more: Partial<SendStreamOptions> = {}): SendStream {
  return new SendStream({
    id: 1,
    mode,
    options: OPTIONS,
    rtt: new RttEstimator(10),
    pool: new PacketPool({ slotBytes: slotBytesOf(OPTIONS) }),
    ...more,
  })
}

/** Writes one message into a packet of its own. */
function write(sender: SendStream): void {
  sender.reserve(10)
  sender.commit(10)
  sender.closePacket()
}

/** The pieces of one large message. */
function writeLarge(sender: SendStream, pieces: number): void {
  for (let i = 0; i < pieces; i++) {
    sender.reservePiece()
    sender.commitPiece(i === 0 ? FORM.first : i === pieces - 1 ? FORM.last : FORM.middle, 64)
  }
}

function take(sender: SendStream, packets: number, nowMs = 0): number[] {
  const out: OutgoingPacket = createOutgoingPacket()
  const numbers: number[] = []
  while (numbers.length < packets && sender.take(nowMs, out)) numbers.push(out.number)
  return numbers
}

function status(changes: {
  cumulative?: number
  state?: number
  received?: readonly number[]
  missing?: readonly number[]
}): Status {
  const it = createStatus()
  it.cumulative = changes.cumulative ?? 0
  it.state = changes.state ?? 0
  for (const list of ["received", "missing"] as const) {
    const edges = changes[list] ?? []
    it[list].count = edges.length / 2
    it[list].edges.set(edges)
  }
  return it
}

test("a sender that is told of no room sends what is asked for, and nothing new until there is room", () => {
  const sender = makeSender(MODE.reliable)
  for (let i = 0; i < 5; i++) write(sender)
  take(sender, 3)
  sender.handleStatus(status({ cumulative: 1, state: STATUS.noRoom, missing: [1, 2] }), 10)
  expect(sender.isHeld).toBe(true)
  expect(take(sender, 9, 10)).toEqual([1])
  // It asks from time to time whether there is room.
  expect(sender.nextTimeoutMs).toBeLessThan(1_000)
  expect(sender.pollSync(sender.nextTimeoutMs, createSync())).toBe(true)
  sender.handleStatus(status({ cumulative: 3 }), 200)
  expect(take(sender, 9, 200)).toEqual([3, 4])
})

test("without an order messages under way are finished, though what lies before them is refused until they are", () => {
  const receiver = makeReceiver(MODE["reliable-unordered"])
  for (const number of [4, 5]) {
    expect(give(receiver, number)).toBe("deliver")
    receiver.advance()
  }
  const it = createStatus()
  receiver.limit(2, 1, false)
  expect(receiver.pollStatus(0, it)).toBe(true)
  expect(it.state).toBe(STATUS.noRoom)
  receiver.limit(2, 1, true, 3)
  expect(receiver.pollStatus(1, it)).toBe(true)
  expect([it.state, it.missing.edges[2 * it.missing.count - 1]]).toEqual([STATUS.noRoom | STATUS.ahead, 9])
})

test("a packet that comes again is told of as any other, not at once: it may be a copy", () => {
  const receiver = makeReceiver(MODE["reliable-unordered"])
  const it = createStatus()
  // The opening is answered at once.
  expect(receiver.pollStatus(0, it)).toBe(true)
  expect(give(receiver, 0)).toBe("deliver")
  receiver.accept(0, 0)
  expect([receiver.pollStatus(0, it), receiver.pollStatus(100, it)]).toEqual([false, true])
  expect(give(receiver, 0, 101)).toBe("duplicate-packet")
  expect([receiver.pollStatus(101, it), receiver.pollStatus(200, it)]).toEqual([false, true])
})

test("nor where it is memory that there is none of", () => {
  const receiver = makeReceiver(MODE["reliable-unordered"])
  for (const number of [0, 1]) expect(give(receiver, number)).toBe("deliver")
  receiver.refuse(0)
  receiver.advance()
  const it = createStatus()
  expect(receiver.pollStatus(0, it)).toBe(true)
  expect(it.state).toBe(STATUS.noRoom)
  receiver.letFinish(3)
  receiver.hurry()
  expect(give(receiver, 1)).toBe("duplicate-packet")
  expect(receiver.pollStatus(100, it)).toBe(true)
  expect([it.state, it.missing.edges[2 * it.missing.count - 1]]).toEqual([STATUS.noRoom | STATUS.ahead, 5])
})

test("a message that its receiver has begun to put together finds a packet kept for it, one that may be refused does not", () => {
  let [isFull, kept] = [false, 0]
  const allowance: Allowance = {
    room: 0,
    hasKept: true,
    take: () => !isFull,
    takeKept: () => ++kept > 0,
    give: () => {},
  }
  const sender = makeSender(MODE["reliable-unordered"], {
    pool: new PoolShare(new PacketPool({ slotBytes: slotBytesOf(OPTIONS) }), allowance),
  })
  for (const form of [FORM.first, FORM.middle]) {
    sender.reservePiece()
    sender.commitPiece(form, 64)
  }
  take(sender, 2)
  isFull = true
  expect([sender.roomPackets, sender.reservePiece(), kept]).toEqual([0, -1, 0])
  sender.handleStatus(status({ cumulative: 2 }), 10)
  expect(sender.roomPackets).toBe(1)
  expect([sender.reservePiece() >= 0, kept]).toEqual([true, 1])
})

test("best effort makes room by the oldest message that was not begun, and by none that was", () => {
  const sender = makeSender(MODE["best-effort"])
  const room = sender.roomPackets
  write(sender)
  writeLarge(sender, 4)
  write(sender)
  write(sender)
  // The whole message and two of four pieces are on their way: these, and the rest of the large message, are kept
  // beside the window.
  take(sender, 3)
  expect(sender.roomPackets).toBe(room - 2)
  expect([sender.makeRoom(room - 1), sender.messages.dropped]).toEqual([true, 1])
  expect([sender.makeRoom(room), sender.messages.dropped]).toEqual([true, 2])
  expect([sender.makeRoom(room + 1), sender.messages.unconfirmed]).toEqual([false, 0])
  expect(take(sender, 9)).toEqual([3, 4])
  sender.assertInvariants()
})

test("best effort keeps no more of what was sent than a window, and first what is known to miss something", () => {
  const sender = makeSender(MODE["best-effort"], { options: { ...OPTIONS, windowPackets: 4 } })
  for (let i = 0; i < 4; i++) write(sender)
  expect(take(sender, 4)).toEqual([0, 1, 2, 3])
  // The oldest is missing, and has to be sent again.
  sender.handleStatus(status({ cumulative: 0, missing: [0, 1] }), 10)
  write(sender)
  expect(take(sender, 1, 10)).toEqual([0])
  sender.handleStatus(status({ cumulative: 0, missing: [0, 1] }), 40)
  write(sender)
  expect(take(sender, 2, 40)).toEqual([0, 4])
  expect([0, 1, 2].map((number) => sender.isGone(number, number + 1))).toEqual([true, false, false])
  sender.assertInvariants()
})

test("best effort without memory gives up first what is on its way, which may arrive all the same", () => {
  const pool = new PacketPool({ slotBytes: slotBytesOf(OPTIONS), slotsMax: 4 })
  const sender = makeSender(MODE["best-effort"], { pool })
  write(sender)
  write(sender)
  take(sender, 2)
  write(sender)
  write(sender)
  expect(sender.makeRoom(2)).toBe(true)
  expect([sender.messages.dropped, sender.messages.unconfirmed]).toEqual([0, 2])
  expect([sender.makeRoom(3), sender.messages.dropped]).toEqual([true, 1])
})

test("best effort gives up a message whole: its pieces that were sent, that were received, and that weren't", () => {
  const sender = makeSender(MODE["best-effort"], { resendsMax: 0 })
  write(sender)
  writeLarge(sender, 4)
  write(sender)
  take(sender, 1)
  sender.handleStatus(status({ cumulative: 0 }), 1)
  take(sender, 3, 2)
  // The second piece has come; the first is missing.
  sender.handleStatus(status({ cumulative: 1, received: [2, 3], missing: [1, 2] }), 20)
  expect(sender.messages).toEqual({ accepted: 3, acknowledged: 1, unconfirmed: 0, dropped: 1, pending: 1 })
  expect(take(sender, 9, 20)).toEqual([5])
  const sync = createSync()
  expect(sender.pollSync(40, sync)).toBe(true)
  expect([sync.low, sync.high, sync.begun, sync.gone.count]).toEqual([5, 6, 2, 0])
  sender.handleStatus(status({ cumulative: 6 }), 60)
  expect(sender.messages).toEqual({ accepted: 3, acknowledged: 2, unconfirmed: 0, dropped: 1, pending: 0 })
  sender.assertInvariants()
})

test("what was sent before the opening was known is resent, however few times it may be", () => {
  const sender = makeSender(MODE["best-effort"], { resendsMax: 0 })
  write(sender)
  take(sender, 1)
  sender.handleStatus(status({ cumulative: 0, missing: [0, 1] }), 20)
  expect(take(sender, 1, 20)).toEqual([0])
  sender.handleStatus(status({ cumulative: 0, missing: [0, 1] }), 60)
  expect([take(sender, 1, 60), sender.messages.unconfirmed]).toEqual([[], 1])
})

test("a message that was begun in time has as long again to be sent, and those behind it have not", () => {
  const sender = makeSender(MODE["best-effort"], { lifetimeMs: 50 })
  sender.setTime(0)
  writeLarge(sender, 3)
  write(sender)
  take(sender, 1)
  expect(sender.nextTimeoutMs).toBeLessThanOrEqual(50)
  sender.handleTimeout(50)
  expect([sender.messages.dropped, sender.messages.pending]).toEqual([1, 1])
  sender.handleTimeout(99)
  expect(sender.messages.pending).toBe(1)
  sender.handleTimeout(100)
  expect([sender.messages.dropped, sender.messages.pending]).toEqual([2, 0])
  expect(take(sender, 9)).toEqual([])
  sender.assertInvariants()
})

test("a NAK for what is gone is answered by a sync soon, and never by a packet", () => {
  const sender = makeSender(MODE["best-effort"], { lifetimeMs: 50 })
  sender.setTime(0)
  write(sender)
  sender.setTime(40)
  write(sender)
  take(sender, 2)
  sender.handleTimeout(60)
  const sync = createSync()
  expect(sender.pollSync(60, sync)).toBe(true)
  expect([sync.low, sync.high, sync.begun]).toEqual([1, 2, 1])
  // It was lost: the receiver asks again.
  sender.handleStatus(status({ cumulative: 0, missing: [0, 1] }), 61)
  expect(take(sender, 9, 61)).toEqual([])
  expect(sender.nextTimeoutMs).toBeLessThanOrEqual(63)
  expect(sender.pollSync(63, sync)).toBe(true)
})

test("marks of a latest stream make nothing missing, however often they come", () => {
  const { latest } = MODE
  const receiver = new ReceiveStream({
    id: 1,
    mode: latest,
    options: OPTIONS,
    rtt: new RttEstimator(10),
    pool: new PacketPool({ slotBytes: 64 }),
  })
  for (let number = 30; number < 3_000; number += 30) {
    expect(receiver.handlePacket(number, deliveryByte(latest, FORM.whole), false, new Uint8Array(3), 0, 3, 0)).toBe(
      "deliver",
    )
    receiver.pass(number)
    expect(
      receiver.handleSync({ ...createSync(), mode: latest, low: number, high: number + 20 }, true, 0),
    ).toBeUndefined()
    receiver.assertInvariants()
  }
  expect(receiver.nextTimeoutMs).toBe(Infinity)
})

test.each(["reliable", "reliable-unordered", "best-effort", "latest"] as const)(
  "a packet behind which no edge can be told is refused: %s",
  (delivery) => {
    const mode = MODE[delivery]
    const receiver = new ReceiveStream({
      id: 1,
      mode,
      options: OPTIONS,
      rtt: new RttEstimator(10),
      pool: new PacketPool({ slotBytes: 64 }),
    })
    receiver.handleOpen(NUMBER_MAX - 1, 0)
    const take = (number: number): string =>
      receiver.handlePacket(number, deliveryByte(mode, FORM.whole), false, new Uint8Array(3), 0, 3, 0)
    expect(take(NUMBER_MAX)).toBe("beyond-spread")
    expect(take(NUMBER_MAX - 1)).toBe("deliver")
  },
)

test("latest forgets what was not begun, identities and all, and finishes what is half sent", () => {
  const sender = makeSender(MODE.latest)
  const room = sender.roomPackets
  writeLarge(sender, 3)
  expect(sender.supersede()).toBe(true)
  write(sender)
  expect(sender.supersede()).toBe(true)
  expect([sender.begun, sender.high, sender.messages]).toEqual([
    0,
    0,
    { accepted: 2, acknowledged: 0, unconfirmed: 0, dropped: 2, pending: 0 },
  ])
  writeLarge(sender, 3)
  expect(take(sender, 1)).toEqual([0])
  write(sender)
  // The rest of it uses no part of the window.
  expect([sender.supersede(room), sender.begun, sender.high, sender.roomPackets]).toEqual([true, 1, 3, room])
  write(sender)
  expect(take(sender, 9)).toEqual([1, 2, 3])
  expect(sender.messages).toEqual({ accepted: 5, acknowledged: 0, unconfirmed: 2, dropped: 3, pending: 0 })
  sender.assertInvariants()
})

test("latest keeps what is unsent if what is newer had no room without it", () => {
  const pool = new PacketPool({ slotBytes: slotBytesOf(OPTIONS), slotsMax: 3 })
  const sender = makeSender(MODE.latest, { pool })
  writeLarge(sender, 2)
  expect([sender.supersede(4), sender.messages.dropped]).toEqual([false, 0])
  expect([sender.supersede(3), sender.messages.dropped]).toEqual([true, 1])
})

test("an idle stream gives its memory back after a second, and takes it again", () => {
  const pool = new PacketPool({ slotBytes: slotBytesOf(OPTIONS) })
  const sender = new SendStream({ id: 1, mode: MODE.reliable, options: OPTIONS, rtt: new RttEstimator(10), pool })
  write(sender)
  take(sender, 1)
  // Room that was reserved and not used.
  sender.reserve(10)
  sender.handleStatus(status({ cumulative: 1 }), 10)
  expect([sender.nextTimeoutMs, pool.used, sender.rowsHeld]).toEqual([1_010, 1, 16])
  sender.handleTimeout(1_010)
  expect([sender.nextTimeoutMs, pool.used, sender.rowsHeld]).toEqual([Infinity, 0, 0])
  write(sender)
  expect(take(sender, 1, 2_000)).toEqual([1])
})

function makeReceiver(mode: Mode, slotsMax = 16): ReceiveStream {
  const receiver = new ReceiveStream({
    id: 1,
    mode,
    options: OPTIONS,
    rtt: new RttEstimator(10),
    pool: new PacketPool({ slotBytes: 64, slotsMax }),
  })
  receiver.handleOpen(0, 0)
  return receiver
}

function give(receiver: ReceiveStream, number: number, nowMs = 0): string {
  return receiver.handlePacket(number, deliveryByte(receiver.mode, FORM.whole), false, new Uint8Array(10), 0, 10, nowMs)
}

test("behind a packet that has no room nothing is kept; when there is room it is asked for, and all of that once it was taken", () => {
  const receiver = makeReceiver(MODE.reliable)
  expect(give(receiver, 0)).toBe("deliver")
  receiver.refuse()
  expect([give(receiver, 1), give(receiver, 3), receiver.kept]).toEqual(["no-room", "no-room", 0])
  const it = createStatus()
  expect(receiver.pollStatus(1, it)).toBe(true)
  expect([it.state, it.cumulative, it.received.count, it.missing.count]).toEqual([STATUS.noRoom, 0, 0, 0])
  receiver.hasRoom()
  expect(receiver.pollStatus(2, it)).toBe(true)
  expect([it.state, it.missing.count, [...it.missing.edges.subarray(0, 2)]]).toEqual([STATUS.noRoom, 1, [0, 1]])
  // It may be refused again: nothing else was sent for it.
  expect(give(receiver, 0, 3)).toBe("deliver")
  receiver.refuse()
  receiver.hasRoom()
  expect(receiver.pollStatus(100, it)).toBe(true)
  expect([it.state, [...it.missing.edges.subarray(0, 2)]]).toEqual([STATUS.noRoom, [0, 1]])
  expect(give(receiver, 0, 101)).toBe("deliver")
  receiver.advance()
  expect(receiver.pollStatus(102, it)).toBe(true)
  expect([it.state, it.cumulative, [...it.missing.edges.subarray(0, 2)]]).toEqual([0, 1, [1, 4]])
})

test("with the pool full only the next packet is asked for, and taken", () => {
  const receiver = makeReceiver(MODE.reliable, 1)
  expect([give(receiver, 2), give(receiver, 4)]).toEqual(["kept", "no-room"])
  const it = createStatus()
  expect(receiver.pollStatus(1_000, it)).toBe(true)
  expect([it.state, it.missing.count, [...it.missing.edges.subarray(0, 2)]]).toEqual([STATUS.noRoom, 1, [0, 2]])
  expect(receiver.nextTimeoutMs).toBeGreaterThan(1_000)
  expect(give(receiver, 0, 1_001)).toBe("deliver")
})

test("without an order a refused packet alone waits for room", () => {
  const receiver = makeReceiver(MODE["reliable-unordered"])
  expect(give(receiver, 0)).toBe("deliver")
  receiver.refuse(0)
  expect(give(receiver, 1)).toBe("deliver")
  receiver.accept(1, 0)
  expect(give(receiver, 5)).toBe("deliver")
  receiver.accept(5, 0)
  const it = createStatus()
  expect(receiver.pollStatus(100, it)).toBe(true)
  // Lost packets are asked for; refused ones are not, until there is room.
  expect([it.state, it.cumulative, [...it.missing.edges.subarray(0, 2 * it.missing.count)]]).toEqual([
    STATUS.noRoom,
    0,
    [2, 5],
  ])
  receiver.hasRoom()
  expect(receiver.pollStatus(101, it)).toBe(true)
  // And what was asked for a moment ago once more.
  expect([...it.missing.edges.subarray(0, 2 * it.missing.count)]).toEqual([0, 1, 2, 5])
  expect([give(receiver, 0, 102), give(receiver, 1, 102)]).toEqual(["deliver", "duplicate-packet"])
  receiver.accept(0, 102)
  expect(receiver.cumulative).toBe(2)
})

test("what is gone is skipped as soon as the edge stands before it, and what lies between was delivered first", () => {
  const receiver = makeReceiver(MODE["best-effort"])
  const skipped = { begun: 0 }
  for (const number of [1, 3, 6]) expect(give(receiver, number)).toBe("kept")
  const sync = createSync()
  Object.assign(sync, { low: 1, high: 7, begun: 2 })
  sync.gone.count = 1
  sync.gone.edges.set([2, 6])
  sync.gone.begun[0] = 9
  expect(receiver.handleSync(sync, true, 10)).toBeUndefined()
  expect([receiver.skip(skipped), skipped.begun, receiver.cumulative]).toEqual([true, 2, 1])
  expect(receiver.skip(skipped)).toBe(false)
  receiver.advance()
  // Packet 3 lies within the range: what is known of its end is reported after it.
  expect([receiver.skip(skipped), skipped.begun, receiver.cumulative]).toEqual([true, -1, 3])
  receiver.advance()
  expect([receiver.skip(skipped), skipped.begun, receiver.cumulative]).toEqual([true, 9, 6])
  receiver.advance()
  expect(receiver.skip(skipped)).toBe(false)
  const it = createStatus()
  expect(receiver.pollStatus(20, it)).toBe(true)
  expect([it.cumulative, it.missing.count]).toEqual([7, 0])
  receiver.assertInvariants()
})

test("a status about packets that were never sent is refused, and changes nothing", () => {
  const sender = makeSender(MODE.reliable)
  for (let i = 0; i < 4; i++) write(sender)
  take(sender, 2)
  for (const it of [status({ cumulative: 3 }), status({ received: [1, 3] }), status({ missing: [0, 3] })])
    expect(sender.handleStatus(it, 10)).toBe("not-sent")
  expect([sender.low, sender.unackedPackets, sender.messages.acknowledged]).toEqual([0, 4, 0])
  sender.assertInvariants()
})

test("what is written while the receiver has no room, with all before acknowledged, is probed for until it may go", () => {
  const sender = makeSender(MODE.reliable)
  write(sender)
  take(sender, 1)
  sender.handleStatus(status({ cumulative: 1, state: STATUS.noRoom }), 10)
  write(sender)
  expect(take(sender, 1, 20)).toEqual([])
  const probeMs = sender.nextTimeoutMs
  expect(probeMs).toBeLessThan(1_000)
  expect(sender.pollSync(Math.max(probeMs, 20), createSync())).toBe(true)
  // The sync is repeated if it was lost; nothing more is sent once the answer has come.
  expect(sender.nextTimeoutMs).toBeLessThan(1_000)
  sender.handleStatus(status({ cumulative: 1 }), 200)
  expect(take(sender, 1, 200)).toEqual([1])
})

test("a receiver whose pool was full has room again once all that it missed has come", () => {
  const receiver = makeReceiver(MODE.reliable, 0)
  expect(give(receiver, 1)).toBe("no-room")
  for (const number of [0, 1]) {
    expect(give(receiver, number)).toBe("deliver")
    receiver.advance()
  }
  const it = createStatus()
  expect(receiver.pollStatus(100, it)).toBe(true)
  expect([it.state, it.cumulative]).toEqual([0, 2])
})

test("reliable-unordered: closed, it tells of each message whether it was acknowledged, sent or neither, and the account says the same", () => {
  const sender = makeSender(MODE["reliable-unordered"])
  // 0 and 1 share a packet, 2 has three, 3 one, 4 two, 5 one: eight packets, of which seven are sent.
  sender.reserve(10)
  sender.commit(10)
  sender.reserve(10)
  sender.commit(10)
  sender.closePacket()
  writeLarge(sender, 3)
  write(sender)
  writeLarge(sender, 2)
  write(sender)
  expect(take(sender, 7)).toEqual([0, 1, 2, 3, 4, 5, 6])
  expect(sender.fateOf(0)).toBe("unsent")
  // Of message 2 the first and the last piece, of message 4 both.
  sender.handleStatus(status({ cumulative: 2, received: [3, 4, 5, 7] }), 1)
  expect(sender.messagesBelowLow).toBe(2)
  sender.reset(REASON.aborted, 2)
  expect([0, 1, 2, 3, 4, 5, 6].map((message) => sender.fateOf(message))).toEqual([
    "acknowledged",
    "acknowledged",
    "sent",
    "sent",
    "acknowledged",
    "unsent",
    "unsent",
  ])
  expect(sender.messages).toEqual({ accepted: 6, acknowledged: 3, unconfirmed: 2, dropped: 1, pending: 0 })
  sender.assertInvariants()
  // The answer to the reset doesn't change that.
  sender.handleStatus(status({ cumulative: 8, state: STATUS.closed }), 3)
  expect([sender.state, sender.fateOf(2), sender.fateOf(4)]).toEqual(["closed", "sent", "acknowledged"])
})

test("reliable: what lies behind a gap isn't acknowledged, and a message whose rest was never written isn't either", () => {
  const sender = makeSender(MODE.reliable)
  write(sender)
  write(sender)
  write(sender)
  sender.reservePiece()
  sender.commitPiece(FORM.first, 64)
  take(sender, 4)
  sender.handleStatus(status({ cumulative: 1, received: [2, 4] }), 1)
  expect(sender.messagesBelowLow).toBe(1)
  sender.handleStatus(status({ cumulative: 4 }), 2)
  // All packets of the message are acknowledged; it isn't complete.
  expect(sender.messagesBelowLow).toBe(3)
  sender.reset(REASON.aborted, 3)
  expect([0, 1, 2, 3].map((message) => sender.fateOf(message))).toEqual([
    "acknowledged",
    "acknowledged",
    "acknowledged",
    "unsent",
  ])

  const gap = makeSender(MODE.reliable)
  write(gap)
  write(gap)
  take(gap, 2)
  gap.handleStatus(status({ received: [1, 2] }), 1)
  gap.reset(REASON.aborted, 2)
  expect([gap.fateOf(0), gap.fateOf(1), gap.messages.unconfirmed]).toEqual(["sent", "sent", 2])
})
