// What a hostile or broken peer may do, and what stays bounded, settles and balances all the same.
import { Endpoint, type EndpointOptions, type IncomingStream, type Peer } from "@x/endpoint"
import { Topics, type TopicsOptions } from "@x/topics"
import { expect, test } from "vitest"
import type { ControlLine } from "../src/control-line.ts"
import { type Control, decodeControl, encodeControl, makeEntry, POSITION_MAX } from "../src/wire/message.ts"
import { codeOf, follow, makePair, makeWorld, NUMBER, type Party, PORT, read, type World } from "./world.ts"

const CONTROL = 65_280
const ENTRY = 65_281
const FEW: EndpointOptions = { windowPackets: 8, parkedMessagesMax: 4, queuedMessagesMax: 4 }

interface Scene extends World {
  readonly party: Party
  /** An endpoint without topics, which says whatever a test wants. */
  readonly plain: Endpoint
  /** It, as the party sees it. */
  readonly toPlain: Peer
  /** The party, as it sees it. */
  readonly toParty: Peer
  tell(control: Control): void
}

async function plainScene(options?: EndpointOptions, topicsOptions?: TopicsOptions): Promise<Scene> {
  const world = makeWorld()
  const { network } = world
  const party = await world.enter("party", options, topicsOptions)
  const host = network.host("plain")
  const plain = await network.until(Endpoint.bind({ host, port: PORT, queuedMessagesMax: 4 }))
  const toParty = await network.until(plain.join(`party:${PORT}`))
  await network.when(() => party.endpoint.peers.length === 1)
  const toPlain = party.endpoint.peers[0]!
  let control: ReturnType<Peer["open"]> | undefined
  const tell = (it: Control): void => void (control ??= toParty.open()).trySend(CONTROL, encodeControl(it))
  return { ...world, party, plain, toPlain, toParty, tell }
}

/** Messages that wait in a line, of a topic's first subscriber. */
function lineOf(topic: unknown): ControlLine {
  const { publication } = topic as { publication: { accounts: Set<{ control: ControlLine }> } }
  return [...publication.accounts][0]!.control
}

/** Subscribes at a plain endpoint, which accepts with a stream. */
async function acceptedFeed(scene: Scene, delivery: "reliable" | "reliable-unordered", first = 0) {
  const { network, party, plain, toPlain, toParty, tell } = scene
  let id = 0
  plain.handle(CONTROL, ({ bytes }) => (id = decodeControl(bytes)!.id))
  const subscribing = party.topics.subscribe(toPlain, "t")
  await network.advance(50)
  const stream = toParty.open({ delivery })
  tell({ kind: "accepted", id, stream: stream.id, resumed: false, first, missed: 0, log: "x" })
  return { stream, id, feed: await network.until(subscribing) }
}

test("F75 a subscriber that takes no control has one gap wait, however many messages it skips", async () => {
  const { network, party, plain, tell } = await plainScene(FEW)
  const taken: IncomingStream[] = []
  plain.on("stream", (stream) => {
    stream.pause()
    taken.push(stream)
  })
  const topic = party.topics.topic("t", { delivery: "reliable-unordered", slow: "skip", lag: { messages: 2 } })
  let skipped = 0
  topic.on("subscriber", (it) => {
    if (it.state === "skipped") skipped += it.messages
  })
  tell({ kind: "subscribe", id: 1, beginning: { at: "newest" }, name: "t" })
  await network.advance(50)
  for (let i = 0; i < 2_000; i++) {
    topic.publish(NUMBER, i)
    if (i % 10 === 0) await network.advance(1)
  }
  await network.advance(100)
  expect(skipped).toBeGreaterThan(1_500)
  expect(lineOf(topic).waiting).toBeLessThanOrEqual(1)
  // Once it takes them, none is missing.
  let told = 0
  plain.handle(CONTROL, ({ bytes }) => {
    const control = decodeControl(bytes)
    if (control?.kind === "gap") told += control.messages
  })
  for (const stream of taken) stream.resume()
  await network.advance(1_000)
  expect(told).toBe(skipped)
})

