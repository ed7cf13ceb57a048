/**
 * Topics on the nodes: each has those of its plan in each of its lives, and subscribes to others'; its readers are slow,
 * leave, go on elsewhere, and give up what they asked for.
 */

import { EndpointError, type IncomingStream, type Peer } from "@x/endpoint"
import type { Draw } from "@x/testkit"
import { type Feed, type Place, TopicError, Topics } from "@x/topics"
import { traitsNamed } from "@x/wire"
import { HEADER_BYTES } from "./content.ts"
import type { Sending } from "./convergence.ts"
import { FeedLedger, type Reading } from "./feed-ledger.ts"
import type { Judge } from "./judge.ts"
import type { FanOutFault, Mix, TopicPlan } from "./mix-scenario.ts"
import { Overdue } from "./overdue.ts"
import { PlannedError } from "./planned-error.ts"
import type { Process } from "./process.ts"
import type { Timers } from "./timers.ts"
import { TopicLedger } from "./topic-ledger.ts"

export interface MixWorld {
  readonly judge: Judge
  readonly mix: Mix
  readonly draw: Draw
  /** Timers of readers and handlers, which hurry at the end. */
  readonly consumers: Timers
  readonly messageBytesMax: number
  processes(): readonly Process[]
  after(ms: number, run: () => void): void
  /** Counts a fault that has happened. */
  strike(fault: FanOutFault): void
}

/** Feeds that a process has at a time, of all topics. */
const FEEDS_MAX = 6
const FLOOD = 20
const BURST_MAX = 150

/** Why a subscription may fail. */
const REFUSED = new Set<string>([
  ...["no-topic", "not-accepted", "topic-full", "peer-full", "no-such-beginning", "timeout", "aborted", "peer-left"],
  ...["closed", "behind-by-messages", "behind-by-time", "behind-by-memory", "stream-closed", "message-too-large"],
  ...["topic-closed", "not-joined", "refused"],
])

/** The topics of one process. */
interface Party {
  readonly process: Process
  readonly topics: Topics
  readonly own: TopicLedger[]
  readonly feeds: Set<FeedLedger>
  readonly calls: Map<Promise<Feed>, number>
  /** The topics of subscriptions that aren't answered yet: a process has one feed of a topic. */
  readonly asked: Set<string>
  readonly overdue: Overdue
  /** Streams of topics that others have opened. */
  readonly incoming: Set<IncomingStream>
}

export class FanOut {
  readonly #world: MixWorld
  readonly #parties = new Map<Process, Party>()
  readonly #ledgers = new Map<number, TopicLedger>()
  /** By node, publisher's node and topic: it survives restarts. */
  readonly #places = new Map<string, Place>()
  readonly #reading: Reading
  #isHurrying = false

