// What feedback proves of the datagrams that were sent, whatever the path does, and what it can't claim.

import { createFeedback, type Feedback } from "@x/wire"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { createDeliverySample } from "../../src/congestion/controller.ts"
import { Association } from "../../src/path/association.ts"
import { PROVED_COUNTERS } from "../../src/path/replay-window.ts"
import { random } from "../congestion/rig.ts"

/** Both ends of an association: `from` sends datagrams, `to` reports them. */
class Ends {
  readonly from: Association
  readonly to: Association
  /** The bytes of each datagram, by counter. */
  readonly sizes: number[] = [0]
  arrivedBytes = 0

  constructor(seed: number) {
    const draw = random(seed)
    const parts = { slot: 1, remoteSlot: 1, address: 1, isOurs: true, order: 0, inFlightMax: 64, nowMs: 0 }
    this.from = new Association({ ...parts, draw: () => (draw() * 2 ** 32) | 0 })
    this.to = new Association(parts)
  }

  send(bytes = 100): number {
    this.sizes.push(bytes)
    const counter = this.from.takeCounter(bytes, true, this.sizes.length)
    // As it is written into its prefix.
    this.from.deliveries.nonce(counter)
    return counter
  }

  /** It comes, for the first time or again. */
  arrive(counter: number): void {
    if (this.to.replay.check(counter) !== undefined) return
    const nonce = this.from.deliveries.nonce(counter)
    this.to.received({ counter, epoch: 0, length: this.sizes[counter]!, mark: 0, nonce }, 0)
    this.arrivedBytes += this.sizes[counter]!
  }

  /** All of these are sent, and those come that aren't lost. */
  exchange(count: number, lost: readonly number[] = []): void {
    for (let i = 0; i < count; i++) {
      const counter = this.send()
      if (!lost.includes(counter)) this.arrive(counter)
    }
  }

  tell(roomBytes = Infinity): Feedback {
    const feedback = createFeedback()
    this.to.feedback(0, feedback, roomBytes)
    return feedback
  }

  /** Feedback comes; returns whether it can be. */
  hear(feedback: Feedback): string | undefined {
    const reason = this.from.refutes(feedback)
    const { deliveries, sent } = this.from
    if (reason === undefined && deliveries.take(feedback, sent))
      sent.handleFeedback(deliveries, 20, 0, createDeliverySample())
    return reason
  }

  /** Another step of this one: feedback is written and comes. */
  report(): this {
    const reason = this.hear(this.tell())
    if (reason !== undefined) throw new Error(`honest feedback is refuted: ${reason}`)
    return this
  }

  get delivered(): number {
    return this.from.deliveries.bytes
  }
}

const missingOf = ({ missing }: Feedback): number[][] =>
  Array.from({ length: missing.count }, (_, i) => [missing.edges[2 * i]!, missing.edges[2 * i + 1]!])

