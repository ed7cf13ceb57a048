import { LargeMessage } from "@x/fragment"
import { MODE, REASON } from "@x/wire"
import { expect, test } from "vitest"
import type { IncomingState } from "../../src/streams/incoming-state.ts"
import { Incoming } from "./incoming.ts"
import { Outgoing } from "./outgoing.ts"

/** Datagrams with one message each on this many streams. */
function datagrams(streams: number, messages = 1): { readonly ids: number[]; readonly sent: Uint8Array[] } {
  const sender = new Outgoing()
  const states = Array.from({ length: streams }, () => sender.open())
  for (const state of states) sender.write(state, messages)
  sender.poll()
  return { ids: states.map(({ stream }) => stream.id), sent: sender.tap.sent.map(({ bytes }) => bytes) }
}

function only(receiver: Incoming): IncomingState {
  const [state] = receiver.incoming.all()
  return state!
}

test("what comes on a stream begins it, is handed over in order, and is said to have come", () => {
  const receiver = new Incoming()
  const { ids, sent } = datagrams(1, 3)
  receiver.open(...ids)
  for (const bytes of sent) receiver.deliver(bytes)
  expect(receiver.messages).toEqual([1, 2, 3].map(() => [ids[0], 1_000]))
  expect(receiver.events.map(({ kind }) => kind)).toEqual(["stream-begun", "stream-opened"])
  expect(receiver.say(25)).toEqual([{ kind: "status", stream: ids[0], cumulative: 3, isClosed: false }])
  expect(receiver.say(26)).toEqual([])
})

test("the packets to come are taken to be as large as the last that were full, whatever we send", () => {
  const [sender, receiver] = [new Outgoing(), new Incoming()]
  const state = sender.open()
  receiver.open(state.stream.id)
  expect(receiver.incoming.payloadBytesMax).toBe(1_400)
  expect(new LargeMessage(1, new Uint8Array(5_000)).write(state.stream)).toBe(true)
  sender.outgoing.touch(state)
  sender.poll()
  for (const { bytes } of sender.tap.sent) receiver.deliver(bytes)
  expect(receiver.incoming.payloadBytesMax).toBe(state.stream.payloadBytesMax)
})

test("a peer has no more streams open than it was told, and what it sends on another is dropped and counted", () => {
  const receiver = new Incoming(2)
  const { ids, sent } = datagrams(3)
  receiver.open(ids[0]!, ids[1]!)
  for (const bytes of sent) receiver.deliver(bytes)
  expect([receiver.incoming.count, receiver.messages.length, receiver.drops]).toEqual([2, 2, ["streams-full"]])
})

test("a stream that ends is told once all of it has come; its end is answered as often as it is said", () => {
  const receiver = new Incoming()
  const { ids, sent } = datagrams(1, 2)
  const end = { stream: ids[0]!, final: 2, begun: 2 }
  receiver.open(...ids)
  receiver.deliver(sent[0]!)
  receiver.incoming.handleEnd(end, 0)
  expect(receiver.events.map(({ kind }) => kind)).toEqual(["stream-begun", "stream-opened"])
  receiver.deliver(sent[1]!)
  expect(receiver.events.at(-1)).toMatchObject({ kind: "stream-closed", isComplete: true, reason: REASON.unspecified })
  const answer = { kind: "status", stream: ids[0], cumulative: 2, isClosed: true }
  expect([receiver.say(0), receiver.say(1), receiver.incoming.count]).toEqual([[answer], [], 0])
  receiver.incoming.handleEnd(end, 2)
  expect(receiver.say(2)).toEqual([answer])
  // Its late packets open nothing.
  receiver.deliver(sent[1]!)
  expect([receiver.incoming.count, receiver.drops]).toEqual([0, ["stream-closed"]])
})

test("an end that overtook its stream is dropped, and said again by its sender", () => {
  const receiver = new Incoming()
  receiver.incoming.handleEnd({ stream: 7, final: 1, begun: 1 }, 0)
  expect([receiver.drops, receiver.say(0)]).toEqual([["not-open"], []])
})

test("a stream that was stopped is over at once; what still comes of it is dropped, and its sender told again", () => {
  const receiver = new Incoming()
  const { ids, sent } = datagrams(1, 3)
  receiver.open(...ids)
  receiver.deliver(sent[0]!)
  receiver.incoming.stop(only(receiver), 77)
  expect(receiver.events.at(-1)).toMatchObject({ kind: "stream-closed", isComplete: false, reason: 77 })
  expect(receiver.say(0)).toEqual([{ kind: "stop", stream: ids[0] }])
  receiver.deliver(sent[1]!)
  expect([receiver.messages.length, receiver.drops]).toEqual([1, ["stream-closed"]])
  // It counts until its sender knows.
  expect([receiver.incoming.count, receiver.incoming.isUsed]).toEqual([1, false])
  receiver.incoming.handleReset({ stream: ids[0]!, final: 3, begun: 3, reason: 77 })
  expect([receiver.incoming.count, receiver.say(1)]).toEqual([
    0,
    [{ kind: "status", stream: ids[0], cumulative: 3, isClosed: true }],
  ])
})

