// Which joins were seen before.

import { expect, test } from "vitest"
import { Copies } from "../../src/join/copies.ts"

test("a key that was seen is that of a copy, for as long as it is remembered, and four of each are let through a second", () => {
  const copies = new Copies()
  const see = (nowMs: number): string => copies.see(7, 9, nowMs)
  expect([0, 1, 2, 3, 4, 999].map(see)).toEqual(["first", "copy", "copy", "copy", "too-many", "too-many"])
  expect(see(1_000)).toBe("copy")
  expect(see(1e9)).toBe("copy")
})

test("a key is told from others that begin or end alike", () => {
  const copies = new Copies()
  expect(copies.see(0, 0, 0)).toBe("first")
  expect(copies.see(7, 9, 0)).toBe("first")
  expect(copies.see(7, 8, 0)).toBe("first")
  expect(copies.see(8, 9, 0)).toBe("first")
  expect(copies.see(7, 9, 0)).toBe("copy")
})

test("two thousand joins that are copied in turn are remembered, but for a few; no more than four have one place", () => {
  const copies = new Copies()
  // As evenly spread as the bytes of public keys are.
  const low = (i: number): number => Math.imul(i + 1, 0x9e3779b1) >> 3
  for (let round = 0; round < 5; round++) {
    let firsts = 0
    for (let i = 0; i < 2_000; i++) if (copies.see(low(i), i, round * 2_000 + i) === "first") firsts++
    if (round === 0) expect(firsts).toBe(2_000)
    else expect(firsts).toBeLessThan(40)
  }
  // Five of one place push each other out, the oldest first.
  const few = new Copies()
  const seen = [0, 1, 2, 3, 4, 1, 2, 3, 4, 0, 1].map((i, nowMs) => few.see(i * 2_048, i, nowMs))
  expect(seen).toEqual([...Array<string>(5).fill("first"), ...Array<string>(4).fill("copy"), "first", "first"])
})