test("F76 a peer that asks on a stream each, and takes no answers, is answered no more until it does", async () => {
  const { network, party, plain, toParty, tell } = await plainScene(FEW)
  plain.on("stream", (stream) => stream.pause())
  const topic = party.topics.topic("t")
  tell({ kind: "subscribe", id: 1_000, beginning: { at: "newest" }, name: "t" })
  for (let id = 0; id < 400; id++) {
    const stream = toParty.open()
    stream.trySend(CONTROL, encodeControl({ kind: "subscribe", id, beginning: { at: "newest" }, name: "none" }))
    stream.end().catch(() => {})
    if (id % 10 === 0) await network.advance(20)
  }
  await network.advance(100)
  expect(lineOf(topic).waiting).toBeLessThan(80)
  expect(party.topics.stats().unanswered).toBeGreaterThan(200)
})

test("F77 a publisher that ends a stream and says nothing is a feed that ends", async () => {
  const scene = await plainScene()
  const { stream, feed } = await acceptedFeed(scene, "reliable")
  const record = read(feed)
  const entry = makeEntry(0, NUMBER.type, 4)
  entry[entry.length - 1] = 5
  stream.trySend(ENTRY, entry)
  await scene.network.until(stream.end())
  await scene.network.advance(10_001)
  expect([record.values, record.how]).toEqual([[5], "stream-closed"])
  expect(scene.party.topics.stats().feeds).toBe(0)
})

test("F77 gaps of more messages than there can be are believed as far as positions go", async () => {
  const scene = await plainScene()
  const first = 1_000
  const { feed, id } = await acceptedFeed(scene, "reliable-unordered", first)
  for (let i = 0; i < 50; i++) scene.tell({ kind: "gap", id, messages: POSITION_MAX })
  await scene.network.advance(100)
  expect(feed.account).toEqual({ begun: POSITION_MAX + 1 - first, delivered: 0, gone: POSITION_MAX + 1 - first })
})

test("F76 subscriptions without end that nobody answers leave few behind", async () => {
  const { network, party, toPlain } = await plainScene()
  for (let i = 0; i < 200; i++) {
    const code = codeOf(party.topics.subscribe(toPlain, "t", { timeoutMs: 5 }))
    await network.advance(10)
    expect(await code).toBe("timeout")
  }
  expect(party.topics.stats().feeds).toBeLessThanOrEqual(64)
  await network.advance(10_000)
  expect(party.topics.stats().feeds).toBe(0)
})

for (const who of ["subscriber", "publisher"] as const) {
  test(`F78 all subscriptions end when the ${who} stops the other's stream for control; another one works`, async () => {
    const world = await makePair()
    const { network, publisher, subscriber, toPublisher } = world
    const topic = publisher.topics.topic("t")
    const streams: IncomingStream[] = []
    const stopping = who === "subscriber" ? subscriber : publisher
    stopping.endpoint.on("stream", (stream) => void streams.push(stream))
    for (let round = 0; round < 3; round++) {
      const record = await follow(world, subscriber, toPublisher, "t")
      topic.publish(NUMBER, round)
      await network.advance(50)
      for (const stream of streams.splice(0)) if (stream.label === "topics") stream.stop()
      await network.advance(11_000)
      expect([record.values, record.how]).toEqual([[round], "stream-closed"])
      expect(topic.subscribers).toEqual([])
    }
    expect(publisher.topics.stats().subscribers).toBe(0)
    expect(subscriber.topics.stats().feeds).toBe(0)
  })
}

