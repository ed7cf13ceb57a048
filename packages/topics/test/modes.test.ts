// What each delivery mode makes of a topic: on a path that loses, behind a reader that is slow.
import type { Delivery, IncomingStream } from "@x/endpoint"
import { expect, test } from "vitest"
import { follow, makePair, NUMBER, range } from "./world.ts"

const MODES: readonly Delivery[] = ["fire-and-forget", "latest", "best-effort", "reliable", "reliable-unordered"]

test.each(MODES)("`%s`: delivered and gone are what was begun, on a path that loses", async (delivery) => {
  const world = await makePair(3, { delayMs: 5, lossRate: 0.2 })
  const { network, publisher, subscriber, toPublisher } = world
  const topic = publisher.topics.topic("t", { delivery, keep: { messages: 1 } })
  topic.publish(NUMBER, 0)
  const record = await follow(world, subscriber, toPublisher, "t", { from: "last" })
  for (const i of range(1, 300)) {
    topic.publish(NUMBER, i)
    await network.advance(3)
  }
  await network.advance(2_000)
  await network.until(topic.close())
  await network.advance(2_000)
  const { begun, delivered, gone } = record.feed.account
  expect([begun, delivered + gone, record.values.length]).toEqual([300, 300, delivered])
  expect(record.how).toBe("done")
  const isLossless = delivery.startsWith("reliable")
  if (isLossless) expect(gone).toBe(0)
  else expect(delivered).toBeGreaterThan(200)
  const isOrdered = !["fire-and-forget", "reliable-unordered"].includes(delivery)
  const sorted = record.positions.toSorted((a, b) => a - b)
  if (isOrdered) expect(record.positions).toEqual(sorted)
  // What is gone is told before the message behind it, and what follows the last one at the end.
  expect(record.gaps.reduce((sum, gap) => sum + gap, 0)).toBe(gone)
  expect(new Set(sorted).size).toBe(delivered)
  expect(record.feed.place === undefined).toBe(!isOrdered)
})

const WAITING = ["reliable", "reliable-unordered"] as const

test.each(WAITING)("a slow reader of `%s` under `skip` is told what it misses, by exact counts", async (delivery) => {
  const world = await makePair(1, { delayMs: 5 }, { queuedMessagesMax: 4, windowPackets: 16 })
  const { network, publisher, subscriber, toPublisher } = world
  const topic = publisher.topics.topic("t", { delivery, slow: "skip", lag: { messages: 20 } })
  let control: IncomingStream | undefined
  subscriber.endpoint.on("stream", (stream) => void (stream.label === "topics" && (control = stream)))
  const record = await follow(world, subscriber, toPublisher, "t")
  for (const i of range(0, 20_000)) topic.publish(NUMBER, i)
  await network.advance(1_000)
  const [account] = topic.subscribers
  expect(account).toMatchObject({ begun: 20_000, waiting: 0 })
  expect(account!.skipped).toBeGreaterThan(10_000)
  expect(record.feed.account).toEqual({ begun: 20_000, delivered: account!.given, gone: account!.skipped })
  expect(record.gaps.reduce((sum, gap) => sum + gap, 0)).toBe(account!.skipped)
  // Beside the answer, only what the positions don't show: with an order they do.
  const told = control!.delivered
  if (delivery === "reliable") expect(told).toBe(1)
  else expect(told).toBeGreaterThan(1)
})

test("a `latest` topic gives who comes late the last message, and nobody an old one", async () => {
  const world = await makePair()
  const { network, publisher, subscriber, toPublisher } = world
  const topic = publisher.topics.topic("t", { delivery: "latest", keep: { messages: 1 } })
  for (const i of range(0, 100)) topic.publish(NUMBER, i)
  const record = await follow(world, subscriber, toPublisher, "t", { from: "last" })
  await network.advance(100)
  expect(record.values).toEqual([99])
  for (const i of range(100, 200)) expect(topic.publish(NUMBER, i)).toBe("sent")
  await network.advance(100)
  expect(record.values).toEqual([99, 199])
  expect(record.gaps).toEqual([99])
})
