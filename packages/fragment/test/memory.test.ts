// Which memory a message gets, for how long, and which messages make way for which.

import { Assembler, AssemblyBudget, LargeMessage, NO_PROGRESS_MS, STALE_MS } from "@x/fragment"
import { createPiece, FORM, type Piece } from "@x/wire"
import { expect, test } from "vitest"

const SOURCE = Uint8Array.from({ length: 20_000 }, (_, i) => i & 255)

/** A piece of `length` bytes at `at`, of a message of `total`. */
function piece(message: number, at: number, length: number, total: number): Piece {
  const form = at === 0 ? FORM.first : at + length === total ? FORM.last : FORM.middle
  return { ...createPiece(), form, message, type: at === 0 ? 5 : -1, total, messageOffset: at, offset: at, length }
}

function make(budget: AssemblyBudget, isReliable: boolean, messageBytesMax = 10_000): Assembler {
  return new Assembler({ budget, messageBytesMax, isOrdered: false, isReliable })
}

test("the largest message is taken, and one of a byte more isn't", () => {
  const budget = new AssemblyBudget(100_000)
  const assembler = make(budget, true)
  expect(assembler.handlePiece(piece(1, 0, 10, 10_000), SOURCE, 0)).toBe("taken")
  expect(assembler.handlePiece(piece(2, 0, 10, 10_001), SOURCE, 0)).toBe("message-too-large")
  expect(budget.used).toBe(10_000)
})

test("a budget takes as much as it says, in itself and in the one around it", () => {
  expect(() => new AssemblyBudget(0)).toThrow("above 0")
  const all = new AssemblyBudget(3_000)
  const one = new AssemblyBudget(2_000, all)
  expect([one.reserve(2_001), one.reserve(2_000), one.used, all.used]).toEqual([false, true, 2_000, 2_000])
  const other = new AssemblyBudget(2_000, all)
  expect([other.reserve(1_001), other.reserve(1_000), other.claim(1)]).toEqual([false, true, false])
  one.release(2_000)
  expect([one.used, all.used, other.claim(1_000), all.used]).toEqual([0, 1_000, true, 2_000])
})

test("a piece that says another length of its message is refused, and nothing of it is taken", () => {
  const assembler = make(new AssemblyBudget(100_000), true)
  assembler.handlePiece(piece(1, 0, 10, 40), SOURCE, 0)
  expect(assembler.handlePiece(piece(1, 10, 20, 41), SOURCE, 0)).toBe("piece-conflict")
  expect(assembler.handlePiece(piece(1, 10, 30, 40), SOURCE, 0)).toBe("complete")
  expect(assembler.completed.bytes).toEqual(SOURCE.slice(0, 40))
})

test("no message is kept in more parts than 2,048: what would be one more is refused until others have joined", () => {
  const assembler = make(new AssemblyBudget(100_000), true, 20_000)
  for (let i = 0; i < 2_048; i++)
    expect([i, assembler.handlePiece(piece(1, 2 * i, 1, 20_000), SOURCE, 0)]).toEqual([i, "taken"])
  expect(assembler.handlePiece(piece(1, 17_000, 1, 20_000), SOURCE, 0)).toBe("piece-conflict")
  expect(assembler.handlePiece(piece(1, 1, 1, 20_000), SOURCE, 0)).toBe("taken")
  expect(assembler.handlePiece(piece(1, 17_000, 1, 20_000), SOURCE, 0)).toBe("taken")
})

test("what was completed is there until it is released, and not before", () => {
  const budget = new AssemblyBudget(100_000)
  const assembler = make(budget, false)
  expect(assembler.hasCompleted).toBe(false)
  expect(() => assembler.completed).toThrow("no message has been completed")
  assembler.handlePiece(piece(3, 0, 10, 20), SOURCE, 0)
  expect(assembler.handlePiece(piece(3, 10, 10, 20), SOURCE, 0)).toBe("complete")
  expect([assembler.hasCompleted, assembler.count, assembler.completed.type, budget.used]).toEqual([true, 0, 5, 1_024])
  assembler.release()
  expect([assembler.hasCompleted, budget.used]).toEqual([false, 0])
})

