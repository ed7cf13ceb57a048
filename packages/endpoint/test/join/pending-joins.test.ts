// How long our joins and the calls that wait for them last, and what they hold meanwhile.

import { REASON } from "@x/wire"
import { expect, test } from "vitest"
import type { JoinOwner } from "../../src/join/established.ts"
import { PendingJoins } from "../../src/join/pending-joins.ts"
import { Sessions } from "../../src/join/sessions.ts"
import { SlotTable } from "../../src/path/slots.ts"
import { Tap } from "../datagram/tap.ts"

const A = 1
const B = 2
const TARGET = "1,2 "
const FAILURE = { kind: "refused", reason: REASON.peersFull, text: "no" } as const

class World {
  readonly tap = new Tap()
  readonly slots = new SlotTable<JoinOwner>()
  readonly pending: PendingJoins
  hasSlots = true
  #draws = 0

  constructor(peersMax = 1) {
    const { slots, tap } = this
    this.pending = new PendingJoins({
      peersMax,
      addresses: tap.transport,
      slots: {
        take: (nowMs) => (this.hasSlots ? slots.take(++this.#draws, nowMs) : undefined),
        set: (slot, owner) => slots.set(slot, owner),
        free: (slot, nowMs) => slots.free(slot, nowMs),
      },
      sessions: new Sessions((out) => void out.fill(++this.#draws), false),
    })
  }

  /** Begins a join at both addresses, which it then holds. */
  begin(target = TARGET) {
    for (const address of [A, B]) this.tap.transport.retainAddress(address)
    return this.pending.begin(
      target,
      { addresses: [A, B], publicKey: undefined, probed: undefined, timeoutMs: 1_000 },
      0,
    )
  }

  /** A join that these calls wait for, each for this long. */
  joinFor(...timeoutsMs: readonly number[]) {
    const join = this.begin()!
    const calls = timeoutsMs.map((timeoutMs) => this.pending.call(timeoutMs, 0))
    for (const call of calls) this.pending.wait(call, join)
    return { join, calls }
  }

  /** References to addresses, and slots. */
  get held(): number[] {
    return [this.tap.held.get(A) ?? 0, this.tap.held.get(B) ?? 0, this.slots.count]
  }
}

test("a join holds a slot, which leads to it, and its addresses, until it is over", () => {
  const world = new World()
  const { pending } = world
  const join = world.begin()!
  expect(world.slots.get(join.joiner.slot)).toEqual({ kind: "join", pending: join })
  expect(pending.withTarget(TARGET)).toBe(join)
  expect(pending.ofJoiner(join.joiner)).toBe(join)
  expect([...pending]).toEqual([join])
  expect(world.held).toEqual([1, 1, 1])
  for (let i = 0; i < 2; i++) pending.end(join, 0)
  expect(world.held).toEqual([0, 0, 0])
  expect([pending.count, pending.withTarget(TARGET)]).toEqual([0, undefined])
})

test("without a slot nothing begins, and the addresses are let go", () => {
  const world = new World()
  world.hasSlots = false
  expect(world.begin()).toBeUndefined()
  expect([world.pending.count, ...world.held]).toEqual([0, 0, 0, 0])
})

test("a join that is complete keeps its slot, for the association, and tells which calls waited", () => {
  const world = new World()
  const { join, calls } = world.joinFor(1_000, 2_000, 3_000)
  world.pending.cancel(calls[1]!, 0)
  expect(world.pending.complete(join)).toEqual([calls[0], calls[2]])
  expect(world.held).toEqual([0, 0, 1])
  expect([world.pending.count, world.pending.timers, world.pending.events]).toEqual([0, 0, []])
})

test("a join ends with the last call that waits for it", () => {
  const world = new World()
  const { calls } = world.joinFor(1_000, 1_000)
  world.pending.cancel(calls[0]!, 0)
  world.pending.cancel(calls[0]!, 0)
  expect(world.held).toEqual([1, 1, 1])
  world.pending.cancel(calls[1]!, 0)
  expect(world.held).toEqual([0, 0, 0])
  expect(world.pending.events).toEqual([])
})

test("a call whose time is over is told, and those that have more time wait on", () => {
  const world = new World()
  const { pending } = world
  const { join, calls } = world.joinFor(100, 200)
  expect(pending.takeDue(0)).toBe(join.joiner)
  pending.putOff(join.joiner, 500)
  expect(pending.takeDue(99)).toBeUndefined()
  expect(pending.events).toEqual([])
  expect(pending.takeDue(100)).toBeUndefined()
  const result = { kind: "timeout", reason: REASON.timeout, text: "" }
  expect(pending.events.splice(0)).toEqual([{ kind: "settled", calls: [calls[0]], result }])
  expect([pending.count, pending.nextTimeoutMs]).toEqual([1, 200])
  expect(pending.takeDue(1_000)).toBeUndefined()
  expect(pending.events).toEqual([{ kind: "settled", calls: [calls[1]], result }])
  expect(world.held).toEqual([0, 0, 0])
})

test("a joiner that was taken is due again only when it is scheduled", () => {
  const world = new World()
  const { pending } = world
  const { join } = world.joinFor(1_000)
  expect(pending.takeDue(0)).toBe(join.joiner)
  expect(pending.takeDue(0)).toBeUndefined()
  pending.putOff(join.joiner, 10)
  expect([pending.takeDue(9), pending.takeDue(10)]).toEqual([undefined, join.joiner])
  pending.schedule(join.joiner)
  expect(pending.takeDue(10)).toBe(join.joiner)
})

test("what came of a join is told once, to the calls that still wait", () => {
  const world = new World()
  const { pending } = world
  const { join, calls } = world.joinFor(1_000, 1_000)
  pending.cancel(calls[0]!, 0)
  pending.finish(join, FAILURE, 0)
  pending.settle(calls, FAILURE)
  expect(pending.events).toEqual([{ kind: "settled", calls: [calls[1]], result: FAILURE }])
  expect(world.held).toEqual([0, 0, 0])
})

test("a call beyond the most that may wait is told at once", () => {
  const { pending } = new World()
  for (let i = 0; i < 1_024; i++) pending.call(1_000, 0)
  const call = pending.call(1_000, 0)
  expect([pending.nextTimeoutMs, pending.takeDue(0)]).toEqual([0, undefined])
  expect(pending.events).toMatchObject([{ kind: "settled", calls: [call], result: { kind: "full" } }])
})

test("at the end nothing is held, and no call is told", () => {
  const world = new World()
  world.joinFor(1_000)
  world.begin("another")
  world.pending.call(1_000, 0)
  expect(world.held).toEqual([2, 2, 2])
  world.pending.release(0)
  expect(world.held).toEqual([0, 0, 0])
  expect([world.pending.count, world.pending.timers, world.pending.events]).toEqual([0, 0, []])
})
