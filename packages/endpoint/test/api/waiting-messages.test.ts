import fc from "fast-check"
import { expect, test } from "vitest"
import { QueueBudget, QueuedMessage, QueueShare } from "../../src/api/queue-budget.ts"
import { WaitingMessages } from "../../src/api/waiting-messages.ts"
import { runs } from "../../../../tools/testkit/src/runs.ts"

const OPS = ["push", "shift", "putBack", "dropOldest", "setAside", "recall"] as const

test("messages wait in the order in which they came, those set aside before all others, whatever is done with them", () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...OPS), { maxLength: 200 }), (ops) => {
      const budget = new QueueBudget(1_000_000, () => {})
      const share = new QueueShare(budget)
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
  const share = new QueueShare(budget)
  const waiting = new WaitingMessages()
  for (let i = 0; i < 5; i++) waiting.push(new QueuedMessage(share, i, new Uint8Array(100)))
  waiting.setAside()
  waiting.clear()
  expect([waiting.count, waiting.bytes, budget.bytes]).toEqual([0, 0, 0])
})
