// Tests the simulator itself: a seed gives one run, seeds differ, worlds of each kind hold, and forbidden events are
// noticed.

import { PRESETS, type PresetName } from "@x/transport/simulated"
import { expect, test } from "vitest"
import { HEADER_BYTES, isContent, makeContent } from "../src/content.ts"
import { Draw } from "@x/testkit"
import { Judge } from "../src/judge.ts"
import { StreamLedger } from "../src/ledger.ts"
import { GUEST_KINDS } from "../src/guest-scenario.ts"
import { PATH_FAULTS } from "../src/path-scenario.ts"
import { DISASTERS, DOINGS, drawScenario } from "../src/scenario.ts"
import { simulate } from "../src/simulation.ts"

test("a seed gives one run, byte for byte, and another seed another", async () => {
  const [first, again, other] = [await simulate(seeded(11)), await simulate(seeded(11)), await simulate(seeded(12))]
  expect(again).toEqual(first)
  expect(other.traceHash).not.toBe(first.traceHash)
})

test.each(Object.keys(PRESETS) as PresetName[])("what was promised holds on links as of %s", async (preset) => {
  for (let seed = 1; seed <= 3; seed++) {
    const result = await simulate({ ...seeded(seed), preset })
    expect([seed, result.failure]).toEqual([seed, undefined])
    expect(result.delivered).toBeGreaterThan(0)
  }
})

test("some seeds are calm, some have everything, and each disaster comes up", () => {
  const scenarios = Array.from({ length: 300 }, (_, seed) => drawScenario(seed))
  const kinds = scenarios.map(({ disasters, faults }) => Object.keys(disasters).length + Object.keys(faults).length)
  expect(Math.min(...kinds)).toBe(0)
  expect(Math.max(...kinds)).toBeGreaterThan(12)
  for (const disaster of DISASTERS)
    expect(scenarios.filter(({ disasters }) => disaster in disasters).length).toBeGreaterThan(20)
  for (const doing of DOINGS) expect(scenarios.filter(({ doings }) => doing in doings).length).toBeGreaterThan(60)
  expect(scenarios.filter(({ doings }) => Object.keys(doings).length === 0).length).toBeGreaterThan(40)
  expect(new Set(scenarios.map(({ nodes }) => nodes))).toEqual(new Set([2, 3, 4, 5, 6, 7, 8]))
})

test("half of the seeds have faults of paths, each comes up, and some paths stay narrow", () => {
  const scenarios = Array.from({ length: 300 }, (_, seed) => drawScenario(seed))
  const without = scenarios.filter(({ pathFaults }) => Object.keys(pathFaults).length === 0).length
  expect([without > 130, without < 190]).toEqual([true, true])
  for (const fault of PATH_FAULTS)
    expect(scenarios.filter(({ pathFaults }) => fault in pathFaults).length).toBeGreaterThan(30)
  for (const { pathFaults, nat, lastMtuBytes, mobile, nodes } of scenarios) {
    expect(nat !== undefined).toBe("nat" in pathFaults)
    expect(mobile).toBeLessThan(nodes)
    if (lastMtuBytes !== undefined) expect("mtu" in pathFaults).toBe(true)
  }
  expect(new Set(scenarios.map(({ lastMtuBytes }) => lastMtuBytes))).toEqual(
    new Set([undefined, 548, 652, 1_232, 1_452]),
  )
})

test("each fault of paths happens where it was drawn, and what was promised holds all the same", async () => {
  const counts = new Map<string, number>()
  for (const seed of [10, 22, 24, 26, 35]) {
    const { failure, pathFaults, delivered } = await simulate(seeded(seed))
    expect([seed, failure, delivered > 0]).toEqual([seed, undefined, true])
    for (const [fault, count] of Object.entries(pathFaults)) {
      expect(fault in drawScenario(seed).pathFaults).toBe(true)
      counts.set(fault, (counts.get(fault) ?? 0) + count)
    }
  }
  expect(new Set(counts.keys())).toEqual(new Set(PATH_FAULTS))
})

test("a subscriber that ended at an address that nobody has any more is one until it has been silent for long enough", async () => {
  const { failure, pathFaults } = await simulate({ seed: 1987, virtualMs: 90_000 })
  expect([failure, (pathFaults.rebind ?? 0) > 0]).toEqual([undefined, true])
})

test("a reader that was frozen has the time that a window of messages takes by half a small queue per round trip", async () => {
  const { failure, mixFaults } = await simulate({ seed: 4698, virtualMs: 30_000 })
  expect([failure, (mixFaults["frozen-reader"] ?? 0) > 0]).toEqual([undefined, true])
})

test("a peer that leaves who is closing in order is owed nothing", async () => {
  const { failure, disasters } = await simulate({ seed: 1015, virtualMs: 108_000 })
  expect([failure, (disasters.leave ?? 0) > 0, (disasters.close ?? 0) > 0]).toEqual([undefined, true, true])
})

