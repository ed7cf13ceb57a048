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
    slotInUse: 0,
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

/** When each address is first asked, if the system refuses to send each try. */
function refused(count: number): number[] {
  const addresses = Array.from({ length: count }, (_, i) => i + 1)
  const joiner = new Joiner({ slot: 1, addresses, timeoutMs: 5_000, nowMs: 0 })
  const firstMs: number[] = []
  for (let nowMs = 0; nowMs < 2_600; nowMs++)
    for (let said = joiner.poll(nowMs); said !== undefined; said = joiner.poll(nowMs)) {
      firstMs[said.candidate.address - 1] ??= nowMs
      joiner.fail(said.candidate, new Error("no route"), nowMs)
      expect(said.candidate.failure).toBeInstanceOf(Error)
    }
  return firstMs
}

test("where the system refuses to send, the next address is asked at once; of very many, each 10 ms after the one before", () => {
  expect(refused(3)).toEqual([0, 0, 0])
  expect(refused(32).at(-1)).toBe(0)
  expect(refused(100)).toEqual(Array.from({ length: 100 }, (_, i) => 10 * i))
})

test("an address that the system refuses again and again hastens the next one only once", () => {
  const joiner = new Joiner({ slot: 1, addresses: [1, 2, 3], timeoutMs: 5_000, nowMs: 0 })
  const asked: string[] = []
  for (let nowMs = 0; nowMs < 600; nowMs++)
    for (let said = joiner.poll(nowMs); said !== undefined; said = joiner.poll(nowMs)) {
      const { candidate } = said
      if (candidate.address === 1) joiner.fail(candidate, new Error("no route"), nowMs)
      else if (!asked.some((it) => it.startsWith(`${candidate.address} `)))
        asked.push(`${candidate.address} at ${nowMs}`)
    }
  expect(asked).toEqual(["2 at 0", "3 at 250"])
})