test("F78 what the peer can't answer any more, since its stream for control was closed, is awaited no longer", async () => {
  const { network, party, plain, toPlain, toParty, tell } = await plainScene()
  const ids: number[] = []
  plain.handle(CONTROL, ({ bytes }) => {
    const control = decodeControl(bytes)
    if (control?.kind === "subscribe") ids.push(control.id)
  })
  const control = toParty.open()
  control.trySend(CONTROL, encodeControl({ kind: "gap", id: 999, messages: 1 }))
  const waiting = codeOf(party.topics.subscribe(toPlain, "t", { timeoutMs: Infinity }))
  const givenUp = codeOf(party.topics.subscribe(toPlain, "t", { timeoutMs: 5 }))
  await network.advance(50)
  expect([await givenUp, party.topics.stats().feeds]).toEqual(["timeout", 2])
  control.reset()
  await network.advance(50)
  expect([await waiting, party.topics.stats().feeds]).toEqual(["peer-left", 0])
  // On another one it answers what is asked from now on.
  const again = codeOf(party.topics.subscribe(toPlain, "t"))
  await network.advance(50)
  tell({ kind: "refused", id: ids.at(-1)!, code: 1 })
  expect(await network.until(again)).toBe("no-topic")
})

test("F78 a subscription that was given up is forgotten, though its stream and its end never come", async () => {
  const { network, party, plain, toPlain, tell } = await plainScene()
  const told: string[] = []
  plain.handle(CONTROL, ({ bytes }) => {
    const control = decodeControl(bytes)!
    told.push(control.kind)
    if (control.kind !== "subscribe") return
    tell({ kind: "accepted", id: control.id, stream: 999, resumed: false, first: 0, missed: 0, log: "x" })
  })
  const call = codeOf(party.topics.subscribe(toPlain, "t", { timeoutMs: 50 }))
  await network.advance(1_000)
  expect([await call, party.topics.stats().feeds, told]).toEqual(["timeout", 1, ["subscribe", "unsubscribe"]])
  await network.advance(10_000)
  expect([party.topics.stats().feeds, told]).toEqual([0, ["subscribe", "unsubscribe"]])
})

test("F79 a gap that comes with the acceptance is told to who listens as soon as it has the feed", async () => {
  const { network, party, plain, toPlain, toParty, tell } = await plainScene()
  let id = 0
  plain.handle(CONTROL, ({ bytes }) => (id = decodeControl(bytes)!.id))
  const subscribing = party.topics.subscribe(toPlain, "t")
  await network.advance(50)
  const stream = toParty.open({ delivery: "reliable-unordered" })
  tell({ kind: "accepted", id, stream: stream.id, resumed: false, first: 0, missed: 0, log: "x" })
  for (const messages of [40, 8]) tell({ kind: "gap", id, messages })
  const feed = await network.until(subscribing)
  await network.advance(50)
  const gaps: number[] = []
  feed.on("gap", (messages) => void gaps.push(messages))
  await network.advance(50)
  tell({ kind: "gap", id, messages: 2 })
  await network.advance(50)
  expect([gaps, feed.account.gone]).toEqual([[48, 2], 50])
})

test.each([true, false])(
  "F78 what is asked while the peer may still answer on a stream that was stopped is asked again; it was heard there: %s",
  async (wasHeard) => {
    const world = await makePair(1, { delayMs: 50 })
    const { network, publisher, subscriber, toPublisher } = world
    const topic = publisher.topics.topic("t")
    const control: IncomingStream[] = []
    subscriber.endpoint.on("stream", (stream) => {
      if (stream.label !== "topics") return
      if (control.push(stream) === 1 && !wasHeard) stream.stop()
    })
    const before = codeOf(subscriber.topics.subscribe(toPublisher, "t", { timeoutMs: Infinity }))
    await network.advance(200)
    // The stop is lost at first, and the question overtakes it.
    if (wasHeard) {
      expect(await before).toBe("resolved")
      network.partition("subscriber", "publisher")
      control[0]!.stop()
      await network.advance(20)
      network.heal()
    }
    const nowhere = codeOf(subscriber.topics.subscribe(toPublisher, "nowhere", { timeoutMs: Infinity }))
    const record = await follow(world, subscriber, toPublisher, "t", { timeoutMs: Infinity })
    expect(await nowhere).toBe("no-topic")
    expect(network.now).toBeLessThan(2_500)
    topic.publish(NUMBER, 7)
    await network.advance(1_000)
    expect([record.values, topic.subscribers.length]).toEqual([[7], wasHeard ? 1 : 2])
    // What was asked twice was accepted twice, and given back.
    await network.advance(20_000)
    expect([control.length, subscriber.topics.stats().feeds]).toEqual([2, wasHeard ? 1 : 2])
    expect(publisher.topics.stats().subscribers).toBe(wasHeard ? 1 : 2)
  },
)