test("an unreliable message without progress is given up, those with some aren't", () => {
  const budget = new AssemblyBudget(100_000)
  const assembler = make(budget, false)
  expect(assembler.nextTimeoutMs).toBe(Infinity)
  assembler.handlePiece(piece(1, 0, 10, 40), SOURCE, 100)
  assembler.handlePiece(piece(2, 0, 10, 40), SOURCE, 200)
  assembler.handlePiece(piece(1, 10, 10, 40), SOURCE, 300)
  // The second message has waited longest for progress, though it was begun later.
  expect(assembler.nextTimeoutMs).toBe(200 + NO_PROGRESS_MS)
  assembler.handleTimeout(200 + NO_PROGRESS_MS - 1)
  expect(assembler.count).toBe(2)
  assembler.handleTimeout(200 + NO_PROGRESS_MS)
  expect([assembler.count, assembler.expired, assembler.nextTimeoutMs, budget.used]).toEqual([
    1,
    1,
    300 + NO_PROGRESS_MS,
    1_024,
  ])
  expect(assembler.handlePiece(piece(1, 20, 20, 40), SOURCE, 301)).toBe("complete")
})

test("an unreliable stream makes way for its own newer messages, least progress first", () => {
  const assembler = make(new AssemblyBudget(10_000), false)
  assembler.handlePiece(piece(1, 0, 10, 5_000), SOURCE, 0)
  assembler.handlePiece(piece(2, 0, 10, 5_000), SOURCE, 1)
  assembler.handlePiece(piece(1, 10, 10, 5_000), SOURCE, 2)
  expect(assembler.handlePiece(piece(3, 0, 10, 5_000), SOURCE, 3)).toBe("taken")
  expect(assembler.expired).toBe(1)
  // The second message is gone: a piece of it begins it again, and takes the place of the first.
  expect(assembler.handlePiece(piece(1, 20, 10, 5_000), SOURCE, 4)).toBe("taken")
  expect([assembler.count, assembler.expired]).toEqual([2, 1])
})

test("for a message that was promised those make way that were not: its peer's where that budget is full, anybody's where all of it is", () => {
  const all = new AssemblyBudget(10_000)
  const [mine, others] = [new AssemblyBudget(6_000, all), new AssemblyBudget(6_000, all)]
  const unreliable = make(mine, false)
  const foreign = make(others, false)
  const reliable = make(mine, true)
  unreliable.handlePiece(piece(1, 0, 10, 2_000), SOURCE, 0)
  foreign.handlePiece(piece(1, 0, 10, 2_000), SOURCE, 0)
  foreign.handlePiece(piece(2, 0, 10, 2_000), SOURCE, 0)
  // We hold 2,000 and others 4,000: 4,000 more fit without giving anything up.
  expect(reliable.handlePiece(piece(1, 0, 10, 4_000), SOURCE, 0)).toBe("taken")
  expect([unreliable.count, foreign.count]).toEqual([1, 2])
  // Our budget is full: one of our messages makes way.
  expect(reliable.handlePiece(piece(2, 0, 10, 2_000), SOURCE, 0)).toBe("taken")
  expect([unreliable.count, foreign.count, mine.used]).toEqual([0, 2, 6_000])
  // Our budget is full of reliable messages: none of them makes way, and no other peer's message is given up for
  // nothing.
  expect(reliable.handlePiece(piece(3, 0, 10, 1_024), SOURCE, 0)).toBe("no-room")
  expect(foreign.count).toBe(2)
  reliable.close()
  expect([mine.used, all.used]).toEqual([0, 4_000])
  const third = make(new AssemblyBudget(8_000, all), true)
  expect(third.handlePiece(piece(1, 0, 10, 8_000), SOURCE, 0)).toBe("taken")
  expect([foreign.count, all.used]).toEqual([1, 10_000])
})

test("a message that no budget could hold takes nobody's memory", () => {
  const budget = new AssemblyBudget(5_000)
  const unreliable = make(budget, false)
  unreliable.handlePiece(piece(1, 0, 10, 2_000), SOURCE, 0)
  expect(make(budget, true).handlePiece(piece(1, 0, 10, 5_001), SOURCE, 0)).toBe("no-room")
  expect(unreliable.count).toBe(1)
})

test("who has given back all of it is asked no more", () => {
  const budget = new AssemblyBudget(4_000)
  const [first, second] = [make(budget, false), make(budget, false)]
  first.handlePiece(piece(1, 0, 10, 2_000), SOURCE, 0)
  first.handlePiece(piece(1, 10, 1_990, 2_000), SOURCE, 0)
  first.release()
  second.handlePiece(piece(1, 0, 10, 2_000), SOURCE, 0)
  const reliable = make(budget, true)
  expect(reliable.handlePiece(piece(1, 0, 10, 4_000), SOURCE, 0)).toBe("taken")
  expect([first.expired, second.expired]).toEqual([0, 1])
})

