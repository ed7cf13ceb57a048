/** What a join asks, without a network. */

import { expect, test } from "vitest"
import { Joiner } from "../../src/join/joiner.ts"
import type { Challenger } from "../../src/join/join-candidate.ts"

test("challenges are answered at once only so often, and only those to tries made since the last", () => {
  const joiner = new Joiner({ slot: 1, addresses: [1], timeoutMs: 5_000, nowMs: 0 })
  const candidate = joiner.candidateAt(1)!
  const challengeOf = (unique: number): Challenger => ({
    unique: Uint8Array.of(unique),
    token: new Uint8Array(8),
    session: new Uint8Array(8),
    order: 0,
  })
  let tries = 0
  // Two processes answer at one address, in turn and without delay.
  for (let nowMs = 0; nowMs < 5_000; nowMs++) {
    const said = joiner.poll(nowMs)
    if (said === undefined) continue
    tries++
    expect([candidate.isCurrent(said.attempt), candidate.isCurrent(said.attempt - 1)]).toEqual([true, false])
    joiner.answer(candidate, challengeOf(tries), nowMs)
  }
  // Five within five milliseconds, then each after a growing wait.
  expect(tries).toBe(10)
})
