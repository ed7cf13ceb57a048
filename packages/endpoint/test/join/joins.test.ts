import { REASON } from "@x/wire"
import { expect, test } from "vitest"
import { LIMITS } from "../peer/limits.ts"
import { Side } from "./side.ts"

const A = 1
const B = 2
const C = 3

function ask(side: Side, address: number, nowMs: number) {
  const call = side.joins.call(1_000, nowMs)
  side.tap.transport.retainAddress(address)
  side.joins.ask(call, { addresses: [address] }, nowMs)
  return call
}

/** Carries everything that both sides send until they fall silent. */
function converse(a: Side, b: Side, nowMs: number): void {
  do {
    a.joins.poll(nowMs)
    b.joins.poll(nowMs)
  } while (a.carry(b, A, nowMs) + b.carry(a, B, nowMs) > 0)
}

test("a join comes out as a value on both sides, of one session, and changes no peer", () => {
  const [a, b] = [new Side(A), new Side(B)]
  const call = ask(a, B, 0)
  converse(a, b, 0)
  const [event] = a.events()
  if (event?.kind !== "established") throw new Error("it was not established")
  expect(event.calls).toEqual([call])
  const { session, association } = event.established
  expect([session.unique, association.isOurs, association.address]).toEqual([b.unique, true, B])
  const owner = b.slots.get(association.remoteSlot)
  if (owner?.kind !== "half-open") throw new Error("it is not half open")
  expect(b.events()).toEqual([])
  const theirs = b.joins.confirm(owner.entry, 5)
  expect([theirs.session.unique, theirs.session.local, theirs.session.remote]).toEqual([
    a.unique,
    session.remote,
    session.local,
  ])
  expect([b.joins.halfOpenCount, b.joins.nextTimeoutMs, a.joins.count]).toEqual([0, Infinity, 0])
})

test("a join that nobody answers ends at its deadline, and leaves neither slot nor address", () => {
  const a = new Side(A)
  const call = ask(a, B, 0)
  for (let nowMs = 0; nowMs <= 1_000; nowMs += 50) a.joins.poll(nowMs)
  expect(a.events()).toEqual([
    { kind: "settled", calls: [call], result: { kind: "timeout", reason: REASON.timeout, text: "" } },
  ])
  a.carry(new Side(B), A, 1_000)
  expect([a.slots.count, a.joins.timers, a.tap.held.get(B)]).toEqual([0, 0, 0])
})

test("a side that is asked to join itself refuses", () => {
  const a = new Side(A)
  ask(a, A, 0)
  for (let i = 0; i < 3; i++) {
    a.joins.poll(0)
    a.carry(a, A, 0)
  }
  const [event] = a.events()
  expect(event?.kind === "settled" && "kind" in event.result && event.result.reason).toBe(REASON.self)
})

test("what is half open and never used is forgotten after five seconds, with its slot and address", () => {
  const [a, b] = [new Side(A), new Side(B)]
  ask(a, B, 0)
  converse(a, b, 0)
  expect([b.joins.halfOpenCount, b.joins.nextTimeoutMs]).toEqual([1, 5_000])
  b.joins.poll(4_999)
  expect(b.slots.count).toBe(1)
  b.joins.poll(5_000)
  expect([b.joins.halfOpenCount, b.slots.count, b.tap.held.get(A)]).toEqual([0, 0, 0])
})

test("calls that ask the same share one join, which ends when the last has gone", () => {
  const a = new Side(A)
  const first = ask(a, B, 0)
  const second = ask(a, B, 0)
  expect(a.joins.count).toBe(1)
  a.joins.cancel(first, 0)
  expect(a.joins.count).toBe(1)
  a.joins.cancel(second, 0)
  expect([a.joins.count, a.slots.count]).toEqual([0, 0])
})

test("a join that goes on with a session which is over begins anew with another", () => {
  const [a, b] = [new Side(A), new Side(B)]
  ask(a, B, 0)
  a.joins.poll(0)
  a.carry(b, A, 0)
  // The challenge names a session for B.
  b.carry(a, B, 0)
  a.joins.poll(0)
  a.carry(b, A, 0)
  const over = b.joins.takeHalfOpen()[0]!.session
  a.joins.drop({ ...over, unique: b.unique, local: over.remote, remote: over.local }, 0)
  converse(a, b, 0)
  const event = a.events().at(-1)
  if (event?.kind !== "established") throw new Error("it was not established")
  expect(event.established.session.local).not.toEqual(over.remote)
})

