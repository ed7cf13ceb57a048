import { expect, test } from "vitest"
import { Association } from "../../src/path/association.ts"
import { Retiring } from "../../src/peer/retiring.ts"

function makeAssociation(slot: number): Association {
  return new Association({ slot, remoteSlot: 2, address: 1, isOurs: true, order: 0, inFlightMax: 64, nowMs: 0 })
}

test("what was replaced takes datagrams for a while, and is handed back then, once", () => {
  const retiring = new Retiring()
  const association = makeAssociation(1)
  retiring.add(association, 300, 10)
  expect([retiring.dueMs, retiring.takeDue(309)]).toEqual([310, []])
  expect(retiring.takeDue(310)).toEqual([association])
  expect([retiring.dueMs, retiring.all]).toEqual([Infinity, []])
})

test("of more than four the oldest is over at once", () => {
  const retiring = new Retiring()
  const all = [1, 2, 3, 4, 5].map(makeAssociation)
  for (const association of all) retiring.add(association, 300, 10)
  expect(retiring.takeDue(10)).toEqual([all[0]])
})
