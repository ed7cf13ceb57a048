import type { OutgoingStream } from "@x/endpoint"
import { expect, test } from "vitest"
import { StreamRecord } from "../src/index.ts"

const BALANCED = { accepted: 6, acknowledged: 1, unconfirmed: 2, dropped: 1, pending: 2 }

function recordOf(delivery: string, account = BALANCED): StreamRecord {
  const record = new StreamRecord({ delivery, account } as unknown as OutgoingStream)
  record.lengths.push(10, 20, 30)
  return record
}

test("messages that come once, whole and in order are right", () => {
  const record = recordOf("reliable")
  expect([record.deliver(0, 10, true), record.deliver(2, 30, true)]).toEqual([undefined, undefined])
  expect(record.delivered).toEqual([0, 2])
})

test.each([
  ["another length", [[0, 11, true]], "message 0 has 11 B, not 10"],
  ["a number that nothing has", [[3, 10, true]], "message 3 has 10 B, not undefined"],
  ["other bytes", [[1, 20, false]], "message 1 has other bytes"],
  [
    "a message again",
    [
      [1, 20, true],
      [2, 30, true],
      [1, 20, true],
    ],
    "message 1 came twice",
  ],
  [
    "a message behind a later one",
    [
      [2, 30, true],
      [1, 20, true],
    ],
    "message 1 came late",
  ],
] as [string, [number, number, boolean][], string][])("%s is a fault", (_what, messages, fault) => {
  const record = recordOf("best-effort")
  expect(messages.map((message) => record.deliver(...message)).at(-1)).toBe(fault)
})

test.each(["reliable-unordered", "fire-and-forget"])(
  "without an order a message may come behind a later one (%s)",
  (delivery) => {
    const record = recordOf(delivery)
    expect([record.deliver(2, 30, true), record.deliver(1, 20, true)]).toEqual([undefined, undefined])
    expect(record.deliver(2, 30, true)).toBe("message 2 came twice")
  },
)

test("an account that does not balance is a fault", () => {
  expect(recordOf("reliable").accountFault).toBeUndefined()
  expect(recordOf("reliable", { ...BALANCED, dropped: 0 }).accountFault).toMatch(/does not balance/)
})
