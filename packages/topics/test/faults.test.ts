// What goes wrong in a fan-out, by name: each is bounded, told, and nobody else's trouble.
import { Endpoint, type IncomingStream } from "@x/endpoint"
import { type SubscriberNews, type Topic, TopicError, type TopicOptions } from "@x/topics"
import { expect, test } from "vitest"
import type { TopicHandle } from "../src/publish/topic-handle.ts"
import {
  codeOf,
  follow,
  makePair,
  makeWorld,
  NUMBER,
  padded,
  type Party,
  PORT,
  range,
  read,
  type Record,
  type World,
} from "./world.ts"

const NOTHING = new Promise<never>(() => {})

/** A publisher with three subscribers, the last of which takes nothing after its first message. */
async function frozenScene(options: TopicOptions): Promise<{
  world: World
  publisher: Party
  topic: Topic
  quick: Record[]
  /** From each message's publication to a quick reader, milliseconds. */
  delaysMs: number[]
  frozen: Record
  news: string[]
  /** Publishes numbers 1 ms apart, and returns how often each result came. */
  publish(first: number, end: number): Promise<{ [result: string]: number }>
}> {
  const world = makeWorld()
  const publisher = await world.enter("publisher", { windowPackets: 64 })
  const topic = publisher.topics.topic("t", options)
  const records: Record[] = []
  const publishedMs = new Map<number, number>()
  const delaysMs: number[] = []
  for (const name of ["a", "b", "frozen"]) {
    const party = await world.enter(name, { queuedMessagesMax: 4 })
    const feed = await world.network.until(party.topics.subscribe(await world.join(party, "publisher"), "t"))
    const onValue = ({ values }: Record): undefined =>
      void delaysMs.push(party.endpoint.now() - publishedMs.get(values.at(-1)!)!)
    records.push(read(feed, name === "frozen" ? () => NOTHING : onValue))
  }
  const news: string[] = []
  topic.on("subscriber", (it: SubscriberNews) => {
    news.push(it.state === "left" ? it.why : it.state === "skipped" ? `skipped ${it.messages}` : it.state)
  })
  return {
    ...{ world, publisher, topic, delaysMs, quick: records.slice(0, 2), frozen: records[2]!, news },
    async publish(first, end) {
      const results: { [result: string]: number } = {}
      for (const i of range(first, end)) {
        publishedMs.set(i, publisher.endpoint.now())
        const result = topic.publish(NUMBER, i)
        results[result] = (results[result] ?? 0) + 1
        await world.network.advance(1)
      }
      await world.network.advance(50)
      return results
    },
  }
}

test("one frozen under `drop-out` is out once it is behind by too much; the others wait for nothing", async () => {
  const scene = await frozenScene({ slow: "drop-out", lag: { messages: 100, ms: 60_000 } })
  const { publish, quick, delaysMs, news, topic } = scene
  const results = await publish(0, 500)
  for (const { values } of quick) expect(values).toEqual(range(0, 500))
  expect(Math.max(...delaysMs)).toBeLessThan(7)
  expect(results["refused"]).toBeUndefined()
  expect(news).toEqual(["behind-by-messages"])
  expect(topic.subscribers).toHaveLength(2)
  expect(topic.held).toEqual({ messages: 0, bytes: 0 })
})

test("one frozen under `drop-out` is out once it is behind for too long, without another message", async () => {
  const { publish, news, topic, world } = await frozenScene({ slow: "drop-out", lag: { ms: 1_000 } })
  await publish(0, 100)
  expect(news).toEqual([])
  await world.network.advance(1_000)
  expect(news).toEqual(["behind-by-time"])
  expect(topic.held.messages).toBe(0)
})

test("one frozen under `skip` loses the oldest that wait, by exact counts; the others wait for nothing", async () => {
  const scene = await frozenScene({ slow: "skip", lag: { messages: 50, ms: 60_000 } })
  const { publish, quick, delaysMs, frozen, news, topic } = scene
  const results = await publish(0, 500)
  for (const { values } of quick) expect(values).toEqual(range(0, 500))
  expect(Math.max(...delaysMs)).toBeLessThan(7)
  expect(results["refused"]).toBeUndefined()
  const skipped = news.reduce((sum, line) => sum + Number(line.split(" ")[1]), 0)
  const account = topic.subscribers[2]!
  expect(account).toMatchObject({ begun: 500, skipped, waiting: 50 })
  expect(account.given + account.skipped + account.waiting).toBe(500)
  expect(topic.held.messages).toBe(50)
  expect(frozen.how).toBeUndefined()
})

