import type { PacketRange, SendStream } from "@x/stream"
import { type Mode, MODE, MODES } from "@x/wire"
import { expect, test } from "vitest"
import { Receipts } from "../../src/streams/receipts.ts"
import type { SendCall, SettledCall } from "../../src/streams/send-call.ts"

/** A stream that tells of its packets what it was told, and a lot of messages that wait for the window. */
class World {
  readonly settled: SettledCall[] = []
  readonly lot = { isEmpty: true, entered: 0, left: 0 }
  readonly acknowledged = new Set<number>()
  readonly gone = new Set<number>()
  readonly followed = new Set<PacketRange>()
  readonly receipts: Receipts
  high = 0

  constructor(mode: Mode = MODE.reliable) {
    const isOver = (number: number): boolean => this.acknowledged.has(number) || this.gone.has(number)
    const numbers = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i)
    const highOf = (): number => this.high
    const followedOf = (): number => this.followed.size
    const stream = {
      low: 0,
      get high() {
        return highOf()
      },
      get followed() {
        return followedOf()
      },
      traits: MODES[mode],
      follow: (range: PacketRange) => void this.followed.add(range),
      unfollow: (range: PacketRange) => void this.followed.delete(range),
      isGone: (from: number, to: number) => numbers(from, to).every((number) => this.gone.has(number)),
      isSettled: (from: number, to: number) => numbers(from, to).every(isOver),
      isPast: (to: number) => numbers(0, to).every(isOver),
    }
    this.receipts = new Receipts(stream as unknown as SendStream, this.lot, this.settled)
  }

  /** These packets are acknowledged. Returns the calls that this settles, and how. */
  acknowledge(...numbers: number[]): [SendCall, string, string][] {
    for (const number of numbers) this.acknowledged.add(number)
    this.receipts.settle()
    return this.take()
  }

  take(): [SendCall, string, string][] {
    this.receipts.assertInvariants()
    return this.settled.splice(0).map(({ call, what, outcome }) => [call, what, outcome])
  }
}

const call = (deadlineMs = Infinity): SendCall => ({ deadlineMs })

test("in order, a receipt means that everything before it came too; without an order, its own packets are enough", () => {
  for (const [mode, afterOwn] of [
    [MODE.reliable, 0],
    [MODE["reliable-unordered"], 1],
  ] as const) {
    const it = new World(mode)
    const waiting = call()
    it.high = 3
    it.receipts.addReceipt(waiting, 1, 3)
    expect(it.acknowledge(1)).toEqual([])
    const told = [[waiting, "receipt", "done"]]
    const first = it.acknowledge(2)
    expect([first.length, [...first, ...it.acknowledge(0)], it.followed.size]).toEqual([afterOwn, told, 0])
  }
})

test("a receipt tells that its message was given up, where a mode gives up; the packets before it don't matter", () => {
  const it = new World(MODE["best-effort"])
  const [gone, came] = [call(), call()]
  it.high = 4
  it.receipts.addReceipt(gone, 1, 3)
  it.receipts.addReceipt(came, 3, 4)
  // The first packet of the message came, its end won't.
  it.gone.add(2)
  expect(it.acknowledge(1)).toEqual([[gone, "receipt", "given-up"]])
  expect(it.acknowledge(0, 3)).toEqual([[came, "receipt", "done"]])
})

test("a flush follows what was parked before it into the window, and not what was parked after it", () => {
  const it = new World()
  const flush = call()
  it.high = 1
  Object.assign(it.lot, { isEmpty: false, entered: 2 })
  it.receipts.addFlush(flush)
  expect([it.followed.size, it.acknowledge(0)]).toEqual([0, []])
  Object.assign(it.lot, { entered: 3, left: 1 })
  it.high = 2
  expect(it.acknowledge(1)).toEqual([])
  it.lot.left = 2
  it.high = 3
  it.receipts.mark()
  expect(it.followed.size).toBe(1)
  // What is written from now on is of later messages.
  it.lot.left = 3
  it.high = 4
  expect(it.acknowledge(2)).toEqual([[flush, "flush", "done"]])
})

test("a call that waits for the end is told by the end alone, as is whatever waits then", () => {
  const it = new World()
  const [end, receipt] = [call(), call(50)]
  it.receipts.addEnd(end)
  it.high = 1
  expect([it.acknowledge(0), it.receipts.first]).toEqual([[], "end"])
  it.high = 2
  it.receipts.addReceipt(receipt, 1, 2)
  it.receipts.close("closed")
  expect(it.take()).toEqual([
    [end, "end", "closed"],
    [receipt, "receipt", "closed"],
  ])
  expect([it.followed.size, it.receipts.deadlineMs, it.receipts.first]).toEqual([0, Infinity, undefined])
})

test("a call stops waiting at its deadline and not before, and the next deadline is known", () => {
  const it = new World()
  const [late, later, never] = [call(10), call(20), call()]
  it.high = 1
  it.receipts.addReceipt(never, 0, 1)
  it.receipts.addReceipt(later, 0, 1)
  it.receipts.addFlush(late)
  it.receipts.expire(9)
  expect([it.take(), it.receipts.deadlineMs]).toEqual([[], 10])
  it.receipts.expire(10)
  expect([it.take(), it.receipts.deadlineMs]).toEqual([[[late, "flush", "late"]], 20])
  it.receipts.expire(20)
  expect([it.take(), it.receipts.deadlineMs, it.followed.size]).toEqual([[[later, "receipt", "late"]], Infinity, 1])
})

test("a call that is cancelled is told nothing, and its packets are followed no more", () => {
  const it = new World()
  const [cancelled, other] = [call(), call()]
  it.high = 1
  it.receipts.addReceipt(cancelled, 0, 1)
  it.receipts.addFlush(other)
  expect([it.receipts.cancel(cancelled), it.receipts.cancel(cancelled), it.followed.size]).toEqual([
    ...["receipt", undefined, 1],
  ])
  expect(it.acknowledge(0)).toEqual([[other, "flush", "done"]])
})
