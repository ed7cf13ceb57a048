import { expect, test } from "vitest"
import { ReceiveCap } from "../../src/peer/receive-cap.ts"

test("a peer is asked for the least of its own cap and its part of that of all", () => {
  let woken = 0
  const cap = new ReceiveCap(() => void woken++)
  cap.limit(5_000, 0)
  expect(cap.asked.bytesPerSecond).toBe(5_000)
  cap.share(2_000, 0)
  expect(cap.asked.bytesPerSecond).toBe(2_000)
  cap.limit(Infinity, 0)
  expect(cap.asked.bytesPerSecond).toBe(2_000)
  cap.share(Infinity, 0)
  expect([cap.asked.bytesPerSecond, woken]).toEqual([Infinity, 4])
})

test("it claims what it has used since it was last asked, and what it had and may have", () => {
  const cap = new ReceiveCap(() => {})
  cap.limit(9_000, 0)
  cap.share(4_000, 0)
  expect(cap.claim(1_000, 0.5)).toEqual({
    hadBytesPerSecond: 4_000,
    usedBytesPerSecond: 2_000,
    mostBytesPerSecond: 9_000,
  })
  expect(cap.claim(1_500, 0.5).usedBytesPerSecond).toBe(1_000)
  // An association is over, and with it what came on it.
  expect(cap.claim(200, 0.5).usedBytesPerSecond).toBe(0)
  expect(cap.claim(300, 0.5).usedBytesPerSecond).toBe(200)
})