test("one frozen under `skip` keeps no old messages, but the newest, however long it takes nothing", async () => {
  const { publish, news, topic, world } = await frozenScene({ slow: "skip", lag: { ms: 1_000 } })
  await publish(0, 100)
  await world.network.advance(1_100)
  expect(news.length).toBeGreaterThan(0)
  expect(topic.subscribers[2]).toMatchObject({ waiting: 1 })
  expect(topic.held.messages).toBe(1)
})

test("one that skips all that there was, for a message that needs the memory, gets that one", async () => {
  const world = makeWorld()
  const publisher = await world.enter("publisher", { windowPackets: 1, spreadPackets: 64, parkedMessagesMax: 1 })
  const topic = publisher.topics.topic("t", { slow: "skip", bytesMax: 4_096 }) as TopicHandle
  const party = await world.enter("a")
  const feed = await world.network.until(party.topics.subscribe(await world.join(party, "publisher"), "t"))
  const record = read(feed)
  world.network.partition("publisher", "a")
  for (let i = 0; i < 4; i++) topic.publish(padded(1_000), i)
  expect(topic.publish(padded(3_900), 4)).toBe("held")
  topic.assertInvariants()
  expect(topic.subscribers).toMatchObject([{ given: 1, skipped: 3, waiting: 1 }])
  world.network.heal()
  await world.network.advance(5_000)
  expect([record.values, topic.publish(NUMBER, 5)]).toEqual([[0, 4], "sent"])
  await world.network.advance(1_000)
  expect([record.values, record.gaps]).toEqual([[0, 4, 5], [3]])
})

test("one that takes only small messages is out by the first larger one, and the others get all of them, once", async () => {
  const world = makeWorld()
  const publisher = await world.enter("publisher")
  const topic = publisher.topics.topic("t", {})
  const [small, other] = [await world.enter("small", { messageBytesMax: 300 }), await world.enter("other")]
  const records: Record[] = []
  for (const party of [small, other])
    records.push(read(await world.network.until(party.topics.subscribe(await world.join(party, "publisher"), "t"))))
  topic.publish(padded(100), 0)
  await world.network.advance(100)
  for (const [i, bytes] of [100, 500, 100].entries()) topic.publish(padded(bytes), i + 1)
  await world.network.advance(5_000)
  expect(records.map(({ values, how }) => [values, how])).toEqual([
    [[0], "message-too-large"],
    [[0, 1, 2, 3], undefined],
  ])
})

test("one frozen under `hold` holds the others up within the lag, and no longer than its time", async () => {
  const scene = await frozenScene({ slow: "hold", lag: { messages: 50, ms: 2_000 } })
  const { publish, quick, news, topic, world } = scene
  let drains = 0
  topic.on("drain", () => drains++)
  const results = await publish(0, 500)
  expect(results["refused"]).toBeGreaterThan(300)
  expect(news).toEqual([])
  expect(topic.subscribers[2]).toMatchObject({ waiting: 50, skipped: 0 })
  for (const { values } of quick) expect(values).toEqual(range(0, 500 - results["refused"]!))
  await world.network.advance(2_000)
  expect(news).toEqual(["behind-by-time"])
  expect(drains).toBe(1)
  expect(await publish(500, 600)).toEqual({ sent: 100 })
})

test("a subscriber that joins while others are published to has no gap and no double", async () => {
  const world = await makePair()
  const { network, publisher, subscriber, toPublisher } = world
  const topic = publisher.topics.topic("t", { keep: { messages: 300 } })
  const records: Record[] = []
  for (const i of range(0, 1_000)) {
    topic.publish(NUMBER, i)
    if (i % 100 === 50) {
      const feed = subscriber.topics.subscribe(toPublisher, "t", { from: i % 200 === 50 ? "oldest" : "newest" })
      void feed.then((it) => records.push(read(it)))
    }
    await network.advance(1)
  }
  await network.advance(100)
  expect(records).toHaveLength(10)
  for (const { values } of records) expect(values).toEqual(range(values[0]!, 1_000))
  expect(records[0]!.values[0]).toBe(0)
})

