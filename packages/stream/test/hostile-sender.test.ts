// What a sender can make a receiver keep and do, by what it sends and by what it leaves out. Work is counted in ranges
// that are looked at (`ReceiveStream.steps`), never in time.

import {
  createKeptPacket,
  FixedAllowance,
  PacketPool,
  ReceiveStream,
  ROWS_LOT,
  ROWS_MAX,
  RttEstimator,
  type SkippedPackets,
  streamOptions,
} from "@x/stream"
import { createStatus, createSync, deliveryByte, FORM, MODE, type Mode, RANGES_MAX, STATUS } from "@x/wire"
import fc from "fast-check"
import { expect, test } from "vitest"
import { runs } from "../../../tools/testkit/src/runs.ts"

const SPREAD = 16_384
const PAYLOAD = new Uint8Array(1)
/** The most steps of a search, and of what it finds. */
const SEARCH = 14

/** A receiver, and what its peer does to it. */
class Victim {
  readonly rows = new FixedAllowance(1_000_000)
  readonly pool = new PacketPool({ slotBytes: 64, slotsMax: SPREAD })
  readonly stream: ReceiveStream
  readonly status = createStatus()
  readonly #kept = createKeptPacket()
  readonly #skipped: SkippedPackets = { begun: 0 }
  nowMs = 0
  /** The most ranges that one packet made it look at, and one status. */
  packetSteps = 0
  statusSteps = 0

  readonly mode: Mode

  constructor(mode: Mode) {
    this.mode = mode
    const options = streamOptions({ spreadPackets: SPREAD, payloadBytesMax: 64 })
    const { pool, rows } = this
    this.stream = new ReceiveStream({ id: 1, mode, options, rtt: new RttEstimator(), pool, rows })
    this.stream.handleOpen(0, 0)
  }

  packet(number: number, isRefused = false): string {
    const { stream, nowMs } = this
    const before = stream.steps
    const verdict = stream.handlePacket(
      ...([number, deliveryByte(this.mode, FORM.whole), false, PAYLOAD, 0, 1, nowMs] as const),
    )
    if (verdict === "deliver") {
      if (isRefused) stream.refuse(stream.traits.isOrdered ? undefined : number)
      else if (stream.traits.isOrdered) stream.advance()
      else stream.accept(number, nowMs)
    }
    this.#goOn()
    this.packetSteps = Math.max(this.packetSteps, stream.steps - before)
    return verdict
  }

  sync(low: number, high: number, gone: readonly (readonly [number, number])[] = []): void {
    const sync = createSync()
    Object.assign(sync, { stream: 1, mode: this.mode, low, high, begun: 0 })
    sync.gone.count = gone.length
    for (const [i, [from, to]] of gone.entries()) {
      sync.gone.edges[2 * i] = from
      sync.gone.edges[2 * i + 1] = to
    }
    const before = this.stream.steps
    this.stream.hasRoom()
    this.stream.handleSync(sync, false, this.nowMs)
    this.#goOn()
    this.packetSteps = Math.max(this.packetSteps, this.stream.steps - before)
  }

