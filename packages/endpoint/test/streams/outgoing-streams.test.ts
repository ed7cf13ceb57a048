import { PacketLog } from "@x/stream"
import { createStatus, REASON, STATUS, writeStatus } from "@x/wire"
import { expect, test } from "vitest"
import { HEAD_ROOM_BYTES } from "../../src/peer/stream-settings.ts"
import { Outgoing } from "./outgoing.ts"

test("streams of one priority have their turns by weight, a full packet for each unit of it", () => {
  const sender = new Outgoing()
  const light = sender.open()
  const heavy = sender.open({ weight: 3 })
  sender.write(light, 40)
  sender.write(heavy, 40)
  const order = sender.poll(40_000)
  const heavies = order.filter((id) => id === heavy.stream.id).length
  expect(order.length).toBeGreaterThan(35)
  expect(heavies / (order.length - heavies)).toBeCloseTo(3, 0)
})

test("a stream of a higher priority goes before all others, whenever it was opened", () => {
  const sender = new Outgoing()
  const low = sender.open({ priority: 1 })
  const high = sender.open({ priority: 2 })
  sender.write(low, 3)
  sender.write(high, 3)
  expect(sender.poll()).toEqual([...Array(3).fill(high.stream.id), ...Array(3).fill(low.stream.id)])
})

test("small packets of several streams share datagrams", () => {
  const sender = new Outgoing()
  const states = [1, 2, 3].map(() => sender.open())
  for (const state of states) sender.write(state, 1, 50)
  expect(sender.poll()).toEqual(states.map(({ stream }) => stream.id))
  expect(sender.tap.sent).toHaveLength(1)
})

test("a payload that several streams send lies in memory once, and goes out under the header of each", () => {
  const sender = new Outgoing()
  const [first, second] = [sender.open(), sender.open()]
  const log = new PacketLog(sender.sendPool, { headRoomBytes: HEAD_ROOM_BYTES, tailRoomBytes: 0 })
  sender.write(second, 1)
  const packet = log.begin(1_000, 1_000)!
  log.slab.fill(7, log.roomBehind(1_000), log.roomBehind(1_000) + 1_000)
  for (const { stream } of [first, second]) expect(stream.share(packet)).toBe(true)
  log.commit(1_000)
  for (const state of [first, second]) sender.outgoing.written(state)
  sender.outgoing.closePackets()
  expect(sender.poll()).toEqual([1, 2, 2])
  const shared = sender.tap.sent.map(({ bytes }) => bytes.subarray(-1_000)).filter((bytes) => bytes.at(-1) === 7)
  expect(shared).toEqual([new Uint8Array(1_000).fill(7), new Uint8Array(1_000).fill(7)])
})

test("a shut window stops all streams, and one path taking the place of another lets them go on over it", () => {
  const sender = new Outgoing(3_000)
  const state = sender.open()
  sender.write(state, 10)
  const before = sender.poll().length
  expect(before).toBeLessThan(4)
  expect(sender.poll()).toEqual([])
  sender.path = sender.makePath(1_000_000)
  expect(sender.poll()).toHaveLength(10 - before)
  expect(sender.tap.sent.map(({ address }) => address)).toEqual([
    ...Array(before).fill(1),
    ...Array(10 - before).fill(2),
  ])
})

test("a full socket stops the sender with all that it didn't take still to send", () => {
  const sender = new Outgoing()
  const state = sender.open()
  sender.write(state, 70)
  sender.tap.room = 10
  sender.poll()
  expect(sender.tap.sent).toHaveLength(10)
  expect(sender.outgoing.hasData).toBe(true)
})

test("a stream that is touched wakes the peer, and one that ends with it is told of once, as cut off", () => {
  const sender = new Outgoing()
  const state = sender.open()
  const { wakes } = sender
  sender.write(state, 1)
  expect(sender.wakes).toBe(wakes + 1)
  sender.outgoing.close(REASON.timeout, 0)
  expect(sender.told).toEqual([state])
  expect([state.isCutOff, sender.outgoing.count]).toEqual([true, 0])
})

test("by a status data goes on, and all is looked at only where something is due by it", () => {
  const sender = new Outgoing()
  const state = sender.open()
  sender.write(state, 3)
  sender.poll()
  const view = new DataView(new ArrayBuffer(64))
  let datagrams = 0
  const wakesBy = (cumulative: number, bits = 0): { all: number; data: number } => {
    const { wakes, dataWakes } = sender
    writeStatus(view, 0, { ...createStatus(), stream: state.stream.id, cumulative, state: bits })
    sender.outgoing.handleStatus(view, 0, 0, ++datagrams, 1)
    return { all: sender.wakes - wakes, data: sender.dataWakes - dataWakes }
  }
  // It doesn't know the stream: the opening goes again at once.
  expect(wakesBy(0, STATUS.startUnknown)).toEqual({ all: 1, data: 0 })
  expect(wakesBy(2)).toEqual({ all: 0, data: 1 })
  expect(wakesBy(3)).toEqual({ all: 0, data: 1 })
})

test("a place for a stream is given back with the stream", () => {
  const sender = new Outgoing()
  const all = Array.from({ length: 100 }, () => sender.open())
  expect(sender.outgoing.hasRoom).toBe(false)
  all[0]!.stream.reset(REASON.unspecified, 0)
  sender.outgoing.close(REASON.timeout, 0)
  expect(sender.outgoing.hasRoom).toBe(true)
})
