import type { SendStream } from "@x/stream"
import { expect, test } from "vitest"
import { BusyStreams } from "../../src/streams/busy-streams.ts"
import { OutgoingState } from "../../src/streams/outgoing-state.ts"
import type { Sender } from "../../src/streams/sender.ts"

/** A stream that has something to send or not, and is due at some time. */
function stream(nextTimeoutMs = Infinity, deadlineMs = Infinity) {
  const fake = { nextTimeoutMs, isFilling: false, isDrained: false, bytes: -1, peek: () => fake.bytes }
  return { fake, state: new OutgoingState(fake as unknown as SendStream, { deadlineMs } as Sender, 1) }
}

test("a stream that is roused twice is there once; one with nothing to send is looked at no more until it is due", () => {
  const busy = new BusyStreams()
  const [idle, due] = [stream(), stream(70)]
  for (const { state } of [idle, due, idle]) busy.rouse(state)
  expect(busy.all).toEqual([idle.state, due.state])
  // Nothing makes the idle one look up but a touch.
  expect([busy.settle(), busy.all, busy.count]).toEqual([70, [], 1])
  busy.rouseDue(69)
  expect(busy.all).toEqual([])
  busy.rouseDue(70)
  expect(busy.all).toEqual([due.state])
})

test("one that has data, or a packet that is being filled, stays, and says when it is due", () => {
  const busy = new BusyStreams()
  const [full, filling] = [stream(90), stream(Infinity, 80)]
  full.fake.bytes = 1_000
  filling.fake.isFilling = true
  busy.rouse(full.state)
  busy.rouse(filling.state)
  expect([busy.settle(), busy.all]).toEqual([80, [full.state, filling.state]])
})

test("one that waits for an earlier time keeps its place, and is due at the later one after that", () => {
  const busy = new BusyStreams()
  const it = stream(50)
  busy.rouse(it.state)
  busy.settle()
  it.fake.nextTimeoutMs = 500
  busy.rouse(it.state)
  expect(busy.settle()).toBe(50)
  busy.rouseDue(50)
  expect([[...busy.all], busy.settle()]).toEqual([[it.state], 500])
})

test("one of which all is answered waits for its later time at once", () => {
  const busy = new BusyStreams()
  const it = stream(50)
  busy.rouse(it.state)
  busy.settle()
  it.fake.isDrained = true
  it.fake.nextTimeoutMs = 500
  busy.rouse(it.state)
  expect(busy.settle()).toBe(500)
})

test("one that is over is nowhere any more", () => {
  const busy = new BusyStreams()
  const [here, waiting] = [stream(), stream(70)]
  busy.rouse(waiting.state)
  busy.settle()
  busy.rouse(here.state)
  for (const { state } of [here, waiting]) busy.delete(state)
  expect([busy.all, busy.count, busy.settle(), here.state.isSending]).toEqual([[], 0, Infinity, false])
})
