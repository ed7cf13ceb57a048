import { expect, test } from "vitest"
import { QUARANTINE_MS, SlotTable } from "../../src/path/slots.ts"

test("a table whose slots were all given out within the quarantine says so, and gives them out again after it", () => {
  const table = new SlotTable<number>()
  let last = 0
  for (let i = 0; i < 1 << 20; i++) {
    last = table.take(i, 0)!
    table.set(last, i)
    table.free(last, 1_000)
  }
  expect(table.count).toBe(0)
  expect(table.take(1, 1_000 + QUARANTINE_MS - 1)).toBeUndefined()
  const slot = table.take(1, 1_000 + QUARANTINE_MS)!
  expect(table.get(slot)).toBeUndefined()
  table.set(slot, 1)
  expect(table.get(slot)).toBe(1)
  expect(table.get(last)).toBeUndefined()
})
