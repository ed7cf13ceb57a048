import { MODE, NUMBER_MAX } from "@x/wire"
import fc from "fast-check"
import { expect, test } from "vitest"
import { runs } from "../../../../tools/testkit/src/runs.ts"
import { Parts } from "./parts.ts"

test("there is room for as many packets as the window, the spread, numbers and memory allow", () => {
  expect(new Parts().window.roomPackets).toBe(8)
  expect(new Parts({ windowBytes: 350 }).window.roomPackets).toBe(3)
  expect(new Parts({ first: NUMBER_MAX - 2 }).window.roomPackets).toBe(2)
  expect(new Parts({ slotsMax: 5 }).window.roomPackets).toBe(5)
  const narrow = new Parts({ windowPackets: 64 })
  narrow.write(60)
  narrow.send(60)
  narrow.ledger.receive(1, 60)
  expect(narrow.window.roomPackets).toBe(4)
})

test("one packet fits the smallest window, while none is under way", () => {
  const parts = new Parts({ windowBytes: 1 })
  expect([parts.window.roomPackets, parts.window.packetsMax]).toEqual([1, 1])
  parts.write()
  expect([parts.window.roomPackets, parts.window.isOpen]).toEqual([0, false])
})

test("the open packet has its place already", () => {
  const { window, filling, pool } = new Parts({ slotsMax: 3 })
  filling.begin()
  expect([window.roomPackets, pool.available]).toEqual([3, 2])
  filling.commit(10)
  expect(window.roomPackets).toBe(2)
  filling.release()
  filling.begin()
  filling.commit(10)
  expect(window.packets).toBe(7)
})

test("a writer's turn is worth a run of packets, an eighth of those under way, or one", () => {
  const parts = new Parts({ windowPackets: 64 })
  const { window, ledger } = parts
  expect([window.runPackets, window.hasRoomForRun]).toEqual([1, true])
  parts.write(58)
  parts.send(58)
  expect([window.runPackets, window.roomPackets, window.hasRoomForRun]).toEqual([7, 6, false])
  ledger.receive(0, 1)
  ledger.advance(1)
  expect([window.runPackets, window.roomPackets, window.hasRoomForRun]).toEqual([7, 7, true])
  const large = new Parts({ windowPackets: 64, windowBytes: 10_000_000, payloadBytesMax: 30_000 })
  large.write(60)
  expect(large.window.runPackets).toBe(2)
  const small = new Parts({ windowPackets: 15 })
  small.write(14)
  expect([small.window.runPackets, small.window.hasRoomForRun]).toEqual([1, true])
})

test("without memory for a run a stream goes on once little of it is under way", () => {
  const parts = new Parts({ windowPackets: 64, slotsMax: 41 })
  const { window, ledger } = parts
  parts.write(40)
  parts.send(40)
  expect([window.roomPackets, window.runPackets, window.hasRoomForRun, window.isStarved]).toEqual([1, 5, false, false])
  // What was acknowledged lies with others now.
  ledger.receive(0, 26)
  ledger.advance(26)
  for (let i = 0; i < 26; i++) parts.pool.acquire()
  expect([window.roomPackets, window.runPackets, window.hasRoomForRun]).toEqual([1, 1, true])
  parts.pool.acquire()
  expect([window.hasRoomForRun, window.isStarved, window.hasMemoryFor(1)]).toEqual([false, true, false])
})

test("a stream that is over has no room", () => {
  const { window, life } = new Parts()
  life.end(0)
  expect([window.roomPackets, window.packets, window.isOpen]).toEqual([0, 0, false])
})

test("where nothing waits only what was not begun to be sent counts, and the message that is sent is known", () => {
  const parts = new Parts({ mode: MODE["best-effort"] })
  const { window } = parts
  parts.writePieces(4)
  parts.write(1)
  expect(window.packets).toBe(3)
  parts.send(1)
  expect([window.packets, window.sendingFrom, window.sendingTo, window.isSending]).toEqual([7, 0, 4, true])
  parts.send(3)
  expect([window.packets, window.isSending]).toEqual([7, false])
  parts.send(1)
  expect([window.packets, window.sendingFrom, window.sendingTo]).toEqual([8, 4, 5])
})

test("what was sent fills a window of its own", () => {
  const parts = new Parts({ mode: MODE["best-effort"], windowPackets: 2 })
  parts.write(3)
  parts.send(2)
  expect(parts.window.isKeepingMore).toBe(false)
  parts.send(1)
  expect(parts.window.isKeepingMore).toBe(true)
})

test("with a smaller payload more packets fit the same bytes", () => {
  const { window, filling } = new Parts({ windowBytes: 400 })
  expect([window.packets, window.packetsMax]).toEqual([4, 4])
  filling.setPayloadBytesMax(64)
  expect([window.packets, window.packetsMax]).toEqual([6, 6])
})

test("a window is open just while it has room for one packet or more", () => {
  const modes = fc.constantFrom(MODE.reliable, MODE["best-effort"])
  const given = fc.record({
    windowPackets: fc.integer({ min: 1, max: 20 }),
    windowBytes: fc.integer({ min: 1, max: 2_000 }),
  })
  fc.assert(
    fc.property(
      modes,
      given,
      fc.array(fc.tuple(fc.boolean(), fc.integer({ min: 1, max: 4 })), { maxLength: 30 }),
      (mode, it, steps) => {
        const parts = new Parts({ mode, ...it })
        const { window, ledger } = parts
        for (const [isWrite, packets] of steps) {
          if (!isWrite) parts.send(packets)
          else if (packets <= window.packets) parts.writePieces(packets)
          else ledger.advance(ledger.next)
          expect(window.isOpen).toBe(window.packets > 0)
          expect(window.packets).toBeLessThanOrEqual(window.packetsMax)
          if (mode === MODE.reliable) window.assertInvariants()
        }
      },
    ),
    { numRuns: runs(100) },
  )
})

test("a window grows in bytes and in packets alike, by an eighth or not at all, never beyond the spread", () => {
  const { window } = new Parts({ windowPackets: 8, windowBytes: 8_000 })
  expect([window.grow(8_500), window.packetsMax]).toEqual([false, 8])
  expect([window.grow(16_000), window.packetsMax, window.roomPackets]).toEqual([true, 16, 16])
  expect(window.grow(1_000)).toBe(false)
  window.grow(1e9)
  expect(window.packetsMax).toBe(64)
})
