// What a subscriber gets: everything from where it begins, once, in one order, with one position.
import { expect, test } from "vitest"
import { codeOf, follow, makePair, NUMBER, range, read } from "./world.ts"

test("a subscriber gets what is published from then on, with its position", async () => {
  const world = await makePair()
  const { network, publisher, subscriber, toPublisher } = world
  const topic = publisher.topics.topic("t")
  expect(topic.publish(NUMBER, 0)).toBe("no-subscribers")
  const record = await follow(world, subscriber, toPublisher, "t")
  for (const i of range(1, 501)) expect(topic.publish(NUMBER, i)).toBe("sent")
  await network.advance(500)
  expect(record.values).toEqual(range(1, 501))
  expect(record.positions).toEqual(range(1, 501))
  expect(record.feed.account).toEqual({ begun: 500, delivered: 500, gone: 0 })
  expect(record.feed.resumed).toBe(false)
  await network.until(topic.close())
  await network.advance(100)
  expect(record.how).toBe("done")
  expect(publisher.topics.stats()).toEqual({
    topics: 0,
    subscribers: 0,
    feeds: 0,
    malformed: 0,
    unknown: 0,
    unanswered: 0,
  })
  expect(subscriber.topics.stats().feeds).toBe(0)
})

test("who comes late begins with the newest, the last, or the oldest that is kept", async () => {
  const world = await makePair()
  const { network, publisher, subscriber, toPublisher } = world
  const topic = publisher.topics.topic("t", { keep: { messages: 10 } })
  for (const i of range(0, 100)) topic.publish(NUMBER, i)
  const records = []
  for (const from of ["newest", "last", "oldest"] as const)
    records.push(await follow(world, subscriber, toPublisher, "t", { from }))
  topic.publish(NUMBER, 100)
  await network.advance(100)
  expect(records.map(({ values }) => values)).toEqual([[100], [99, 100], range(90, 101)])
  expect(topic.held.messages).toBe(10)
})

test("a place resumes exactly behind what was read, as far as the log has it, and tells what it misses", async () => {
  const world = await makePair()
  const { network, publisher, subscriber, toPublisher } = world
  const topic = publisher.topics.topic("t", { keep: { messages: 50 } })
  const first = await network.until(subscriber.topics.subscribe(toPublisher, "t"))
  for (const i of range(0, 20)) topic.publish(NUMBER, i)
  const iterator = first.messages(NUMBER)
  for (const i of range(0, 7)) expect((await network.until(iterator.next())).value.value).toBe(i)
  const place = JSON.parse(JSON.stringify(first.place))
  first.unsubscribe()
  expect(place.next).toBe(7)
  const second = await follow(world, subscriber, toPublisher, "t", { from: place })
  await network.advance(100)
  expect(second.feed.resumed).toBe(true)
  expect(second.values).toEqual(range(7, 20))
  for (const i of range(20, 100)) topic.publish(NUMBER, i)
  const third = await follow(world, subscriber, toPublisher, "t", { from: place })
  await network.advance(100)
  expect(third.feed.resumed).toBe(false)
  expect(third.feed.missed).toBe(43)
  expect(third.values).toEqual(range(50, 100))
})

test("an ended subscription is told how: unsubscribed, closed, aborted", async () => {
  const world = await makePair()
  const { network, publisher, subscriber, toPublisher } = world
  const topic = publisher.topics.topic("t")
  const abort = new AbortController()
  const told: string[] = []
  topic.on("subscriber", (news) => void told.push(news.state === "left" ? news.why : news.state))
  const own = await follow(world, subscriber, toPublisher, "t")
  const aborted = await follow(world, subscriber, toPublisher, "t", { signal: abort.signal })
  own.feed.unsubscribe()
  abort.abort()
  await network.advance(100)
  expect([own.how, aborted.how]).toEqual(["done", "aborted"])
  expect(await network.until(own.feed.closed)).toEqual({
    why: "unsubscribed",
    account: { begun: 0, delivered: 0, gone: 0 },
  })
  expect(told).toEqual(["subscribed", "subscribed", "unsubscribed", "unsubscribed"])
  expect(topic.subscribers).toEqual([])
  expect(subscriber.topics.stats().feeds).toBe(0)
  await network.until(subscriber.topics.close())
  expect(await codeOf(network.until(subscriber.topics.subscribe(toPublisher, "t")))).toBe("closed")
})

test("values of other types, and those that the codec refuses, end the feed as errors", async () => {
  const world = await makePair()
  const { network, publisher, subscriber, toPublisher } = world
  const topic = publisher.topics.topic("t")
  const typed = read(await network.until(subscriber.topics.subscribe(toPublisher, "t")))
  const raw = await network.until(subscriber.topics.subscribe(toPublisher, "t"))
  topic.publish(7, new Uint8Array([1, 2, 3]))
  const { value } = await network.until(raw.messages().next())
  expect(value).toEqual({ position: 0, type: 7, bytes: new Uint8Array([1, 2, 3]) })
  await network.advance(100)
  expect(typed.how).toBe("protocol-error")
  expect(() => topic.publish(70_000, new Uint8Array())).toThrow("a message type must be")
  expect(() => topic.publish(1, "text" as never)).toThrow("a message is a Uint8Array")
})
