// Whether datagrams are marked, by what the path does to marks and what the other end counts.

import { ECN } from "@x/transport"
import { createFeedback, type Feedback } from "@x/wire"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { createDeliverySample } from "../../src/congestion/controller.ts"
import { Association } from "../../src/path/association.ts"

const DATAGRAM = 1_000
const SRTT_MS = 20
const TEST_MS = 100

/** What a path does to a datagram with this mark. */
type Path = (mark: number) => number | "lost"

const carries: Path = (mark) => mark
const bleaches: Path = () => ECN.notEct
const congests: Path = (mark) => (mark === ECN.notEct ? mark : ECN.ce)
const drops: Path = (mark) => (mark === ECN.notEct ? mark : "lost")

function makeAssociation(): Association {
  return new Association({ slot: 1, remoteSlot: 1, address: 1, isOurs: true, order: 0, inFlightMax: 4_096, nowMs: 0 })
}

/** Both ends of an association, with a path in between. */
class Ends {
  nowMs = 0
  readonly from = makeAssociation()
  readonly to = makeAssociation()
  readonly sample = createDeliverySample()
  readonly feedback: Feedback = createFeedback()
  path: Path
  /** Bytes that congestion control was told are marked. */
  told = 0

  constructor(path: Path = carries, isWanted = true) {
    this.path = path
    this.from.ecn.begin(isWanted, TEST_MS, 0)
  }

  get state(): string {
    return this.from.ecn.state
  }

  /** Sends datagrams, a millisecond apart; returns their marks. */
  send(count: number): number[] {
    return Array.from({ length: count }, () => {
      this.nowMs++
      const { mark, counter } = this.post()
      const came = this.path(mark)
      if (came !== "lost") this.arrive(counter, came)
      return mark
    })
  }

  arrive(counter: number, mark: number): void {
    const nonce = this.from.deliveries.nonce(counter)
    this.to.received({ counter, epoch: 0, length: DATAGRAM, mark, nonce }, this.nowMs)
  }

  post(): { mark: number; counter: number } {
    const mark = this.from.ecn.mark(this.nowMs)
    return { mark, counter: this.from.takeCounter(DATAGRAM, true, this.nowMs, mark) }
  }

  /** Feedback comes, as it is or altered. */
  report(alter: (feedback: Feedback) => void = () => {}): this {
    this.nowMs += SRTT_MS
    const { sample, feedback, from } = this
    this.to.feedback(this.nowMs, feedback)
    alter(feedback)
    if (!from.deliveries.take(feedback, from.sent)) return this
    if (!from.sent.handleFeedback(from.deliveries, SRTT_MS, this.nowMs, sample)) return this
    sample.srttMs = SRTT_MS
    from.ecn.handleFeedback(feedback, from.sent, sample)
    this.told += sample.markedBytes
    return this
  }

  /** A path that was tested, and carries marks. */
  static capable(): Ends {
    const ends = new Ends()
    ends.send(11)
    if (ends.report().state !== "capable") throw new Error("a path that carries marks isn't used")
    return ends
  }
}

const marks = (count: number, mark: number): number[] => Array.from({ length: count }, () => mark)

