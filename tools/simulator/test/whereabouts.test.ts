// Until when a node that moved may be held elsewhere.

import { expect, test } from "vitest"
import { Whereabouts } from "../src/whereabouts.ts"

const UNREACHABLE_MS = 4_000

test("who never moved is where it is, whatever is copied", () => {
  const it = new Whereabouts(UNREACHABLE_MS)
  it.copied(5_000, 9_000)
  expect([it.hasMoved, it.mayBeLost(5_000)]).toEqual([false, false])
})

test("who moved has been found, or counts as unreachable, once it could have been silent for that long", () => {
  const it = new Whereabouts(UNREACHABLE_MS)
  it.moved(1_000)
  expect([it.hasMoved, it.mayBeLost(4_999), it.mayBeLost(5_000)]).toEqual([true, true, false])
})

test("copies that follow the move and each other keep it from being found, until the last one has arrived", () => {
  const it = new Whereabouts(UNREACHABLE_MS)
  it.moved(1_000)
  for (let ms = 2_000; ms <= 20_000; ms += 3_000) it.copied(ms, ms + 10)
  it.copied(20_500, 23_000)
  it.copied(20_600, 20_700)
  expect([it.mayBeLost(26_999), it.mayBeLost(27_000)]).toEqual([true, false])
})

test("copies that begin after it was found change nothing", () => {
  const it = new Whereabouts(UNREACHABLE_MS)
  it.moved(1_000)
  it.copied(5_000, 5_000)
  expect(it.mayBeLost(5_001)).toBe(false)
})
