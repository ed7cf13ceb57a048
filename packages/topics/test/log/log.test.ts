// The log: each message under its position, until it is released, and the memory for it then goes back.
import fc from "fast-check"
import { expect, test } from "vitest"
import { MessageLog } from "../../src/log/log.ts"
import { runs } from "../../../../tools/testkit/src/runs.ts"

test("it is what a map by position is, whatever is added and released", () => {
  const steps = fc.array(fc.oneof(fc.nat(40), fc.record({ release: fc.integer({ min: -3, max: 90 }) })), {
    maxLength: 400,
  })
  fc.assert(
    fc.property(steps, (all) => {
      const log = new MessageLog()
      const model = new Map<number, { message: Uint8Array; ms: number }>()
      let end = 0
      let begin = 0
      for (const [nowMs, step] of all.entries()) {
        if (typeof step === "number") {
          const message = new Uint8Array(step)
          log.append(message, nowMs)
          model.set(end++, { message, ms: nowMs })
        } else {
          log.release(begin + step.release)
          for (; begin < Math.min(end, begin + 1) && begin < log.begin; begin++) model.delete(begin)
        }
        expect([log.begin, log.end]).toEqual([end - model.size, end])
        let bytes = 0
        for (const [position, { message, ms }] of model) {
          expect(log.at(position)).toBe(message)
          expect(log.atMs(position)).toBe(ms)
          bytes += log.cost(message.length)
        }
        expect(log.bytes).toBe(bytes)
      }
    }),
    { numRuns: runs(200) },
  )
})

test("what was released, or isn't there yet, is nowhere", () => {
  const log = new MessageLog()
  for (let i = 0; i < 3; i++) log.append(new Uint8Array(1), i)
  log.release(2)
  expect(() => log.at(1)).toThrow("position 1 isn't in the log, which has [2, 3)")
  expect(() => log.atMs(3)).toThrow(RangeError)
  log.release(100)
  expect([log.begin, log.end, log.bytes]).toEqual([3, 3, 0])
})
