// Messages for several streams: one place in memory, a ledger for each receiver.

import {
  createOutgoingPacket,
  PacketLog,
  PacketPool,
  PoolShare,
  RttEstimator,
  SendStream,
  slotBytesOf,
  streamOptions,
} from "@x/stream"
import { createStatus, MODE, type Mode } from "@x/wire"
import fc from "fast-check"
import { expect, test } from "vitest"
import { runs } from "../../../../tools/testkit/src/runs.ts"

const OPTIONS = streamOptions({ payloadBytesMax: 100, windowPackets: 8, spreadPackets: 64 })

const makePool = (slotsMax = 64): PacketPool => new PacketPool({ slotBytes: slotBytesOf(OPTIONS), slotsMax })

interface Made {
  readonly first?: number
  readonly mode?: Mode
}

function makeStream(
  id: number,
  pool: PacketPool | PoolShare,
  { first = 0, mode = MODE.reliable }: Made = {},
): SendStream {
  return new SendStream({ id, mode, options: OPTIONS, rtt: new RttEstimator(10), pool, first })
}

/**
 * Writes a message of 40 bytes that are all this number. Returns the streams that have no part in it: `undefined`, if it
 * is in the packet of the message before.
 */
function write(log: PacketLog, streams: readonly SendStream[], fill: number): SendStream[] | undefined {
  const offset = log.roomBehind(40)
  const packet = offset < 0 ? log.begin(40, 100) : undefined
  const apart = packet && streams.filter((stream) => !stream.share(packet))
  const at = offset < 0 ? log.roomBehind(40) : offset
  if (at < 0) log.skip()
  else {
    log.slab.fill(fill, at, at + 40)
    log.commit(40)
  }
  return at < 0 ? [...streams] : apart
}

/** The same for one stream by itself. */
function writeAlone(stream: SendStream, fill: number): boolean {
  const offset = stream.reserve(40)
  if (offset < 0) return false
  stream.slab.fill(fill, offset, offset + 40)
  stream.commit(40)
  return true
}

/** The number of each packet that can be sent, and of its messages. */
function taken(stream: SendStream): [number, number[]][] {
  stream.closePacket()
  const out = createOutgoingPacket()
  const all: [number, number[]][] = []
  while (stream.take(0, out)) {
    const fills: number[] = []
    for (let at = 0; at < out.length; at += 40) fills.push(out.bytes[out.offset + at]!)
    all.push([out.number, fills])
  }
  return all
}

function acknowledge(stream: SendStream, cumulative: number): void {
  expect(stream.handleStatus({ ...createStatus(), stream: stream.id, cumulative }, 0)).toBeUndefined()
}

test("what is written once goes to three receivers, each under its own number, and is free once the last one has it", () => {
  const pool = makePool()
  const log = new PacketLog(pool, OPTIONS)
  const streams = [makeStream(1, pool), makeStream(2, pool, { first: 500 }), makeStream(3, pool, { first: 70 })]
  const [a, b, c] = streams as [SendStream, SendStream, SendStream]
  expect([write(log, streams, 7), write(log, streams, 8), pool.used]).toEqual([[], undefined, 1])
  log.release(2)
  expect([a.begun, b.begun, c.high, log.packets]).toEqual([2, 2, 71, 0])
  expect([taken(a), taken(b), taken(c)]).toEqual([[[0, [7, 8]]], [[500, [7, 8]]], [[70, [7, 8]]]])
  acknowledge(a, 1)
  c.reset(0, 0)
  expect(pool.used).toBe(1)
  acknowledge(b, 501)
  expect([pool.used, a.messages.acknowledged, b.messages.acknowledged]).toEqual([0, 2, 2])
})

