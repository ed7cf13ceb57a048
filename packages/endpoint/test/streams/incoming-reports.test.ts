import { PacketPool, RepeatPace, RttEstimator } from "@x/stream"
import * as wire from "@x/wire"
import { expect, test } from "vitest"
import { ControlWriter } from "../../src/datagram/control-writer.ts"
import { Outbox } from "../../src/datagram/outbox.ts"
import { Association } from "../../src/path/association.ts"
import { IncomingReports } from "../../src/streams/incoming-reports.ts"
import type { IncomingState } from "../../src/streams/incoming-state.ts"
import { Stopping } from "../../src/streams/stopping.ts"
import { Tap } from "../datagram/tap.ts"

const DATAGRAM_BYTES = 1_400

/** A stream that has a status to say when it is told so, and messages to give up. */
class FakeStream {
  readonly stopping = new Stopping()
  isReporting = false
  isRemoved = false
  dueMs = Infinity
  heapIndex = -1
  statusMs = Infinity
  giveUpMs = Infinity
  /** Of its list, that were looked at. */
  rows = 0
  rowsPerStatus = 0
  state: "open" | "closed" = "open"
  /** What was done with it, in order. */
  readonly log: string[] = []
  /** Received ranges in its status: as many as there may be. */
  rangesMax = 0
  readonly id: number

  constructor(id: number) {
    this.id = id
  }

  get stream(): unknown {
    const stateOf = (): string => this.state
    const rowsOf = (): number => this.rows
    return {
      get state() {
        return stateOf()
      },
      get steps() {
        return rowsOf()
      },
      hurry: () => void this.log.push("hurry"),
      pollStatus: (nowMs: number, status: wire.Status, rangesMax: number): boolean => {
        if (this.statusMs > nowMs) return false
        this.statusMs = Infinity
        this.log.push("status")
        this.rows += this.rowsPerStatus
        this.rangesMax = rangesMax
        status.stream = this.id
        status.received.count = rangesMax
        for (let i = 0; i < 2 * rangesMax; i++) status.received.edges[i] = i + 1
        return true
      },
    }
  }

  get assembler(): unknown {
    return { nextTimeoutMs: this.giveUpMs, handleTimeout: () => void this.log.push("given up") }
  }

  get sayMs(): number {
    return Math.min(this.statusMs, this.stopping.dueMs)
  }

  tellRoom(): void {
    this.log.push("room")
  }

  get asState(): IncomingState {
    return this as unknown as IncomingState
  }
}

class World {
  readonly tap = new Tap()
  readonly pace = new RepeatPace()
  readonly reports = new IncomingReports({ rtt: new RttEstimator(), pace: this.pace })
  readonly #outbox: Outbox
  readonly #control: ControlWriter
  readonly #association: Association

  constructor() {
    const pool = new PacketPool({ slotBytes: 1_472, slotsMax: 4 })
    this.#outbox = new Outbox(this.tap.transport, wire.PROFILE.none, 1_472, pool)
    this.#control = new ControlWriter(this.#outbox)
    const slots = { slot: 1, remoteSlot: 1, address: 1 }
    this.#association = new Association({ ...slots, isOurs: true, order: 0, inFlightMax: 64, nowMs: 0 })
  }

  add(id: number, parts: Partial<Pick<FakeStream, "statusMs" | "giveUpMs" | "state">> = {}): FakeStream {
    const fake = Object.assign(new FakeStream(id), parts)
    this.reports.add(fake.asState)
    return fake
  }

