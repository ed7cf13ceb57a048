import fc from "fast-check"
import { expect, test } from "vitest"
import { MESSAGE_BYTES, QueueBudget, QueuedMessage, QueueShare } from "../../src/api/queue-budget.ts"
import { WaitingMessages } from "../../src/api/waiting-messages.ts"
import { runs } from "../../../../tools/testkit/src/runs.ts"

const OPS = ["push", "shift", "putBack", "dropOldest", "setAside", "recall"] as const

test("messages wait in the order in which they came, those set aside before all others, whatever is done with them", () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...OPS), { maxLength: 200 }), (ops) => {
      const budget = new QueueBudget(1_000_000, () => {})
      const share = new QueueShare(budget, "a")
      const waiting = new WaitingMessages()
      let queue: QueuedMessage[] = []
      let aside: QueuedMessage[] = []
      let current: QueuedMessage | undefined
      let number = 0
      const next = (): QueuedMessage => queue.shift()!
      for (const op of ops) {
        if (op === "push") {
          const message = new QueuedMessage(share, number, new Uint8Array(1 + (number++ % 7)))
          waiting.push(message)
          queue.push(message)
        } else if (op === "shift" && queue.length > 0) {
          current = next()
          expect(waiting.shift()).toBe(current)
        } else if (op === "putBack" && current !== undefined) {
          waiting.putBack(current)
          queue.unshift(current)
          current = undefined
        } else if (op === "dropOldest" && aside.length + queue.length > 0) {
          expect(waiting.dropOldest()).toBe(aside.shift() ?? next())
        } else if (op === "setAside" && queue.length > 0) {
          waiting.setAside()
          aside.push(next())
        } else if (op === "recall") {
          waiting.recall()
          queue = [...aside, ...queue]
          aside = []
        }
        expect([waiting.ready, waiting.count]).toEqual([queue.length, aside.length + queue.length])
        expect(waiting.bytes).toBe([...aside, ...queue].reduce((sum, { bytes }) => sum + bytes.length, 0))
      }
    }),
    { numRuns: runs(200) },
  )
})

test("what nobody wants any more is charged to nobody", () => {
  const budget = new QueueBudget(1_000_000, () => {})
  const share = new QueueShare(budget, "a")
  const waiting = new WaitingMessages()
  for (let i = 0; i < 5; i++) waiting.push(new QueuedMessage(share, i, new Uint8Array(100)))
  waiting.setAside()
  waiting.clear()
  expect([waiting.count, waiting.bytes, budget.bytes]).toEqual([0, 0, 0])
})

test("peers of one identity have together what one would have, and another finds as much; each has what is for the poor", () => {
  const budget = new QueueBudget(1_000_000, () => {})
  const message = (share: QueueShare): QueuedMessage =>
    new QueuedMessage(share, 1, new Uint8Array(10_000 - MESSAGE_BYTES))
  const fill = (share: QueueShare): number => {
    for (; share.room(0) >= 10_000;) message(share)
    return share.charged
  }
  const alone = fill(new QueueShare(budget, "a"))
  // The second process of the same member.
  expect(fill(new QueueShare(budget, "a"))).toBe(10_000)
  expect(fill(new QueueShare(budget, "a"))).toBe(10_000)
  const other = fill(new QueueShare(budget, "b"))
  expect(other).toBeGreaterThan(0.4 * alone)
  expect(budget.charged).toBe(alone + other + 20_000)
})

test("what is charged to an identity is forgotten with its last message", () => {
  const budget = new QueueBudget(1_000_000, () => {})
  const shares = [new QueueShare(budget, "a"), new QueueShare(budget, "a")]
  const messages = shares.map((share) => new QueuedMessage(share, 1, new Uint8Array(100)))
  expect(budget.chargedTo("a")).toBe(2 * (100 + MESSAGE_BYTES))
  messages[0]!.release()
  expect(budget.chargedTo("a")).toBe(100 + MESSAGE_BYTES)
  messages[1]!.release()
  expect([budget.chargedTo("a"), budget.charged]).toEqual([0, 0])
})
