// Who gives way where memory for packets is short.

import fc from "fast-check"
import { expect, test } from "vitest"
import { type HeldMemory, Stalled } from "../../src/protocol/stalled.ts"
import { runs } from "../../../../tools/testkit/src/runs.ts"

type Memory = { -readonly [K in keyof HeldMemory]: HeldMemory[K] }

const memory = (held: number): Memory => ({ held, given: 0, lacked: 0 })
const made = (stalledMs = 1_000): Stalled<Memory> => new Stalled(stalledMs, 800, (peer) => peer)

/** Who gives way within so long while these find no memory. */
function leaving(stalled: Stalled<Memory>, peers: Memory[], waiting: Memory[], forMs: number, fromMs = 0): Memory[] {
  const left: Memory[] = []
  for (let nowMs = fromMs; nowMs <= fromMs + forMs; nowMs += 50) {
    for (const peer of waiting) peer.lacked++
    const lacked = peers.reduce((total, peer) => total + peer.lacked, 0)
    left.push(...stalled.poll(peers, lacked, nowMs))
  }
  return left
}

test("a peer that gives nothing back while another waits gives way once the time is over, and not before", () => {
  const [holder, waiter] = [memory(100), memory(1)]
  const stalled = made()
  expect(leaving(stalled, [holder, waiter], [waiter], 950)).toEqual([])
  waiter.given++
  expect(leaving(stalled, [holder, waiter], [waiter], 50, 1_000)).toEqual([holder])
  expect(stalled.count).toBe(1)
})

test("whoever gives something back, or holds nothing, stays", () => {
  const [giver, empty, waiter] = [memory(100), memory(0), memory(0)]
  const stalled = made()
  for (let nowMs = 0; nowMs < 10_000; nowMs += 500) {
    giver.given++
    expect(leaving(stalled, [giver, empty, waiter], [waiter], 450, nowMs)).toEqual([])
  }
})

test("time in which nobody waits doesn't count", () => {
  const [holder, waiter] = [memory(100), memory(0)]
  const stalled = made()
  expect(leaving(stalled, [holder, waiter], [waiter], 700)).toEqual([])
  expect(leaving(stalled, [holder, waiter], [], 5_000, 750)).toEqual([])
  expect(stalled.nextTimeoutMs).toBe(Infinity)
  expect(leaving(stalled, [holder, waiter], [waiter], 700, 6_000)).toEqual([])
})

test("those that have stalled and wait for each other stay", () => {
  const both = [memory(100), memory(200)]
  expect(leaving(made(), both, both, 5_000)).toEqual([])
})

test("no more leave than those that hold most, until an eighth of the memory is free", () => {
  const held = [10, 90, 40, 60].map((units) => memory(units))
  const waiter = memory(0)
  const first = leaving(made(), [...held, waiter], [waiter], 1_000)
  expect(first.map(({ held: units }) => units)).toEqual([90, 60])
})

test("property: nobody that gave something back within the time ever leaves", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(3), fc.boolean(), fc.nat(600)), { maxLength: 60, size: "max" }), (steps) => {
      const peers = [memory(50), memory(100), memory(200), memory(1)]
      const lastMs = peers.map(() => 0)
      const stalled = made()
      let nowMs = 0
      for (const [index, isLacking, ms] of steps) {
        const peer = peers[index]!
        if (isLacking) peer.lacked++
        else {
          peer.given++
          lastMs[index] = nowMs
        }
        nowMs += ms
        const lacked = peers.reduce((total, each) => total + each.lacked, 0)
        for (const left of stalled.poll(peers, lacked, nowMs))
          expect(nowMs - lastMs[peers.indexOf(left)]!).toBeGreaterThanOrEqual(1_000)
      }
    }),
    { numRuns: runs(300) },
  )
})
