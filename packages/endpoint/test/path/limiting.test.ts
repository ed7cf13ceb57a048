import { expect, test } from "vitest"
import { fixed } from "@x/endpoint"
import { Limiting } from "../../src/path/limiting.ts"
import { makePair } from "../world.ts"

test("the time of each limit is counted, from the first turn on, and begins anew when it was asked for", () => {
  const limiting = new Limiting()
  for (const [limit, nowMs] of [
    ["application", 10],
    ["pace", 30],
    ["pace", 35],
    ["window", 40],
  ] as const)
    limiting.set(limit, nowMs)
  const { ms, heldMs } = limiting.take(50)
  expect([ms, heldMs.application, heldMs.pace, heldMs.window]).toEqual([40, 20, 10, 10])
  expect([limiting.limit, limiting.take(53)]).toMatchObject(["window", { ms: 3, heldMs: { window: 3, pace: 0 } }])
})

test.each([
  ["pace", { congestion: fixed({ windowBytes: 10_000_000, paceBytesPerMs: 100 }) }],
  ["cap", { sendRateBytesPerSecondPerPeer: 100_000 }],
  ["cap", { sendRateBytesPerSecondMax: 100_000 }],
  ["congestion", { congestion: fixed({ windowBytes: 20_000, paceBytesPerMs: Infinity }) }],
  ["window", { windowBytes: 20_000, windowPackets: 16 }],
  ["consumer", { queuedMessagesMax: 4 }],
  ["memory", { sendPoolPacketsPerPeer: 16 }],
] as const)("a peer says what limits it: %s", async (limit, options) => {
  const { network, b, toB } = await makePair(1, { delayMs: 20 }, options)
  if (limit === "consumer") b.handleAsync(1, () => new Promise(() => {}))
  else b.handle(1, () => {})
  const stream = toB.open()
  const offer = (): void => {
    while (stream.trySend(1, new Uint8Array(1_000)) === "sent");
  }
  stream.on("drain", offer)
  await network.advance(100)
  toB.explain()
  offer()
  await network.advance(1_000)
  const { ms, most, shares, advice } = toB.explain()
  expect([Math.round(ms), most, shares[limit] > 0.5]).toEqual([1_000, limit, true])
  expect(Object.values(shares).reduce((sum, share) => sum + share)).toBeCloseTo(1)
  expect(advice).toContain(":")
})

test("where nothing is left to send it was the application", async () => {
  const { network, toB } = await makePair(1, { delayMs: 20 })
  toB.open().trySend(1, new Uint8Array(10))
  await network.advance(500)
  expect(toB.explain()).toMatchObject({ most: "application", now: "application" })
})
