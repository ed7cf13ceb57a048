// Loses each single datagram, and each pair of neighbours, on the way there.
import { expect, test } from "vitest"
import { converse, sweep, TAIL_LATENESS_MAX_MS } from "./droplist.ts"

test("F46 droplist: each single datagram on the way there", async () => {
  console.log(`droplist, there, single: at most ${await sweep("a", 1)} ms late`)
})

test("F46 droplist: each pair of neighbours on the way there", async () => {
  console.log(`droplist, there, pairs: at most ${await sweep("a", 2)} ms late`)
})

test("F46 droplist: a tail on the way there, of one datagram to ten", async () => {
  let latestMs = 0
  for (let messages = 1; messages <= 20; messages++) {
    for (let count = 1; count <= Math.min(messages, 10); count++) {
      const { lost, tailMs } = await converse({ direction: "a", first: messages - count + 1, count }, messages)
      expect(lost).toBe(count)
      expect(tailMs).toBeLessThanOrEqual(TAIL_LATENESS_MAX_MS)
      latestMs = Math.max(latestMs, tailMs)
    }
  }
  console.log(`droplist, there, tails: at most ${latestMs} ms late`)
  expect(latestMs).toBeGreaterThan(0)
})
