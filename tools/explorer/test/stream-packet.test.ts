// Packets have the same name exactly where it doesn't matter which of them arrives.

import { createStatus, createSync, STATUS } from "@x/wire"
import { expect, test } from "vitest"
import { closedStatus, nameOf, type Packet, trimmed } from "../src/stream-packet.ts"

const NO_RANGES = { count: 0, edges: new Float64Array(0) }
const ranges = (...edges: readonly number[]) => ({ count: edges.length / 2, edges: Float64Array.from(edges) })

function data(number: number, message: number, wanted = false): Packet {
  return { kind: "data", number, delivery: 0, wanted, bytes: Uint8Array.of(1, message) }
}

function status(received = NO_RANGES, missing = NO_RANGES): Packet {
  return { kind: "status", status: { ...createStatus(), cumulative: 2, received, missing } }
}

function sync(low: number, goneBegun: readonly number[]): Packet {
  const gone = { ...ranges(...goneBegun.flatMap((_, i) => [i, i + 1])), begun: Float64Array.from(goneBegun) }
  return { kind: "sync", sync: { ...createSync(), low, high: 4, begun: 1, gone } }
}

test("equal packets have one name, however often they are made", () => {
  expect(nameOf(data(1, 2))).toBe(nameOf(data(1, 2)))
  expect(nameOf(status(ranges(3, 4)))).toBe(nameOf(status(ranges(3, 4))))
  expect(nameOf(sync(1, [2]))).toBe(nameOf(sync(1, [2])))
})

test("packets that tell different things have different names", () => {
  const packets: Packet[] = [
    ...[data(1, 2), data(2, 2), data(1, 3), data(1, 2, true)],
    ...[status(), status(ranges(3, 4)), status(NO_RANGES, ranges(3, 4)), status(ranges(3, 5))],
    { kind: "status", status: closedStatus(2) },
    ...[sync(0, []), sync(1, []), sync(1, [2]), sync(1, [3])],
    ...[3, 4].map((final): Packet => ({ kind: "close", close: { stream: 1, final, reason: 0, begun: 0 } })),
  ]
  expect(new Set(packets.map((packet) => nameOf(packet))).size).toBe(packets.length)
})

test("ranges are copied as far as they are used", () => {
  const list = { count: 1, edges: Float64Array.of(3, 5, 7, 9) }
  const copy = trimmed(list)
  list.edges.fill(0)
  expect(copy).toEqual(ranges(3, 5))
})

test("a receiver that has closed the stream says so, and that everything came", () => {
  expect(closedStatus(7)).toMatchObject({ stream: 1, state: STATUS.closed, cumulative: 7 })
})
