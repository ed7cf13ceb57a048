import { Random } from "@x/transport/simulated"
import fc from "fast-check"
import { expect, test } from "vitest"

test("a seed and a label draw the same numbers again, another of either draws others", () => {
  const draw = (seed: number, label: string): number[] => {
    const random = new Random(seed, label)
    return Array.from({ length: 8 }, () => random.uint32())
  }
  fc.assert(
    fc.property(fc.integer(), fc.string(), (seed, label) => {
      expect(draw(seed, label)).toEqual(draw(seed, label))
      expect(draw(seed, label)).not.toEqual(draw(seed + 1, label))
      expect(draw(seed, label)).not.toEqual(draw(seed, `${label}.`))
    }),
  )
})

test("numbers stay in their range and fill it evenly", () => {
  const random = new Random(1)
  const counts = Array.from({ length: 16 }, () => 0)
  for (let i = 0; i < 64_000; i++) counts[random.below(16)]!++
  // 4,000 each; five times the standard deviation of 61.
  for (const count of counts) expect(Math.abs(count - 4_000)).toBeLessThan(310)
})

test("probability 0 is never and draws nothing, 1 is always", () => {
  const [a, b] = [new Random(7), new Random(7)]
  for (let i = 0; i < 100; i++) expect(a.chance(0)).toBe(false)
  expect(a.uint32()).toBe(b.uint32())
  for (let i = 0; i < 100; i++) expect(a.chance(1)).toBe(true)
})
