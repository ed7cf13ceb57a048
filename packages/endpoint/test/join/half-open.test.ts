import { expect, test } from "vitest"
import { type HalfOpen, HalfOpenTable } from "../../src/join/half-open.ts"
import { Association } from "../../src/path/association.ts"
import type { Session } from "../../src/path/session.ts"
import { LIMITS } from "../peer/limits.ts"

function makeSession(unique: number, remote = 1): Session {
  const bytes = (value: number): Uint8Array => new Uint8Array(8).fill(value)
  return {
    unique: bytes(unique),
    publicKey: undefined,
    local: bytes(9),
    remote: bytes(remote),
    limits: LIMITS,
    beganMs: 0,
  }
}

function makeEntry(join: string, host: string, session: Session = makeSession(1)): HalfOpen {
  const parts = { slot: 1, remoteSlot: 2, address: 1, isOurs: false, order: 0, inFlightMax: 64, nowMs: 0 }
  return {
    join,
    host,
    attempt: 1,
    session,
    association: new Association(parts),
    joinBytes: 1_200,
    firstMs: 0,
    acceptedMs: 0,
  }
}

test("a join counts once for its host, however many tries it has, and until the last is gone", () => {
  const table = new HalfOpenTable()
  const tries = [makeEntry("x", "h"), makeEntry("x", "h")]
  for (const entry of tries) table.add(entry)
  expect([table.joins, table.joinsOf("h"), table.triesOf("x"), table.tries]).toEqual([1, 1, tries, 2])
  table.delete(tries[0]!)
  expect([table.joins, table.joinsOf("h")]).toEqual([1, 1])
  table.delete(tries[1]!)
  expect([table.joins, table.joinsOf("h"), table.triesOf("x")]).toEqual([0, 0, []])
})

test("a session is found by what both sides call it, and another one of the same incarnation replaces it", () => {
  const table = new HalfOpenTable()
  const session = makeSession(1)
  table.add(makeEntry("x", "h", session))
  expect(table.sessionOf(makeSession(1))).toBe(session)
  expect(table.sessionOf(makeSession(1, 2))).toBeUndefined()
  expect(table.sessionWith(makeSession(1, 2))).toBe(session)
  expect([table.isReplacing(session), table.isReplacing(makeSession(1, 2)), table.isReplacing(makeSession(2))]).toEqual(
    [...[false, true, false]],
  )
})

test("of the host that has the most joins the oldest gives way, to one that has fewer", () => {
  const table = new HalfOpenTable()
  for (const join of ["a1", "b1", "b2", "a2", "b3"]) table.add(makeEntry(join, join[0]!))
  const oldest = (joins: number): string | undefined => table.oldestOfMost(joins)[0]?.join
  expect([oldest(0), oldest(2), oldest(3)]).toEqual(["b1", "b1", undefined])
  for (const entry of table.oldestOfMost(0)) table.delete(entry)
  expect([oldest(0), oldest(2)]).toEqual(["a1", undefined])
})

test("joins are counted by static key too", () => {
  const table = new HalfOpenTable()
  const publicKey = new Uint8Array(32).fill(4)
  const entries = ["x", "x", "y"].map((join) => makeEntry(join, "h", { ...makeSession(1), publicKey }))
  for (const entry of entries) table.add(entry)
  expect(table.joinsOfKey(publicKey)).toBe(2)
  for (const entry of entries) table.delete(entry)
  expect(table.joinsOfKey(publicKey)).toBe(0)
})
