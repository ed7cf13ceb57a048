import { PacketPool } from "@x/stream"
import { ECN } from "@x/transport"
import { KIND, PacketCursor, prefixCounter, prefixSlot, PROFILE } from "@x/wire"
import { expect, test } from "vitest"
import { Outbox } from "../../src/datagram/outbox.ts"
import { Association } from "../../src/path/association.ts"
import { Tap } from "./tap.ts"

const PROFILE_USED = PROFILE.none

function makeOutbox(): { tap: Tap; outbox: Outbox; association: Association } {
  const tap = new Tap()
  const outbox = new Outbox(tap.transport, PROFILE_USED, 1_200, new PacketPool({ slotBytes: 1_200, slotsMax: 4 }))
  const association = new Association({
    ...{ slot: 5, remoteSlot: 7, address: 1, isOurs: true, order: 0, inFlightMax: 64, nowMs: 0 },
  })
  return { tap, outbox, association }
}

/** A datagram with a heartbeat in it. */
function post(outbox: Outbox, association: Association): number {
  outbox.compose()
  outbox.writer.begin(KIND.heartbeat)
  return outbox.post(association, false, 0)
}

test("posting tells the bytes of the datagram, which is what the association counts and the socket gets", () => {
  const { tap, outbox, association } = makeOutbox()
  const bytes = post(outbox, association)
  outbox.flush()
  expect(tap.sent.map((it) => it.bytes.length)).toEqual([bytes])
  expect(association.bytesSent).toBe(bytes)
  const view = new DataView(tap.sent[0]!.bytes.buffer)
  expect([prefixSlot(view, 0), prefixCounter(view, 0)]).toEqual([7, 1])
  const cursor = new PacketCursor()
  cursor.start(view, 0, bytes, PROFILE_USED)
  expect(cursor.next() && cursor.kind).toBe(KIND.heartbeat)
})

test("what a full socket doesn't take waits and goes out as it was, in order", () => {
  const { tap, outbox, association } = makeOutbox()
  tap.room = 1
  for (let i = 0; i < 3; i++) post(outbox, association)
  expect(outbox.flush()).toBe(false)
  expect(outbox.isBlocked).toBe(true)
  expect(outbox.makeRoom()).toBe(false)
  tap.room = Infinity
  expect(outbox.flush()).toBe(true)
  expect(tap.sent.map(({ bytes }) => prefixCounter(new DataView(bytes.buffer), 0))).toEqual([1, 2, 3])
})

test("a datagram has the mark of its association; one to an address that isn't proved has none, nor has a handshake", () => {
  const { tap, outbox, association } = makeOutbox()
  association.ecn.begin(true, 100, 0)
  tap.room = 1
  for (let i = 0; i < 3; i++) post(outbox, association)
  outbox.compose()
  outbox.writer.begin(KIND.heartbeat)
  outbox.postTo(9, association, 0)
  outbox.composeHandshake()
  outbox.writer.begin(KIND.heartbeat)
  outbox.postHandshake(9, 0, 1, 0)
  outbox.flush()
  // Those that wait keep theirs.
  tap.room = Infinity
  outbox.flush()
  expect(tap.sent.map(({ ecn }) => ecn)).toEqual([ECN.ect0, ECN.ect0, ECN.ect0, ECN.notEct, ECN.notEct])
  expect(association.ecn.ectSent).toBe(3)
})

test("what waits of an association that is over goes to nobody", () => {
  const { tap, outbox, association } = makeOutbox()
  const { association: other } = makeOutbox()
  tap.room = 0
  post(outbox, association)
  post(outbox, other)
  outbox.flush()
  outbox.discard(association)
  tap.room = Infinity
  outbox.flush()
  expect(tap.sent).toHaveLength(1)
})

test("a datagram outside an association holds its address for as long as it waits", () => {
  const { tap, outbox } = makeOutbox()
  tap.room = 0
  outbox.composeHandshake()
  outbox.writer.begin(KIND.heartbeat)
  outbox.postHandshake(9, 0, 1, 0)
  outbox.flush()
  expect(tap.held.get(9)).toBe(1)
  tap.room = Infinity
  outbox.flush()
  expect(tap.held.get(9)).toBe(0)
})

test("a datagram to another address goes there, holds its address meanwhile, and counts as sent", () => {
  const { tap, outbox, association } = makeOutbox()
  tap.room = 0
  outbox.compose()
  outbox.writer.begin(KIND.heartbeat)
  outbox.postTo(9, association, 0)
  post(outbox, association)
  outbox.flush()
  expect(tap.held.get(9)).toBe(1)
  tap.room = Infinity
  outbox.flush()
  expect(tap.sent.map(({ bytes, address }) => [address, prefixCounter(new DataView(bytes.buffer), 0)])).toEqual([
    [9, 1],
    [1, 2],
  ])
  expect([tap.held.get(9), association.nextCounter]).toEqual([0, 3])
})

