import { FixedAllowance, ROWS_LOT, ROWS_MAX } from "@x/stream"
import { expect, test } from "vitest"
import { ChargedRows, ROWS_FREE } from "../../src/receive/charged-rows.ts"

test("rows beyond the free ones are charged a lot at a time, up to the most, and given back", () => {
  const allowance = new FixedAllowance(10_000)
  const rows = new ChargedRows(allowance)
  expect([rows.fits(ROWS_FREE), allowance.room]).toEqual([true, 10_000])
  expect([rows.fits(ROWS_FREE + 1), allowance.room, rows.charged]).toEqual([true, 10_000 - ROWS_LOT, ROWS_LOT])
  for (let count = 1; count <= ROWS_MAX; count++) expect(rows.fits(count)).toBe(true)
  expect([rows.fits(ROWS_MAX + 1), rows.charged]).toEqual([false, ROWS_MAX - ROWS_FREE])
  // What comes and goes at the edge of a lot isn't charged anew each time.
  rows.keep(ROWS_MAX - ROWS_LOT - 1)
  expect(rows.charged).toBe(ROWS_MAX - ROWS_FREE)
  rows.keep(ROWS_MAX - 2 * ROWS_LOT)
  expect(rows.charged).toBe(ROWS_MAX - ROWS_FREE - ROWS_LOT)
  rows.keep(0)
  expect([rows.charged, allowance.room]).toEqual([0, 10_000])
})

test("where the allowance has no more there is room for what is charged already, and no more", () => {
  const rows = new ChargedRows(new FixedAllowance(ROWS_LOT))
  for (let count = 1; count <= ROWS_FREE + ROWS_LOT; count++) expect(rows.fits(count)).toBe(true)
  expect(rows.fits(ROWS_FREE + ROWS_LOT + 1)).toBe(false)
  expect(rows.fits(ROWS_FREE + ROWS_LOT)).toBe(true)
})
