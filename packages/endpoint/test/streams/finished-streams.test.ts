import { expect, test } from "vitest"
import { FinishedStreams } from "../../src/streams/finished-streams.ts"

test("ids are remembered in ranges, as many as there may be streams open; past that the lowest hole counts too", () => {
  const finished = new FinishedStreams(2_000)
  for (let i = 0; i <= 2_000; i++) finished.add(2 * i)
  expect([finished.has(0), finished.has(1), finished.has(4_000)]).toEqual([true, false, true])
  finished.add(4_002)
  expect([finished.has(1), finished.has(3)]).toEqual([true, false])
})
