import fc from "fast-check"
import { expect, test } from "vitest"
import { Pacer } from "../../src/path/pacer.ts"
import { runs } from "../../../../tools/testkit/src/runs.ts"

const DATAGRAM = 1_200

test("a paced sender keeps to its pace over any second, with bursts of a few milliseconds, however late its timers fire", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 100, max: 100_000 }),
      fc.infiniteStream(fc.integer({ min: 0, max: 3 })),
      (pace, lateness) => {
        const pacer = new Pacer()
        let nowMs = 0
        let sent = 0
        while (nowMs < 1_000) {
          while (pacer.isOpen(pace, false, nowMs)) {
            pacer.spend(DATAGRAM)
            sent += DATAGRAM
          }
          const next = pacer.nextMs(pace, 1)
          expect(next).toBeGreaterThan(nowMs)
          nowMs = next + (lateness.next().value as number)
        }
        expect(sent).toBeLessThanOrEqual(pace * (nowMs + 4) + 2_560 + DATAGRAM)
        // A timer three milliseconds late still finds all of its budget.
        expect(sent).toBeGreaterThanOrEqual(pace * 990 - DATAGRAM)
      },
    ),
    { numRuns: runs(50) },
  )
})

test("a pace that begins after time without one doesn't wait for what went before", () => {
  const pacer = new Pacer()
  for (let nowMs = 0; nowMs < 100; nowMs++) if (pacer.isOpen(Infinity, false, nowMs)) pacer.spend(DATAGRAM)
  let sent = 0
  for (; pacer.isOpen(1, false, 100) && sent < 100; sent++) pacer.spend(DATAGRAM)
  // A burst, less the datagram that went last.
  expect([sent, pacer.nextMs(1, 1) - 100]).toEqual([2, 3 * DATAGRAM - 2_560 + 1])
})

test("after a pause eight datagrams go at once if nothing is in flight, and otherwise two", () => {
  const burst = (isPaused: boolean): number => {
    const pacer = new Pacer()
    let sent = 0
    for (let nowMs = 0; nowMs < 200; nowMs += 100)
      for (sent = 0; pacer.isOpen(200, isPaused, nowMs) && sent < 100; sent++) pacer.spend(DATAGRAM)
    return sent
  }
  expect([burst(true), burst(false)]).toEqual([8, 3])
})