describe("an honest receiver", () => {
  test("whatever is lost, late or doubled, of feedback too, it isn't refuted, and all counts that it proves", () => {
    const datagram = fc.record({
      bytes: fc.integer({ min: 40, max: 1_200 }),
      fate: fc.oneof({ weight: 5, arbitrary: fc.constant(0) }, fc.constantFrom(-1, 1, 3, 40)),
      isDoubled: fc.boolean(),
      feedback: fc.oneof(
        { weight: 3, arbitrary: fc.constant("none" as const) },
        fc.constantFrom("comes", "lost", "late"),
      ),
    })
    fc.assert(
      fc.property(fc.integer(), fc.array(datagram, { minLength: 1, maxLength: 400 }), (seed, datagrams) => {
        const ends = new Ends(seed)
        const late: { at: number; counter: number }[] = []
        const lateFeedback: { at: number; feedback: Feedback }[] = []
        for (const [i, { bytes, fate, isDoubled, feedback: what }] of datagrams.entries()) {
          const counter = ends.send(bytes)
          if (fate === 0) ends.arrive(counter)
          else if (fate > 0) late.push({ at: i + fate, counter })
          if (isDoubled && fate >= 0) late.push({ at: i + 5, counter })
          for (const it of late) if (it.at === i) ends.arrive(it.counter)
          for (const it of lateFeedback) if (it.at === i) expect(ends.hear(it.feedback)).toBeUndefined()
          if (what === "none") continue
          const feedback = ends.tell()
          if (what === "late") lateFeedback.push({ at: i + 1 + (bytes % 7), feedback })
          if (what !== "comes") continue
          expect(ends.hear(feedback)).toBeUndefined()
          expect(ends.delivered).toBeLessThanOrEqual(ends.arrivedBytes)
          // It reaches back to the beginning, unless more is missing than is told.
          if (feedback.reach === feedback.counter - 1) expect(ends.delivered).toBe(ends.arrivedBytes)
          if (missingOf(feedback).length < 16) expect(feedback.reach).toBe(Math.max(0, feedback.counter - 1))
        }
      }),
    )
  })

  test("a hundred thousand datagrams with losses everywhere are counted to the last", () => {
    const ends = new Ends(7)
    const draw = random(7)
    for (let i = 0; i < 100_000; i++) {
      const counter = ends.send(40 + Math.floor(1_000 * draw()))
      if (draw() > 0.02) ends.arrive(counter)
      // Every fourth feedback is lost.
      if (i % 64 === 63) {
        const feedback = ends.tell()
        if (draw() > 0.25) expect(ends.hear(feedback)).toBeUndefined()
      }
    }
    ends.exchange(1)
    ends.report()
    expect(ends.delivered).toBe(ends.arrivedBytes)
  })

  test("what came late counts when it came, once", () => {
    const ends = new Ends(1)
    ends.exchange(10, [4, 5])
    ends.report()
    expect(ends.delivered).toBe(800)
    ends.arrive(5)
    expect(ends.report().delivered).toBe(900)
    expect(ends.report().delivered).toBe(900)
    ends.exchange(1)
    ends.arrive(4)
    expect(ends.report().delivered).toBe(1_100)
  })

  test("overtaken feedback changes nothing", () => {
    const ends = new Ends(1)
    ends.exchange(10, [4, 5])
    const early = ends.tell()
    ends.arrive(4)
    ends.exchange(5)
    ends.report()
    expect([ends.hear(early), ends.delivered]).toEqual([undefined, 1_400])
  })

  test("where nothing came, nothing is proved", () => {
    const ends = new Ends(1)
    ends.send()
    const { counter, reach, proof, missing } = ends.tell()
    expect([counter, reach, proof, missing.count]).toEqual([0, 0, 0, 0])
    expect(ends.report().delivered).toBe(0)
  })

  test("it reaches 4,095 counters back, or to what it told before if that is further, and tells the newest first", () => {
    const ends = new Ends(1)
    ends.exchange(6_000, [2, 5_990, 5_991, 5_995])
    const first = ends.tell()
    expect([first.counter, first.reach]).toEqual([6_000, 5_999])
    expect(missingOf(first)).toEqual([
      [5_995, 5_996],
      [5_990, 5_992],
      [2, 3],
    ])
    expect([ends.hear(first), ends.delivered]).toEqual([undefined, 100 * 5_996])
    ends.exchange(10)
    expect(ends.tell().reach).toBe(PROVED_COUNTERS - 1)
  })

  test("it tells up to 64 ranges of what came since the feedback before the last, and up to 16 once some are 256 counters older", () => {
    const ends = new Ends(1)
    const odd = (from: number, to: number): number[] =>
      Array.from({ length: Math.ceil((to - from) / 2) }, (_, i) => from + 2 * i)
    ends.exchange(200, odd(1, 200))
    expect(missingOf(ends.tell()).length).toBe(64)
    for (let i = 0; i < 3; i++) {
      ends.exchange(20)
      expect(missingOf(ends.tell()).length).toBe(64)
    }
    ends.exchange(100)
    expect(missingOf(ends.tell()).length).toBe(48)
    ends.exchange(100)
    expect(missingOf(ends.tell()).length).toBe(16)
    ends.exchange(60, odd(461, 520))
    expect(missingOf(ends.tell()).length).toBe(30)
  })

  test("what is missing is told until it is 1,024 counters below, and at least in two that report more", () => {
    const ends = new Ends(1)
    ends.exchange(500, [7])
    expect([ends.tell(), ends.tell()].map((it) => it.missing.count)).toEqual([1, 1])
    ends.exchange(530)
    expect(ends.tell().missing.count).toBe(1)
    ends.exchange(1)
    const last = ends.tell()
    expect([last.missing.count, last.reach]).toEqual([0, 1_031 - 8])
  })

  test("what no proof covers counts as missing", () => {
    const ends = new Ends(1)
    const lost = Array.from({ length: 100 }, (_, i) => 2 * i + 1)
    ends.exchange(200, lost)
    // Of 100 that came, 64 ranges reach 64 back, and the one before them.
    ends.report()
    expect([ends.arrivedBytes, ends.delivered]).toEqual([10_000, 6_500])
    ends.exchange(100)
    ends.report()
    expect(ends.delivered).toBe(16_500)
  })
})

describe("a receiver that says more came than did", () => {
  test("is refuted for each lost datagram by one of two guesses", () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer({ min: 2, max: 300 }), fc.nat(298), (seed, count, at) => {
        const ends = new Ends(seed)
        const lost = 1 + (at % (count - 1))
        ends.exchange(count, [lost])
        const feedback = ends.tell()
        feedback.missing.count = 0
        const guesses = [feedback, { ...feedback, proof: feedback.proof ^ (1 << (lost & 31)) }]
        expect(new Set(guesses.map((guess) => ends.from.refutes(guess)))).toEqual(new Set(["not-received", undefined]))
      }),
    )
  })

  test("gets through with n of them once in 2^n, as far as their counters have different remainders", () => {
    let through = 0
    const guess = random(1)
    for (let seed = 0; seed < 4_000; seed++) {
      const ends = new Ends(seed)
      ends.exchange(40, [10, 11, 12, 13])
      const feedback = ends.tell()
      feedback.missing.count = 0
      feedback.proof ^= Math.floor(16 * guess()) << 10
      if (ends.from.refutes(feedback) === undefined) through++
    }
    expect(through).toBeGreaterThan(180)
    expect(through).toBeLessThan(320)
  })

  test("is refuted if it reports what was never sent, or more datagrams than its counter", () => {
    const ends = new Ends(1)
    ends.exchange(10)
    const feedback = ends.tell()
    expect(ends.from.refutes({ ...feedback, counter: 11, reach: 0 })).toBe("not-sent")
    expect(ends.from.refutes({ ...feedback, datagrams: 11 })).toBe("not-sent")
    expect(ends.from.refutes(feedback)).toBeUndefined()
  })

  test("gets nothing by reaching no further than it likes", () => {
    const ends = new Ends(1)
    ends.exchange(100, [97, 98])
    // Room for no range at all.
    const feedback = ends.tell(0)
    expect([feedback.reach, ends.hear(feedback), ends.delivered]).toEqual([1, undefined, 200])
  })
})