test("a quarter of the seeds have guests, and each kind comes up", () => {
  const scenarios = Array.from({ length: 300 }, (_, seed) => drawScenario(seed))
  const counts = scenarios.map(({ guests }) => guests.length)
  const without = counts.filter((count) => count === 0).length
  expect([without > 200, without < 250, Math.max(...counts)]).toEqual([true, true, 3])
  for (const kind of GUEST_KINDS)
    expect(scenarios.filter(({ guests }) => guests.includes(kind)).length).toBeGreaterThan(20)
})

test("beside each kind of guest the nodes keep what they promised, and what the guest held is given back", async () => {
  const seen = new Set<string>()
  for (let seed = 1; seen.size < GUEST_KINDS.length; seed++) {
    const { guests } = drawScenario(seed)
    if (guests.every((kind) => seen.has(kind))) continue
    for (const kind of guests) seen.add(kind)
    const { failure, delivered } = await simulate(seeded(seed))
    expect([seed, failure, delivered > 0]).toEqual([seed, undefined, true])
  }
})

test("a ledger sees what comes twice, out of order, altered, unasked or after it was taken back", () => {
  const cases: [string, string, (ledger: StreamLedger) => void][] = [
    ["exactly-once", "reliable-unordered", (it) => [0, 0].forEach((index) => come(it, index))],
    ["order", "best-effort", (it) => [1, 0].forEach((index) => come(it, index))],
    ["whole", "reliable", (it) => come(it, 0, 1)],
    ["whole", "latest", (it) => it.take(makeContent(20, 2, 0), 0, 20, 0)],
    ["unpromised", "reliable", (it) => [0, 1, 2].forEach((index) => come(it, index))],
    ["unpromised", "fire-and-forget", (it) => (it.withdraw(1), come(it, 1))],
    ["verdict", "reliable", (it) => (come(it, 0), it.withdraw(0))],
  ]
  for (const [invariant, delivery, run] of cases) {
    const judge = new Judge(() => 0)
    const ledger = makeLedger(delivery, judge)
    for (let i = 0; i < 2; i++) ledger.accept(20)
    run(ledger)
    expect([delivery, judge.failure?.invariant]).toEqual([delivery, invariant])
  }
})

test("a reliable stream's ledger passes over what was taken back", () => {
  const judge = new Judge(() => 0)
  const ledger = makeLedger("reliable", judge)
  for (let i = 0; i < 3; i++) ledger.accept(20)
  ledger.withdraw(1)
  for (const index of [0, 2]) come(ledger, index)
  expect([judge.failure, ledger.missing, ledger.delivered]).toEqual([undefined, 0, 2])
})

test("a ledger takes what was given up on its way, come or not, and sees what comes back twice, altered or against its receipt", () => {
  const judge = new Judge(() => 0)
  const ledger = makeLedger("reliable", judge)
  for (let i = 0; i < 5; i++) ledger.accept(20)
  for (const index of [0, 2]) ledger.release(index)
  for (const index of [0, 1, 3]) come(ledger, index)
  ledger.handBack(makeContent(20, 1, 4))
  expect([judge.failure, ledger.missing, ledger.givenUp, ledger.handedBack]).toEqual([undefined, 1, 2, 1])
  const cases: ((ledger: StreamLedger) => void)[] = [
    (it) => [0, 0].forEach((index) => it.handBack(makeContent(20, 1, index))),
    (it) => it.handBack(makeContent(20, 2, 0)),
    (it) => it.handBack(makeContent(20, 1, 2)),
    (it) => (it.receipt(1), it.handBack(makeContent(20, 1, 1))),
  ]
  for (const run of cases) {
    const other = new Judge(() => 0)
    const one = makeLedger("reliable", other)
    for (let i = 0; i < 2; i++) one.accept(20)
    run(one)
    expect(other.failure?.invariant).toBe("handed-back")
  }
})

test("content tells each message from all others, whatever its length", () => {
  for (const bytes of [HEADER_BYTES, 9, 100, 5_000]) {
    const content = makeContent(bytes, 7, 3)
    expect(isContent(content, 0, bytes, 7, 3)).toBe(true)
    for (const [key, index] of [
      [7, 4],
      [8, 3],
      [3, 7],
    ] as const)
      expect(isContent(content, 0, bytes, key, index)).toBe(false)
    content[bytes - 1]! ^= 1
    expect(isContent(content, 0, bytes, 7, 3)).toBe(false)
  }
})

test("draws stay within their bounds, and doublings are as likely as each other", () => {
  const draw = new Draw(5, "test")
  const found = Array.from({ length: 4_000 }, () => draw.scale(1, 1_024))
  expect(Math.min(...found)).toBeGreaterThanOrEqual(1)
  expect(Math.max(...found)).toBeLessThanOrEqual(1_024)
  const small = found.filter((value) => value < 32).length / found.length
  expect(small).toBeGreaterThan(0.45)
  expect(small).toBeLessThan(0.55)
})

function seeded(seed: number): { seed: number; virtualMs: number } {
  return { seed, virtualMs: 20_000 }
}

function makeLedger(delivery: string, judge: Judge): StreamLedger {
  return new StreamLedger(1, { delivery, peer: { unique: "to" } } as never, "from", 1, judge)
}

/** A message of 20 B comes, with its own content or another's. */
function come(ledger: StreamLedger, index: number, content = index): void {
  ledger.take(makeContent(20, 1, content), 0, 20, index)
}