test("a publisher that restarts has another log: an old place doesn't resume there", async () => {
  const world = await makePair()
  const { network, publisher, subscriber, toPublisher } = world
  const before = publisher.topics.topic("t", { keep: { messages: 10 } })
  const record = await follow(world, subscriber, toPublisher, "t")
  for (const i of range(0, 10)) before.publish(NUMBER, i)
  await network.advance(100)
  const { place } = record.feed
  publisher.host.crash()
  const again = await world.enter("publisher")
  const after = again.topics.topic("t", { keep: { messages: 10 } })
  for (const i of range(100, 120)) after.publish(NUMBER, i)
  const resumed = await follow(world, subscriber, await world.join(subscriber, "publisher"), "t", { from: place! })
  await network.advance(100)
  expect(record.how).toBe("peer-left")
  expect(place!.log).toBe(before.log)
  expect(resumed.feed).toMatchObject({ resumed: false, missed: 0 })
  expect(resumed.values).toEqual(range(110, 120))
})

test("a topic that isn't there, or doesn't accept, or is full, says so at once", async () => {
  const world = await makePair()
  const { network, publisher, subscriber, toPublisher } = world
  publisher.topics.topic("one", { subscribersMax: 1 })
  publisher.topics.topic("none", { accept: () => false })
  publisher.topics.topic("latest", { delivery: "latest", keep: { messages: 1 } })
  const subscribe = (name: string, options = {}): Promise<string> =>
    codeOf(network.until(subscriber.topics.subscribe(toPublisher, name, options)))
  expect(await subscribe("nowhere")).toBe("no-topic")
  expect(await subscribe("none")).toBe("not-accepted")
  expect(await subscribe("latest", { from: "oldest" })).toBe("no-such-beginning")
  expect(await subscribe("one")).toBe("resolved")
  expect(await subscribe("one")).toBe("topic-full")
  expect(subscriber.topics.stats().feeds).toBe(1)
})

test("an `accept` that throws, or answers by a promise, accepts nobody, and is told as an error", async () => {
  const world = await makePair()
  const { network, publisher, subscriber, toPublisher } = world
  const errors: string[] = []
  publisher.endpoint.on("error", ({ code }) => void errors.push(code))
  publisher.topics.topic("throws", {
    accept: () => {
      throw new Error("boom")
    },
  })
  publisher.topics.topic("promises", { accept: (async () => true) as never })
  for (const name of ["throws", "promises"])
    expect(await codeOf(network.until(subscriber.topics.subscribe(toPublisher, name)))).toBe("not-accepted")
  expect(errors).toEqual(["handler-failed", "handler-failed"])
})

test("two subscriptions of one peer to a topic are two: one ends, the other goes on", async () => {
  const world = await makePair()
  const { network, publisher, subscriber, toPublisher } = world
  const topic = publisher.topics.topic("t")
  const feeds = Promise.all(["t", "t"].map((name) => subscriber.topics.subscribe(toPublisher, name)))
  const [one, two] = (await network.until(feeds)).map((feed) => read(feed)) as [Record, Record]
  topic.publish(NUMBER, 0)
  await network.advance(100)
  one.feed.unsubscribe()
  topic.publish(NUMBER, 1)
  await network.advance(100)
  expect([one.values, two.values]).toEqual([[0], [0, 1]])
  expect(one.how).toBe("done")
  expect(topic.subscribers).toHaveLength(1)
})

test("an unsubscription that crosses messages and the topic's end is over once, on both sides", async () => {
  const world = await makePair()
  const { network, publisher, subscriber, toPublisher } = world
  const topic = publisher.topics.topic("t")
  const record = await follow(world, subscriber, toPublisher, "t")
  for (const i of range(0, 50)) topic.publish(NUMBER, i)
  const closing = topic.close()
  record.feed.unsubscribe()
  await network.until(closing)
  await network.advance(100)
  expect(record.how).toBe("done")
  expect(publisher.topics.stats()).toMatchObject({ subscribers: 0, unknown: 0 })
  expect(subscriber.topics.stats()).toMatchObject({ feeds: 0, unknown: 0 })
})

