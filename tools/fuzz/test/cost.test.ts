// What a member can make an endpoint do and hold, by what it says: in steps, which are the same on each machine.

import { Random } from "@x/transport/simulated"
import { expect, test } from "vitest"
import { CASES } from "../src/cost/cases.ts"
import { CostBounds, describeCost, type Judged } from "../src/cost/bounds.ts"
import { USUAL } from "../src/cost/cost.ts"
import { move } from "../src/cost/moves.ts"
import { StepCounter } from "../src/cost/steps.ts"

// Before anything runs that is counted.
const counter = new StepCounter()
const bounds = await CostBounds.measure(counter)
/** What a search goes on from: another seed goes elsewhere, more tries further. */
const known: Judged[] = []
const SEED = Number(process.env["COST_SEED"] ?? 1)
const TRIES = Number(process.env["COST_TRIES"] ?? 16)

test("steps are counted alike each time, but for what happens once, and grow with the work", async () => {
  const full = await bounds.judge(USUAL)
  const few = await bounds.judge([move("open"), move("message", { count: 4, numberBy: 1, isAlone: true })])
  const again = await bounds.judge(USUAL)
  expect(Math.abs(again.work.meanSteps / full.work.meanSteps - 1)).toBeLessThan(0.01)
  expect(few.work.steps).toBeGreaterThan(200)
  expect(full.work.meanSteps).toBeGreaterThan(1.5 * few.work.meanSteps)
})

test("what calls of the language clear and move is counted", async () => {
  const clearing = await counter.count(async () => void new Uint8Array(1_048_576))
  const moving = await counter.count(async () => void new Uint8Array(16).fill(1))
  expect(clearing).toBeGreaterThanOrEqual(16_384)
  expect(moving).toBeLessThan(10)
  expect(new Uint8Array(4)).toBeInstanceOf(Uint8Array)
})

test.each(CASES)("a datagram costs at most ten usual ones, and little afterwards: $name", async ({ moves, endsIt }) => {
  const judged = await bounds.judge(moves)
  if (endsIt !== true) known.push(judged)
  expect(judged.work.sentBytes).toBeGreaterThan(1_000)
  // What ends the association can be done once for each join, and lets go of all that was held for the peer.
  expect(judged.share > (endsIt === true ? 5 : 1) ? describeCost(judged) : "").toBe("")
})

test(
  `a search finds nothing that costs more: ${TRIES} tries from COST_SEED=${SEED}`,
  { timeout: 600_000 },
  async () => {
    expect(known.length).toBeGreaterThan(0)
    const { dearest } = await bounds.search(new Random(SEED, "cost"), known, TRIES)
    expect(dearest.share > 1 ? describeCost(dearest) : "").toBe("")
  },
)

test.each(CASES)("what is held is in step with what came: $name", async ({ moves }) => {
  expect((await bounds.judgeMemory(moves)).share).toBeLessThan(1)
})
