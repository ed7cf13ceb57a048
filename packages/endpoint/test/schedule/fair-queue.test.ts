import fc from "fast-check"
import { expect, test } from "vitest"
import { FairQueue, type FairShare, FairTurn } from "../../src/schedule/fair-queue.ts"
import { runs } from "../../../../tools/testkit/src/runs.ts"

interface Taker extends FairShare {
  readonly name: string
  priority: number
  bytes: number
}

function taker(name: string, weight = 1, priority = 128): Taker {
  return { name, weight, priority, turn: new FairTurn(), bytes: 0 }
}

/** The next one has a turn of this many bytes, and wants another unless it is done. */
function turn(queue: FairQueue<Taker>, bytes: number, isDone = false): Taker | undefined {
  const next = queue.next()
  if (next === undefined) return undefined
  next.bytes += bytes
  queue.serve(next, bytes)
  if (!isDone) queue.add(next)
  return next
}

test("those that always want a turn have bytes by their weight, to a turn, whatever their turns take", () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 100 }), { minLength: 2, maxLength: 6 }),
      fc.array(fc.integer({ min: 1, max: 1_500 }), { minLength: 500, maxLength: 500 }),
      (weights, turns) => {
        const queue = new FairQueue<Taker>()
        const takers = weights.map((weight, i) => taker(String(i), weight))
        for (const it of takers) queue.add(it)
        for (const bytes of turns) turn(queue, bytes)
        const served = takers.map(({ bytes, weight }) => bytes / weight)
        // Nobody is ahead of another by more than a turn.
        for (const [i, bytes] of served.entries())
          expect(bytes - Math.min(...served)).toBeLessThanOrEqual(1_500 / weights[i]!)
        expect(queue.count).toBe(weights.length)
      },
    ),
    { numRuns: runs(100) },
  )
})

test("who is stopped after each turn, and wants the next one soon, has its part all the same", () => {
  const queue = new FairQueue<Taker>()
  const [steady, stopped] = [taker("steady"), taker("stopped")]
  queue.add(steady)
  let awayTo = 0
  for (let i = 0; i < 3_000; i++) {
    if (i >= awayTo) queue.add(stopped)
    const next = queue.next()!
    const bytes = next === stopped ? 1_400 : 700
    next.bytes += bytes
    queue.serve(next, bytes)
    // It is away for two turns of the other.
    if (next === stopped) awayTo = i + 3
    else queue.add(steady)
  }
  expect(Math.abs(stopped.bytes / steady.bytes - 1)).toBeLessThan(0.01)
})

test("who comes back after a long time has little to catch up on, and who comes anew nothing", () => {
  const queue = new FairQueue<Taker>()
  const [steady, back, fresh] = [taker("steady"), taker("back"), taker("fresh")]
  for (const it of [steady, back]) queue.add(it)
  turn(queue, 1_000)
  turn(queue, 1_000, true)
  for (let i = 0; i < 1_000; i++) turn(queue, 1_000)
  queue.add(back)
  queue.add(fresh)
  const order = Array.from({ length: 40 }, () => turn(queue, 1_000)!.name)
  expect(order.lastIndexOf("back", 11)).toBe(11)
  expect(new Set(order.slice(0, 12))).toEqual(new Set(["back"]))
  for (const name of ["steady", "back", "fresh"])
    expect(order.slice(13).filter((it) => it === name).length).toBeGreaterThanOrEqual(8)
})

test("a higher priority goes first for as long as it wants, and makes no debts for those below", () => {
  const queue = new FairQueue<Taker>()
  const [low, high, late] = [taker("low", 1, 1), taker("high", 1, 2), taker("late", 1, 1)]
  queue.add(low)
  queue.add(high)
  for (let i = 0; i < 100; i++) expect(turn(queue, 1_000)?.name).toBe("high")
  queue.remove(high)
  queue.add(late)
  // Another priority is another beginning.
  high.priority = 1
  queue.add(high)
  const order = Array.from({ length: 6 }, () => turn(queue, 1_000)!.name)
  expect(order.toSorted()).toEqual(["high", "high", "late", "late", "low", "low"])
  expect([queue.count, queue.remove(low), queue.remove(low), queue.count]).toEqual([3, undefined, undefined, 2])
})