test("as soon as one stream closes the packet, nothing more is written to it, and what they send is the same", () => {
  const pool = makePool()
  const log = new PacketLog(pool, OPTIONS)
  const [a, b] = [makeStream(1, pool), makeStream(2, pool)]
  write(log, [a, b], 1)
  // What it writes by itself comes after, in a packet of its own.
  writeAlone(a, 2)
  write(log, [a, b], 3)
  expect([taken(a), taken(b)].map((packets) => packets.flatMap(([, fills]) => fills))).toEqual([
    [1, 2, 3],
    [1, 3],
  ])
  expect(log.packets).toBe(2)
})

test.each(["reset", "end", "setPayloadBytesMax"] as const)(
  "a stream that is told to %s lets go of the packet, and the others go on",
  (what) => {
    const pool = makePool()
    const log = new PacketLog(pool, OPTIONS)
    const [a, b] = [makeStream(1, pool), makeStream(2, pool)]
    write(log, [a, b], 1)
    if (what === "reset") a.reset(0, 0)
    else if (what === "end") a.end(0)
    else a.setPayloadBytesMax(64)
    // What remains for it is too large, or it takes nothing any more.
    expect(write(log, [a, b], 2)).toEqual([a])
    expect(taken(b)).toEqual([
      [0, [1]],
      [1, [2]],
    ])
    a.assertInvariants()
  },
)

test("a packet counts for the share of each peer that it waits for, and one without room has no part in it", () => {
  const pool = makePool()
  const log = new PacketLog(new PoolShare(pool, 8), OPTIONS)
  const [ours, theirs] = [new PoolShare(pool, 4), new PoolShare(pool, 1)]
  const streams = [makeStream(1, ours), makeStream(2, theirs)]
  const [a, b] = streams as [SendStream, SendStream]
  expect([1, 2, 3].map((fill) => write(log, streams, fill))).toEqual([[], undefined, [b]])
  log.release(3)
  expect([ours.used, theirs.used, pool.used]).toEqual([2, 1, 2])
  b.reset(0, 0)
  expect([ours.used, theirs.used, pool.used, taken(a).length]).toEqual([2, 0, 2, 2])
  expect([ours.used, pool.used]).toEqual([2, 2])
})

test("who comes late is given packets from the one that begins with its message, as far as they weren't released", () => {
  const pool = makePool()
  const log = new PacketLog(pool, OPTIONS)
  const [a, b] = [makeStream(1, pool), makeStream(2, pool)]
  for (let fill = 1; fill <= 6; fill++) write(log, [a], fill)
  log.release(3)
  expect([0, 1, 2, 3, 4, 5].map((message) => log.packetFrom(message)?.begun)).toEqual([
    undefined,
    undefined,
    2,
    undefined,
    2,
    undefined,
  ])
  expect([b.share(log.packetFrom(2)!), b.share(log.packetFrom(4)!), b.begun]).toEqual([true, true, 4])
  expect(taken(b)).toEqual([
    [0, [3, 4]],
    [1, [5, 6]],
  ])
  log.assertInvariants()
  for (const stream of [a, b]) stream.reset(0, 0)
  expect(pool.used).toBe(2)
  log.clear()
  expect([pool.used, log.low, log.high]).toEqual([0, 6, 6])
})

test("a packet that nobody has taken, and that nobody waits for, is not written to any more", () => {
  const pool = makePool()
  const log = new PacketLog(pool, OPTIONS)
  write(log, [], 1)
  log.release(1)
  expect([pool.used, log.roomBehind(40), log.packets]).toEqual([0, -1, 0])
})

test("what is larger than the payload of a stream is not for it", () => {
  const pool = makePool()
  const log = new PacketLog(pool, OPTIONS)
  const stream = makeStream(1, pool)
  stream.setPayloadBytesMax(64)
  log.begin(40, 100)
  log.commit(40)
  expect(stream.share(log.packetFrom(0)!)).toBe(false)
  // Nothing more comes: now it is small enough.
  log.close()
  expect([stream.share(log.packetFrom(0)!), stream.queuedPackets]).toEqual([true, 1])
})

