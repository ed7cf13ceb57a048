import { MODE, NUMBER_MAX } from "@x/wire"
import fc from "fast-check"
import { expect, test } from "vitest"
import { Pair, type PathOptions } from "./pair.ts"
import { runs } from "../../../tools/testkit/src/runs.ts"

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
  first: fc.oneof(
    fc.constantFrom(0, 2 ** 16 - 5, 2 ** 31 - 5, 2 ** 32 - 5, 2 ** 47 - 5),
    fc.integer({ min: 0, max: NUMBER_MAX - 1_000 }),
  ),
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

/**
 * Whether each number is above the one before. One expectation for all: one for each pair takes longer than the runs.
 */
function isRising(numbers: readonly number[]): boolean {
  return numbers.every((number, i) => i === 0 || number > numbers[i - 1]!)
}

test("what is delivered is what was sent, once and in order, whatever the path does; and all of it once losses stop", () => {
  fc.assert(
    fc.property(run, (it) => {
      const pair = start(it)
      const offer = feed(pair, it.messages, 30)
      for (let steps = 0; steps < 400; steps++) {
        offer()
        if (!pair.step()) break
        expect(pair.delivered.every((number, i) => number === i)).toBe(true)
      }
      pair.path = { ...it.path, lossRate: 0, duplicateRate: 0, reorderRate: 0 }
      const healedMs = pair.now
      const isDone = (): boolean => offer() && pair.sender.isDrained
      // Each round of the window may need one sync (at most a second apart after the worst silence) and one round trip
      // of repair.
      const rounds = Math.ceil(it.messages / it.windowPackets) + 2
      expect(pair.runUntil(isDone, healedMs + 2_000 + rounds * (10 * it.path.delayMs + 500))).toBe(true)
      expect(pair.delivered).toEqual(Array.from({ length: it.messages }, (_, i) => i))
      expect(pair.pool.used).toBe(0)
    }),
    { numRuns: runs(200) },
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
    { numRuns: runs(100) },
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
    { numRuns: runs(50) },
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
    { numRuns: runs(100) },
  )
})

/** Sends 0, 1, 2 … faster than the path carries them; accepted messages are accounted for at each step. */
function balance(pair: Pair): void {
  const { accepted, acknowledged, unconfirmed, dropped, pending } = pair.sender.messages
  expect(accepted).toBe(acknowledged + unconfirmed + dropped + pending)
  expect(pair.delivered.length + pair.gone).toBe(pair.begun)
}

test("best effort: what is delivered is in order and once, what isn't is told once, and both accounts balance after every step", () => {
  const limits = fc.record({
    lifetimeMs: fc.constantFrom(Infinity, 5, 50, 500),
    resendsMax: fc.constantFrom(Infinity, 0, 1, 3),
    perStep: fc.integer({ min: 0, max: 8 }),
  })
  fc.assert(
    fc.property(run, limits, (it, { lifetimeMs, resendsMax, perStep }) => {
      const pair = new Pair({
        ...{
          path: it.path,
          random: generator(it.seed),
          first: it.first,
          mode: MODE["best-effort"],
          lifetimeMs,
          resendsMax,
        },
        options: { windowPackets: it.windowPackets, spreadPackets: 64 },
      })
      let next = 0
      let accepted = 0
      const offer = (): void => void (pair.force(next++, 30) && accepted++)
      const check = (): void => {
        expect(isRising(pair.delivered)).toBe(true)
        balance(pair)
      }
      for (let steps = 0; steps < 300 && next < it.messages; steps++) {
        for (let i = 0; i < perStep && next < it.messages; i++) offer()
        if (!pair.step()) break
        check()
      }
      while (next < it.messages) offer()
      pair.path = { ...it.path, lossRate: 0, duplicateRate: 0, reorderRate: 0 }
      expect(pair.runUntil(() => pair.sender.isDrained, pair.now + 10_000 + 100 * it.path.delayMs)).toBe(true)
      check()
      expect([pair.begun, pair.sender.messages.accepted, pair.sender.messages.pending]).toEqual([accepted, accepted, 0])
      const { acknowledged, unconfirmed } = pair.sender.messages
      // Acknowledged messages were delivered; of the unconfirmed ones some were.
      expect(pair.delivered.length).toBeGreaterThanOrEqual(acknowledged)
      expect(pair.delivered.length).toBeLessThanOrEqual(acknowledged + unconfirmed)
      expect([pair.pool.used, pair.sendPool.used]).toEqual([0, 0])
    }),
    { numRuns: runs(200) },
  )
})

test("reliable without order: all of it, once, and what comes late delays nothing that came", () => {
  fc.assert(
    fc.property(run, (it) => {
      const pair = new Pair({
        ...{ path: it.path, random: generator(it.seed), first: it.first, mode: MODE["reliable-unordered"] },
        options: { windowPackets: it.windowPackets, spreadPackets: 64 },
      })
      const offer = feed(pair, it.messages, 30)
      for (let steps = 0; steps < 300; steps++) {
        offer()
        if (!pair.step()) break
        expect(new Set(pair.delivered).size).toBe(pair.delivered.length)
        expect(pair.pool.used).toBe(0)
        balance(pair)
      }
      pair.path = { ...it.path, lossRate: 0, duplicateRate: 0, reorderRate: 0 }
      const rounds = Math.ceil(it.messages / it.windowPackets) + 2
      const isDone = (): boolean => offer() && pair.sender.isDrained
      expect(pair.runUntil(isDone, pair.now + 2_000 + rounds * (10 * it.path.delayMs + 500))).toBe(true)
      expect(pair.delivered.toSorted((a, b) => a - b)).toEqual(Array.from({ length: it.messages }, (_, i) => i))
      expect(pair.sender.messages.acknowledged).toBe(it.messages)
      expect(pair.sendPool.used).toBe(0)
    }),
    { numRuns: runs(200) },
  )
})

test("latest: nothing older comes behind what was delivered, and the last one comes if nothing is lost", () => {
  fc.assert(
    fc.property(run, (it) => {
      const pair = new Pair({ path: it.path, random: generator(it.seed), first: it.first, mode: MODE.latest })
      for (let next = 0; next < it.messages; next++) {
        pair.sender.supersede()
        expect(pair.send(next, 30)).toBe(true)
        if (next % 3 === 0) pair.step()
        expect(isRising(pair.delivered)).toBe(true)
        const { accepted, acknowledged, unconfirmed, dropped, pending } = pair.sender.messages
        expect(accepted).toBe(next + 1)
        expect(acknowledged + unconfirmed + dropped + pending).toBe(next + 1)
      }
      pair.path = { ...it.path, lossRate: 0, duplicateRate: 0, reorderRate: 0 }
      pair.sender.supersede()
      pair.send(it.messages, 30)
      pair.runUntil(() => pair.delivered.at(-1) === it.messages, pair.now + 10 * it.path.delayMs)
      expect(pair.delivered.at(-1)).toBe(it.messages)
      expect(pair.sendPool.used).toBe(0)
    }),
    { numRuns: runs(200) },
  )
})
