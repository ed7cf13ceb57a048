// Tests of topics and requests in the simulator: which worlds have them, that each fault happens, and that forbidden
// events are noticed.

import type { Feed, FeedEnd, FeedEvents, Topic } from "@x/topics"
import { RequestError } from "@x/rpc"
import { expect, test } from "vitest"
import { makeContent } from "../src/content.ts"
import { FeedLedger } from "../src/feed-ledger.ts"
import { Judge } from "../src/judge.ts"
import { FAN_OUT_FAULTS, REQUEST_FAULTS, type TopicPlan } from "../src/mix-scenario.ts"
import { Overdue } from "../src/overdue.ts"
import { OWN_REFUSAL, RequestLedger } from "../src/request-ledger.ts"
import { drawScenario } from "../src/scenario.ts"
import { TOPIC_TYPE, TopicLedger } from "../src/topic-ledger.ts"

test("a third of the seeds have topics and requests, and each policy, mode and fault comes up", () => {
  const mixes = Array.from({ length: 300 }, (_, seed) => drawScenario(seed).mix).filter((mix) => mix !== undefined)
  expect([mixes.length > 80, mixes.length < 120]).toEqual([true, true])
  for (const fault of [...FAN_OUT_FAULTS, ...REQUEST_FAULTS])
    expect(mixes.filter(({ faults }) => fault in faults).length).toBeGreaterThan(30)
  const plans = mixes.flatMap(({ topics }) => topics)
  expect(new Set(plans.map(({ slow, delivery }) => `${slow} ${delivery}`)).size).toBe(9)
})

test("a feed's ledger sees what comes twice, out of order, altered, elsewhere, or without its gap", async () => {
  const cases: [string | undefined, "reliable" | "reliable-unordered", "skip" | "drop-out", (it: FakeFeed) => void][] =
    [
      [undefined, "reliable", "skip", (it) => [0, 2, 3].forEach((position) => it.come(position))],
      [undefined, "reliable-unordered", "skip", (it) => [3, 0, 2].forEach((position) => it.come(position))],
      ["gaps", "reliable", "drop-out", (it) => [0, 2, 3].forEach((position) => it.come(position))],
      ["gaps", "reliable", "skip", (it) => (it.come(0), it.come(2, { gone: 0 }), it.come(3))],
      ["feed-once", "reliable", "skip", (it) => [1, 1].forEach((position) => it.come(position))],
      ["feed-once", "reliable-unordered", "skip", (it) => [1, 0, 1].forEach((position) => it.come(position))],
      ["feed-order", "reliable", "skip", (it) => [1, 0].forEach((position) => it.come(position))],
      ["position", "reliable", "skip", (it) => it.come(0, { content: 1 })],
      ["position", "reliable", "skip", (it) => it.come(9)],
      ["position", "reliable", "skip", (it) => it.come(0, { key: 2 })],
      ["feed-account", "reliable-unordered", "skip", (it) => it.come(0, { delivered: 2 })],
      ["gaps", "reliable", "skip", (it) => (it.come(1, { told: 0 }), it.end())],
      ["feed-account", "reliable", "skip", (it) => (it.come(0), it.end({ begun: 3 }))],
      [
        "feed-account",
        "reliable",
        "drop-out",
        (it) => (it.come(0), it.end({ begun: 2, gone: 1, why: "topic-closed" })),
      ],
    ]
  for (const [invariant, delivery, slow, run] of cases) {
    const judge = new Judge(() => 0)
    const fake = new FakeFeed(judge, delivery, slow)
    run(fake)
    await fake.read()
    expect([delivery, judge.failure?.invariant]).toEqual([delivery, invariant])
  }
})

test("a topic's ledger says what has yet to come: in streams, those of who has left included, and waiting for them", () => {
  const accounts = new Set<FakeMember>()
  const publication = { accounts, assertInvariants: () => {} }
  const judge = new Judge(() => 0)
  const ledgerOf = (delivery: "reliable" | "best-effort"): TopicLedger => {
    const topic = {
      publication,
      position: 0,
      publish: () => (topic.position++, "held"),
      subscribers: [],
      held: { bytes: 0 },
    }
    const plan = { delivery, slow: "skip", lag: { messages: 9, ms: 9 }, bytesMax: 9 } as TopicPlan
    return new TopicLedger(1, topic as unknown as Topic, plan, "from", judge)
  }
  const made = { peer: { state: "joined" }, account: { pending: 2 }, parked: { bytes: 30 }, unacknowledgedBytes: 5 }
  const slow: FakeMember = { stream: { ...made, state: "open" }, next: 1, given: 1, skipped: 0, lag: () => 0 }
  const ended: FakeMember = { ...slow, stream: { ...made, state: "open" }, next: 3 }
  for (const member of [slow, ended]) accounts.add(member)
  const [reliable, lossy] = [ledgerOf("reliable"), ledgerOf("best-effort")]
  const see = (): unknown[] => {
    for (const ledger of [reliable, lossy]) ledger.check(0)
    return [reliable.pending.map(({ messages, bytes }) => [messages, bytes]), lossy.pending]
  }
  for (const bytes of [20, 21, 22]) reliable.publish(bytes)
  const waiting = [2 + 2, 35 + 21 + 22]
  expect(see()).toEqual([[waiting, [2, 35]], []])
  accounts.delete(ended)
  expect(see()).toEqual([[waiting, [2, 35]], []])
  ended.stream.state = "closed"
  expect(see()).toEqual([[waiting], []])
  expect(judge.failure).toBe(undefined)
})

