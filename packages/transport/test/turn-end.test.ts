import { performance } from "node:perf_hooks"
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest"
import { TurnEnd } from "../src/turn-end.ts"

let nowMs = 0

beforeEach(() => {
  nowMs = 10_000
  vi.spyOn(performance, "now").mockImplementation(() => nowMs)
})

afterEach(() => void vi.restoreAllMocks())

/** Sockets that still have datagrams for this many turns, each of which takes 20 ms. */
function addReader(turnEnd: TurnEnd, turns: number): { reads: number; left: number } {
  const reader = { reads: 0, left: turns }
  turnEnd.addReader(() => {
    if (reader.left === 0) return false
    reader.left--
    reader.reads++
    nowMs += 20
    turnEnd.schedule()
    return true
  })
  return reader
}

function woken(turnEnd: TurnEnd, deadlineMs: number): Promise<void> {
  return new Promise((resolve) => turnEnd.wake({ deadlineMs, wake: resolve }))
}

describe("the end of a turn", () => {
  test("a wake-up that is late by a stall waits until the sockets are read empty, after each stall anew", async () => {
    const turnEnd = new TurnEnd()
    const reader = addReader(turnEnd, 8)
    await woken(turnEnd, nowMs - 100)
    expect(reader.reads).toBe(8)
    nowMs += 5_000
    reader.left = 8
    await woken(turnEnd, nowMs - 100)
    expect(reader.reads).toBe(16)
  })

  test("it waits no longer than 250 ms, where there is always more to read", async () => {
    const turnEnd = new TurnEnd()
    const reader = addReader(turnEnd, Infinity)
    await woken(turnEnd, nowMs - 100)
    reader.left = 0
    expect(reader.reads).toBeGreaterThan(5)
    expect(reader.reads).toBeLessThanOrEqual(15)
  })

  test("a wake-up that is hardly late waits for one turn of reading and no more", async () => {
    const turnEnd = new TurnEnd()
    const reader = addReader(turnEnd, 100)
    await woken(turnEnd, nowMs - 1)
    reader.left = 0
    expect(reader.reads).toBe(1)
  })

  describe("where the loop makes some turns before it looks at the sockets", () => {
    /** Sockets that have datagrams only in the turns with these numbers. */
    function readIn(turnEnd: TurnEnd, ...turns: number[]): { turn: number } {
      const loop = { turn: 0 }
      turnEnd.addReader(() => turns.includes(++loop.turn))
      return loop
    }

    test("a wake-up that is late by a stall waits for so many turns, and anew after each that read something", async () => {
      const turnEnd = new TurnEnd(10)
      const loop = readIn(turnEnd, 9, 15)
      await woken(turnEnd, nowMs - 100)
      expect(loop.turn).toBe(25)
    })

    test("quiet turns from before the stall don't count", async () => {
      const turnEnd = new TurnEnd(10)
      const loop = readIn(turnEnd)
      for (let i = 0; i < 20; i++) await woken(turnEnd, nowMs)
      expect(loop.turn).toBe(20)
      await woken(turnEnd, nowMs - 100)
      expect(loop.turn).toBe(30)
    })

    test("it waits no longer than 250 ms", async () => {
      const turnEnd = new TurnEnd(1_000)
      const loop = readIn(turnEnd)
      turnEnd.addReader(() => {
        nowMs += 20
        return false
      })
      await woken(turnEnd, nowMs - 100)
      expect(loop.turn).toBeLessThanOrEqual(15)
    })
  })

  test("a wake-up may cancel another of the same turn", async () => {
    const turnEnd = new TurnEnd()
    const second = { deadlineMs: nowMs, wake: () => expect.unreachable() }
    await new Promise<void>((resolve) => {
      turnEnd.wake({
        deadlineMs: nowMs,
        wake() {
          turnEnd.cancel(second)
          resolve()
        },
      })
      turnEnd.wake(second)
    })
    await woken(turnEnd, nowMs)
  })

  test("wake-ups of one turn come in the order of their deadlines", async () => {
    const turnEnd = new TurnEnd()
    const calls: number[] = []
    for (const lateMs of [1, 5, 3]) turnEnd.wake({ deadlineMs: nowMs - lateMs, wake: () => void calls.push(lateMs) })
    await woken(turnEnd, nowMs)
    expect(calls).toEqual([5, 3, 1])
  })

  test("a reader that was taken away is not asked any more", async () => {
    const turnEnd = new TurnEnd()
    const deliver = vi.fn<() => boolean>(() => false)
    turnEnd.addReader(deliver)
    await woken(turnEnd, nowMs)
    turnEnd.removeReader(deliver)
    await woken(turnEnd, nowMs)
    expect(deliver).toHaveBeenCalledTimes(1)
  })
})

test("after a datagram or two there is another turn at once, after more there isn't", async () => {
  const turnEnd = new TurnEnd()
  let turns = 0
  turnEnd.addReader(() => {
    turns++
    return false
  })
  turnEnd.lookOut(3)
  await new Promise(setImmediate)
  expect(turns).toBe(0)
  turnEnd.lookOut(2)
  await new Promise(setImmediate)
  expect(turns).toBeGreaterThan(0)
})