  #goOn(): void {
    const { stream } = this
    if (!stream.traits.isOrdered) return
    while (stream.skip(this.#skipped) || stream.peekKept(this.#kept)) if (stream.peekKept(this.#kept)) stream.advance()
  }

  /** What a turn of the endpoint does: at most one status. Returns whether there was one. */
  turn(): boolean {
    const before = this.stream.steps
    const isSaid = this.stream.pollStatus(this.nowMs, this.status)
    void this.stream.nextTimeoutMs
    this.statusSteps = Math.max(this.statusSteps, this.stream.steps - before)
    return isSaid
  }
}

function expectBounded({ stream, packetSteps, statusSteps, rows }: Victim): void {
  stream.assertInvariants()
  // A search takes a dozen steps. A sync names 64 ranges, and may end what is held.
  expect(packetSteps).toBeLessThanOrEqual(2 * ROWS_MAX + 2 * (RANGES_MAX + 1) * SEARCH)
  // Each look at all gaps is one for each: when to ask, what to ask for, what came.
  expect(statusSteps).toBeLessThanOrEqual(5 * ROWS_MAX)
  expect(1_000_000 - rows.room).toBeLessThanOrEqual(2 * (ROWS_MAX + ROWS_LOT))
}

const modes = [MODE.reliable, MODE["reliable-unordered"], MODE["best-effort"]] as const

test.each(modes)(
  "every second packet makes no more gaps than there may be, and what was refused comes again (mode %i)",
  (mode) => {
    const it = new Victim(mode)
    let refused = 0
    for (let number = 1; number < SPREAD; number += 2) if (it.packet(number) === "no-room") refused++
    it.turn()
    expectBounded(it)
    // One place is for what the receiver itself notes, and without an order one for the packet if it is refused.
    expect(refused).toBe(SPREAD / 2 - ROWS_MAX + (mode === MODE["reliable-unordered"] ? 2 : 1))
    // An honest sender sends all of it once more, from the edge on: nothing is refused for ever.
    for (let round = 0; round < 20 && it.stream.cumulative < SPREAD; round++)
      for (let number = it.stream.cumulative; number < SPREAD; number++) it.packet(number)
    expect(it.stream.cumulative).toBe(SPREAD)
    expect(it.rows.room).toBe(1_000_000)
  },
)

test.each(modes)("a stream that closes gives back what its gaps were charged (mode %i)", (mode) => {
  const it = new Victim(mode)
  for (let number = 1; number < SPREAD; number += 2) it.packet(number)
  expect(it.rows.room).toBeLessThan(1_000_000)
  it.stream.close()
  expect([it.rows.room, it.pool.used]).toEqual([1_000_000, 0])
})

test("streams share what their peer is allowed, and each still has a few gaps", () => {
  const rows = new FixedAllowance(ROWS_LOT)
  const options = streamOptions({ spreadPackets: SPREAD })
  const pool = new PacketPool({ slotBytes: 64, slotsMax: SPREAD })
  const streams = [1, 2, 3].map(
    (id) => new ReceiveStream({ id, mode: MODE.reliable, options, rtt: new RttEstimator(), pool, rows }),
  )
  const kept = streams.map((stream) => {
    stream.handleOpen(0, 0)
    for (let number = 1; number < 1_000; number += 2) stream.handlePacket(number, 0, false, PAYLOAD, 0, 1, 0)
    return stream.kept
  })
  expect(kept[0]).toBeGreaterThan(ROWS_LOT)
  expect([kept[1], kept[2]]).toEqual([15, 15])
})

test("one full status for each turn, a sixteenth of a round trip apart, lists what is missing; not as many as there are lists", () => {
  const it = new Victim(MODE["reliable-unordered"])
  for (let number = 1; number < SPREAD; number += 2) it.packet(number)
  it.nowMs = 100
  let statuses = 0
  while (it.turn()) statuses++
  expect(statuses).toBe(1)
  expect(it.status.missing.count).toBe(RANGES_MAX)
  // A packet brings no more than one, even where hundreds of gaps are due.
  it.packet(2)
  expect([it.turn(), it.turn()]).toEqual([false, false])
  it.nowMs = it.stream.nextTimeoutMs
  expect(it.nowMs).toBeGreaterThan(100)
  expect([it.turn(), it.turn(), it.status.missing.count]).toEqual([true, false, RANGES_MAX])
})

test("a sender that says nothing more is asked for eight seconds and then no more; a sync shows that it lives", () => {
  const it = new Victim(MODE["reliable-unordered"])
  for (let number = 1; number < SPREAD; number += 2) it.packet(number)
  let statuses = 0
  for (; it.stream.nextTimeoutMs < Infinity; statuses++) {
    it.nowMs = Math.max(it.nowMs, it.stream.nextTimeoutMs)
    it.turn()
    expect(it.nowMs).toBeLessThanOrEqual(8_000)
  }
  expect(statuses).toBeGreaterThan(20)
  it.nowMs = 60_000
  it.sync(0, SPREAD)
  it.packet(3)
  expect(it.stream.nextTimeoutMs).toBeLessThan(60_100)
  it.nowMs = 60_100
  expect([it.turn(), it.status.missing.count]).toEqual([true, RANGES_MAX])
})

test("gone ranges that are repeated cost a search each, however many are known", () => {
  const it = new Victim(MODE["best-effort"])
  const ranges = Array.from({ length: RANGES_MAX }, (_, i) => [2 + 4 * i, 3 + 4 * i] as const)
  for (let lists = 0; lists < SPREAD / 256; lists++)
    it.sync(
      0,
      SPREAD,
      ranges.map(([from, to]) => [from + 256 * lists, to + 256 * lists] as const).filter(([, to]) => to < SPREAD),
    )
  it.packetSteps = 0
  for (let times = 0; times < 40; times++) it.sync(0, SPREAD, ranges)
  expect(it.packetSteps).toBeLessThanOrEqual(2 * (RANGES_MAX + 1) * SEARCH)
  expectBounded(it)
})

test("where gaps fill all room and their packets are given up, the edge passes them all the same", () => {
  const it = new Victim(MODE["best-effort"])
  for (let number = 1; number < SPREAD; number += 2) it.packet(number)
  it.sync(SPREAD - 2, SPREAD - 1)
  it.sync(SPREAD - 2, SPREAD - 1)
  it.packet(SPREAD - 2)
  expect(it.stream.cumulative).toBe(SPREAD - 1)
  expectBounded(it)
})

const hostile = fc.oneof(
  // Every so many numbers, upwards or downwards, over a stretch.
  fc.record({
    kind: fc.constant("comb" as const),
    from: fc.nat({ max: SPREAD }),
    step: fc.constantFrom(1, 2, 2, 2, 3, -1, -2, -2),
    count: fc.constantFrom(1, 50, 700, 3_000),
    isRefused: fc.boolean(),
  }),
  fc.record({ kind: fc.constant("sync" as const), low: fc.nat({ max: SPREAD }), by: fc.constantFrom(1, 2, 5) }),
  fc.record({ kind: fc.constant("wait" as const), ms: fc.constantFrom(0, 1, 5, 30, 1_000) }),
  fc.record({ kind: fc.constant("room" as const), packets: fc.constantFrom(0, 5, 900, 5_000) }),
)

test("whatever comes, no packet and no status costs more than a look at all gaps there may be, and all is given back", () => {
  fc.assert(
    fc.property(fc.constantFrom(...modes), fc.array(hostile, { maxLength: 12 }), (mode, steps) => {
      const it = new Victim(mode)
      for (const step of steps) {
        const { cumulative } = it.stream
        if (step.kind === "comb")
          for (let i = 0; i < step.count; i++) it.packet(cumulative + step.from + i * step.step, step.isRefused)
        else if (step.kind === "sync") {
          const low = cumulative + (step.low % 100 === 0 ? step.low : 0)
          const gone = Array.from(
            { length: RANGES_MAX },
            (_, i) => [low + 2 + i * (step.by + 1), low + 3 + i * (step.by + 1)] as const,
          )
          it.sync(
            low,
            cumulative + SPREAD - 1,
            gone.filter(([, to]) => to < cumulative + SPREAD),
          )
        } else if (step.kind === "wait") it.nowMs += step.ms
        else it.stream.limit(step.packets, 1, true)
        expect([it.turn(), it.turn() && (it.status.state & STATUS.noRoom) === 0]).not.toEqual([true, true])
        expectBounded(it)
      }
      it.stream.close()
      expect([it.rows.room, it.pool.used]).toEqual([1_000_000, 0])
    }),
    { numRuns: runs(40) },
  )
})
