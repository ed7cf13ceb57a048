// What an assembler does with pieces that come in any order, or may not come.

import { Assembler, AssemblyBudget } from "@x/fragment"
import { createPiece, FORM, type Piece } from "@x/wire"
import { expect, test } from "vitest"

const SOURCE = new Uint8Array(1_000)

function piece(form: number, message: number, messageOffset = 0, length = 10): Piece {
  return {
    ...createPiece(),
    form,
    message,
    type: form === FORM.first ? 1 : -1,
    total: 30,
    messageOffset,
    offset: 0,
    length,
  }
}

function make(isReliable: boolean): { assembler: Assembler; budget: AssemblyBudget } {
  const budget = new AssemblyBudget(10_000)
  return { assembler: new Assembler({ budget, messageBytesMax: 5_000, isOrdered: false, isReliable }), budget }
}

test("pieces of an abandoned message that come late are passed over, until none can come", () => {
  const { assembler, budget } = make(true)
  expect(assembler.handlePiece(piece(FORM.first, 4), SOURCE, 0, 7)).toBe("taken")
  expect(assembler.handlePiece(piece(FORM.abandoned, 4), SOURCE, 0, 9)).toBe("taken")
  expect([assembler.count, budget.used]).toEqual([0, 0])
  expect(assembler.handlePiece(piece(FORM.middle, 4, 10), SOURCE, 0, 8)).toBe("taken")
  assembler.settleBelow(9)
  expect(assembler.handlePiece(piece(FORM.middle, 4, 10), SOURCE, 0, 8)).toBe("taken")
  expect([assembler.count, budget.used]).toEqual([0, 0])
  // Nothing is remembered for ever: once the edge passes the packet that abandoned the message, it has passed all
  // pieces.
  assembler.settleBelow(10)
  assembler.handlePiece(piece(FORM.middle, 4, 10), SOURCE, 0, 8)
  expect(assembler.count).toBe(1)
})

test("a reliable message without an order waits for its pieces for as long as it takes, and makes way for none", () => {
  const { assembler, budget } = make(true)
  for (let message = 0; message < 9; message++)
    expect(assembler.handlePiece(piece(FORM.first, message), SOURCE, 0, message)).toBe("taken")
  expect(assembler.handlePiece(piece(FORM.first, 9), SOURCE, 0, 9)).toBe("no-room")
  expect(assembler.nextTimeoutMs).toBe(Infinity)
  assembler.handleTimeout(1_000_000)
  expect([assembler.count, assembler.expired]).toEqual([9, 0])
  expect(budget.used).toBeGreaterThan(9_000)
})

test("what is older than a packet is given up, what has a piece behind it isn't", () => {
  const { assembler, budget } = make(false)
  assembler.handlePiece(piece(FORM.first, 1), SOURCE, 0, 3)
  assembler.handlePiece(piece(FORM.middle, 2, 10), SOURCE, 0, 4)
  assembler.handlePiece(piece(FORM.last, 2, 20), SOURCE, 0, 6)
  expect(assembler.dropBelow(5)).toBe(1)
  expect(assembler.count).toBe(1)
  expect(assembler.handlePiece(piece(FORM.first, 2), SOURCE, 0, 2)).toBe("complete")
  expect([assembler.completed.message, assembler.completed.highest]).toEqual([2, 6])
  assembler.release()
  expect(budget.used).toBe(0)
})
