import { GapTracker } from "@x/stream"
import { createRangeList, type RangeList } from "@x/wire"
import fc from "fast-check"
import { expect, test } from "vitest"
import { runs } from "../../../tools/testkit/src/runs.ts"
import { REORDER_PACKETS_MAX } from "../src/options.ts"
import { rangesOf } from "./receive/parts.ts"

const REORDER_PACKETS = 3
const SRTT_MS = 40
/** A quarter of the RTT, while no reordering was seen. */
const GRACE_MS = 2.5
const REPEAT_MS = 60

function filled(fill: (list: RangeList) => void): [number, number][] {
  const list = createRangeList()
  fill(list)
  return rangesOf(list)
}

function ask(gaps: GapTracker, nowMs: number, rangesMax = 64, end = Infinity): [number, number][] {
  return filled((list) => gaps.ask(nowMs, SRTT_MS, REPEAT_MS, list, rangesMax, end))
}

/** Packet 0 is missing since 0 ms, and as many packets came after it. */
function missingOne(laterPackets: number): GapTracker {
  const gaps = new GapTracker(REORDER_PACKETS)
  gaps.add(0, 1, 0, false)
  for (let i = 0; i < laterPackets; i++) gaps.arrived()
  return gaps
}

test("a gap counts as loss after as many later packets as reordering may take, or after the grace, and not before", () => {
  const gaps = missingOne(REORDER_PACKETS - 1)
  expect([ask(gaps, GRACE_MS / 2), gaps.dueMs(SRTT_MS, REPEAT_MS)]).toEqual([[], GRACE_MS])
  expect(ask(gaps, GRACE_MS)).toEqual([[0, 1]])
  const other = missingOne(REORDER_PACKETS - 1)
  expect(ask(other, 0)).toEqual([])
  other.arrived()
  expect([other.dueMs(SRTT_MS, REPEAT_MS), ask(other, 0)]).toEqual([-Infinity, [[0, 1]]])
})

test("a gap that is shown by a sender's own word is asked for at once", () => {
  const gaps = new GapTracker(REORDER_PACKETS)
  gaps.add(0, 3, 0, true)
  expect([gaps.dueMs(SRTT_MS, REPEAT_MS), ask(gaps, 0)]).toEqual([-Infinity, [[0, 3]]])
})

test("what was asked for is asked for again once a repair has had its time", () => {
  const gaps = missingOne(REORDER_PACKETS)
  expect(ask(gaps, 5)).toEqual([[0, 1]])
  expect([gaps.dueMs(SRTT_MS, REPEAT_MS), ask(gaps, 5 + REPEAT_MS - 1)]).toEqual([5 + REPEAT_MS, []])
  expect(ask(gaps, 5 + REPEAT_MS)).toEqual([[0, 1]])
})

test("what never comes is asked for more and more seldom, an eighth of the time that it has been asked for, up to a second", () => {
  const gaps = missingOne(REORDER_PACKETS)
  const askedMs: number[] = []
  for (let nowMs = 0; nowMs < 20_000; nowMs += 5)
    if (gaps.dueMs(SRTT_MS, REPEAT_MS) <= nowMs && ask(gaps, nowMs).length > 0) askedMs.push(nowMs)
  // Not too seldom either: a packet of ten that lose three comes within the first ten times.
  expect(askedMs.slice(0, 10)).toEqual(Array.from({ length: 10 }, (_, i) => i * REPEAT_MS))
  expect([askedMs.length, askedMs.at(-1)! - askedMs.at(-2)!]).toEqual([44, 1_000])
})

test("what was asked for in vain where the peer wasn't is asked for at once, and then as often as what is asked for anew", () => {
  const gaps = missingOne(REORDER_PACKETS)
  for (let nowMs = 0; nowMs <= 4_050; nowMs += 5) ask(gaps, nowMs)
  gaps.add(5, 6, 4_000, false)
  gaps.hold(5)
  expect([gaps.dueMs(SRTT_MS, REPEAT_MS) > 4_050, ask(gaps, 4_050)]).toEqual([true, []])
  gaps.askAgain(1_000)
  expect([gaps.dueMs(SRTT_MS, REPEAT_MS), ask(gaps, 4_050)]).toEqual([-Infinity, [[0, 1]]])
  expect(gaps.dueMs(SRTT_MS, REPEAT_MS)).toBe(4_050 + REPEAT_MS)
  expect(ask(gaps, 4_050 + REPEAT_MS)).toEqual([[0, 1]])
})

