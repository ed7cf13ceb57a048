/** The table of what is outstanding beside its naive twin: a list of all uses of all slots. */
import fc from "fast-check"
import { expect, it } from "vitest"
import { runs } from "../../../../tools/testkit/src/runs.ts"
import { Outstanding, type Slotted } from "../../src/asking/outstanding.ts"

it("never gives the name of a request to another, and finds each by its own name alone", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(100), { maxLength: 200 }), fc.integer({ min: 1, max: 40 }), (steps, max) => {
      const table = new Outstanding<Slotted>(max)
      const there: Slotted[] = []
      const names = new Set<string>()
      for (const step of steps) {
        if (step % 3 < 2) {
          const item = { slot: -1, generation: -1 }
          expect(table.add(item)).toBe(there.length < max)
          if (item.slot < 0) continue
          const name = `${item.slot}/${item.generation}`
          expect(names.has(name)).toBe(false)
          expect(item.slot).toBeLessThan(max)
          names.add(name)
          there.push(item)
        } else if (there.length > 0) {
          const [item] = there.splice(step % there.length, 1)
          table.remove(item!)
          expect(table.find(item!.slot, item!.generation)).toBeUndefined()
        }
        expect(table.count).toBe(there.length)
        for (const item of there) {
          expect(table.find(item.slot, item.generation)).toBe(item)
          expect(table.find(item.slot, item.generation + 1)).toBeUndefined()
        }
        expect(new Set(table.all())).toEqual(new Set(there))
      }
      expect(table.find(max, 0)).toBeUndefined()
    }),
    { numRuns: runs(300) },
  )
})
