import type { SendStream } from "@x/stream"
import { expect, test } from "vitest"
import { OutgoingState } from "../../src/streams/outgoing-state.ts"
import type { Sender } from "../../src/streams/sender.ts"
import { StreamTurns } from "../../src/streams/stream-turns.ts"

/** A stream with this many full packets to send. */
function stream(packets: number, { priority = 128, weight = 1 } = {}) {
  const left = { packets }
  const fake = { priority, peek: () => (left.packets > 0 ? 1_000 : -1) } as unknown as SendStream
  return { left, state: new OutgoingState(fake, undefined as unknown as Sender, weight) }
}

/** Takes this many packets in turn. Returns their streams. */
function take(turns: StreamTurns, streams: readonly ReturnType<typeof stream>[], packets = Infinity): number[] {
  const order: number[] = []
  for (let state = turns.next(1_000); state !== undefined && order.length < packets; state = turns.next(1_000)) {
    const at = streams.findIndex((it) => it.state === state)
    streams[at]!.left.packets--
    state.deficit -= 1_000
    order.push(at)
  }
  return order
}

test("equals take turns, a packet for each unit of weight; those of a lower priority come after them", () => {
  const streams = [stream(3), stream(4, { weight: 2 }), stream(2, { priority: 1 })]
  const turns = new StreamTurns()
  for (const { state } of [...streams].reverse()) turns.enlist(state)
  expect(take(turns, streams)).toEqual([1, 1, 0, 1, 1, 0, 0, 2, 2])
  expect(turns.count).toBe(0)
})

test("a stream without anything to send has no turn, and one that is listed twice has one", () => {
  const streams = [stream(0), stream(2)]
  const turns = new StreamTurns()
  for (const { state } of [...streams, ...streams]) turns.enlist(state)
  expect([turns.count, take(turns, streams)]).toEqual([1, [1, 1]])
})

test("a stream that is removed has no turn any more, and begins anew when it comes back", () => {
  const streams = [stream(9), stream(2)]
  const turns = new StreamTurns()
  for (const { state } of streams) turns.enlist(state)
  expect(take(turns, streams, 1)).toEqual([0])
  turns.remove(streams[0]!.state)
  turns.remove(streams[0]!.state)
  expect([turns.count, streams[0]!.state.deficit, take(turns, streams)]).toEqual([1, 0, [1, 1]])
})
