/** The heap of deadlines beside its naive twin, a list that is sorted each time. */
import fc from "fast-check"
import { expect, it } from "vitest"
import { runs } from "../../../tools/testkit/src/runs.ts"
import { Deadlines, type Due } from "../src/deadlines.ts"

it("gives what is due in the order of deadlines, whatever is added and removed in between", () => {
  const steps = fc.array(
    fc.oneof(
      fc.record({ do: fc.constant("add" as const), dueMs: fc.nat(50) }),
      fc.record({ do: fc.constant("remove" as const), which: fc.nat(20) }),
      fc.record({ do: fc.constant("take" as const), nowMs: fc.nat(50) }),
    ),
    { maxLength: 100 },
  )
  fc.assert(
    fc.property(steps, (all) => {
      const deadlines = new Deadlines<Due>()
      const twin: Due[] = []
      const made: Due[] = []
      const drop = (item: Due): void => void twin.splice(twin.indexOf(item), 1)
      for (const step of all) {
        if (step.do === "add") {
          const item = { dueMs: 0, heapIndex: -1 }
          deadlines.add(item, step.dueMs)
          made.push(item)
          twin.push(item)
        } else if (step.do === "remove") {
          const item = made[step.which]
          if (item === undefined) continue
          deadlines.remove(item)
          if (twin.includes(item)) drop(item)
          expect(item.heapIndex).toBe(-1)
        } else {
          const leastMs = Math.min(...twin.map(({ dueMs }) => dueMs))
          const due = deadlines.takeDue(step.nowMs)
          expect(due?.dueMs).toBe(leastMs <= step.nowMs ? leastMs : undefined)
          if (due !== undefined) drop(due)
        }
        expect(deadlines.count).toBe(twin.length)
        expect(deadlines.nextMs).toBe(Math.min(...twin.map(({ dueMs }) => dueMs)))
      }
    }),
    { numRuns: runs(500) },
  )
})
