import { PacketPool } from "@x/stream"
import type { ReceiveBatch } from "@x/transport/host"
import { type DropReason, KIND, PROFILE, writePrefix } from "@x/wire"
import { expect, test } from "vitest"
import { Outbox } from "../../src/datagram/outbox.ts"
import { Hints } from "../../src/join/hints.ts"
import { Association } from "../../src/path/association.ts"
import { SlotTable } from "../../src/path/slots.ts"
import type { PeerState } from "../../src/peer/peer-state.ts"
import { ReceivedBatch } from "../../src/protocol/received-batch.ts"
import type { SlotOwner } from "../../src/protocol/slot-owner.ts"
import { Tap } from "../datagram/tap.ts"

const HERE = 1
const PREFIX_BYTES = 11
const ELSEWHERE = 2

/** One side that receives, and another that makes datagrams for it. */
class World {
  readonly drops: DropReason[] = []
  readonly received: ReceivedBatch
  readonly slots = new SlotTable<SlotOwner>()
  readonly association: Association
  readonly hinted = new Tap()
  works = 0
  /** Joins whose first byte behind the prefix is 0 don't pass. */
  readonly gate = {
    checkGate: (view: DataView, offset: number): "tag" | undefined =>
      view.getUint8(offset + PREFIX_BYTES) === 0 ? "tag" : undefined,
  }
  readonly #tap = new Tap()
  readonly #outbox = makeOutbox(this.#tap)
  readonly #other: Association

  constructor() {
    const slot = this.slots.take(7, 0)!
    this.association = makeAssociation(slot, 99)
    this.#other = makeAssociation(99, slot)
    this.slots.set(slot, { kind: "association", peer: {} as PeerState, association: this.association })
    const outbox = makeOutbox(this.hinted)
    this.received = new ReceivedBatch({
      ...{ profile: PROFILE.none, datagramBytesMax: 1_400, slots: this.slots, transport: { open: () => {} } },
      hints: new Hints(outbox, PROFILE.none, 0),
      gate: this.gate,
      drop: (reason) => void this.drops.push(reason),
      onWork: () => {
        this.works++
        outbox.flush()
      },
    })
  }

  /** A genuine datagram of the other side, with a heartbeat. */
  datagram(): Uint8Array {
    this.#outbox.makeRoom()
    this.#outbox.compose()
    this.#outbox.writer.begin(KIND.heartbeat)
    this.#outbox.post(this.#other, false, 0)
    this.#outbox.flush()
    return this.#tap.sent.at(-1)!.bytes
  }

  /** A datagram outside an association, for this slot. */
  outside(slot: number, mark: number): Uint8Array {
    const bytes = new Uint8Array(60).fill(mark)
    writePrefix(new DataView(bytes.buffer), 0, PROFILE.none, true, slot, mark)
    return bytes
  }

  /** Takes datagrams in as one batch. Returns the counters of those that somebody gets. */
  take(...datagrams: readonly Uint8Array[]): number[] {
    this.received.start(batchOf(datagrams), 0)
    const counters: number[] = []
    while (this.received.next()) {
      const receiver = this.received.receiver()
      if (receiver === undefined) continue
      counters.push(this.received.counter)
      this.association.received(this.received, 0)
    }
    return counters
  }
}

function makeOutbox(tap: Tap): Outbox {
  return new Outbox(tap.transport, PROFILE.none, 1_400, new PacketPool({ slotBytes: 1_400, slotsMax: 4 }))
}

function makeAssociation(slot: number, remoteSlot: number): Association {
  const parts = { slot, remoteSlot, address: HERE, isOurs: true, order: 0, inFlightMax: 64, nowMs: 0 }
  const association = new Association(parts)
  // Without tags there is nothing to open.
  association.protection = { ...association.protection, isWorn: false, opener: () => 0 }
  return association
}

function batchOf(datagrams: readonly Uint8Array[], address = HERE): ReceiveBatch {
  const column = (of: (bytes: Uint8Array, row: number) => number): Int32Array => Int32Array.from(datagrams, of)
  return {
    ...{ count: datagrams.length, slabs: datagrams, slab: column((_, row) => row), offset: column(() => 0) },
    ...{ length: column(({ length }) => length), address: column(() => address), opener: column(() => 0) },
    verdict: new Uint8Array(datagrams.length),
    ecn: new Uint8Array(datagrams.length),
  }
}

