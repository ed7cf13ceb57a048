import fc from "fast-check"
import { expect, test } from "vitest"
import { runs } from "../../../../tools/testkit/src/runs.ts"
import { NumberSet } from "../../src/streams/number-set.ts"

function rangesIn(numbers: ReadonlySet<number>): number {
  return [...numbers].filter((number) => !numbers.has(number - 1)).length
}

test("whatever is added, it holds that and nothing else, in as few ranges as there are", () => {
  const few = fc.array(fc.nat({ max: 60 }), { maxLength: 80 })
  // So many that they lie in several blocks, joined in any order.
  const many = fc.shuffledSubarray(
    Array.from({ length: 900 }, (_, i) => i),
    { minLength: 300 },
  )
  fc.assert(
    fc.property(fc.oneof(few, many), (numbers) => {
      const set = new NumberSet()
      const model = new Set<number>()
      for (const number of numbers) {
        set.add(number)
        model.add(number)
      }
      for (let number = 0; number <= 901; number++)
        expect([number, set.has(number)]).toEqual([number, model.has(number)])
      expect(set.ranges).toBe(rangesIn(model))
    }),
    { numRuns: runs(40) },
  )
})

test("the lowest hole is filled, also where the ranges beside it lie in different blocks", () => {
  const set = new NumberSet()
  for (let i = 0; i < 1_000; i++) set.add(2 * i)
  for (let left = 1_000; left > 1; left--) {
    const hole = 2 * (1_000 - left) + 1
    expect([set.ranges, set.has(hole)]).toEqual([left, false])
    set.fillLowestHole()
    expect(set.has(hole)).toBe(true)
  }
  set.fillLowestHole()
  expect([set.ranges, set.has(1_998), set.has(1_999)]).toEqual([1, true, false])
})
