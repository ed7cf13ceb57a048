import { spawnSync } from "node:child_process"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { runs } from "../../testkit/src/runs.ts"
import { compileRelay } from "../src/compile.ts"
import { PathDirection } from "../src/path.ts"
import { commandsOf, type Direction } from "../src/settings.ts"

const COUNT = 20_000
const PACKET_BYTES = 1_500

/** What becomes of packets that come at equal intervals. */
function fates(settings: Direction, intervalMs: number, count = COUNT, seed = 1): (number | string)[] {
  const path = new PathDirection(settings, seed, "there")
  return Array.from({ length: count }, (_, number) => path.offer(PACKET_BYTES, number * intervalMs))
}

const lostOf = (all: readonly (number | string)[]): number => all.filter((fate) => typeof fate === "string").length

describe("a direction of a path", () => {
  test("loses its share, in front of the queue and behind it", () => {
    for (const where of ["lossBefore", "lossBehind"] as const) {
      const share = lostOf(fates({ [where]: 0.05 }, 1)) / COUNT
      // Five standard deviations.
      expect(Math.abs(share - 0.05)).toBeLessThan(5 * Math.sqrt((0.05 * 0.95) / COUNT))
    }
  })

  test("loses in bursts as long as the bad state lasts on average", () => {
    const all = fates({ burstBefore: { enter: 0.01, leave: 0.25, loss: 1 } }, 1)
    const bursts = all.filter((fate, at) => typeof fate === "string" && typeof all[at - 1] !== "string").length
    expect(lostOf(all) / bursts).toBeGreaterThan(3.3)
    expect(lostOf(all) / bursts).toBeLessThan(4.7)
    expect(lostOf(all) / COUNT).toBeGreaterThan(0.03)
    expect(lostOf(all) / COUNT).toBeLessThan(0.05)
  })

  test("carries no more than its rate, and a full queue is late by its length", () => {
    // 12 Mbit/s: a packet a millisecond; twice as many come.
    const all = fates({ rate: 12e6, delayMs: 10, queuePackets: 20 }, 0.5, 1_000)
    const arrived = all.filter((fate) => typeof fate === "number")
    expect(arrived.length).toBeGreaterThanOrEqual(500)
    expect(arrived.length).toBeLessThan(500 + 22)
    for (let at = 1; at < arrived.length; at++) expect(arrived[at]! - arrived[at - 1]!).toBeCloseTo(1, 6)
    // 20 that wait, the rest of the one that is sent, itself, and the delay.
    const lastMs = Math.max(...all.map((fate, number) => (typeof fate === "number" ? fate - number * 0.5 : 0)))
    expect(lastMs).toBeGreaterThan(30)
    expect(lastMs).toBeLessThanOrEqual(32)
  })

  test.each<[string, Direction]>([
    ["bytes", { queueBytes: 20 * PACKET_BYTES }],
    ["time", { queueMs: 20 }],
  ])("a queue limited by %s holds as much as one limited by packets", (_, queue) => {
    const settings = { rate: 12e6, queuePackets: 20 }
    const one = fates(settings, 0.5, 1_000)
    const other = fates({ rate: 12e6, ...queue }, 0.5, 1_000)
    expect(Math.abs(lostOf(one) - lostOf(other))).toBeLessThanOrEqual(1)
  })

  test("another rate counts from the next packet on, whatever was the rate before", () => {
    const path = new PathDirection({ rate: 1.2e6, queuePackets: 100 }, 1, "there")
    // 10 ms each.
    const before = [0, 0, 0].map(() => path.offer(PACKET_BYTES, 0))
    path.settings = { rate: 12e6, queuePackets: 100 }
    expect([...before, path.offer(PACKET_BYTES, 0)]).toEqual([10, 20, 30, 31])
  })

  test("jitter keeps the order, and reordering breaks it for its share", () => {
    const jittered = fates({ delayMs: 10, jitterMs: 5 }, 1) as number[]
    for (let at = 1; at < COUNT; at++) expect(jittered[at]!).toBeGreaterThanOrEqual(jittered[at - 1]!)
    const reordered = fates({ delayMs: 10, reorder: 0.02, reorderMs: 10 }, 1) as number[]
    const late = reordered.filter((dueMs, number) => dueMs > number + 10).length
    expect(Math.abs(late / COUNT - 0.02)).toBeLessThan(0.005)
  })

  test("a packet that is too long is lost, and counted", () => {
    const path = new PathDirection({ mtu: 1_280 }, 1, "there")
    expect([path.offer(1_281, 0), path.offer(1_280, 0), path.lost.mtu]).toEqual(["mtu", 0, 1])
  })

  test("a seed repeats it, and another doesn't", () => {
    const settings = { lossBefore: 0.1, burstBehind: { enter: 0.02, leave: 0.3, loss: 0.9 }, jitterMs: 3 }
    expect(fates(settings, 1, 500, 7)).toEqual(fates(settings, 1, 500, 7))
    expect(fates(settings, 1, 500, 7)).not.toEqual(fates(settings, 1, 500, 8))
  })
})

const hasCompiler =
  process.platform === "linux" && ["cc", "gcc", "clang"].some((name) => spawnSync(name, ["--version"]).status === 0)