  /** Sends what is due; returns it, and whether the socket took all. */
  say(nowMs: number, isLast = false): [string[], boolean] {
    const before = this.tap.sent.length
    this.#control.start(this.#association, DATAGRAM_BYTES, nowMs)
    const isAll = this.reports.compose(this.#control, wire.createStatus(), nowMs, isLast)
    this.#control.post()
    this.#outbox.flush()
    return [this.tap.sent.slice(before).flatMap(({ bytes }) => saidIn(bytes)), isAll]
  }
}

function saidIn(bytes: Uint8Array): string[] {
  expect(bytes.length).toBeLessThanOrEqual(DATAGRAM_BYTES)
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  const cursor = new wire.PacketCursor()
  const status = wire.createStatus()
  const said: string[] = []
  cursor.start(view, 0, bytes.length, wire.PROFILE.none)
  while (cursor.next()) {
    if (cursor.kind === wire.KIND.stop) said.push(`stop ${wire.readStop(view, cursor.body).stream}`)
    if (cursor.kind !== wire.KIND.status) continue
    wire.readStatus(view, cursor.body, status)
    said.push(`status ${status.stream}`)
  }
  return said
}

test("a stream is listed once, until it has nothing more to say; and again when a packet comes", () => {
  const it = new World()
  const [first, second] = [it.add(1, { statusMs: 10 }), it.add(2, { statusMs: 20 })]
  it.reports.add(first.asState)
  expect([it.reports.count, it.reports.nextTimeoutMs()]).toEqual([2, 10])
  expect(it.say(10)).toEqual([["status 1"], true])
  // Until its time, or a packet, it isn't looked at.
  expect([it.reports.nextTimeoutMs(), it.reports.count, first.isReporting, second.isReporting]).toEqual([
    ...[20, 1, false, false],
  ])
  first.statusMs = 15
  it.reports.add(first.asState)
  expect([it.reports.nextTimeoutMs(), it.reports.count]).toEqual([15, 2])
  it.reports.delete(first.asState)
  it.reports.delete(first.asState)
  expect([it.reports.nextTimeoutMs(), it.reports.count, it.say(15)[0]]).toEqual([20, 1, []])
})

test("a status announces the room that there is as it is written", () => {
  const it = new World()
  const fake = it.add(1, { statusMs: 0 })
  it.say(0)
  expect(fake.log).toEqual(["room", "status"])
})

test("a status has as many ranges as one datagram carries, and no more", () => {
  const it = new World()
  const fake = it.add(1, { statusMs: 0 })
  expect(it.say(0)).toEqual([["status 1"], true])
  expect(it.tap.sent[0]!.bytes.length).toBeGreaterThan(DATAGRAM_BYTES - wire.RANGE_BYTES)
  expect(fake.rangesMax).toBeGreaterThan(64)
})

test("a stream that is over says its stop when that is due, and no status", () => {
  const it = new World()
  const fake = it.add(7, { state: "closed", statusMs: 0 })
  fake.stopping.begin(5)
  expect(it.say(0)).toEqual([["stop 7"], true])
  expect([it.say(1)[0], fake.log]).toEqual([[], []])
  expect(it.say(fake.stopping.dueMs)[0]).toEqual(["stop 7"])
})

test("what the socket has no room for is said once it has, and isn't taken for said", () => {
  const it = new World()
  const all = Array.from({ length: 400 }, (_, id) => it.add(id, { statusMs: 0 }))
  for (let i = 0; i < 40; i++) it.reports.heard(0)
  it.tap.room = 0
  const [, isAll] = it.say(0)
  const waiting = all.filter(({ statusMs }) => statusMs === 0).length
  expect([isAll, waiting > 0, it.reports.nextTimeoutMs()]).toEqual([false, true, 0])
  it.tap.room = Infinity
  for (let i = 0; i < 40; i++) it.reports.heard(1)
  while (!it.say(1)[1]) {}
  it.say(2)
  const said = it.tap.sent.flatMap(({ bytes }) => saidIn(bytes))
  expect(new Set(said).size).toBe(400)
  expect(said.length).toBe(400)
})

test("nothing is said to a peer that is silent, but messages without progress are given up all the same", () => {
  const it = new World()
  const fake = it.add(1, { statusMs: 10, giveUpMs: 30 })
  it.pace.isPaused = true
  expect([it.reports.nextTimeoutMs(), it.reports.count]).toEqual([30, 1])
  it.reports.handleTimeout(29)
  expect(fake.log).toEqual([])
  it.reports.handleTimeout(30)
  expect(fake.log).toEqual(["given up"])
})

test("in a hurry, all streams that may owe an acknowledgement are told, and no others", () => {
  const it = new World()
  const [listed, silent] = [it.add(1, { statusMs: 10 }), new FakeStream(2)]
  it.reports.hurry()
  expect([listed.log, silent.log]).toEqual([["hurry"], []])
})

test("of many streams that have something to say later only those are looked at that are due, or that a packet came of", () => {
  const it = new World()
  let looks = 0
  const all = Array.from({ length: 1_000 }, (_, id) => {
    const fake = new FakeStream(id)
    Object.defineProperty(fake, "sayMs", { get: () => (looks++, fake.statusMs) })
    fake.statusMs = 1_000 + id
    it.reports.add(fake.asState)
    return fake
  })
  expect([it.reports.nextTimeoutMs(), looks]).toEqual([1_000, 1_000])
  looks = 0
  it.reports.add(all[500]!.asState)
  expect([it.say(10)[0], it.reports.nextTimeoutMs(), looks]).toEqual([[], 1_000, 1])
  expect([it.say(1_001)[0], it.reports.nextTimeoutMs(), looks]).toEqual([["status 0", "status 1"], 1_002, 3])
})

test("of many streams that have something to say as many say it as the datagrams that came allow, the others a moment later, in order", () => {
  const it = new World()
  for (let id = 0; id < 100; id++) it.add(id, { statusMs: 0 })
  const said: string[] = []
  const counts: number[] = []
  for (let nowMs = 0; nowMs < 3; nowMs++) {
    it.reports.heard(nowMs)
    const [now, isAll] = it.say(nowMs)
    expect([isAll, it.say(nowMs)[0]]).toEqual([true, []])
    expect(it.reports.nextTimeoutMs()).toBe(said.push(...now) < 100 ? nowMs + 1 : Infinity)
    counts.push(now.length)
  }
  expect(counts).toEqual([47, 47, 6])
  expect(said).toEqual(Array.from({ length: 100 }, (_, id) => `status ${id}`))
})

test("a stream whose list of gaps is long leaves less for others", () => {
  const it = new World()
  const all = Array.from({ length: 4 }, (_, id) => it.add(id, { statusMs: 0 }))
  all[0]!.rowsPerStatus = 1_000
  it.reports.heard(0)
  // Of what becomes due by itself less is said in a millisecond.
  expect([0, 7, 8, 9].map((nowMs) => it.say(nowMs)[0].length)).toEqual([1, 0, 2, 1])
})

test("what is said for the last time is said whatever it costs", () => {
  const it = new World()
  for (let id = 0; id < 100; id++) it.add(id, { statusMs: 0 })
  it.reports.heard(0)
  expect(it.say(0, true)[0]).toHaveLength(100)
})