test("datagrams of an association go to its owner, in order; one that comes twice in a batch counts once", () => {
  const world = new World()
  const [first, second] = [world.datagram(), world.datagram()]
  expect(world.take(first, second, first)).toEqual([1, 2])
  expect(world.drops).toEqual(["duplicate"])
  // And one of an earlier batch is dropped in the first pass.
  expect([world.take(second), world.drops.at(-1)]).toEqual([[], "duplicate"])
})

test("what can't be a datagram is dropped under its name, and what is behind it in the batch goes on", () => {
  const world = new World()
  const [short, version, cut, good] = [1, 2, 3, 4].map(() => Uint8Array.from(world.datagram()))
  version![0] = 0xff
  expect(world.take(short!.subarray(0, 3), version!, cut!.subarray(0, cut!.length - 1), good!)).toEqual([4])
  expect(world.drops).toHaveLength(3)
  expect(world.association.datagramsReceived).toBe(1)
})

test("a datagram for a slot that leads nowhere is dropped, and its sender told, once", () => {
  const world = new World()
  const [first, second] = [world.datagram(), world.datagram()]
  for (const bytes of [first, second]) bytes[1] = bytes[1]! ^ 0x55
  const long = (bytes: Uint8Array): Uint8Array => Uint8Array.from([...bytes, ...new Uint8Array(100)])
  expect(world.take(long(first), long(second))).toEqual([])
  expect([world.drops, world.works, world.hinted.sent.length]).toEqual([["unknown-slot", "unknown-slot"], 1, 1])
})

test("a half-open association takes datagrams from where its join came from alone", () => {
  const world = new World()
  const { association } = world
  world.slots.set(association.slot, { kind: "half-open", entry: { association } } as SlotOwner)
  const bytes = world.datagram()
  world.received.start(batchOf([bytes], ELSEWHERE), 0)
  expect([world.received.next(), world.received.receiver(), world.drops]).toEqual([true, undefined, ["unexpected"]])
  expect(world.take(bytes)).toEqual([1])
})

test("an association that ended while its batch was worked off gets no more of it", () => {
  const world = new World()
  world.received.start(batchOf([world.datagram(), world.datagram()]), 0)
  expect([world.received.next(), world.received.receiver() === undefined]).toEqual([true, false])
  world.slots.free(world.association.slot, 0)
  expect([world.received.next(), world.received.receiver(), world.drops]).toEqual([true, undefined, ["unknown-slot"]])
})

test("memory that was transferred while its batch was worked off is lost like any datagram", () => {
  const world = new World()
  const [first, second, third] = [world.datagram(), Uint8Array.from(world.datagram()), world.datagram()]
  world.received.start(batchOf([first, second, third]), 0)
  world.received.next()
  structuredClone(second.buffer, { transfer: [second.buffer] })
  expect([world.received.next(), world.received.counter, world.received.next()]).toEqual([true, 3, false])
})

test("datagrams of associations go before those outside of them, each kind in its order", () => {
  const world = new World()
  const [first, second] = [world.datagram(), world.datagram()]
  world.received.start(batchOf([world.outside(0, 11), first, world.outside(0, 12), second]), 0)
  const taken: [boolean, number][] = []
  while (world.received.next()) taken.push([world.received.isHandshake, world.received.counter])
  expect(taken).toEqual([
    [false, 1],
    [false, 2],
    [true, 11],
    [true, 12],
  ])
})

test("a join that doesn't pass the gate is dropped in the first pass; answers to ours have none", () => {
  const world = new World()
  const [shut, open] = [world.outside(0, 0), world.outside(0, 5)]
  const answer = world.outside(9, 0)
  world.received.start(batchOf([shut, open, answer]), 0)
  expect(world.drops).toEqual(["tag"])
  const taken: number[] = []
  while (world.received.next()) taken.push(world.received.slot)
  expect(taken).toEqual([0, 9])
})