test("F78 what is asked again has another number, less and less often, until the peer is heard on another stream", async () => {
  const { network, party, plain, toPlain, toParty, tell } = await plainScene()
  const told: [string, number, number][] = []
  plain.handle(CONTROL, ({ bytes }) => {
    const { kind, id } = decodeControl(bytes)!
    told.push([kind, id, Math.round(network.now / 500) / 2])
  })
  const control = toParty.open()
  control.trySend(CONTROL, encodeControl({ kind: "gap", id: 999, messages: 1 }))
  await network.advance(500)
  control.reset()
  await network.advance(500)
  const asked = codeOf(party.topics.subscribe(toPlain, "t", { timeoutMs: Infinity }))
  await network.advance(50_000)
  const times = [1, 2, 4, 8, 16, 32, 48]
  expect(told.filter(([kind]) => kind === "subscribe").map(([, id, s]) => [id, s])).toEqual(
    times.map((s, i) => [i + 1, s]),
  )
  expect(told.filter(([kind]) => kind === "unsubscribe").map(([, id]) => id)).toEqual([1, 2, 3, 4, 5, 6])
  expect(party.topics.stats().feeds).toBe(1)
  // It answers at last; from then on it is asked once.
  tell({ kind: "refused", id: 7, code: 1 })
  expect(await network.until(asked)).toBe("no-topic")
  void codeOf(party.topics.subscribe(toPlain, "t", { timeoutMs: Infinity }))
  await network.advance(50_000)
  expect(told.slice(13).map(([kind, id]) => [kind, id])).toEqual([["subscribe", 8]])
})

test("F78 a subscription that is accepted when its subscriber has forgotten it is given back", async () => {
  const { network, party, plain, toParty, tell } = await plainScene()
  const told: Control[] = []
  plain.handle(CONTROL, ({ bytes }) => void told.push(decodeControl(bytes)!))
  const stream = toParty.open()
  tell({ kind: "accepted", id: 7, stream: stream.id, resumed: false, first: 0, missed: 0, log: "x" })
  await network.advance(50)
  expect([told, party.topics.stats().unknown]).toEqual([[{ kind: "unsubscribe", id: 7 }], 1])
})

test.each(["stopped", "reset", "ended"])(
  "F80 subscriptions are over for their publisher once the stream that they were asked for on is %s, others go on",
  async (how) => {
    const { network, party, plain, toParty } = await plainScene()
    const topic = party.topics.topic("t")
    const news: string[] = []
    topic.on("subscriber", (it) => void news.push(it.state === "left" ? it.why : it.state))
    const asked: IncomingStream[] = []
    party.endpoint.on("stream", (stream) => void asked.push(stream))
    // It never says that it wants no more, and stops none of the streams of messages.
    const feeds: IncomingStream[] = []
    plain.on("stream", (stream) => stream.label === "t" && void feeds.push(stream))
    const [one, other] = [toParty.open(), toParty.open()]
    const ask = (stream: typeof one, id: number): void =>
      void stream.trySend(CONTROL, encodeControl({ kind: "subscribe", id, beginning: { at: "newest" }, name: "t" }))
    ask(one, 1)
    ask(one, 2)
    await network.advance(50)
    ask(other, 3)
    await network.advance(50)
    expect([news, feeds.length, asked.length]).toEqual([["subscribed", "subscribed", "subscribed"], 3, 2])
    if (how === "stopped") asked[0]!.stop()
    else if (how === "reset") one.reset()
    else void one.end()
    await network.advance(50)
    expect(news.slice(3)).toEqual(["stream-closed", "stream-closed"])
    expect([topic.subscribers.length, party.topics.stats().subscribers]).toEqual([1, 1])
    const over = await network.until(Promise.all(feeds.slice(0, 2).map(({ closed }) => closed)))
    expect(over.map(({ isComplete }) => isComplete)).toEqual([false, false])
    let came = 0
    feeds[2]!.handle(ENTRY, () => void came++)
    topic.publish(NUMBER, 1)
    await network.advance(50)
    expect(came).toBe(1)
  },
)