  constructor(world: MixWorld) {
    this.#world = world
    const { consumers } = world
    this.#reading = {
      pauseMs: () => this.#pauseMs(),
      leaves: () => !this.#isHurrying && this.#strikes("left-loop"),
      sleep: (ms) => consumers.sleep(ms),
      ledgerOf: (key) => this.#ledgers.get(key),
    }
  }

  #has(fault: FanOutFault): boolean {
    const share = this.#world.mix.faults[fault]
    return share !== undefined && this.#world.draw.whole(1, 100) <= share
  }

  /** Whether a fault happens now; it is counted. */
  #strikes(fault: FanOutFault): boolean {
    if (!this.#has(fault)) return false
    this.#world.strike(fault)
    return true
  }

  #pauseMs(): number {
    if (this.#isHurrying) return 0
    const { draw } = this.#world
    if (this.#strikes("frozen-reader")) return draw.scale(1_000, 30_000)
    return this.#strikes("slow-reader") ? draw.scale(1, 1_000) : 0
  }

  /** A process is bound, and has met nobody yet. */
  enter(process: Process): void {
    const { subscriptionsPerPeerMax } = this.#world.mix
    const topics = new Topics(process.endpoint, { subscriptionsPerPeerMax })
    const party: Party = {
      ...{ process, topics, own: [], feeds: new Set(), calls: new Map(), asked: new Set() },
      ...{ overdue: new Overdue(), incoming: new Set() },
    }
    this.#parties.set(process, party)
    for (const plan of this.#world.mix.topics) if (`n${plan.node}` === process.name) this.#open(party, plan)
    process.endpoint.on("stream", (stream) => {
      if (stream.label !== "topics" && !isTopic(stream)) return
      party.incoming.add(stream)
      void stream.closed.then(() => party.incoming.delete(stream))
    })
  }

  #open({ topics, own, process }: Party, plan: TopicPlan): void {
    const { name, delivery, slow, lag, bytesMax, subscribersMax, keep } = plan
    const topic = topics.topic(name, {
      ...{ delivery, slow, lag, bytesMax, subscribersMax, keep: { messages: keep } },
      accept: () => {
        if (this.#strikes("throwing-doorman")) {
          if (this.#world.draw.chance(0.5)) return false
          throw new PlannedError("a doorman")
        }
        return true
      },
    })
    const ledger = new TopicLedger(this.#ledgers.size + 1, topic, plan, process.unique, this.#world.judge)
    this.#ledgers.set(ledger.key, ledger)
    own.push(ledger)
  }

  /** One doing of a process. */
  act(process: Process): void {
    const party = this.#parties.get(process)
    if (party === undefined || !process.isUp) return
    const { draw } = this.#world
    const open = party.own.filter(({ topic }) => !topic.isClosed)
    if (open.length > 0 && draw.chance(0.6)) return this.#publish(party, draw.pick(open))
    this.#subscribeOrLeave(party)
  }

  #publish(party: Party, ledger: TopicLedger): void {
    const { draw } = this.#world
    if (this.#strikes("closed-topic")) {
      void ledger.topic.close()
      // Another of its name, with another log.
      return this.#open(party, ledger.plan)
    }
    const messages = this.#strikes("publish-burst") ? draw.whole(20, BURST_MAX) : draw.whole(1, 6)
    const isLarge = this.#strikes("large-messages")
    for (let i = 0; i < messages; i++) {
      const most = isLarge ? Math.min(ledger.plan.bytesMax / 3, this.#world.messageBytesMax, 20_000) : 600
      if (!ledger.publish(draw.whole(HEADER_BYTES, most))) return
    }
  }

  #subscribeOrLeave(party: Party): void {
    const { draw } = this.#world
    const { feeds, incoming, process } = party
    const all = [...feeds].filter(({ isOver }) => !isOver)
    for (const ledger of all) if (!ledger.isReading && draw.chance(0.5)) void ledger.read()
    const streams = [...incoming]
    const cut = streams.filter(({ label }) => label !== "topics")
    if (cut.length > 0 && this.#strikes("cut-feed")) return draw.pick(cut).stop()
    const control = streams.filter(({ label }) => label === "topics")
    if (control.length > 0 && this.#strikes("cut-control")) return draw.pick(control).stop()
    if (all.length > 0 && this.#strikes("unsubscriber")) return draw.pick(all).feed.unsubscribe()
    const wanted = draw.pick(this.#world.mix.topics)
    const publisher = this.#world.processes().find(({ name }) => name === `n${wanted.node}`)
    if (publisher === undefined || publisher === process) return
    const peer = process.peerOf(publisher)
    if (peer === undefined) return
    if (this.#strikes("subscription-flood")) return this.#flood(party, peer, wanted)
    if (party.asked.has(wanted.name)) return
    const had = all.find(({ feed }) => feed.peer === peer && feed.topic === wanted.name)
    if (had === undefined && all.length < FEEDS_MAX) this.#subscribe(party, peer, wanted)
    else if (had !== undefined && this.#strikes("resumer")) {
      // What comes now is read by nobody.
      had.feed.unsubscribe()
      this.#subscribe(party, peer, wanted, this.#places.get(placeKey(process, wanted)))
    }
  }

  #flood(party: Party, peer: Peer, plan: TopicPlan): void {
    for (let i = 0; i < FLOOD; i++) {
      const call = this.#call(party, peer, { ...plan, name: i % 2 === 0 ? plan.name : "none" }, {})
      call.then(
        (feed) => feed.unsubscribe(),
        () => {},
      )
    }
  }

  #subscribe(party: Party, peer: Peer, plan: TopicPlan, place?: Place): void {
    const { draw, judge } = this.#world
    const { process } = party
    const kept = place ?? (this.#strikes("resumer") ? this.#places.get(placeKey(process, plan)) : undefined)
    const from = kept ?? (this.#strikes("late-comer") ? draw.pick(["oldest", "last"] as const) : "newest")
    const aborting = new AbortController()
    const isGivenUp = this.#strikes("given-up-subscription")
    if (isGivenUp) this.#world.after(draw.scale(1, 1_000), () => aborting.abort())
    const call = this.#call(party, peer, plan, { from, signal: aborting.signal })
    party.asked.add(plan.name)
    call.then(
      (feed) => {
        party.asked.delete(plan.name)
        if (process.isOver) return
        const ledger = new FeedLedger(feed, process, judge, this.#reading)
        party.feeds.add(ledger)
        void feed.closed.then(() => party.feeds.delete(ledger))
        if (typeof from !== "string") ledger.checkStart(from)
        this.#keepPlace(ledger, plan)
        void ledger.read()
      },
      () => void party.asked.delete(plan.name),
    )
  }

  /** The place behind what was read last is kept when the feed ends, or is left. */
  #keepPlace(ledger: FeedLedger, plan: TopicPlan): void {
    const { feed, process } = ledger
    const keep = (): void => {
      if (feed.place !== undefined && ledger.delivered > 0) this.#places.set(placeKey(process, plan), feed.place)
    }
    void feed.closed.then(keep)
    this.#world.after(this.#world.draw.scale(100, 10_000), keep)
  }

  #call(
    { topics, process, calls }: Party,
    peer: Peer,
    { name, delivery }: TopicPlan,
    options: { readonly from?: "newest" | "oldest" | "last" | Place; readonly signal?: AbortSignal },
  ): Promise<Feed> {
    const { draw, judge } = this.#world
    const timeoutMs = draw.scale(200, 10_000)
    const call = topics.subscribe(peer, name, { ...options, timeoutMs })
    calls.set(call, process.endpoint.now() + timeoutMs)
    const { isOrdered, isNewestOnly } = traitsNamed(delivery)
    const isRefusable = isNewestOnly || !isOrdered
    call.then(
      () => void calls.delete(call),
      (error: unknown) => {
        calls.delete(call)
        const code = error instanceof TopicError || error instanceof EndpointError ? error.code : String(error)
        judge.check(
          REFUSED.has(code) && (code !== "no-such-beginning" || isRefusable),
          "answers",
          () => `${process.name}: a subscription to ${name} (${delivery}) was answered with ${code}`,
        )
      },
    )
    return call
  }

  /** Checks what must hold after each turn of a process. */
  check(process: Process): void {
    const party = this.#parties.get(process)
    if (party === undefined || process.isOver) return
    const nowMs = process.endpoint.now()
    for (const ledger of party.own) ledger.check(nowMs)
    let isOverdue = false
    for (const dueMs of party.calls.values()) isOverdue ||= nowMs > dueMs
    this.#world.judge.check(
      !party.overdue.see(isOverdue, nowMs),
      "answers",
      () => `${process.name}: a subscription is not answered in its time`,
    )
  }

  /** The network is whole: who reads does so now, and nobody leaves. */
  hurry(): void {
    this.#isHurrying = true
    for (const { feeds } of this.#living) for (const ledger of feeds) void ledger.read()
  }

  /** Publishes a last message on each topic. */
  sayLast(): void {
    for (const { own } of this.#living)
      for (const ledger of own) if (!ledger.topic.isClosed) ledger.publish(HEADER_BYTES)
  }

  get #living(): Party[] {
    return this.#world.processes().flatMap((process) => this.#parties.get(process) ?? [])
  }

  /** What feeds have yet to get, by publisher. */
  get sending(): Sending[] {
    return this.#living.map(({ process: { peers }, own }) => ({
      peers,
      pending: own.flatMap(({ pending }) => pending),
    }))
  }

  /** What is missing once all has come; `undefined`: nothing. */
  get missing(): string | undefined {
    for (const { process, feeds, calls, topics } of this.#living) {
      if (calls.size > 0) return `${process.name}: ${calls.size} subscriptions are not answered`
      for (const ledger of feeds) {
        const own = this.#ledgerOf(ledger)
        if (own === undefined) return `${ledger.name}: its topic is over`
        if (!ledger.isComplete(own))
          return `${ledger.name}, ${ledger.isReading ? "read" : "not read"}: ${JSON.stringify(ledger.feed.account)} of ${JSON.stringify(own.topic.subscribers.map(({ peer, ...rest }) => ({ ...rest, unique: peer.unique })))}`
      }
      const { feeds: held } = topics.stats()
      if (held !== feeds.size) return `${process.name}: ${held} feeds are held, and there are ${feeds.size}`
    }
    const all = this.#living.reduce((sum, { feeds }) => sum + feeds.size, 0)
    const subscribers = this.#living.reduce((sum, { topics }) => sum + topics.stats().subscribers, 0)
    return all === subscribers ? undefined : `${subscribers} subscribers, and ${all} feeds`
  }

  #ledgerOf({ feed, process }: FeedLedger): TopicLedger | undefined {
    for (const { own, process: publisher } of this.#living)
      if (publisher !== process && publisher.unique === feed.peer.unique)
        return own.findLast(({ topic }) => topic.name === feed.topic && !topic.isClosed)
    return undefined
  }

  /** Closes the topics of half of the processes. */
  end(): Promise<unknown> {
    return Promise.all(this.#living.map(({ topics }, i) => (i % 2 === 0 ? topics.close() : Promise.resolve())))
  }

  /** Its endpoint is closed: nothing is left. */
  checkOver(process: Process): void {
    const party = this.#parties.get(process)
    if (party === undefined) return
    const { topics, own, calls } = party
    const { subscribers, feeds } = topics.stats()
    this.#world.judge.check(
      subscribers === 0 && feeds === 0 && calls.size === 0 && own.every(({ topic }) => topic.subscribers.length === 0),
      "nothing-left",
      () => `${process.name}: ${subscribers} subscribers, ${feeds} feeds, ${calls.size} calls`,
    )
  }
}

function isTopic({ label }: IncomingStream): boolean {
  return label.startsWith("topic ")
}

function placeKey({ name }: Process, plan: TopicPlan): string {
  return `${name} ${plan.node} ${plan.name}`
}