test("what was asked for where the peer was isn't asked for again sooner because it moved", () => {
  const gaps = missingOne(REORDER_PACKETS)
  expect(ask(gaps, 5)).toEqual([[0, 1]])
  gaps.askAgain(6)
  expect([gaps.dueMs(SRTT_MS, REPEAT_MS), ask(gaps, 30)]).toEqual([5 + REPEAT_MS, []])
})

test("what was asked for is listed once more with the next status, if that goes long before it can have come", () => {
  const gaps = missingOne(REORDER_PACKETS)
  expect(ask(gaps, 5)).toEqual([[0, 1]])
  expect([5, 6, 7, 24].map((nowMs) => ask(gaps, nowMs).length)).toEqual([0, 1, 0, 0])
  // That isn't asking: nothing is put off by it.
  expect(gaps.dueMs(SRTT_MS, REPEAT_MS)).toBe(5 + REPEAT_MS)
  const late = missingOne(REORDER_PACKETS)
  expect([5, 5 + SRTT_MS / 2 + 1].map((nowMs) => ask(late, nowMs).length)).toEqual([1, 0])
})

test("a status asks for the oldest gaps, as many as it has room for, and the next one for the others", () => {
  const gaps = new GapTracker(REORDER_PACKETS)
  for (const from of [0, 10, 20]) gaps.add(from, from + 2, 0, true)
  expect(ask(gaps, 0, 2)).toEqual([
    [0, 2],
    [10, 12],
  ])
  expect(ask(gaps, 0, 2)).toEqual([[20, 22]])
})

test("of a gap that extends past the end of what may be asked for, only the part below it is", () => {
  const gaps = new GapTracker(REORDER_PACKETS)
  gaps.add(0, 10, 0, true)
  expect([ask(gaps, 0, 64, 4), gaps.dueMs(SRTT_MS, REPEAT_MS, 4)]).toEqual([[[0, 4]], REPEAT_MS])
  expect(ask(gaps, 0)).toEqual([[4, 10]])
})

test("no reordering makes a receiver wait for more later packets than the most, or longer than an RTT", () => {
  const gaps = missingOne(10 * REORDER_PACKETS_MAX)
  gaps.fill(0, 1_000, 0)
  expect([gaps.reorderPackets, gaps.graceMs(SRTT_MS)]).toEqual([REORDER_PACKETS_MAX, SRTT_MS])
})

test("F51 reordering that was taken for loss once is waited for afterwards; less of it later changes nothing", () => {
  // Packet 0 comes five packets late, without having been asked for.
  const gaps = missingOne(5)
  gaps.fill(0, 8, 0)
  expect([gaps.reorderPackets, gaps.count, gaps.graceMs(100), gaps.graceMs(20)]).toEqual([6, 0, 10, 10])
  gaps.add(5, 6, 100, false)
  gaps.fill(5, 101, 0)
  expect([gaps.reorderPackets, gaps.graceMs(20)]).toEqual([6, 10])
})

test("F51 a packet that comes sooner than it could have been sent again was late, though it was asked for; one that comes later tells nothing", () => {
  for (const [afterMs, packets] of [
    [39, 6],
    [41, 3],
    [80, 3],
  ] as const) {
    const gaps = missingOne(5)
    expect(ask(gaps, 8)).toHaveLength(1)
    // A packet that was asked for twice may be the answer to the first request.
    if (afterMs > 61) ask(gaps, 8 + 61)
    gaps.fill(0, 8 + afterMs, 40)
    expect([gaps.reorderPackets, gaps.count]).toEqual([packets, 0])
  }
})

test("what was held is asked for once there is room, all of it or one packet as a trial, or what is of one message", () => {
  const gaps = new GapTracker(REORDER_PACKETS)
  gaps.add(0, 6, 0, true)
  for (const [number, message] of [
    [1, 7],
    [3, 8],
    [5, 7],
  ] as const)
    gaps.hold(number, message)
  expect([ask(gaps, 0), ask(gaps, 0)]).toEqual([stretches([0, 2, 4]), []])
  gaps.release(true)
  expect(ask(gaps, 0)).toEqual([[1, 2]])
  expect([gaps.releaseOf(8), gaps.releaseOf(8), ask(gaps, 0)]).toEqual([true, false, [[3, 4]]])
  gaps.release(false)
  expect(ask(gaps, 0)).toEqual([[5, 6]])
})

