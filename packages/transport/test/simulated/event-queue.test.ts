import fc from "fast-check"
import { expect, test } from "vitest"
import { EventQueue, type TimedEvent } from "../../src/simulated/event-queue.ts"

interface Named extends TimedEvent {
  readonly name: number
}

test("events come out by time, then by the order of setting, whatever was moved or removed meanwhile", () => {
  const call = fc.record({
    kind: fc.constantFrom("set", "set", "remove", "pop"),
    name: fc.integer({ min: 0, max: 9 }),
    // Few values, so that many are equal.
    atMs: fc.oneof(fc.integer({ min: 0, max: 4 }), fc.double({ min: 0, max: 4, noNaN: true })),
  })
  fc.assert(
    fc.property(fc.array(call, { maxLength: 200 }), (calls) => {
      const queue = new EventQueue<Named>()
      const events = Array.from({ length: 10 }, (_, name): Named => ({ name, atMs: 0, order: 0, index: -1 }))
      let naive: { name: number; atMs: number }[] = []
      const pop = (): number | undefined => {
        const first = naive.toSorted((a, b) => a.atMs - b.atMs)[0]
        naive = naive.filter((event) => event !== first)
        return first?.name
      }
      for (const { kind, name, atMs } of calls) {
        const event = events[name]!
        if (kind === "pop") {
          expect(queue.pop()?.name).toBe(pop())
          continue
        }
        naive = naive.filter((other) => other.name !== name)
        if (kind === "set") {
          queue.set(event, atMs)
          naive.push({ name, atMs: event.atMs })
        } else {
          queue.remove(event)
        }
        expect(queue.size).toBe(naive.length)
        expect(queue.nextMs).toBe(Math.min(...naive.map((other) => other.atMs)))
      }
      while (queue.size > 0) expect(queue.pop()?.name).toBe(pop())
      expect(queue.pop()).toBeUndefined()
    }),
  )
})

test("a time is at most a nanosecond late and never early", () => {
  fc.assert(
    fc.property(fc.double({ min: 0, max: 1e9, noNaN: true }), (atMs) => {
      const queue = new EventQueue()
      const event = { atMs: 0, order: 0, index: -1 }
      queue.set(event, atMs)
      expect(event.atMs).toBeGreaterThanOrEqual(atMs)
      expect(event.atMs - atMs).toBeLessThanOrEqual(2 ** -20)
      // Exact beside the clock of a machine, which is a whole number ahead.
      expect(1e9 + event.atMs - 1e9).toBe(event.atMs)
    }),
  )
})