test("a datagram to another address of an association that is over gives its address back", () => {
  const { tap, outbox, association } = makeOutbox()
  outbox.compose()
  outbox.writer.begin(KIND.heartbeat)
  outbox.postTo(9, association, 0)
  outbox.discard(association)
  outbox.flush()
  expect([tap.held.get(9), tap.sent]).toEqual([0, []])
})

test("an address that an association has left is given back once nothing waits that goes there", () => {
  const { tap, outbox, association } = makeOutbox()
  tap.transport.retainAddress(1)
  tap.room = 0
  post(outbox, association)
  outbox.flush()
  outbox.letGo(1)
  expect(tap.held.get(1)).toBe(1)
  tap.room = Infinity
  outbox.flush()
  expect(tap.held.get(1)).toBe(0)
})

test("what goes to an address without proof is taken off what may go there, and no other is", () => {
  const { outbox, association } = makeOutbox()
  association.addresses.heard({ source: 2, bytes: 100, isNewest: true, beforeMs: 0 }, 50, 0)
  expect(association.roomBytes).toBe(Infinity)
  const keyed = new Association({
    ...{ slot: 5, remoteSlot: 7, address: 1, isOurs: true, order: 0, inFlightMax: 64, nowMs: 0 },
    addresses: { mayFollow: true, draw: () => new Uint8Array(16), retain: () => {}, release: () => {} },
  })
  keyed.addresses.heard({ source: 2, bytes: 100, isNewest: true, beforeMs: 0 }, 50, 0)
  const bytes = post(outbox, keyed)
  outbox.compose()
  outbox.writer.begin(KIND.heartbeat)
  outbox.postTo(1, keyed, 0)
  expect(keyed.roomBytes).toBe(300 - bytes)
})

/** A datagram of this size that lies in a slot, with this byte in it. */
function postLarge(outbox: Outbox, association: Association, slab: number, source: Uint8Array, fill: number): void {
  source.fill(fill, 100)
  outbox.postFrom(slab, source, new DataView(source.buffer), 100, source.length - 100, association, 0)
}

test("large datagrams fill the scratch memory sooner than the batch, and usual ones after them find room", () => {
  const tap = new Tap()
  const pool = new PacketPool({ slotBytes: 65_507, slotsMax: 4 })
  const outbox = new Outbox(tap.transport, PROFILE_USED, 65_507, pool)
  const { association } = makeOutbox()
  let posted = 0
  for (; outbox.rowsLeft >= 2; posted++) {
    expect(outbox.makeRoom()).toBe(true)
    outbox.compose()
    outbox.writer.finish(outbox.writer.begin(KIND.heartbeat) + 60_000)
    outbox.post(association, true, 0)
  }
  expect(posted).toBeLessThan(6)
  expect([outbox.makeRoom(), tap.sent.length]).toEqual([true, 0])
  post(outbox, association)
  while (tap.sent.length === 0 && posted++ < 64) {
    expect(outbox.makeRoom()).toBe(true)
    post(outbox, association)
  }
  outbox.flush()
  expect(tap.sent.map(({ bytes }) => prefixCounter(new DataView(bytes.buffer), 0))).toEqual(
    tap.sent.map((_, at) => at + 1),
  )
  let rows = 0
  for (; outbox.rowsLeft > 0; rows++) post(outbox, association)
  expect(rows).toBe(64)
})

test("what a full socket doesn't take of slots is kept as it was, whatever is written there meanwhile", () => {
  const tap = new Tap()
  const { association } = makeOutbox()
  const pool = new PacketPool({ slotBytes: 1_200, slotsMax: 4 })
  const outbox = new Outbox(tap.transport, PROFILE.checksum, 1_200, pool)
  const source = new Uint8Array(60_000)
  const slab = tap.transport.registerSlab(source)
  for (const room of [0, 1]) {
    tap.sent.length = 0
    tap.room = room
    post(outbox, association)
    for (let i = 0; i < 2; i++) postLarge(outbox, association, slab, source, 7)
    expect(outbox.flush()).toBe(false)
    source.fill(9)
    tap.room = 1
    outbox.flush()
    source.fill(8)
    tap.room = Infinity
    expect(outbox.flush()).toBe(true)
    expect(tap.sent.map(({ bytes }) => bytes.length > 1_000)).toEqual([false, true, true])
    expect(tap.sent[1]!.bytes.subarray(200).every((byte) => byte === 7)).toBe(true)
    // Each has room behind it for its tag.
    expect(tap.rows.every(({ end, slabBytes }) => end + 4 <= slabBytes)).toBe(true)
  }
})
