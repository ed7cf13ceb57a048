import fc from "fast-check"
import { expect, test } from "vitest"
import { type Due, DueQueue } from "../src/due-queue.ts"

test("whatever was set, moved and removed, each comes out once, in the order of its last deadline", () => {
  const step = fc.record({
    item: fc.nat(9),
    dueMs: fc.oneof(fc.nat(20), fc.constant(Infinity)),
    isRemoved: fc.boolean(),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const queue = new DueQueue<Due>()
      const items = Array.from({ length: 10 }, (): Due => ({ dueMs: Infinity, heapIndex: -1 }))
      const model = new Map<Due, number>()
      for (const { item, dueMs, isRemoved } of steps) {
        const due = items[item]!
        if (isRemoved) queue.remove(due)
        else queue.set(due, dueMs)
        if (isRemoved || dueMs === Infinity) model.delete(due)
        else model.set(due, dueMs)
        expect(queue.count).toBe(model.size)
        expect(queue.nextMs).toBe(Math.min(Infinity, ...model.values()))
      }
      const taken: number[] = []
      for (let due = queue.takeDue(100); due !== undefined; due = queue.takeDue(100)) {
        expect(model.get(due)).toBe(due.dueMs)
        model.delete(due)
        taken.push(due.dueMs)
      }
      expect(taken).toEqual(taken.toSorted((a, b) => a - b))
      expect(model.size).toBe(0)
    }),
  )
})

test("nothing is taken before its time", () => {
  const queue = new DueQueue<Due>()
  const item: Due = { dueMs: Infinity, heapIndex: -1 }
  queue.set(item, 10)
  expect(queue.takeDue(9)).toBeUndefined()
  expect(queue.takeDue(10)).toBe(item)
  expect(queue.takeDue(10)).toBeUndefined()
})