test("a request's ledger sees a second end, a second handler, a false not-done, a foreign answer and parts that are missing", () => {
  const notDone = new RequestError("busy", "", "not-done")
  const cases: [string | undefined, boolean, (it: RequestLedger) => void][] = [
    [undefined, false, (it) => (it.begin(), it.answered(true))],
    [undefined, false, (it) => (it.begin(), it.failed(new RequestError(OWN_REFUSAL, "", "not-done")))],
    [undefined, true, (it) => (it.begin(), it.begin(), it.answered(true))],
    ["request-once", false, (it) => (it.begin(), it.begin())],
    ["request-once", false, (it) => (it.begin(), it.answered(true), it.answered(true))],
    ["request-once", false, (it) => it.failed(new TypeError("?"))],
    ["not-done", false, (it) => (it.begin(), it.failed(notDone))],
    ["not-done", false, (it) => (it.failed(notDone), it.begin())],
    ["request-answer", false, (it) => it.answered(true)],
    ["request-answer", false, (it) => (it.begin(), it.answered(false))],
    ["parts", false, (it) => (it.begin(), it.part(false))],
    ["parts", false, (it) => (it.begin(), it.part(true), it.ended(2))],
    ["request-deadline", false, (it) => [101, 150, 210, 300, 400].forEach((nowMs) => it.check(nowMs))],
  ]
  for (const [invariant, isIdempotent, run] of cases) {
    const judge = new Judge(() => 0)
    run(new RequestLedger(1, "1 q", 100, isIdempotent, judge))
    expect(judge.failure?.invariant).toBe(invariant)
  }
})

test("what was late for lack of a turn isn't overdue, and what stays late is", () => {
  const overdue = new Overdue()
  expect([0, 1, 2].map((ms) => overdue.see(true, ms * 1_000))).toEqual([false, false, false])
  expect(overdue.see(false, 3_000)).toBe(false)
  expect([0, 10, 20, 30, 150].map((ms) => overdue.see(true, 4_000 + ms))).toEqual([false, false, false, false, true])
})

/** A subscriber as a topic's ledger sees it. */
interface FakeMember {
  readonly stream: { state: string }
  readonly next: number
  readonly given: number
  readonly skipped: number
  lag(): number
}

/** A feed whose messages, gaps and end are said by a test. */
class FakeFeed {
  readonly #ledger: FeedLedger
  readonly #topic: TopicLedger
  readonly #queue: { position: number; type: number; bytes: Uint8Array; account: Feed["account"] }[] = []
  readonly #listeners: Partial<FeedEvents> = {}
  readonly #isOrdered: boolean
  #close!: (end: FeedEnd) => void
  #account: Feed["account"] = { begun: 0, delivered: 0, gone: 0 }
  #said: Feed["account"] = this.#account
  #end: FeedEnd | undefined
  #next = 0

  constructor(judge: Judge, delivery: "reliable" | "reliable-unordered", slow: "skip" | "drop-out") {
    this.#isOrdered = delivery === "reliable"
    const plan = { delivery, slow } as TopicPlan
    const log = { name: "t", log: "log", position: 0, publish: () => (log.position++, "sent") }
    this.#topic = new TopicLedger(1, log as unknown as Topic, plan, "from", judge)
    for (let i = 0; i < 4; i++) this.#topic.publish(20)
    const other = new TopicLedger(2, { ...log, name: "other" } as unknown as Topic, plan, "from", judge)
    const placeOf = (): Feed["place"] => (this.#isOrdered ? { log: "log", next: this.#next } : undefined)
    const accountOf = (): Feed["account"] => this.#account
    const feed = {
      ...{ peer: { unique: "from" }, topic: "t", delivery, resumed: false, missed: 0 },
      get place() {
        return placeOf()
      },
      get account() {
        return accountOf()
      },
      closed: new Promise<FeedEnd>((resolve) => (this.#close = resolve)),
      on: (name: keyof FeedEvents, listener: never) => void (this.#listeners[name] = listener),
      messages: () => this.#messages(),
    }
    this.#ledger = new FeedLedger(feed as unknown as Feed, { unique: "to", isOver: false } as never, judge, {
      pauseMs: () => 0,
      leaves: () => false,
      sleep: () => Promise.resolve(),
      ledgerOf: (key) => (key === 1 ? this.#topic : other),
    })
  }

  come(position: number, { key = 1, content = position, told = -1, ...account }: Partial<Said> = {}): void {
    const before = this.#said
    const gap = this.#isOrdered ? Math.max(0, position - this.#positionAfter) : 0
    const delivered = account.delivered ?? before.delivered + 1
    const gone = account.gone ?? before.gone + gap
    this.#said = { begun: before.delivered + 1 + gone, delivered, gone }
    this.#positionAfter = position + 1
    if (told < 0 ? gap > 0 : told > 0) this.#listeners.gap?.(told < 0 ? gap : told)
    this.#queue.push({ position, type: TOPIC_TYPE, bytes: makeContent(20, key, content), account: this.#said })
  }

  #positionAfter = 0

  end({ why = "unsubscribed", ...account }: Partial<Feed["account"]> & { why?: FeedEnd["why"] } = {}): void {
    this.#end = { why, account: { ...this.#said, ...account } }
    const gap = this.#end.account.gone - this.#said.gone
    if (gap > 0) this.#listeners.gap?.(gap)
  }

  async read(): Promise<void> {
    this.#end ??= { why: "unsubscribed", account: this.#said }
    await this.#ledger.read()
  }

  async *#messages(): AsyncGenerator<unknown> {
    for (const { account, ...message } of this.#queue) {
      this.#account = account
      this.#next = message.position + 1
      yield message
    }
    this.#account = this.#end!.account
    this.#listeners.ended?.(this.#end!)
    this.#close(this.#end!)
  }
}

interface Said {
  readonly key: number
  readonly content: number
  readonly told: number
  readonly delivered: number
  readonly gone: number
}
