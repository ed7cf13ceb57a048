// Every delivery mode over every kind of path: promised messages are delivered, others are reported once, and both
// accounts balance at every step.

import type { OpenOptions } from "@x/endpoint"
import type { LinkOptions } from "@x/transport/simulated"
import { describe, expect, test } from "vitest"
import { makePair, pattern } from "./world.ts"

const PATHS: Record<string, LinkOptions> = {
  "no loss": {},
  "1 % loss": { lossRate: 0.01 },
  "10 % loss": { lossRate: 0.1 },
  "30 % loss": { lossRate: 0.3 },
  bursts: { burst: { enterRate: 0.02, leaveRate: 0.2, lossRate: 0.8 } },
  duplication: { duplicateRate: 0.2 },
  reordering: { jitterMs: 4, reorderRate: 0.2 },
}
const SIZES = { "one packet": 300, "many packets": 9_000 }
const MODES = ["fire-and-forget", "latest", "best-effort", "reliable", "reliable-unordered"] as const
const LOADS = ["idle", "full window"] as const
const MESSAGES = 60

describe.each(MODES)("%s", (delivery) => {
  describe.each(Object.entries(PATHS))("%s", (path, link) => {
    describe.each(Object.entries(SIZES))("%s", (_, bytes) => {
      test.each(LOADS)("%s", (load) => run(delivery, path, { delayMs: 5, ...link }, bytes, load))
    })
  })
})

async function run(
  delivery: (typeof MODES)[number],
  path: string,
  link: LinkOptions,
  bytes: number,
  load: (typeof LOADS)[number],
): Promise<void> {
  const { network, a, b, toB } = await makePair(
    MODES.indexOf(delivery) * 1_000 + bytes,
    { delayMs: 5 },
    { windowPackets: 64, parkedMessagesMax: 1_000 },
  )
  network.links(link)
  const delivered: number[] = []
  let gaps = 0
  let end: { isComplete: boolean; gone: number } | undefined
  b.on("stream", (stream) => {
    stream.on("gap", (messages) => (gaps += messages))
    void stream.closed.then((it) => (end = it))
  })
  b.handle(1, (message) => {
    const index = message.view.getUint16(message.offset)
    expect(message.copy()).toEqual(numbered(index, bytes))
    delivered.push(index)
  })
  const options: OpenOptions = { delivery }
  const stream = toB.open(options)
  let steps = 0
  const check = (): void => {
    const { accepted, acknowledged, unconfirmed, dropped, pending } = stream.account
    expect(acknowledged + unconfirmed + dropped + pending).toBe(accepted)
    expect(acknowledged).toBeLessThanOrEqual(delivered.length)
    expect(delivered.length + gaps).toBeLessThanOrEqual(accepted)
    expect(new Set(delivered).size).toBe(delivered.length)
    if (delivery !== "fire-and-forget" && delivery !== "reliable-unordered")
      expect(delivered).toEqual(delivered.toSorted((x, y) => x - y))
    if (steps++ % 10 !== 0) return
    a.assertInvariants()
    b.assertInvariants()
  }
  let accepted = 0
  for (let i = 0; i < MESSAGES; i++) {
    const result = stream.trySend(1, numbered(i, bytes))
    if (result === "sent" || result === "parked") accepted++
    else expect([delivery, result]).toEqual(["fire-and-forget", "dropped"])
    if (load === "idle") await network.advance(20)
    check()
  }
  expect(stream.account.accepted).toBe(accepted)
  for (let i = 0; i < 20; i++) {
    await network.advance(50)
    check()
  }
  await network.until(stream.end(), 120_000)
  await network.advance(1_000)
  check()
  const { acknowledged, unconfirmed, dropped, pending } = stream.account
  expect(pending).toBe(0)
  // Each accepted message was delivered or reported, once; only their sender knows those that were never begun.
  expect(end).toMatchObject({ gone: gaps })
  expect(delivered.length + gaps).toBeGreaterThanOrEqual(accepted - dropped)
  expect(delivered.length).toBeGreaterThanOrEqual(acknowledged)
  expect(delivered.length).toBeLessThanOrEqual(acknowledged + unconfirmed)
  const isReliable = delivery === "reliable" || delivery === "reliable-unordered"
  if (isReliable) expect([delivered.length, acknowledged, end!.isComplete]).toEqual([MESSAGES, MESSAGES, true])
  if (delivery === "best-effort") expect(end!.isComplete).toBe(delivered.length === accepted)
  const isLossless = path === "no loss" || path === "duplication"
  if (isLossless && load === "idle") expect(delivered.length).toBe(MESSAGES)
  // A sender that is never too fast loses nothing that is asked for again.
  if (delivery === "best-effort" && load === "idle" && bytes < 1_000) expect(delivered.length).toBe(MESSAGES)
  if (delivery === "latest" && isLossless) expect(delivered.at(-1)).toBe(MESSAGES - 1)
  expect(a.sizes).toMatchObject({ sendPool: 0, streams: 0 })
  expect(b.sizes).toMatchObject({ pool: 0, assemblyBytes: 0, streams: 0 })
}

function numbered(index: number, bytes: number): Uint8Array {
  const message = pattern(bytes, index)
  new DataView(message.buffer).setUint16(0, index)
  return message
}

test("latest takes all that is offered in one turn, as sent: one goes out, and the account alone tells of the others", async () => {
  const { network, b, toB } = await makePair(1)
  const delivered: number[] = []
  b.handle(1, ({ view, offset }) => delivered.push(view.getUint32(offset)))
  const stream = toB.open({ delivery: "latest" })
  const results = new Set<string>()
  for (let i = 1; i <= 10_000; i++) {
    const bytes = new Uint8Array(4)
    new DataView(bytes.buffer).setUint32(0, i)
    results.add(stream.trySend(1, bytes))
  }
  await network.advance(100)
  expect([[...results], delivered]).toEqual([["sent"], [10_000]])
  expect(stream.account).toEqual({ accepted: 10_000, acknowledged: 0, unconfirmed: 1, dropped: 9_999, pending: 0 })
})