test("a subscription that is given up before its answer leaves nothing on either side", async () => {
  const world = await makePair(1, { delayMs: 100 })
  const { network, publisher, subscriber, toPublisher } = world
  const topic = publisher.topics.topic("t", { keep: { messages: 10 } })
  topic.publish(NUMBER, 0)
  const abort = new AbortController()
  const aborted = codeOf(subscriber.topics.subscribe(toPublisher, "t", { from: "oldest", signal: abort.signal }))
  const late = codeOf(subscriber.topics.subscribe(toPublisher, "t", { from: "oldest", timeoutMs: 150 }))
  await network.advance(50)
  abort.abort()
  expect(await aborted).toBe("aborted")
  await network.advance(1_000)
  expect(await late).toBe("timeout")
  expect(topic.subscribers).toEqual([])
  expect(subscriber.topics.stats()).toMatchObject({ feeds: 0, unknown: 0 })
  await network.advance(10_000)
  expect(subscriber.endpoint.stats().drops).toMatchObject({})
})

test("F80 a stream for control that is stopped leaves as many subscribers as feeds, and no call without an answer", async () => {
  for (const seed of range(1, 41)) {
    const world = await makePair(seed, { delayMs: 50, lossRate: 0.3 })
    const { network, publisher, subscriber, toPublisher } = world
    publisher.topics.topic("t")
    // At any time: before the answer, between it and the streams that it names, and after.
    const { endpoint } = seed % 4 === 0 ? subscriber : publisher
    let control: IncomingStream | undefined
    endpoint.on("stream", (stream) => {
      if (stream.label !== "topics" || control !== undefined) return
      control = stream
      endpoint.alarm(() => stream.stop()).at(endpoint.now() + 5 * seed)
    })
    const answers: string[] = []
    for (let i = 0; i < 5; i++) {
      const call = subscriber.topics.subscribe(toPublisher, "t", { timeoutMs: Infinity })
      void codeOf(call).then((code) => answers.push(code))
    }
    await network.advance(20_000)
    const { subscribers } = publisher.topics.stats()
    expect([seed, answers.length, subscriber.topics.stats().feeds]).toEqual([seed, 5, subscribers])
  }
})

test("a peer without topics is a time-out, and one that leaves before it answers is told", async () => {
  const world = makeWorld()
  const subscriber = await world.enter("subscriber")
  const host = world.network.host("plain")
  const plain = await world.network.until(Endpoint.bind({ host, port: PORT }))
  const peer = await world.join(subscriber, "plain")
  const slow = codeOf(subscriber.topics.subscribe(peer, "t"))
  await world.network.advance(10_001)
  expect(await slow).toBe("timeout")
  const left = codeOf(subscriber.topics.subscribe(peer, "t"))
  await world.network.until(plain.close())
  await world.network.advance(100)
  expect(await left).toBe("peer-left")
  expect(subscriber.topics.stats().feeds).toBe(0)
})

test("malformed control messages are dropped and counted, and those about nothing too", async () => {
  const { network, publisher, subscriber, toPublisher } = await makePair()
  const CONTROL = 65_280
  const stream = toPublisher.open()
  const malformed = [
    [],
    [1, 0, 0, 0, 0],
    [2, 1, 0, 0, 0, 9],
    [9, 0, 0, 0, 0],
    [1, 0, 0, 0, 0, 4, 65],
    [1, 1, 0, 0, 0, 0, 255],
  ]
  for (const bytes of malformed) stream.trySend(CONTROL, new Uint8Array(bytes))
  const none = [
    [2, 1, 0, 0, 0],
    [4, 1, 0, 0, 0, 1],
    [5, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0],
  ]
  for (const bytes of none) stream.trySend(CONTROL, new Uint8Array(bytes))
  await network.advance(100)
  expect(publisher.topics.stats()).toMatchObject({ malformed: malformed.length, unknown: none.length, subscribers: 0 })
  expect(subscriber.topics.stats()).toMatchObject({ malformed: 0, unknown: 0 })
})

test("messages that aren't the topic's next ones end the feed, not the endpoint", async () => {
  const world = await makePair()
  const { network, publisher, subscriber, toPublisher } = world
  const topic = publisher.topics.topic("t")
  const record = await follow(world, subscriber, toPublisher, "t")
  topic.publish(NUMBER, 0)
  topic.publish(NUMBER, 1)
  await network.advance(100)
  // The publisher's own stream, with a position that was there before.
  const { publication } = topic as unknown as {
    publication: { accounts: Set<{ stream: { trySend(...of: unknown[]): string } }> }
  }
  const [member] = publication.accounts
  expect(member!.stream.trySend(65_281, new Uint8Array(12))).toBe("sent")
  await network.advance(100)
  expect(record.how).toBe("protocol-error")
  expect(topic.subscribers).toEqual([])
  expect(record.feed.account).toEqual({ begun: 2, delivered: 2, gone: 0 })
})