const why = hasCompiler ? "" : " (skipped: needs a C compiler and Linux)"

describe.skipIf(!hasCompiler)(`the relay in C${why}`, () => {
  /** Numbers of the packets that arrive, and when, nanoseconds; and whether they are marked. */
  function model(lines: readonly string[], seed: number): { number: number; dueNs: number; ecn: number }[] {
    const { stdout, status } = spawnSync(compileRelay(), ["model", String(seed)], {
      input: lines.map((line) => `${line}\n`).join(""),
      encoding: "utf8",
    })
    expect(status).toBe(0)
    const rows = stdout.split("\n").filter((line) => line !== "")
    return rows.map((row) => {
      const [which, number, dueNs, ecn] = row.split(" ")
      expect(which).toBe("there")
      return { number: Number(number), dueNs: Number(dueNs), ecn: Number(ecn) }
    })
  }

  const probability = fc.double({ min: 0, max: 0.5, noNaN: true })
  const settings: fc.Arbitrary<Direction> = fc.record(
    {
      delayMs: fc.integer({ min: 0, max: 50 }),
      jitterMs: fc.integer({ min: 0, max: 10 }),
      reorder: probability,
      reorderMs: fc.integer({ min: 0, max: 10 }),
      lossBefore: probability,
      lossBehind: probability,
      burstBefore: fc.record({ enter: probability, leave: probability, loss: probability }),
      burstBehind: fc.record({ enter: probability, leave: probability, loss: probability }),
      rate: fc.constantFrom(1_000_000, 12_000_000, 100_000_000),
      queuePackets: fc.integer({ min: 1, max: 50 }),
      queueBytes: fc.integer({ min: 3_000, max: 50_000 }),
      mtu: fc.constantFrom(700, 1_280, 1_500),
    },
    { requiredKeys: [] },
  )

  test("treats the same packets as the one in TypeScript does", () => {
    const packet = fc.record({
      afterUs: fc.integer({ min: 1, max: 3_000 }),
      bytes: fc.integer({ min: 24, max: 1_500 }),
    })
    fc.assert(
      fc.property(settings, fc.array(packet, { maxLength: 100 }), fc.nat(1_000), (direction, packets, seed) => {
        const path = new PathDirection(direction, seed, "there")
        let atUs = 0
        const lines = commandsOf("there", direction)
        const expected: [number, number][] = []
        for (const [number, { afterUs, bytes }] of packets.entries()) {
          atUs += afterUs
          lines.push(`offer there ${atUs * 1_000} ${bytes}`)
          const dueMs = path.offer(bytes, atUs / 1_000)
          if (typeof dueMs === "number") expected.push([number, dueMs * 1e6])
        }
        const got = model(lines, seed)
        expect(got.map((it) => it.number).toSorted((a, b) => a - b)).toEqual(expected.map(([number]) => number))
        for (const [number, dueNs] of expected)
          // Nanoseconds are whole there.
          expect(Math.abs(got.find((it) => it.number === number)!.dueNs - dueNs)).toBeLessThan(200)
      }),
      { numRuns: runs(60) },
    )
  })

  /** 12 Mbit/s, a packet a millisecond, offered somewhat more for four seconds. */
  const standing = (ecn: string): string[] => [
    ...commandsOf("there", { rate: 12e6, codelTargetMs: 5, codelIntervalMs: 100 }),
    ...Array.from({ length: 4_400 }, (_, number) => `offer there ${1 + Math.round((number * 1e6) / 1.1)} 1500 ${ecn}`),
  ]

  test("CoDel marks packets of a standing queue more and more often, where senders take part in ECN", () => {
    const got = model(standing("ect"), 1)
    expect(got).toHaveLength(4_400)
    const marks = got.filter(({ ecn }) => ecn === 3).map(({ dueNs }) => dueNs / 1e6)
    expect(marks.length).toBeGreaterThan(20)
    expect(marks[1]! - marks[0]!).toBeGreaterThan(60)
    expect(marks.at(-1)! - marks.at(-2)!).toBeLessThan(40)
  })

  test("CoDel drops the packets of others", () => {
    const got = model(standing(""), 1)
    expect(got.length).toBeLessThan(4_400)
    expect(got.every(({ ecn }) => ecn === 0)).toBe(true)
  })

  test("what waits in the queue is sent at another rate as soon as the link has sent what it is sending", () => {
    const lines = [
      ...commandsOf("there", { rate: 1.2e6 }),
      "start",
      "at 5 set there rate 12e6",
      ...[0, 0, 0].map(() => "offer there 1 1500"),
    ]
    expect(model(lines, 1).map(({ dueNs }) => Math.round(dueNs / 1e6))).toEqual([10, 11, 12])
  })

  test("says what is wrong with a command", () => {
    const { stdout } = spawnSync(compileRelay(), ["model", "1"], {
      input: "set there speed 1\nset up rate 1\nset there rate -1\nat x start\nfly\n",
      encoding: "utf8",
    })
    expect(stdout.split("\n").filter((line) => line.startsWith("error"))).toHaveLength(5)
  })
})
