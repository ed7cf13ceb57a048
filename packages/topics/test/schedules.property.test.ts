// Any schedule of loss, restart, subscribing, leaving and slowness, in each mode: each policy is kept, all accounts balance, a
// subscriber that goes on by its place has everything once, and nothing is kept for who left.
import type { Delivery, Peer } from "@x/endpoint"
import type { Feed, Place, Slow, Topic } from "@x/topics"
import fc from "fast-check"
import { expect, test } from "vitest"
import type { TopicHandle } from "../src/publish/topic-handle.ts"
import { runs } from "../../../tools/testkit/src/runs.ts"
import { makeWorld, NUMBER, padded, type Party, range, type World } from "./world.ts"

const NAMES = ["a", "b", "c"] as const
const LAG = { messages: 40, ms: 800 }
const KEEP = 60

type Name = (typeof NAMES)[number]
type Step =
  | { readonly do: "publish"; readonly messages: number }
  | { readonly do: "wait"; readonly ms: number }
  | { readonly do: "subscribe"; readonly who: Name; readonly from: "newest" | "oldest" | "last" | "place" }
  | { readonly do: "unsubscribe" | "freeze" | "thaw" | "restart" | "cut" | "heal"; readonly who: Name }

const who = fc.constantFrom(...NAMES)
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant("publish" as const), messages: fc.integer({ min: 1, max: 60 }) }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("wait" as const), ms: fc.integer({ min: 1, max: 1_500 }) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant("subscribe" as const),
      who,
      from: fc.constantFrom(...(["newest", "oldest", "last", "place", "place", "place"] as const)),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constantFrom(...(["unsubscribe", "freeze", "thaw", "restart", "cut", "heal"] as const)),
      who,
    }),
  },
)

/** What a topic does, and the first feed from the oldest that it allows. */
interface Kind {
  readonly delivery: Delivery
  readonly slow: Slow
  readonly keep: number
  /** One message of so many has this many bytes, and the topic memory for only a few of those. */
  readonly large?: { readonly each: number; readonly bytes: number; readonly bytesMax: number }
}

const isOrdered = ({ delivery }: Kind): boolean => delivery !== "reliable-unordered" && delivery !== "fire-and-forget"

/** A subscriber's process, and what it has made of the topic so far, which outlives it. */
class Reader {
  readonly name: Name
  party!: Party
  peer: Peer | undefined
  feed: Feed | undefined
  isFrozen = false
  place: Place | undefined
  /** Positions since it last began without its place, in order. */
  positions: number[] = []
  /** Positions that it was told it won't get, of these. */
  gone = 0
  problems: string[] = []
  /** Messages of feeds, those that have ended. */
  readonly ends: { begun: number; delivered: number; gone: number }[] = []
  resumes = 0
  #thaw: (() => void) | undefined
  #frozen: Promise<void> | undefined

  constructor(name: Name) {
    this.name = name
  }

  freeze(): void {
    this.isFrozen = true
    this.#frozen ??= new Promise((resolve) => (this.#thaw = resolve))
  }

  thaw(): void {
    this.isFrozen = false
    this.#thaw?.()
    this.#frozen = undefined
  }

  /** Reads in the background, and keeps its place with each message. */
  read(feed: Feed, isResume: boolean, kind: Kind): void {
    this.feed = feed
    if (isResume && feed.resumed) this.resumes++
    else {
      this.positions = []
      this.gone = 0
    }
    let told = 0
    feed.on("gap", (messages) => void (told += messages))
    void (async () => {
      try {
        for await (const { value, position } of feed.messages(NUMBER)) {
          if (this.feed !== feed) return
          // Each number is its position.
          if (value !== position) this.problems.push(`${value} came as ${position}`)
          const isAgain = isOrdered(kind)
            ? position < (this.positions.at(-1) ?? -1) + 1
            : this.positions.includes(position)
          if (isAgain) this.problems.push(`${position} came again`)
          this.positions.push(position)
          this.place = feed.place
          await this.#frozen
        }
      } catch {
        // How it ended is in `closed`.
      }
    })()
    void feed.closed.then(({ account }) => {
      this.ends.push(account)
      if (account.delivered + account.gone !== account.begun) this.problems.push(JSON.stringify(account))
    })
  }
}

async function run(
  seed: number,
  kind: Kind,
  steps: readonly Step[],
  lossRate: number,
): Promise<{ resumes: number; ends: number }> {
  const world: World = makeWorld(seed, { delayMs: 5, lossRate, reorderRate: 0.1, reorderDelayMs: 10 })
  const { network } = world
  const publisher = await world.enter("publisher", { windowPackets: 16, parkedMessagesMax: 4 })
  const { delivery, slow, keep, large } = kind
  const bytesMax = large === undefined ? {} : { bytesMax: large.bytesMax }
  const topic = publisher.topics.topic("t", { delivery, slow, lag: LAG, keep: { messages: keep }, ...bytesMax })
  const readers = new Map(NAMES.map((name) => [name, new Reader(name)]))
  for (const reader of readers.values()) reader.party = await world.enter(reader.name, { queuedMessagesMax: 4 })
  for (const it of steps) {
    await doStep(world, topic, readers, it, kind)
    check(topic)
  }
  for (const reader of readers.values()) {
    network.heal()
    reader.thaw()
  }
  await network.advance(60_000)
  check(topic)
  // All that are left have everything: nothing is kept but what is for who comes late.
  expect(topic.held.messages).toBe(Math.min(keep, topic.position))
  for (const { waiting } of topic.subscribers) expect(waiting).toBe(0)
  await network.until(topic.close())
  await network.advance(60_000)
  expect(topic.held).toEqual({ messages: 0, bytes: 0 })
  let resumes = 0
  let ends = 0
  for (const reader of readers.values()) {
    expect(reader.problems).toEqual([])
    // Who holds or drops out never misses anything of a feed that was read to its end, or goes on by its place.
    if (slow !== "skip" && isOrdered(kind))
      expect(reader.positions).toEqual(range(reader.positions[0] ?? 0, (reader.positions.at(-1) ?? -1) + 1))
    expect(reader.party.topics.stats()).toMatchObject({ feeds: 0, malformed: 0 })
    resumes += reader.resumes
    ends += reader.ends.length
  }
  expect(publisher.topics.stats()).toMatchObject({ subscribers: 0, malformed: 0 })
  return { resumes, ends }
}