test("a listener that throws is told as an error, and keeps nothing from the others", async () => {
  const world = await makePair()
  const { publisher, subscriber, toPublisher } = world
  const errors: string[] = []
  publisher.endpoint.on("error", ({ code }) => void errors.push(code))
  const topic = publisher.topics.topic("t")
  let told = 0
  topic.on("subscriber", () => {
    throw new Error("boom")
  })
  topic.on("subscriber", () => void told++)
  await follow(world, subscriber, toPublisher, "t")
  await follow(world, subscriber, toPublisher, "t")
  await world.network.advance(10)
  expect(errors).toEqual(["handler-failed", "handler-failed"])
  expect(told).toBe(2)
})

test("a peer has no more subscriptions than it may, and asks without end at no more cost than its messages", async () => {
  const world = makeWorld()
  const few = { parkedMessagesMax: 4, windowPackets: 8, queuedMessagesMax: 8 }
  const publisher = await world.enter("publisher", few, { subscriptionsPerPeerMax: 3 })
  const subscriber = await world.enter("subscriber", { ...few, parkedMessagesMax: 10_000 })
  publisher.topics.topic("t")
  const peer = await world.join(subscriber, "publisher")
  const codes: { [code: string]: number } = {}
  for (let i = 0; i < 1_000; i++)
    void codeOf(subscriber.topics.subscribe(peer, "t")).then((code) => (codes[code] = (codes[code] ?? 0) + 1))
  await world.network.advance(5_000)
  expect(codes).toEqual({ resolved: 3, "peer-full": 997 })
})

test("a peer that has room for one stream is no subscriber: nothing is kept for it", async () => {
  const world = makeWorld()
  const publisher = await world.enter("publisher")
  const subscriber = await world.enter("subscriber", { streamsMax: 1 })
  const topic = publisher.topics.topic("t")
  const peer = await world.join(subscriber, "publisher")
  const subscribing = codeOf(subscriber.topics.subscribe(peer, "t", { timeoutMs: 500 }))
  await world.network.advance(1_000)
  expect(await subscribing).toBe("timeout")
  expect(topic.subscribers).toEqual([])
  expect(publisher.topics.stats().subscribers).toBe(0)
})

test("what can't be is refused at the call", async () => {
  const { publisher, subscriber, toPublisher, network } = await makePair()
  const { topics } = publisher
  const topic = topics.topic("t", { bytesMax: 4_096 })
  const code = (call: () => unknown): string => {
    try {
      call()
      return "returned"
    } catch (error) {
      return error instanceof TopicError ? error.code : String(error)
    }
  }
  expect(code(() => topics.topic("t"))).toBe("no-room")
  expect(code(() => topics.topic(""))).toBe("invalid-option")
  expect(code(() => topics.topic("é".repeat(128)))).toBe("invalid-option")
  expect(code(() => topics.topic("x", { delivery: "latest", slow: "hold" }))).toBe("invalid-option")
  expect(code(() => topics.topic("x", { delivery: "latest", keep: { messages: 2 } }))).toBe("invalid-option")
  expect(code(() => topics.topic("x", { lagg: {} } as never))).toBe("invalid-option")
  expect(code(() => topic.publish(1, new Uint8Array(4_096)))).toBe("too-large")
  expect(await codeOf(network.until(subscriber.topics.subscribe(toPublisher, "t", { from: "now" as never })))).toBe(
    "invalid-option",
  )
  // A peer of another endpoint: its answer would go there.
  expect(await codeOf(network.until(publisher.topics.subscribe(toPublisher, "t")))).toBe("invalid-option")
  const from = { log: "", next: 0 }
  expect(await codeOf(network.until(subscriber.topics.subscribe(toPublisher, "t", { from })))).toBe("invalid-option")
  await network.until(topics.close())
  expect(code(() => topics.topic("y"))).toBe("closed")
  expect(code(() => topic.publish(1, new Uint8Array(1)))).toBe("closed")
})