test("a packet at the edge that is missing again joins the gap behind it, and is counted once", () => {
  const gaps = new GapTracker(REORDER_PACKETS)
  gaps.addFront(7)
  gaps.addFront(7)
  gaps.addFront(6)
  expect([gaps.first, gaps.firstEnd, gaps.count]).toEqual([6, 8, 1])
  gaps.addFront(3)
  expect([gaps.first, gaps.firstEnd, gaps.count]).toEqual([3, 4, 2])
  // It was there once, so nothing is waited for.
  expect(ask(gaps, 0)).toEqual([
    [3, 4],
    [6, 8],
  ])
})

test("a list that was too short goes on with what it had no room for, and then begins anew", () => {
  const gaps = new GapTracker(REORDER_PACKETS)
  for (const from of [1, 3, 5]) gaps.add(from, from + 1, 0, false)
  const received = (rangesMax: number): [number, number][] =>
    filled((list) => gaps.received(0, 7, list, rangesMax, true))
  expect([received(2), received(2), received(2)]).toEqual([
    [
      [0, 1],
      [2, 3],
    ],
    [
      [4, 5],
      [6, 7],
    ],
    [
      [0, 1],
      [2, 3],
    ],
  ])
})

/** One missing packet, as a list of packets would know it. */
interface Missing {
  noticedMs: number
  readonly arrivalsBefore: number
  askedMs: number
  firstAskedMs: number
  isRepeated: boolean
  message: number
}

/** What {@link GapTracker} answers, from one entry for each missing packet. */
class Model {
  readonly missing = new Map<number, Missing>()
  high = 0
  arrivals = 0
  reorderPackets = REORDER_PACKETS
  reorderMs = 0

  add(to: number, noticedMs: number): void {
    const fresh = {
      noticedMs,
      arrivalsBefore: this.arrivals,
      askedMs: -Infinity,
      firstAskedMs: Infinity,
      isRepeated: false,
      message: -1,
    }
    for (; this.high < to; this.high++) this.missing.set(this.high, { ...fresh })
  }

  fill(number: number, nowMs: number, rttMinMs: number): void {
    const { noticedMs, arrivalsBefore, askedMs, firstAskedMs } = this.missing.get(number)!
    this.missing.delete(number)
    // A held packet came before, and one that the sender told of was never waited for.
    if (askedMs === Infinity || noticedMs === -Infinity || nowMs >= firstAskedMs + rttMinMs) return
    const waited = Math.min(this.arrivals - arrivalsBefore + 1, REORDER_PACKETS_MAX)
    this.reorderPackets = Math.max(this.reorderPackets, waited)
    this.reorderMs = Math.max(this.reorderMs, nowMs - noticedMs)
  }

  get numbers(): number[] {
    return [...this.missing.keys()].toSorted((a, b) => a - b)
  }

  get held(): number[] {
    return this.numbers.filter((number) => this.missing.get(number)!.askedMs === Infinity)
  }

  release(numbers: readonly number[]): void {
    for (const number of numbers) {
      const it = this.missing.get(number)!
      it.askedMs = it.noticedMs = -Infinity
    }
  }

  get graceMs(): number {
    return Math.max(GRACE_MS, Math.min(1.25 * this.reorderMs, SRTT_MS))
  }

  /** When a missing packet is to be asked for. */
  dueOf({ noticedMs, arrivalsBefore, askedMs }: Missing): number {
    if (askedMs !== -Infinity) return askedMs + REPEAT_MS
    return this.arrivals - arrivalsBefore >= this.reorderPackets ? -Infinity : noticedMs + this.graceMs
  }

  dueMs(end: number): number {
    return Math.min(...this.numbers.filter((n) => n < end).map((n) => this.dueOf(this.missing.get(n)!)))
  }