test("what is below a packet is given up, and what begins at it isn't", () => {
  const assembler = make(new AssemblyBudget(100_000), false)
  assembler.handlePiece(piece(1, 0, 10, 40), SOURCE, 0, 7)
  assembler.handlePiece(piece(2, 0, 10, 40), SOURCE, 0, 8)
  expect(assembler.dropBelow(8)).toBe(1)
  expect([assembler.count, assembler.expired]).toEqual([1, 0])
})

test("who was refused is told once there is room, whoever gives it back, in the order they were refused, and not after it closed", () => {
  const all = new AssemblyBudget(10_000)
  const budgets = [new AssemblyBudget(10_000, all), new AssemblyBudget(10_000, all)]
  const told: string[] = []
  const waiting = (name: string, budget: AssemblyBudget): Assembler =>
    new Assembler({ budget, messageBytesMax: 10_000, isOrdered: true, onRoom: () => told.push(name) })
  const holder = make(budgets[0]!, true)
  holder.handlePiece(piece(1, 0, 10, 6_000), SOURCE, 0)
  const small = make(budgets[1]!, true)
  small.handlePiece(piece(1, 0, 10, 2_000), SOURCE, 0)
  const [first, second, third] = [
    waiting("first", budgets[1]!),
    waiting("second", budgets[1]!),
    waiting("third", budgets[1]!),
  ]
  expect([first, second, third].map((it) => it.handlePiece(piece(1, 0, 10, 4_000), SOURCE, 0))).toEqual([
    "no-room",
    "no-room",
    "no-room",
  ])
  third.close()
  expect(told).toEqual([])
  small.close()
  expect(told).toEqual(["first", "second"])
  expect(first.handlePiece(piece(1, 0, 10, 4_000), SOURCE, 0)).toBe("taken")
  expect(second.handlePiece(piece(1, 0, 10, 4_000), SOURCE, 0)).toBe("no-room")
  holder.close()
  expect(told).toEqual(["first", "second", "second"])
})

test("messages that nobody was promised make way for one of their kind once they stand still, and not before", () => {
  const all = new AssemblyBudget(10_000)
  const [theirs, ours] = [make(new AssemblyBudget(10_000, all), false), make(new AssemblyBudget(10_000, all), false)]
  theirs.handlePiece(piece(1, 0, 10, 6_000), SOURCE, 0)
  expect(ours.handlePiece(piece(1, 0, 10, 6_000), SOURCE, STALE_MS - 1)).toBe("no-room")
  expect(ours.handlePiece(piece(1, 0, 10, 6_000), SOURCE, STALE_MS)).toBe("taken")
  expect([theirs.count, theirs.expired, all.used]).toEqual([0, 1, 6_000])
  expect(ours.handlePiece(piece(1, 10, 5_990, 6_000), SOURCE, STALE_MS)).toBe("complete")
  ours.release()
  expect(all.used).toBe(0)
})

test("nobody makes way where that would not do", () => {
  const all = new AssemblyBudget(10_000)
  const [promised, not] = [make(new AssemblyBudget(10_000, all), true), make(new AssemblyBudget(10_000, all), false)]
  promised.handlePiece(piece(1, 0, 10, 6_000), SOURCE, 0)
  not.handlePiece(piece(1, 0, 10, 2_000), SOURCE, 0)
  expect(promised.handlePiece(piece(2, 0, 10, 6_000), SOURCE, 9_000)).toBe("no-room")
  expect(not.count).toBe(1)
  expect(promised.handlePiece(piece(2, 0, 10, 4_000), SOURCE, 9_000)).toBe("taken")
  expect(not.count).toBe(0)
})

test("a message has memory to give away once, and only if nobody else has it", () => {
  const lent = new Uint8Array([1, 2, 3])
  expect(new LargeMessage(1, lent).takeMemory()).toBeUndefined()
  const kept = new LargeMessage(1, lent)
  kept.keep()
  expect(kept.takeMemory()).toEqual(lent)
  expect(kept.takeMemory()).toBeUndefined()
  const shared = new LargeMessage(1, lent)
  shared.keep()
  expect(shared.share()).toEqual(lent)
  expect(shared.takeMemory()).toBeUndefined()
  const adopted = new LargeMessage(1, lent)
  adopted.adopt(lent)
  expect(adopted.takeMemory()).toBe(lent)
  expect(adopted.isIntact).toBe(false)
})
