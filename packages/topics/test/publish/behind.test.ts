// The oldest message that somebody waits for, against looking at all of them.
import fc from "fast-check"
import { expect, test } from "vitest"
import { runs } from "../../../../tools/testkit/src/runs.ts"
import { Account } from "../../src/publish/account.ts"
import { Behind } from "../../src/publish/behind.ts"

test("the oldest message is known however those that are behind come, go on and leave", () => {
  const step = fc.record({ who: fc.nat(5), what: fc.constantFrom("add", "add", "delete", "look"), on: fc.nat(3) })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const behind = new Behind<Account>()
      const accounts = Array.from({ length: 6 }, () => new Account(0, 0, 0))
      const model = new Map<Account, number>()
      for (const { who, what, on } of steps) {
        const account = accounts[who]!
        if (what === "delete") {
          behind.delete(account)
          model.delete(account)
        } else if (what === "add") {
          account.next += on
          expect(behind.add(account)).toBe(model.get(account) === account.next)
          model.set(account, account.next)
        } else expect(behind.oldest).toBe(Math.min(Infinity, ...model.values()))
        expect([behind.size, behind.has(account)]).toEqual([model.size, model.has(account)])
        expect([...behind]).toEqual([...model.keys()])
      }
      expect(behind.oldest).toBe(Math.min(Infinity, ...model.values()))
    }),
    { numRuns: runs(200) },
  )
})
