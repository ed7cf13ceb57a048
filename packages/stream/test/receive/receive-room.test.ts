import { createStatus, STATUS } from "@x/wire"
import fc from "fast-check"
import { expect, test } from "vitest"
import { runs } from "../../../../tools/testkit/src/runs.ts"
import { Parts, rangesOf } from "./parts.ts"

test("a full pool asks only for what can be taken in its turn, until a slot is free or all has come", () => {
  for (const end of ["freed", "come"]) {
    const { room, gaps, edges, statusTimer } = new Parts()
    edges.raise(9)
    gaps.add(0, 3, 0, true)
    gaps.add(6, 9, 0, true)
    room.lackSlot(5)
    expect([room.isLacking, room.isShort, room.isAsking, room.refuses(8), room.askEnd]).toEqual([
      true,
      true,
      true,
      false,
      3,
    ])
    room.handleMove()
    expect(room.isLacking).toBe(true)
    if (end === "freed") room.handleDispatched(true)
    else {
      gaps.remove(0, 9)
      room.handleMove()
    }
    expect([room.isLacking, room.askEnd, statusTimer.dueMs]).toEqual([false, Infinity, -Infinity])
  }
})

test("without memory for what is next nothing is kept or asked for; with some again one packet is, to see", () => {
  const parts = new Parts()
  const { room, statusTimer } = parts
  parts.miss(5)
  room.lackMemory()
  expect([room.isAsking, room.refuses(1)]).toEqual([false, true])
  room.handleDispatched(false)
  room.lackSlot(3)
  expect(room.isAsking).toBe(false)
  room.hasRoom()
  expect([room.isAsking, room.refuses(1), room.askEnd, statusTimer.dueMs]).toEqual([true, true, 1, -Infinity])
  room.handleDispatched(false)
  expect([room.isLacking, room.refuses(1), room.askEnd]).toEqual([false, false, Infinity])
})

test("without an order all but what was refused is asked for, and that once its message has memory", () => {
  const parts = new Parts({ isOrdered: false })
  const { room, gaps, statusTimer } = parts
  parts.miss(5)
  room.lackMemory()
  gaps.hold(2, 7)
  expect([room.isAsking, room.askEnd, gaps.dueMs(20, 30)]).toEqual([true, Infinity, -Infinity])
  gaps.remove(0, 2)
  gaps.remove(3, 5)
  expect(gaps.dueMs(20, 30)).toBe(Infinity)
  statusTimer.said(0)
  room.handleBegun(8)
  expect([gaps.dueMs(20, 30), statusTimer.dueMs]).toEqual([Infinity, Infinity])
  room.handleBegun(7)
  expect([gaps.dueMs(20, 30), statusTimer.dueMs]).toEqual([-Infinity, -Infinity])
})

test("nothing is lacking any more once what was refused has come, or was given up", () => {
  for (const [isOrdered, isAsked] of [
    [false, false],
    [false, true],
    [true, false],
    [true, true],
  ] as const) {
    const parts = new Parts({ isOrdered })
    const { room, gaps, statusTimer } = parts
    parts.miss(2)
    room.lackMemory()
    if (!isOrdered) gaps.hold(0, 7)
    if (isAsked) room.hasRoom()
    gaps.remove(0, 2)
    room.handleMove()
    expect([room.isLacking, room.isShort, statusTimer.dueMs]).toEqual([false, false, -Infinity])
  }
})

test("where the packet that was asked for to see is given up, another one is", () => {
  const parts = new Parts({ isOrdered: false })
  const { room, gaps } = parts
  parts.miss(3)
  room.lackMemory()
  for (const number of [0, 1, 2]) gaps.hold(number, number)
  const asked = (): unknown[] => {
    const status = createStatus()
    gaps.ask(0, 20, 30, status.missing, 64, Infinity)
    return rangesOf(status.missing)
  }
  room.hasRoom()
  expect(asked()).toEqual([[0, 1]])
  // The packet is on its way: no other is asked for meanwhile.
  room.hasRoom()
  expect(asked()).toEqual([])
  gaps.remove(0, 1)
  room.handleMove()
  room.hasRoom()
  expect(asked()).toEqual([[1, 2]])
})

