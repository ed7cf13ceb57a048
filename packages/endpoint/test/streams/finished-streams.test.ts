import { FixedAllowance, ROWS_LOT } from "@x/stream"
import { createStatus } from "@x/wire"
import { expect, test } from "vitest"
import type { ControlWriter } from "../../src/datagram/control-writer.ts"
import { FinishedStreams } from "../../src/streams/finished-streams.ts"

test("ids are remembered in ranges, as many as there may be streams open; past that the lowest hole counts too", () => {
  const finished = new FinishedStreams(2_000)
  for (let i = 0; i <= 2_000; i++) finished.add(2 * i)
  expect([finished.has(0), finished.has(1), finished.has(4_000)]).toEqual([true, false, true])
  finished.add(4_002)
  expect([finished.has(1), finished.has(3)]).toEqual([true, false])
})

test("ranges of ids are charged; where there is no memory for more, the lowest hole counts too, and all is given back", () => {
  const rows = new FixedAllowance(ROWS_LOT)
  const finished = new FinishedStreams(10_000, rows)
  // Sixteen rows come with a peer.
  const most = 8 * (16 + ROWS_LOT)
  for (let i = 0; i < most; i++) finished.add(2 * i)
  expect([rows.room, finished.has(1)]).toEqual([0, false])
  finished.add(2 * most)
  expect([finished.has(1), finished.has(3), finished.has(2 * most)]).toEqual([true, false, true])
  finished.close()
  expect(rows.room).toBe(ROWS_LOT)
})

test("answers that wait for room are charged; those for which there is no memory wait for the end to be repeated", () => {
  const rows = new FixedAllowance(ROWS_LOT)
  const finished = new FinishedStreams(10_000, rows)
  for (let id = 1; id <= 1_000; id++) finished.answer(id, 0)
  expect(rows.room).toBe(0)
  const said: number[] = []
  const control = {
    ...{ hasRoom: () => said.length < 1_000, begin: () => 0, view: new DataView(new ArrayBuffer(64)) },
    finish: () => void said.push(0),
  }
  expect(finished.compose(control as unknown as ControlWriter, createStatus())).toBe(true)
  expect([said.length, rows.room]).toEqual([4 * (16 + ROWS_LOT), ROWS_LOT])
  for (let id = 1; id <= 1_000; id++) finished.answer(id, 0)
  finished.close()
  expect(rows.room).toBe(ROWS_LOT)
})