test("with keys a first join is accepted at once, but challenged where its unique is that of a peer already", () => {
  const secret = new Uint8Array(32).fill(7)
  const [a, b] = [new Side(A, { secret }), new Side(B, { secret })]
  const answer = (): number => {
    ask(a, B, 0)
    a.joins.poll(0)
    a.carry(b, A, 0)
    return b.joins.halfOpenCount
  }
  const session = {
    unique: a.unique,
    publicKey: undefined,
    local: b.unique,
    remote: a.unique,
    limits: LIMITS,
    beganMs: 0,
  }
  const peer = { session, liveness: "joined", association: undefined, associations: [] } as const
  b.known.push({ ...peer, rtt: { ptoMs: 50 }, ping() {} })
  expect(answer()).toBe(0)
  // Its answer to the challenge names what it knows, and is accepted.
  converse(a, b, 0)
  expect([b.joins.halfOpenCount, a.events().map(({ kind }) => kind)]).toEqual([1, ["established"]])
  b.joins.release(0)
  b.known.length = 0
  expect(answer()).toBe(1)
})

test("a probe ends with the peer that it asks after, and goes on anew when another is over that shares its session", () => {
  const secret = new Uint8Array(32).fill(7)
  const [a, b] = [new Side(A, { secret }), new Side(B, { secret })]
  // Two first joins with keys carry the same session, whichever peer answers.
  ask(a, B, 0)
  converse(a, b, 0)
  const [first] = a.events()
  if (first?.kind !== "established") throw new Error("it was not established")
  const { session } = first.established
  const [left, asked] = [C, B].map((id) => ({ ...session, unique: new Uint8Array(8).fill(id) }))
  a.joins.probe(B, asked!, 1_000, 10)
  a.joins.poll(10)
  a.tap.sent.length = 0
  a.joins.drop(left!, 20)
  expect(a.joins.count).toBe(1)
  // It is repeated at once, and results in another session.
  converse(a, b, 20)
  const [second] = a.events()
  if (second?.kind !== "established") throw new Error("it was not established")
  expect(second.established.session.local).not.toEqual(session.local)
  a.joins.probe(B, asked!, 1_000, 30)
  a.joins.drop(asked!, 30)
  expect(a.joins.count).toBe(0)
})

test("of joins that come together 128 are read, and 5,000 a second after that", () => {
  const secret = new Uint8Array(32).fill(7)
  const [a, b] = [new Side(A, { secret }), new Side(B, { secret })]
  const dropsAt = (nowMs: number, count: number): number => {
    for (let i = 0; i < count; i++) ask(a, 1_000 * (1 + nowMs) + i, nowMs)
    a.joins.poll(nowMs)
    const joins = a.written()
    expect(joins.length).toBeGreaterThanOrEqual(count)
    return joins.slice(0, count).filter((it, i) => receive(b, it.bytes, 10 + i, nowMs) === "rate").length
  }
  expect(dropsAt(0, 200)).toBe(72)
  expect(dropsAt(10, 90)).toBe(40)
  expect(dropsAt(50, 128)).toBe(0)
})

test("of one join four copies a second are read, wherever they come from, and those of others beside them", () => {
  const secret = new Uint8Array(32).fill(7)
  const [a, b] = [new Side(A, { secret }), new Side(B, { secret })]
  for (const address of [B, C]) ask(a, address, 0)
  a.joins.poll(0)
  const [first, second] = a.written()
  const read = (bytes: Uint8Array, nowMs: number): number => {
    let count = 0
    for (let address = 10; address < 30; address++) if (receive(b, bytes, address, nowMs) !== "rate") count++
    return count
  }
  expect([read(first!.bytes, 0), read(first!.bytes, 999), read(second!.bytes, 999)]).toEqual([4, 0, 4])
  expect(read(first!.bytes, 1_000)).toBe(4)
})

test("copies of joins, however many, leave the budget of joins that weren't seen before alone", () => {
  const secret = new Uint8Array(32).fill(7)
  const [a, b] = [new Side(A, { secret }), new Side(B, { secret })]
  const joinsAt = (nowMs: number, count: number): Uint8Array[] => {
    a.tap.sent.length = 0
    for (let i = 0; i < count; i++) ask(a, 1_000 * (1 + nowMs) + i, nowMs)
    a.joins.poll(nowMs)
    return a
      .written()
      .slice(0, count)
      .map(({ bytes }) => bytes)
  }
  const read = (joins: readonly Uint8Array[], nowMs: number): number =>
    joins.filter((bytes, i) => receive(b, bytes, 10 + i, nowMs) !== "rate").length
  const seen = joinsAt(0, 100)
  expect(read(seen, 0)).toBe(100)
  expect(read(seen, 0)).toBe(48)
  // All of them again and again, for a second.
  let copies = 0
  for (let nowMs = 1; nowMs <= 1_000; nowMs++) copies += read(seen, nowMs)
  expect(copies).toBeLessThanOrEqual(500)
  expect(read(joinsAt(1_000, 128), 1_000)).toBe(128)
})

function receive(side: Side, bytes: Uint8Array, address: number, nowMs: number) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return side.joins.receive({ view, bytes, offset: 0, length: bytes.length, address }, undefined, nowMs)
}
