import { PacketPool } from "@x/stream"
import { PROFILE } from "@x/wire"
import { expect, test } from "vitest"
import { Outbox } from "../../src/datagram/outbox.ts"
import type { PeerState } from "../../src/peer/peer-state.ts"
import { FairTurn } from "../../src/schedule/fair-queue.ts"
import { Turns } from "../../src/protocol/turns.ts"
import { Tap } from "../datagram/tap.ts"

/** A peer that has this many datagrams to send, and records when it is polled. */
interface Fake {
  readonly peer: PeerState
  datagrams: number
  /** Whether its next turn handles everything that may be due. */
  disturbed: boolean
}

class World {
  readonly tap = new Tap()
  readonly turns: Turns
  readonly outbox: Outbox
  /** Which peer sent how many datagrams, in order. */
  readonly sent: [string, number][] = []
  works = 0

  constructor() {
    const pool = new PacketPool({ slotBytes: 1_472, slotsMax: 4 })
    this.outbox = new Outbox(this.tap.transport, PROFILE.none, 1_472, pool)
    this.turns = new Turns(this.outbox, pool, () => this.works++)
  }

  peer(name: string, { priority = 128, weight = 1, datagrams = 0, dueMs = Infinity } = {}): Fake {
    const fake: Fake = {
      datagrams,
      disturbed: false,
      peer: {
        ...{
          isAwake: false,
          dueMs: Infinity,
          heapIndex: -1,
          priority,
          weight,
          liveness: "joined",
          turn: new FairTurn(),
        },
        ...{ datagramBytesMax: 1_000, nextTimeoutMs: () => dueMs, disturb: () => void (fake.disturbed = true) },
        outgoing: { closePackets: () => {}, enlist: () => {}, expire: () => Infinity },
        pollData: (quantumBytes: number) => {
          const count = Math.min(fake.datagrams, quantumBytes / 1_000)
          fake.datagrams -= count
          this.sent.push([name, count])
          return fake.datagrams > 0
        },
      } as unknown as PeerState,
    }
    return fake
  }

  /** A turn of all awake peers. Returns those that wrote what was due, in order. */
  run(nowMs = 0): PeerState[] {
    const said: PeerState[] = []
    this.turns.rouseDue(nowMs)
    for (let peer = this.turns.next(); peer !== undefined; peer = this.turns.next()) {
      said.push(peer)
      this.turns.serve(peer)
    }
    this.turns.sendData(nowMs)
    return said
  }
}

test("a peer that is woken has one turn, in the order of waking, and work is asked for once", () => {
  const world = new World()
  const [a, b] = [world.peer("a"), world.peer("b")]
  for (const { peer } of [b, a, b]) world.turns.wake(peer)
  expect([world.works, world.turns.nextTimeoutMs]).toEqual([2, -Infinity])
  expect(world.run()).toEqual([b.peer, a.peer])
  expect([world.run(), world.turns.nextTimeoutMs]).toEqual([[], Infinity])
})

test("a peer that has nothing to do has its turn when its time has come", () => {
  const world = new World()
  const { peer } = world.peer("a", { dueMs: 70 })
  world.turns.wake(peer)
  world.run()
  expect([world.turns.nextTimeoutMs, world.turns.timers, world.run(69), world.run(70)]).toEqual([70, 1, [], [peer]])
})

test("its next turn handles everything: of a peer that is woken or due, or that the socket had no room for", () => {
  const world = new World()
  const told = (fake: Fake, act: () => void): boolean => {
    fake.disturbed = false
    act()
    return fake.disturbed
  }
  const it = world.peer("a", { dueMs: 70 })
  const { peer } = it
  expect(told(it, () => world.turns.wakeForData(peer))).toBe(false)
  expect(world.works).toBe(1)
  expect(told(it, () => world.turns.wake(peer))).toBe(true)
  expect(told(it, () => world.run())).toBe(false)
  expect(told(it, () => world.turns.rouseDue(70))).toBe(true)
  const fill = (): void => {
    world.tap.room = 0
    world.outbox.compose()
    world.outbox.postHandshake(1, 0, 0, 0)
  }
  world.turns.next()
  world.turns.serve(peer)
  fill()
  world.outbox.flush()
  expect(told(it, () => world.turns.sendData(70))).toBe(true)
})

test("data of the highest priority goes first, and by weight among equals; one alone goes on to its end", () => {
  const world = new World()
  const low = world.peer("low", { priority: 1, datagrams: 5 })
  const light = world.peer("light", { datagrams: 20 })
  const heavy = world.peer("heavy", { weight: 2, datagrams: 40 })
  for (const { peer } of [low, light, heavy]) world.turns.wake(peer)
  world.run()
  expect(world.sent).toEqual([
    ...[1, 2].flatMap(() => [
      ["light", 8],
      ["heavy", 16],
    ]),
    ["light", 4],
    ["heavy", 8],
    ["low", 5],
  ])
})

test("while the socket is full nobody has a turn; a deadline of the application is looked at all the same", () => {
  const world = new World()
  const waiting = world.peer("waiting")
  world.tap.room = 0
  world.outbox.compose()
  world.outbox.postHandshake(1, 0, 0, 0)
  world.outbox.flush()
  world.turns.wake(waiting.peer)
  expect([world.run(), world.turns.nextTimeoutMs]).toEqual([[], Infinity])
  world.turns.hasten(waiting.peer, 50)
  expect(world.turns.nextTimeoutMs).toBe(50)
  world.tap.room = 10
  expect(world.run()).toEqual([waiting.peer])
})

test("a peer that is gone has no turn any more", () => {
  const world = new World()
  const [a, b] = [world.peer("a"), world.peer("b", { dueMs: 70 })]
  world.turns.wake(b.peer)
  world.run()
  world.turns.wake(a.peer)
  for (const { peer } of [a, b]) world.turns.remove(peer)
  expect([world.run(100), world.turns.timers]).toEqual([[], 0])
})