async function doStep(
  { network, enter }: World,
  topic: Topic,
  readers: ReadonlyMap<Name, Reader>,
  it: Step,
  kind: Kind,
): Promise<void> {
  switch (it.do) {
    case "publish":
      for (let i = 0; i < it.messages; i++) {
        const { each = Infinity, bytes = 4 } = kind.large ?? {}
        topic.publish(topic.position % each === 0 ? padded(bytes) : NUMBER, topic.position)
      }
      await network.advance(1)
      return
    case "wait":
      await network.advance(it.ms)
      return
    case "subscribe": {
      const reader = readers.get(it.who)!
      reader.feed?.unsubscribe()
      reader.feed = undefined
      const place = it.from === "place" ? reader.place : undefined
      const wanted = it.from === "place" ? (place ?? "oldest") : it.from
      const from = wanted === "oldest" && kind.delivery === "latest" ? "last" : wanted
      try {
        if (reader.peer === undefined || reader.peer.state === "left")
          reader.peer = await network.until(reader.party.endpoint.join("publisher:4000", { timeoutMs: 3_000 }))
        const feed = await network.until(reader.party.topics.subscribe(reader.peer, "t", { from, timeoutMs: 3_000 }))
        reader.read(feed, place !== undefined, kind)
      } catch (error) {
        expect((error as { code?: string }).code).toMatch(
          /^(join-timeout|timeout|peer-left|not-joined|behind-by-.*|join-refused)$/,
        )
      }
      return
    }
    case "unsubscribe":
      readers.get(it.who)!.feed?.unsubscribe()
      return
    case "freeze":
      readers.get(it.who)!.freeze()
      return
    case "thaw":
      readers.get(it.who)!.thaw()
      return
    case "restart": {
      const reader = readers.get(it.who)!
      reader.feed = undefined
      reader.peer = undefined
      reader.thaw()
      reader.party.host.crash()
      reader.party = await enter(it.who, { queuedMessagesMax: 4 })
      return
    }
    case "cut":
      network.partition("publisher", it.who)
      return
    case "heal":
      network.heal()
  }
}

/** What holds at all times. */
function check(topic: Topic): void {
  ;(topic as TopicHandle).assertInvariants()
  for (const { begun, given, skipped, waiting } of topic.subscribers) {
    expect(given + skipped + waiting).toBe(begun)
    // What was there before it came, and the lag.
    expect(waiting).toBeLessThanOrEqual(KEEP + LAG.messages)
  }
  expect(topic.held.messages).toBeLessThanOrEqual(KEEP + LAG.messages)
}

const LARGE = { each: 23, bytes: 9_000, bytesMax: 12_000 }

test.each<[Slow, Delivery, number, number, Kind["large"]?]>([
  ["hold", "reliable", 0, 30, LARGE],
  ["skip", "reliable", 0, 60, LARGE],
  ["drop-out", "reliable", 0, 30, LARGE],
  ["hold", "reliable", KEEP, 60],
  ["skip", "reliable", KEEP, 60],
  ["drop-out", "reliable", KEEP, 60],
  ["hold", "reliable-unordered", KEEP, 20],
  ["skip", "reliable-unordered", KEEP, 20],
  ["drop-out", "reliable-unordered", KEEP, 20],
  ["skip", "best-effort", KEEP, 20],
  ["skip", "latest", 1, 20],
  ["skip", "fire-and-forget", KEEP, 20],
])(
  "under `%s`, `%s`, any schedule keeps the policy, balances all accounts, and keeps nothing for who left",
  async (slow, delivery, keep, runsMin, large) => {
    const kind: Kind = { delivery, slow, keep, ...(large === undefined ? {} : { large }) }
    const totals = { resumes: 0, ends: 0 }
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 1_000_000 }),
        fc.array(step, { minLength: 5, maxLength: 40 }),
        fc.constantFrom(0, 0.05, 0.2),
        async (seed, steps, lossRate) => {
          const { resumes, ends } = await run(seed, kind, steps, lossRate)
          totals.resumes += resumes
          totals.ends += ends
        },
      ),
      { numRuns: runs(runsMin) },
    )
    // Runs in which nothing happens show nothing.
    expect(totals.ends).toBeGreaterThan(runs(runsMin))
    if (delivery === "reliable" && keep > 0) expect(totals.resumes).toBeGreaterThan(0)
  },
  60_000 + 1_000 * runs(60),
)