test.each([true, false])(
  "F80 what was accepted is awaited no longer once the stream for control is closed, unless all of a closed topic comes: %s",
  async (isClosed) => {
    const { network, party, plain, toPlain, toParty } = await plainScene()
    const told: Control[] = []
    plain.handle(CONTROL, ({ bytes }) => void told.push(decodeControl(bytes)!))
    const call = codeOf(party.topics.subscribe(toPlain, "t", { timeoutMs: Infinity }))
    await network.advance(50)
    const control = toParty.open()
    const { id } = told[0]!
    // Its stream for control is the first one that it opens.
    const accepted = { stream: control.id + 1, resumed: false, first: 0, missed: 0, log: "x" }
    control.trySend(CONTROL, encodeControl({ kind: "accepted", id, ...accepted }))
    if (isClosed) control.trySend(CONTROL, encodeControl({ kind: "ended", id, code: 2, end: 0 }))
    void control.end()
    await network.advance(50)
    expect([told.length, party.topics.stats().feeds]).toEqual(isClosed ? [1, 1] : [2, 0])
    const stream = toParty.open()
    expect(stream.id).toBe(accepted.stream)
    await network.advance(50)
    expect([await network.until(call), told[1]]).toEqual(
      isClosed ? ["resolved", undefined] : ["peer-left", { kind: "unsubscribe", id }],
    )
    expect(party.topics.stats().feeds).toBe(0)
  },
)

test("numbers of subscriptions and identities of logs are new in each `Topics` of an endpoint", async () => {
  const { network, party, plain, toPlain } = await plainScene()
  const ids: number[] = []
  plain.handle(CONTROL, ({ bytes }) => {
    const control = decodeControl(bytes)
    if (control?.kind === "subscribe") ids.push(control.id)
  })
  const logs: string[] = []
  let { topics } = party
  for (let round = 0; round < 3; round++) {
    logs.push(topics.topic("t").log)
    const code = codeOf(topics.subscribe(toPlain, "t"))
    await network.advance(50)
    await network.until(topics.close())
    expect(await code).toBe("closed")
    topics = new Topics(party.endpoint)
  }
  expect(new Set(ids).size).toBe(3)
  expect(new Set(logs).size).toBe(3)
})

test("a feed of a closed topic that didn't get everything doesn't end as if it had", async () => {
  const { network, publisher, subscriber, toPublisher } = await makePair(1, undefined, FEW)
  const topic = publisher.topics.topic("t", { keep: { messages: 100 }, lag: { ms: Infinity } })
  for (let i = 0; i < 100; i++) topic.publish(NUMBER, i)
  const feed = await network.until(subscriber.topics.subscribe(toPublisher, "t", { from: "oldest" }))
  await network.until(topic.close())
  await network.advance(100)
  publisher.host.crash()
  await network.advance(60_000)
  const record = read(feed)
  const { account, why } = await network.until(feed.closed)
  expect(account.gone).toBeGreaterThan(0)
  expect(account).toEqual({ begun: 100, delivered: record.values.length, gone: 100 - record.values.length })
  expect([why, record.how]).toEqual(["peer-left", "peer-left"])
})