describe("on a path that carries marks", () => {
  test("ten datagrams are marked, then none until feedback tells of them, then all", () => {
    const ends = new Ends()
    expect(ends.send(14)).toEqual([...marks(10, ECN.ect0), ...marks(4, ECN.notEct)])
    expect(ends.report().state).toBe("capable")
    expect(ends.send(5)).toEqual(marks(5, ECN.ect0))
    expect(ends.from.ecn.takeImpossible()).toBe(false)
  })

  test("a test is over after its time, however few datagrams it had", () => {
    const ends = new Ends()
    expect(ends.send(2)).toEqual(marks(2, ECN.ect0))
    ends.nowMs += TEST_MS
    expect(ends.send(1)).toEqual([ECN.notEct])
    expect(ends.report().state).toBe("capable")
  })

  test("what is marked on the way is told once, as the part of the bytes that came; before that the test has to end", () => {
    const ends = new Ends()
    ends.send(4)
    ends.path = congests
    ends.send(2)
    expect([ends.report().told, ends.state]).toEqual([0, "testing"])
    ends.path = carries
    ends.send(5)
    expect([ends.report().told, ends.state]).toEqual([2 * DATAGRAM, "capable"])
    ends.send(7)
    ends.path = congests
    ends.send(3)
    expect(ends.report().told).toBe(5 * DATAGRAM)
    expect([ends.from.ecn.marked, ends.to.ceReceived]).toEqual([5, 5])
  })

  test("of what was marked, that counts as since a datagram was sent which wasn't known then", () => {
    const ends = Ends.capable()
    ends.path = congests
    ends.send(1)
    ends.path = carries
    ends.send(9)
    ends.report()
    expect(ends.sample.markedSinceSentBytes).toBe(DATAGRAM)
    ends.send(1)
    ends.report()
    expect([ends.sample.markedBytes, ends.sample.markedSinceSentBytes]).toEqual([0, 0])
  })

  test("it stays so with any loss, reordering and congestion, and all marks are told", () => {
    const fate = fc.record({
      delay: fc.oneof({ weight: 5, arbitrary: fc.constant(0) }, fc.integer({ min: 0, max: 8 })),
      isLost: fc.boolean(),
      isMarked: fc.boolean(),
      isReported: fc.boolean(),
    })
    fc.assert(
      fc.property(fc.array(fate, { minLength: 30, maxLength: 200 }), (fates) => {
        const ends = Ends.capable()
        const late: { at: number; arrive: () => void }[] = []
        let before = { ect0: 0, congestion: 0 }
        for (const [i, { delay, isLost, isMarked, isReported }] of fates.entries()) {
          ends.nowMs++
          const { mark, counter } = ends.post()
          // Something comes unmarked now and then.
          const came = isMarked && i % 8 !== 0 ? ECN.ce : mark
          const isThere = !isLost || i % 8 === 0
          if (isThere) late.push({ at: i + delay, arrive: () => ends.arrive(counter, came) })
          for (const one of late.filter(({ at }) => at === i)) one.arrive()
          if (!isReported) continue
          ends.report()
          const { ect0, congestion } = ends.feedback
          expect(ect0).toBeGreaterThanOrEqual(before.ect0)
          expect(congestion).toBeGreaterThanOrEqual(before.congestion)
          before = { ect0, congestion }
        }
        for (const one of late.filter(({ at }) => at >= fates.length)) one.arrive()
        ends.report()
        expect(ends.state).toBe("capable")
        expect(ends.from.ecn.marked).toBe(ends.to.ceReceived)
      }),
    )
  })
})

describe("nothing is marked any more", () => {
  test.each([
    ["takes marks off", bleaches],
    ["marks all", congests],
  ])("where the path %s, from the beginning; and congestion control hears nothing of it", (_, path) => {
    const ends = new Ends(path)
    ends.send(11)
    expect([ends.report().state, ends.told]).toEqual(["failed", 0])
    expect(ends.send(3)).toEqual(marks(3, ECN.notEct))
  })

  test("where the path takes marks off later, as soon as more came without than can have been lost with", () => {
    const ends = Ends.capable()
    ends.send(100)
    ends.report()
    ends.path = bleaches
    ends.send(1)
    expect(ends.report().state).toBe("failed")
  })

  test("where the path drops what is marked: once that can't be late any more", () => {
    const ends = new Ends(drops)
    ends.send(12)
    expect(ends.report().state).toBe("unknown")
    ends.nowMs += TEST_MS
    ends.send(1)
    expect(ends.report().state).toBe("failed")
  })

  test("where all is marked later, after ten round trips, not after a burst or a few", () => {
    const ends = Ends.capable()
    ends.path = congests
    ends.send(50)
    expect(ends.report().state).toBe("capable")
    ends.path = carries
    ends.send(1)
    ends.report()
    ends.path = congests
    const startMs = ends.nowMs
    while (ends.state === "capable") {
      ends.send(4)
      ends.report()
    }
    expect(ends.state).toBe("failed")
    expect(ends.nowMs - startMs).toBeGreaterThanOrEqual(10 * SRTT_MS)
    expect(ends.nowMs - startMs).toBeLessThan(15 * SRTT_MS)
  })

  test("where our end can't, or doesn't answer marks", () => {
    const ends = new Ends(carries, false)
    expect(ends.send(12)).toEqual(marks(12, ECN.notEct))
    expect(ends.report().state).toBe("off")
  })

  test("if more of what arrives has lost its mark than was lost without one, whatever else happens", () => {
    const fates = fc.array(fc.constantFrom("came", "lost", "bleached"), { minLength: 1, maxLength: 100 })
    fc.assert(
      fc.property(fates, (all) => {
        const ends = Ends.capable()
        const bleached = all.filter((fate) => fate === "bleached").length
        for (const fate of all) {
          ends.path = fate === "came" ? carries : fate === "lost" ? () => "lost" : bleaches
          ends.send(1)
        }
        ends.path = carries
        ends.send(1)
        expect(ends.report().state).toBe(bleached > 0 ? "failed" : "capable")
      }),
    )
  })
})

test("if too few came of a test, and all marked by a queue, it is made again", () => {
  const ends = new Ends((mark) => (mark === ECN.notEct || ends.nowMs === 3 ? congests(mark) : "lost"))
  ends.send(12)
  expect(ends.report().state).toBe("testing")
  ends.path = carries
  expect(ends.send(11)).toEqual([...marks(10, ECN.ect0), ECN.notEct])
  expect(ends.report().state).toBe("capable")
})

