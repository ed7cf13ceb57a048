// Loses each single datagram, and each pair of neighbours, on the way back.
import { expect, test } from "vitest"
import { converse, sweep, TAIL_LATENESS_MAX_MS } from "./droplist.ts"

test("F46 droplist: each single datagram on the way back", async () => {
  console.log(`droplist, back, single: at most ${await sweep("b", 1)} ms late`)
})

test("F46 droplist: each pair of neighbours on the way back", async () => {
  console.log(`droplist, back, pairs: at most ${await sweep("b", 2)} ms late`)
})

test("F46 droplist: a tail on the way back, of one datagram to ten", async () => {
  let latestMs = 0
  for (let messages = 1; messages <= 20; messages++) {
    for (let count = 1; count <= Math.min(messages, 10); count++) {
      const { lost, tailMs } = await converse({ direction: "b", first: messages - count + 1, count }, messages)
      expect(lost).toBe(count)
      expect(tailMs).toBeLessThanOrEqual(TAIL_LATENESS_MAX_MS)
      latestMs = Math.max(latestMs, tailMs)
    }
  }
  console.log(`droplist, back, tails: at most ${latestMs} ms late`)
  expect(latestMs).toBeGreaterThan(0)
})