test("once the packet that was asked for to see was taken, all others are asked for", () => {
  const parts = new Parts({ isOrdered: false })
  const { room, gaps } = parts
  parts.miss(3)
  room.lackMemory()
  for (const number of [0, 1, 2]) gaps.hold(number, number)
  room.hasRoom()
  gaps.remove(0, 1)
  room.handleDispatched(false)
  const status = createStatus()
  gaps.ask(0, 20, 30, status.missing, 64, Infinity)
  expect([rangesOf(status.missing), room.isLacking]).toEqual([[[1, 3]], false])
})

test("a consumer that is behind lets the sender go as far as it has room, and is told more once it is worth it", () => {
  const parts = new Parts({ first: 10 })
  const { room, edges, statusTimer } = parts
  const allowed = (): unknown[] => {
    const status = createStatus()
    room.allow(status, 64)
    statusTimer.said(0)
    return [...rangesOf(status.missing), (status.state & STATUS.ahead) !== 0]
  }
  expect(allowed()).toEqual([false])
  room.limit(4, 3, false, 0)
  expect([statusTimer.dueMs, room.isShort, room.refuses(13), room.refuses(14)]).toEqual([-Infinity, true, false, true])
  expect(allowed()).toEqual([[10, 14], true])
  room.limit(6, 3, false, 0)
  expect(statusTimer.dueMs).toBe(Infinity)
  room.limit(6, 3, true, 0)
  expect(statusTimer.dueMs).toBe(-Infinity)
  edges.raise(12)
  expect(allowed()).toEqual([[12, 16], true])
  room.limit(9, 3, false, 0)
  expect(statusTimer.dueMs).toBe(-Infinity)
  room.limit(1_000, 3, false, 0)
  expect([room.askEnd, allowed()]).toEqual([74, [[12, 74], true]])
})

test("only a limit that was said counts as told: more than that is told, and what is below it is kept", () => {
  const { room, statusTimer } = new Parts({ first: 10 })
  const allowed = (): unknown => {
    const status = createStatus()
    room.allow(status, 64)
    statusTimer.said(0)
    return rangesOf(status.missing)
  }
  room.limit(32, 1, false, 0)
  room.limit(4, 1, false, 0)
  expect([room.refuses(13), room.refuses(14), allowed()]).toEqual([false, true, [[10, 14]]])
  room.limit(6, 1, false, 0)
  expect([statusTimer.dueMs, allowed()]).toEqual([-Infinity, [[10, 16]]])
  room.limit(1, 1, false, 0)
  expect([room.refuses(15), room.refuses(16)]).toEqual([false, true])
})

test("messages under way are let finish behind what is refused, where there is no order", () => {
  for (const isOrdered of [true, false]) {
    const parts = new Parts({ isOrdered })
    const { room } = parts
    parts.miss(5)
    room.lackMemory()
    room.letFinish(3)
    const status = createStatus()
    room.allow(status, 64)
    expect(rangesOf(status.missing)).toEqual(isOrdered ? [] : [[5, 8]])
  }
})

test("whatever is limited, no packet is let go below the edge or beyond the reach", () => {
  const step = fc.tuple(fc.constantFrom("limit", "come", "advance", "end"), fc.nat(100), fc.nat(20))
  fc.assert(
    fc.property(fc.boolean(), fc.array(step, { maxLength: 40 }), (isOrdered, steps) => {
      const { room, edges, gaps } = new Parts({ isOrdered })
      for (const [kind, draw, begun] of steps) {
        const number = Math.min(edges.next + draw, edges.reach)
        if (kind === "limit") room.limit(draw, 8, draw % 2 === 0, begun)
        else if (kind === "come") edges.raise(number)
        else if (kind === "end") edges.end(number)
        else if (edges.next < edges.high) edges.advance()
        const status = createStatus()
        room.allow(status, 64)
        for (const [from, to] of rangesOf(status.missing)) {
          expect(from).toBeGreaterThanOrEqual(edges.high)
          expect([to > from, to <= edges.next + 64]).toEqual([true, true])
        }
        expect(gaps.count).toBe(0)
      }
    }),
    { numRuns: runs(100) },
  )
})