describe("counts that can't be", () => {
  test.each<[string, (feedback: Feedback) => void]>([
    ["fewer unmarked than before", (feedback) => void (feedback.ect0 -= 7)],
    ["fewer marked than before", (feedback) => void (feedback.congestion -= 3)],
    ["more than were sent", (feedback) => void (feedback.congestion += 1)],
    ["far more than were sent", (feedback) => void (feedback.ect0 = 2 ** 40)],
    ["fewer datagrams than before", (feedback) => void (feedback.datagrams -= 20)],
    ["more than came", (feedback) => void (feedback.datagrams -= 3)],
  ])("%s: they aren't used and are told once, and nothing is marked any more", (_, alter) => {
    const ends = Ends.capable()
    ends.path = congests
    ends.send(2)
    ends.report()
    ends.path = carries
    ends.send(5)
    const { told } = ends
    ends.report(alter)
    expect([ends.state, ends.told, ends.sample.markedBytes]).toEqual(["failed", told, 0])
    expect([ends.from.ecn.takeImpossible(), ends.from.ecn.takeImpossible()]).toEqual([true, false])
    ends.send(5)
    ends.report(alter)
    expect(ends.from.ecn.takeImpossible()).toBe(false)
    // The rest of the feedback counts as ever.
    expect(ends.from.sent.deliveredBytes).toBe(23 * DATAGRAM)
  })

  test("whatever is told, a mark is never sent without a test, and no more is told as marked than came", () => {
    const lie = fc.record({
      datagrams: fc.integer({ min: -5, max: 5 }),
      ect0: fc.integer({ min: -5, max: 5 }),
      congestion: fc.integer({ min: -5, max: 5 }),
    })
    fc.assert(
      fc.property(fc.array(fc.option(lie), { minLength: 1, maxLength: 30 }), (lies) => {
        const ends = new Ends()
        for (const one of lies) {
          ends.send(4)
          ends.report((feedback) => {
            if (one === null) return
            for (const name of ["datagrams", "ect0", "congestion"] as const)
              feedback[name] = Math.max(0, feedback[name] + one[name])
          })
          expect(ends.sample.markedBytes).toBeLessThanOrEqual(ends.sample.deliveredBytes)
          if (ends.state === "failed") expect(ends.send(1)).toEqual([ECN.notEct])
        }
        expect(ends.told).toBeLessThanOrEqual(ends.from.sent.deliveredBytes)
      }),
    )
  })
})

describe("on another path", () => {
  /** Datagrams take another path from now on. */
  function change(ends: Ends, path: Path): void {
    ends.path = path
    ends.from.ecn.begin(true, TEST_MS, ends.from.nextCounter - 1)
  }

  test("none is marked before something that was sent there has come; then the test begins", () => {
    const ends = Ends.capable()
    ends.send(5)
    change(ends, carries)
    // Feedback on what was sent before says nothing.
    expect([ends.report().state, ends.send(2)]).toEqual(["waiting", marks(2, ECN.notEct)])
    expect([ends.report().state, ends.send(11)]).toEqual(["testing", [...marks(10, ECN.ect0), ECN.notEct]])
    expect(ends.report().state).toBe("capable")
  })

  test.each<[string, Path, Path, string]>([
    ["took marks off, one that carries them is used", bleaches, carries, "capable"],
    ["dropped what is marked, one that carries marks is used", drops, carries, "capable"],
    ["carried marks, one that takes them off isn't", carries, bleaches, "failed"],
    ["carried marks, one that drops what is marked isn't", carries, drops, "failed"],
    ["marked all, one that marks all isn't", congests, congests, "failed"],
  ])("after one that %s", (_, before, after, state) => {
    const ends = new Ends(before)
    ends.send(40)
    ends.report()
    ends.path = () => "lost"
    ends.send(30)
    change(ends, after)
    ends.send(1)
    ends.report()
    ends.send(12)
    ends.report()
    ends.nowMs += TEST_MS
    ends.send(1)
    expect(ends.report().state).toBe(state)
  })

  test("what was lost before doesn't hide that it takes marks off", () => {
    const ends = Ends.capable()
    ends.path = () => "lost"
    ends.send(30)
    change(ends, bleaches)
    ends.send(1)
    ends.report()
    ends.send(12)
    expect(ends.report().state).toBe("failed")
  })

  test("what was marked on the one before isn't told any more", () => {
    const ends = Ends.capable()
    ends.path = congests
    ends.send(5)
    change(ends, carries)
    ends.send(1)
    ends.report()
    ends.send(11)
    expect([ends.report().state, ends.told]).toEqual(["capable", 0])
  })
})
