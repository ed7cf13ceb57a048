import fc from "fast-check"
import { expect, test } from "vitest"
import { runs } from "../../../../tools/testkit/src/runs.ts"
import { Parts, syncOf } from "./parts.ts"

test("the edge passes what is gone once it stands before it, and says how many messages were begun there", () => {
  const { gone, edges, gaps } = new Parts()
  const out = { begun: 0 }
  edges.raise(10)
  gaps.add(0, 10, 0, true)
  gone.note(syncOf(0, 0, [3, 5, 9]))
  expect([gone.count, gone.pass(out), gaps.has(2), gaps.has(3), gaps.has(4), gaps.has(5)]).toEqual([
    1,
    -1,
    true,
    false,
    false,
    true,
  ])
  edges.moveTo(3)
  expect([gone.pass(out), out.begun, gone.count]).toEqual([5, 9, 0])
})

test("the edge stops before a packet that came all the same; what is begun there is not known", () => {
  const parts = new Parts()
  const { gone, edges, kept } = parts
  const out = { begun: 0 }
  parts.keep(2)
  gone.note(syncOf(4, 6))
  expect([gone.pass(out), out.begun]).toEqual([2, -1])
  edges.moveTo(2)
  expect(gone.pass(out)).toBe(-1)
  kept.dropNext()
  edges.advance()
  edges.raise(4)
  expect([gone.pass(out), out.begun]).toEqual([4, 6])
})

test("stretches that touch are one, which ends as the last of them does", () => {
  const { gone, edges } = new Parts()
  const out = { begun: 0 }
  edges.raise(30)
  gone.note(syncOf(0, 0, [2, 4, 1], [10, 12, 5]))
  gone.note(syncOf(0, 0, [4, 10, 3]))
  gone.assertInvariants()
  edges.moveTo(2)
  expect([gone.count, gone.pass(out), out.begun]).toEqual([1, 12, 5])
})

test("nothing is known of what is gone once it was cleared", () => {
  const { gone } = new Parts()
  gone.note(syncOf(4, 6))
  gone.clear()
  expect([gone.count, gone.pass({ begun: 0 })]).toEqual([0, -1])
})

test("whatever is given up in whichever order, the edge passes that and nothing else", () => {
  const stretch = fc.tuple(fc.nat(60), fc.integer({ min: 1, max: 6 }))
  fc.assert(
    fc.property(fc.array(stretch, { maxLength: 12 }), fc.uniqueArray(fc.nat(63), { maxLength: 8 }), (list, early) => {
      const parts = new Parts({ spreadPackets: 128 })
      const { gone, edges, gaps, kept } = parts
      const isGone = new Set<number>()
      for (const number of early) parts.keep(number)
      parts.miss(70)
      for (const [from, count] of list) {
        // Messages are numbered so that the count shows the place.
        gone.note(syncOf(0, 0, [from, from + count, 1_000 + from + count]))
        for (let number = from; number < from + count; number++) isGone.add(number)
        parts.assertInvariants()
      }
      const out = { begun: 0 }
      while (edges.next < 70) {
        const { next } = edges
        const to = gone.pass(out)
        if (to > next) {
          for (let number = next; number < to; number++)
            expect([isGone.has(number), kept.has(number)]).toEqual([true, false])
          if (out.begun >= 0) expect(out.begun).toBe(1_000 + to)
          edges.moveTo(to)
        } else if (to < 0) {
          // The next packet is kept, or must still come.
          expect(kept.has(next) || !isGone.has(next)).toBe(true)
          kept.dropNext()
          gaps.fill(next, 0, 0)
          edges.advance()
        }
        parts.assertInvariants()
      }
      expect(gone.pass(out)).toBe(-1)
    }),
    { numRuns: runs(100) },
  )
})