test("a stream that is over counts until its consumer is done with what came", () => {
  const receiver = new Incoming(1)
  const [first, second] = [datagrams(1), datagrams(2)]
  receiver.open(...first.ids)
  receiver.deliver(first.sent[0]!)
  const state = only(receiver)
  receiver.incoming.handleEnd({ stream: first.ids[0]!, final: 1, begun: 1 }, 0)
  receiver.deliver(second.sent[1]!)
  expect([receiver.incoming.count, receiver.drops]).toEqual([0, ["streams-full"]])
  receiver.incoming.read(state)
  receiver.incoming.read(state)
  receiver.deliver(second.sent[1]!)
  expect(receiver.incoming.count).toBe(1)
})

test("what a consumer has no room for waits at its sender, and goes on as soon as there is room", () => {
  const receiver = new Incoming()
  const { ids, sent } = datagrams(1, 3)
  receiver.open(...ids)
  receiver.deliver(sent[0]!)
  const state = only(receiver)
  const whole = { messagesMax: 8, bytesMax: 80_000 }
  state.room = { ...whole, messages: 0, bytes: 0, isFull: true, isWaiting: false }
  receiver.incoming.roomChanged(state)
  receiver.deliver(sent[1]!)
  expect([receiver.messages.length, receiver.drops]).toEqual([1, ["no-room"]])
  state.room = { ...whole, messages: 8, bytes: 80_000, isFull: false, isWaiting: true }
  receiver.incoming.roomChanged(state)
  expect(receiver.say(0)).toMatchObject([{ kind: "status", cumulative: 1 }])
  for (const bytes of sent) receiver.deliver(bytes)
  expect(receiver.messages.length).toBe(3)
})

test("without memory nothing is asked for, until the next sync: one packet, to see whether others gave some back", () => {
  const receiver = new Incoming()
  const { ids, sent } = datagrams(1)
  const sync = { stream: ids[0]!, mode: MODE.reliable, low: 0, high: 3, begun: 0 }
  receiver.open(...ids)
  receiver.deliver(sent[0]!)
  const { stream } = only(receiver)
  stream.refuse()
  const asked = (fromMs: number): number => {
    const before = stream.naksSent
    for (let nowMs = fromMs; nowMs < fromMs + 2_000; nowMs += 500) receiver.say(nowMs)
    return stream.naksSent - before
  }
  expect(asked(0)).toBe(0)
  receiver.sync(sync, 2_000)
  expect(asked(2_000)).toBeGreaterThan(0)
})

test("a message that a gap cuts off is told as lost before the next one is handed over, and its memory is free", () => {
  const receiver = new Incoming()
  const sender = new Outgoing()
  const mode = MODE["best-effort"]
  const state = sender.open({ mode })
  const { stream } = state
  expect(new LargeMessage(1, new Uint8Array(2_000)).write(stream)).toBe(true)
  sender.write(state, 1)
  sender.poll()
  const [first, , next] = sender.tap.sent.map(({ bytes }) => bytes)
  receiver.incoming.handleOpen({ stream: stream.id, first: 0, mode, priority: 128, metadata: new Uint8Array(0) }, 0)
  receiver.deliver(first!)
  receiver.deliver(next!)
  expect([only(receiver).assembler.count, receiver.messages.length]).toEqual([1, 0])
  receiver.sync({ stream: stream.id, mode, low: 2, high: 3, begun: 1 })
  expect(receiver.events.filter(({ kind }) => kind === "gap")).toMatchObject([{ messages: 1 }])
  expect([only(receiver).assembler.count, receiver.messages.length]).toEqual([0, 1])
})

test("an opening that finds no memory for its label is dropped, and taken once labels of others have gone", () => {
  const receiver = new Incoming(100)
  const metadata = new Uint8Array(1_000)
  const open = (stream: number): void =>
    receiver.incoming.handleOpen({ stream, first: 0, mode: MODE.reliable, priority: 128, metadata }, 0)
  const opened = (): number => receiver.events.filter(({ kind }) => kind === "stream-opened").length
  for (let id = 1; id <= 90; id++) open(id)
  // All may have 64 kB together, and one alone a part of that.
  const most = opened()
  expect([most > 16, most < 65]).toEqual([true, true])
  expect(receiver.drops).toEqual(Array.from({ length: 90 - most }, () => "streams-full"))
  open(90)
  expect(opened()).toBe(most)
  for (let id = 1; id <= 10; id++) {
    const state = [...receiver.incoming.all()].find((it) => it.id === id)!
    receiver.incoming.handleReset({ stream: id, reason: REASON.unspecified, final: 0, begun: 0 })
    receiver.incoming.read(state)
  }
  for (let id = 81; id <= 90; id++) open(id)
  expect(opened()).toBe(most + 10)
})
