import type { SendStream } from "@x/stream"
import { expect, test } from "vitest"
import { OutgoingState } from "../../src/streams/outgoing-state.ts"
import type { Sender } from "../../src/streams/sender.ts"
import { Starved } from "../../src/streams/starved.ts"

test("streams go on in the order in which they found no memory, once; those that have none still wait", () => {
  const starved = new Starved()
  const isStarved = [false, true, false, false]
  const states = isStarved.map((_, i) => {
    const stream = {
      unackedPackets: 0,
      get isStarved() {
        return isStarved[i]
      },
    } as unknown as SendStream
    return new OutgoingState(stream, undefined as unknown as Sender, 1)
  })
  const fed: number[] = []
  const streams = { progress: (state: OutgoingState) => void fed.push(states.indexOf(state)) }
  for (const i of [2, 1, 0, 2, 3]) starved.add(states[i]!, streams)
  starved.delete(states[3]!)
  starved.feed(0, 0)
  expect([fed, starved.count]).toEqual([[2, 0], 1])
  isStarved[1] = false
  starved.feed(0, 0)
  starved.feed(0, 0)
  expect([fed, starved.count]).toEqual([[2, 0, 1], 0])
})

test("as many go on as there is memory for a run of packets each, and those of which nothing is under way", () => {
  const starved = new Starved()
  const unacked = [5, 5, 0, 5, 5]
  const states = unacked.map((unackedPackets) => {
    const stream = { unackedPackets, isStarved: false, hasMemoryForRuns: (runs: number) => runs <= 3 }
    return new OutgoingState(stream as unknown as SendStream, undefined as unknown as Sender, 1)
  })
  const fed: number[] = []
  const streams = { progress: (state: OutgoingState) => void fed.push(states.indexOf(state)) }
  for (const state of states) starved.add(state, streams)
  starved.feed(0, 0)
  expect([fed, starved.count]).toEqual([[0, 1, 2], 2])
  // Those that went on may have taken less than there was.
  expect(starved.mayFeed(0)).toBe(true)
  starved.feed(0, 0)
  expect([fed, starved.count]).toEqual([[0, 1, 2, 3, 4], 0])
})

test("they are looked at again once memory has been given back, another waits, or packets are smaller", () => {
  const starved = new Starved()
  const made = (): OutgoingState =>
    new OutgoingState({ isStarved: true } as unknown as SendStream, undefined as unknown as Sender, 1)
  const streams = { progress: () => {} }
  expect(starved.mayFeed(7)).toBe(false)
  starved.add(made(), streams)
  expect(starved.mayFeed(7)).toBe(true)
  starved.feed(7, 0)
  expect([starved.mayFeed(7), starved.mayFeed(8)]).toEqual([false, true])
  starved.recut()
  expect(starved.mayFeed(7)).toBe(true)
  starved.feed(7, 0)
  starved.add(made(), streams)
  expect(starved.mayFeed(7)).toBe(true)
})
