import { expect, test } from "vitest"
import { BlackHole } from "../../src/path/black-hole.ts"

const SIZES = [1_472, 1_200, 548]

/** A black hole that asks: something large was sent, and nothing is known of it. */
function asking(): BlackHole {
  const hole = new BlackHole()
  hole.sent({ bytes: 1_472, largestBytes: 1_472, counter: 1, missingBytes: 0 }, 1_472, 0)
  hole.poll(SIZES, 50, 3_000)
  return hole
}

/** How many more answers to probes of this size it takes until the size is left, and for which one. */
function answersOf(hole: BlackHole, bytes: number): [number, number] {
  for (let answers = 1; answers < 100; answers++) {
    const size = hole.answered(bytes)
    if (size > 0) return [answers, size]
  }
  return [Infinity, 0]
}

test("a size is left for the largest of which ten probes are answered", () => {
  expect(answersOf(asking(), 1_200)).toEqual([10, 1_200])
  expect(answersOf(asking(), 548)).toEqual([10, 548])
})

test("a larger size that is answered as often as a lower one is waited for", () => {
  const hole = asking()
  for (let i = 0; i < 9; i++) expect([hole.answered(548), hole.answered(1_200)]).toEqual([0, 0])
  expect(hole.answered(548)).toBe(0)
  expect(hole.answered(1_200)).toBe(1_200)
})

test("a path that narrows again while it is asked is left for what it still carries", () => {
  const hole = asking()
  for (let i = 0; i < 3; i++) expect(hole.answered(1_200)).toBe(0)
  expect(answersOf(hole, 548)).toEqual([13, 548])
})

test("an answer of the size in use ends the question", () => {
  const hole = asking()
  expect([hole.answered(1_472), hole.isActive]).toEqual([0, false])
  expect(answersOf(hole, 548)).toEqual([Infinity, 0])
})