test("small packets lie in small slots; those that follow full ones lie in larger ones", () => {
  const pool = new PacketPool({ slotBytes: 65_000, usualBytes: 1_000 })
  const log = new PacketLog(pool, OPTIONS)
  const sizes = Array.from({ length: 8 }, () => {
    let bytes = 0
    log.begin(400, 60_000)
    for (; log.roomBehind(400) >= 0; bytes += 400) log.commit(400)
    return bytes
  })
  const grows = sizes.every((size, at) => at === 0 || size >= sizes[at - 1]!)
  expect([sizes[0]! < 1_000, sizes.at(-1)! > 59_000, grows]).toEqual([true, true, true])
  // One that was closed early says how much is written in a turn.
  log.begin(400, 60_000)
  log.commit(400)
  log.close()
  const { used } = pool
  log.begin(400, 60_000)
  expect(pool.used - used).toBe(1)
})

test("without memory there is no packet, and the next message has the next number", () => {
  const log = new PacketLog(makePool(1), OPTIONS)
  expect([1, 2, 3].map((fill) => write(log, [], fill))).toEqual([[], undefined, []])
  expect([log.high, log.packets, log.packetFrom(2)]).toEqual([3, 1, undefined])
})

test.each([MODE["best-effort"], MODE.latest, MODE["fire-and-forget"]])(
  "mode %i, which gives messages up, has no part in it",
  (mode) => {
    const pool = makePool()
    const stream = makeStream(1, pool, { mode })
    expect(write(new PacketLog(pool, OPTIONS), [stream], 1)).toEqual([stream])
    expect(stream.begun).toBe(0)
  },
)

test("whatever is written, given, sent, acknowledged and reset: each stream sends what it was given, and no slot is held longer", () => {
  const step = fc.record({ what: fc.nat(7), which: fc.nat(2), count: fc.nat(5) })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), fc.integer({ min: 1, max: 12 }), (steps, slots) => {
      const pool = makePool()
      const log = new PacketLog(new PoolShare(pool, slots), OPTIONS)
      const streams = [1, 2, 3].map((id) => makeStream(id, new PoolShare(pool, slots)))
      /** Those that have a part in the packet that is being written. */
      let holders: readonly SendStream[] = []
      const written: number[] = []
      const given = streams.map((): number[] => [])
      const sent = streams.map((): number[] => [])
      for (const [at, { what, which, count }] of steps.entries()) {
        const stream = streams[which]!
        const fill = at + 1
        if (what <= 1) {
          const apart = write(log, streams, fill)
          if (apart !== undefined) holders = streams.filter((each) => !apart.includes(each))
          for (const each of holders) given[streams.indexOf(each)]!.push(fill)
          written.push(fill)
        } else if (what === 2) {
          if (writeAlone(stream, fill)) given[which]!.push(fill)
        } else if (what === 3) sent[which]!.push(...taken(stream).flatMap(([, fills]) => fills))
        else if (what === 4 && stream.state === "open") {
          const { high, queuedPackets, isFilling } = stream
          acknowledge(stream, Math.min(stream.low + count, high - queuedPackets - (isFilling ? 1 : 0)))
        } else if (what === 5 && count === 5) stream.reset(0, 0)
        else if (what === 6) {
          const message = Math.max(0, log.high - count)
          const packet = log.packetFrom(message)
          packet?.shut()
          if (packet !== undefined && stream.share(packet))
            given[which]!.push(...written.slice(message, message + packet.begun))
        } else if (what === 7) log.release(Math.max(log.low, log.high - count))
        for (const each of streams) each.assertInvariants()
        log.assertInvariants()
        pool.assertInvariants()
      }
      for (const [which, fills] of sent.entries()) expect(given[which]!.slice(0, fills.length)).toEqual(fills)
      for (const each of streams) each.reset(0, 0)
      log.clear()
      expect(pool.used).toBe(0)
    }),
    { numRuns: runs(300) },
  )
})
