import type { SendStream } from "@x/stream"
import { expect, test } from "vitest"
import { FullStreams } from "../../src/streams/full-streams.ts"
import { OutgoingState } from "../../src/streams/outgoing-state.ts"
import type { Sender } from "../../src/streams/sender.ts"

function stream() {
  const sender = { isWaiting: true }
  const fake = { state: "open", isHeld: false, isStarved: false, queuedPackets: 0 }
  return { sender, fake, state: new OutgoingState(fake as unknown as SendStream, sender as unknown as Sender, 1) }
}

test("a stream is full while its messages wait for room, which shows at least once", () => {
  const streams = new FullStreams()
  const { sender, state } = stream()
  expect([streams.isFull, streams.takeFull()]).toEqual([false, false])
  streams.note(state)
  sender.isWaiting = false
  streams.note(state)
  expect([streams.isFull, streams.takeFull(), streams.takeFull()]).toEqual([false, true, false])
  sender.isWaiting = true
  streams.note(state)
  expect([[...streams.all], streams.takeFull(), streams.takeFull()]).toEqual([[state], true, true])
})

test("one that is over, or on its way there, isn't", () => {
  const streams = new FullStreams()
  const [over, ending] = [stream(), stream()]
  ending.fake.state = "resetting"
  streams.note(ending.state)
  expect([streams.isFull, streams.takeFull()]).toEqual([false, false])
  streams.note(over.state)
  over.fake.isHeld = true
  over.fake.queuedPackets = 1
  streams.noteHeld(over.state)
  streams.delete(over.state)
  expect([streams.isFull, streams.limit]).toEqual([false, "application"])
})

test("what holds it back is its receiver, or else the memory, or else the window", () => {
  const streams = new FullStreams()
  const { fake, state } = stream()
  expect(streams.limit).toBe("application")
  streams.note(state)
  expect(streams.limit).toBe("window")
  fake.isStarved = true
  expect(streams.limit).toBe("memory")
  fake.isHeld = true
  expect(streams.limit).toBe("consumer")
})

test("a receiver without room holds a stream back too that isn't full, as long as packets wait", () => {
  const streams = new FullStreams()
  const { sender, fake, state } = stream()
  sender.isWaiting = false
  Object.assign(fake, { isHeld: true, queuedPackets: 3 })
  streams.noteHeld(state)
  expect(streams.limit).toBe("consumer")
  fake.queuedPackets = 0
  expect(streams.limit).toBe("application")
  Object.assign(fake, { isHeld: false, queuedPackets: 3 })
  streams.noteHeld(state)
  expect(streams.limit).toBe("application")
})