  ask(nowMs: number, end: number): [number, number][] {
    return stretches(this.numbers.filter((n) => n < end && this.#list(this.missing.get(n)!, nowMs)))
  }

  #list(it: Missing, nowMs: number): boolean {
    if (this.dueOf(it) <= nowMs) {
      it.askedMs = nowMs
      it.firstAskedMs = Math.min(it.firstAskedMs, nowMs)
      it.isRepeated = false
      return true
    }
    // Once more, a moment later.
    if (it.isRepeated || it.askedMs >= nowMs || nowMs > it.askedMs + SRTT_MS / 2) return false
    return (it.isRepeated = true)
  }
}

function stretches(numbers: readonly number[]): [number, number][] {
  const ranges: [number, number][] = []
  for (const number of numbers) {
    const last = ranges.at(-1)
    if (last?.[1] === number) last[1]++
    else ranges.push([number, number + 1])
  }
  return ranges
}

const small = fc.nat({ max: 12 })
const kinds = fc.constantFrom("later", "later", "came", "ask", "told", "hold", "hold", "gone", "room", "trial", "begun")
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: kinds, by: small }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("wait"), by: fc.constantFrom(1, 4, 10, 30, 60) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("ask"), by: fc.constant(Infinity) }) },
)

test("whatever comes, is told, held, given up or asked for, it answers like a list of the missing packets", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60, size: "max" }), (steps) => {
      const gaps = new GapTracker(REORDER_PACKETS)
      const model = new Model()
      let nowMs = 0
      for (const { kind, by } of steps) {
        const { numbers, high } = model
        const picked = numbers[by % Math.max(1, numbers.length)]
        if (kind === "wait") nowMs += by
        if (kind === "later") {
          const to = high + (by % 5)
          gaps.add(high, to, nowMs, false)
          gaps.arrived()
          model.add(to, nowMs)
          model.high++
          model.arrivals++
        } else if (kind === "told") {
          gaps.add(high, high + by, nowMs, true)
          model.add(high + by, -Infinity)
        } else if (kind === "came" && picked !== undefined) {
          gaps.fill(picked, nowMs, 20)
          model.fill(picked, nowMs, 20)
        } else if (kind === "hold" && picked !== undefined) {
          gaps.hold(picked, by % 2)
          Object.assign(model.missing.get(picked)!, { askedMs: Infinity, message: by % 2 })
        } else if (kind === "gone" && picked !== undefined) {
          gaps.remove(picked, picked + by)
          for (let number = picked; number < picked + by; number++) model.missing.delete(number)
        } else if (kind === "room" || kind === "trial") {
          gaps.release(kind === "trial")
          model.release(kind === "trial" ? model.held.slice(0, 1) : model.held)
        } else if (kind === "begun") {
          const held = model.held.filter((number) => model.missing.get(number)!.message === by % 2)
          expect(gaps.releaseOf(by % 2)).toBe(held.length > 0)
          model.release(held)
        } else if (kind === "ask") {
          expect(gaps.dueMs(SRTT_MS, REPEAT_MS, by)).toBe(model.dueMs(by))
          expect(ask(gaps, nowMs, 64, by)).toEqual(model.ask(nowMs, by))
        }
        expectSame(gaps, model)
      }
    }),
    { numRuns: runs(200) },
  )
})

function expectSame(gaps: GapTracker, model: Model): void {
  const { numbers, high } = model
  const all = Array.from({ length: high + 2 }, (_, number) => number)
  const [first = Infinity] = numbers
  gaps.assertInvariants(0, high)
  expect(all.filter((number) => gaps.has(number))).toEqual(numbers)
  expect([gaps.first, gaps.isFirstHeld]).toEqual([first, first < Infinity && model.held[0] === first])
  expect(gaps.dueMs(SRTT_MS, REPEAT_MS)).toBe(model.dueMs(Infinity))
  expect([gaps.reorderPackets, gaps.graceMs(SRTT_MS)]).toEqual([model.reorderPackets, model.graceMs])
  const received = all.filter((number) => number < high && !model.missing.has(number))
  expect(filled((list) => gaps.received(0, high, list, 64))).toEqual(stretches(received))
  // Numbers from `high` on count as missing too.
  for (const packets of [0, 1, 5]) {
    const behind = numbers[packets] ?? high + packets - numbers.length
    expect(gaps.behind(packets, high)).toBe(behind)
  }
}
