import { NUMBER_MAX } from "@x/wire"
import fc from "fast-check"
import { expect, test } from "vitest"
import { Pair, type PathOptions } from "./pair.ts"

const rate = (max: number): fc.Arbitrary<number> => fc.oneof(fc.constant(0), fc.double({ min: 0, max, noNaN: true }))
const path: fc.Arbitrary<PathOptions> = fc.record({
  delayMs: fc.integer({ min: 1, max: 100 }),
  lossRate: rate(0.5),
  duplicateRate: rate(0.5),
  reorderRate: rate(0.5),
})

/** A generator from a seed: fast-check shrinks the seed, not every draw. */
function generator(seed: number): () => number {
  let state = seed | 1
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) / 2 ** 32
  }
}

interface Run {
  readonly path: PathOptions
  readonly seed: number
  readonly messages: number
  readonly windowPackets: number
  readonly first: number
}

const run: fc.Arbitrary<Run> = fc.record({
  path,
  seed: fc.integer(),
  messages: fc.integer({ min: 1, max: 300 }),
  windowPackets: fc.integer({ min: 1, max: 64 }),
  first: fc.oneof(fc.constantFrom(0, 2 ** 16 - 5, 2 ** 31 - 5, 2 ** 32 - 5, 2 ** 47 - 5), fc.integer({ min: 0, max: NUMBER_MAX - 1_000 })),
})

function start({ path, seed, windowPackets, first }: Run, slotsMax = 1_000): Pair {
  return new Pair({ path, random: generator(seed), first, slotsMax, options: { windowPackets, spreadPackets: 64 } })
}

/** Sends 0, 1, 2 … as the window allows. */
function feed(pair: Pair, messages: number, filling: number): () => boolean {
  let next = 0
  return () => {
    while (next < messages && pair.send(next, filling)) next++
    return next === messages
  }
}

test("what is delivered is what was sent, once and in order, whatever the path does; and all of it once losses stop", () => {
  fc.assert(
    fc.property(run, (it) => {
      const pair = start(it)
      const offer = feed(pair, it.messages, 30)
      for (let steps = 0; steps < 400; steps++) {
        offer()
        if (!pair.step()) break
        expect(pair.delivered).toEqual(Array.from({ length: pair.delivered.length }, (_, i) => i))
      }
      pair.path = { ...it.path, lossRate: 0, duplicateRate: 0, reorderRate: 0 }
      const healedMs = pair.now
      const isDone = (): boolean => offer() && pair.sender.isDrained
      // Each round of the window may need one sync (at most a second apart after the worst silence) and one round trip of repair.
      const rounds = Math.ceil(it.messages / it.windowPackets) + 2
      expect(pair.runUntil(isDone, healedMs + 2_000 + rounds * (10 * it.path.delayMs + 500))).toBe(true)
      expect(pair.delivered).toEqual(Array.from({ length: it.messages }, (_, i) => i))
      expect(pair.pool.used).toBe(0)
    }),
    { numRuns: 200 },
  )
})

test("a pool of few slots bounds what is kept and stops nothing", () => {
  fc.assert(
    fc.property(run, fc.integer({ min: 0, max: 3 }), (it, slotsMax) => {
      const pair = start(it, slotsMax)
      const offer = feed(pair, it.messages, 30)
      for (let steps = 0; steps < 300; steps++) {
        offer()
        if (!pair.step()) break
        expect(pair.pool.used).toBeLessThanOrEqual(slotsMax)
        pair.receiver.hasRoom()
      }
      pair.path = { ...it.path, lossRate: 0, duplicateRate: 0, reorderRate: 0 }
      const isDone = (): boolean => {
        pair.receiver.hasRoom()
        return offer() && pair.sender.isDrained
      }
      expect(pair.runUntil(isDone, pair.now + 600_000)).toBe(true)
      expect(pair.delivered.length).toBe(it.messages)
    }),
    { numRuns: 100 },
  )
})

test("the same seed gives the same run", () => {
  fc.assert(
    fc.property(run, (it) => {
      const trace = (): unknown[] => {
        const pair = start(it)
        const offer = feed(pair, it.messages, 10)
        const times: unknown[] = []
        for (let steps = 0; steps < 200 && (offer(), pair.step()); steps++) times.push(pair.now, pair.delivered.length)
        return [times, pair.sent]
      }
      expect(trace()).toEqual(trace())
    }),
    { numRuns: 50 },
  )
})

test("an ended stream closes on both sides once everything was delivered", () => {
  fc.assert(
    fc.property(run, (it) => {
      const pair = start({ ...it, path: { ...it.path, lossRate: Math.min(it.path.lossRate, 0.3) } })
      const offer = feed(pair, it.messages, 30)
      expect(pair.runUntil(offer, 3_600_000)).toBe(true)
      pair.sender.end(pair.now)
      expect(pair.runUntil(() => pair.sender.state === "closed", 7_200_000)).toBe(true)
      expect(pair.delivered.length).toBe(it.messages)
      expect(pair.receiver.isComplete).toBe(true)
    }),
    { numRuns: 100 },
  )
})
