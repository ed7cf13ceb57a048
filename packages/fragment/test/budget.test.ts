import { AssemblyBudget } from "@x/fragment"
import { expect, test } from "vitest"
import { takenBy } from "../../transport/test/bad-values.ts"

const RANGE = { name: "RangeError" }

test("a budget is a number of bytes, or no limit", async () => {
  const right = ["Infinity", "1", "2^31", "2^32"]
  expect(await takenBy((bytesMax) => new AssemblyBudget(bytesMax as number), RANGE)).toEqual(right)
})

test("what is no number of bytes is not reserved, and nothing is in use", async () => {
  for (const take of ["reserve", "claim"] as const) {
    const all = new AssemblyBudget(10)
    const budget = new AssemblyBudget(5, all)
    const taken = await takenBy(
      (bytes) => budget[take](bytes as number) || Promise.reject(new RangeError("no room")),
      RANGE,
    )
    expect(taken).toEqual(["-0", "0", "1"])
    expect([budget.used, all.used]).toEqual([1, 1])
  }
})
