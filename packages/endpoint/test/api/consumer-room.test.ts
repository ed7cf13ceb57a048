import { expect, test } from "vitest"
import { ConsumerRoom } from "../../src/api/consumer-room.ts"
import { MESSAGE_BYTES, QueueBudget, QueuedMessage, QueueShare } from "../../src/api/queue-budget.ts"
import { WaitingMessages } from "../../src/api/waiting-messages.ts"
import type { IncomingState } from "../../src/streams/incoming-state.ts"

const BOUNDS = { queuedMessagesMax: 8, queuedBytesMax: 10_000 }

/** The room of one stream, with a queue and a budget of its own. */
function makeRoom({ budgetBytes = 1_000_000, isNewestOnly = false } = {}) {
  const budget = new QueueBudget(budgetBytes, () => {})
  const queueShare = new QueueShare(budget, "a")
  const queue = new WaitingMessages()
  const state = { stream: { traits: { isNewestOnly } }, messagesPerPacket: 0, bytesPerPacket: 0 } as IncomingState
  const room = new ConsumerRoom(state, queue, { queueShare }, BOUNDS)
  const push = (bytes: number): void => queue.push(new QueuedMessage(queueShare, 1, new Uint8Array(bytes)))
  const waiter = { roomReturned: () => 0 }
  return { room, state, queue, budget, push, waiter }
}

test("a consumer is filling from half of either bound on, and full at it", () => {
  const { room, push } = makeRoom()
  for (let i = 0; i < 3; i++) push(10)
  expect([room.isFilling, room.isFull]).toEqual([false, false])
  push(10)
  expect([room.isFilling, room.isFull]).toEqual([true, false])
  for (let i = 0; i < 4; i++) push(10)
  expect(room.isFull).toBe(true)
  const large = makeRoom()
  large.push(5_000)
  expect([large.room.isFilling, large.room.isFull]).toEqual([true, false])
  large.push(5_000)
  expect(large.room.isFull).toBe(true)
})

test("a stream of which only the newest counts keeps one message, and its sender isn't held up for that", () => {
  const { room, state, push, waiter } = makeRoom({ isNewestOnly: true })
  push(10)
  room.tell(waiter, false)
  expect([room.isFull, state.room?.isFull]).toEqual([true, false])
})

test("the sender is told what is left of the bounds; a message that the consumers have counts for the budget alone", () => {
  const { room, state, push, waiter } = makeRoom()
  push(1_000)
  room.currentBytes = 2_000
  room.tell(waiter, false)
  expect(state.room).toMatchObject({ messages: 7, bytes: 9_000, messagesMax: 8, bytesMax: 10_000, isWaiting: false })
  expect(room.shareBytes).toBe(1_000_000 - (1_000 + MESSAGE_BYTES) * 2 - 125_000 - 3_000)
})

test("without room in the budget the sender is told of none, and the stream waits for some, in its turn", () => {
  const { room, state, queue, budget, push, waiter } = makeRoom({ budgetBytes: 4_000 })
  push(1_900)
  room.tell(waiter, false)
  expect([state.room?.bytes, room.letBytes, budget.isQueued]).toEqual([0, 0, true])
  queue.shift().release()
  // Others that were there before it are first.
  room.tell(waiter, false)
  room.tell(waiter, true)
  expect([state.room?.bytes !== 0, room.letBytes]).toEqual([true, MESSAGE_BYTES])
})
