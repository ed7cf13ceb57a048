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

/** Something large is sent, and nothing is known of it. Returns how long later it is asked about, and with which sizes. */
function askedAfter(hole: BlackHole, waitMs: number, sentMs: number): [number, readonly number[]] {
  hole.sent({ bytes: 1_472, largestBytes: 1_472, counter: 5, missingBytes: 0 }, 1_472, sentMs)
  hole.arrived({ heardCounter: 6, heardDatagramBytes: 100, missingBytes: 1_472 })
  const dueMs = hole.dueMs(2 * waitMs, waitMs)
  return [dueMs - sentMs, hole.poll(SIZES, waitMs, dueMs)]
}

test("a size that was found to pass is asked about less often, and alone, until something as large has arrived", () => {
  const hole = new BlackHole()
  const asked = (): [number, readonly number[]] => {
    const it = askedAfter(hole, 50, 10_000)
    hole.answered(1_472)
    return it
  }
  expect(asked()).toEqual([300, SIZES])
  for (const ms of [600, 1_200, 2_400, 3_650, 3_650]) expect(asked()).toEqual([ms, [1_472]])
  hole.sent({ bytes: 1_472, largestBytes: 1_472, counter: 7, missingBytes: 0 }, 1_472, 20_000)
  hole.arrived({ heardCounter: 7, heardDatagramBytes: 1_472, missingBytes: 0 })
  expect(asked()).toEqual([300, SIZES])
})

test("on a path so slow that the others would be asked about late, all sizes are asked about at once", () => {
  const hole = new BlackHole()
  askedAfter(hole, 1_000, 0)
  hole.answered(1_472)
  expect(askedAfter(hole, 1_000, 0)).toEqual([2_400, SIZES])
})

test.each([50, 100, 200, 300, 400, 500, 600])(
  "a size that doesn't pass any more is left within 5 s, though it passed so far; a wait of %d ms",
  (waitMs) => {
    const hole = new BlackHole()
    for (let i = 0; i < 8; i++) {
      askedAfter(hole, waitMs, 0)
      hole.answered(1_472)
    }
    let [nowMs, sizes] = askedAfter(hole, waitMs, 0)
    const answers: [number, number][] = []
    let leftMs = Infinity
    for (let i = 0; i < 100 && leftMs === Infinity; i++) {
      // Each probe of a lower size is answered just before it is late.
      for (const size of sizes) if (size < 1_472) answers.push([nowMs + waitMs, size])
      const dueMs = hole.dueMs(2 * waitMs, waitMs)
      for (; answers.length > 0 && answers[0]![0] <= dueMs; answers.shift())
        if (hole.answered(answers[0]![1]) > 0) leftMs = Math.min(leftMs, answers[0]![0])
      nowMs = dueMs
      sizes = hole.poll(SIZES, waitMs, nowMs)
    }
    expect(leftMs).toBeLessThanOrEqual(5_000)
  },
)

test("an answer of the size in use ends the question", () => {
  const hole = asking()
  expect([hole.answered(1_472), hole.isActive]).toEqual([0, false])
  expect(answersOf(hole, 548)).toEqual([Infinity, 0])
})
