/**
 * The topics of an endpoint: those that it publishes, and its feeds of others'.
 *
 * @module
 */

import type { Endpoint, IncomingStream, Message, Peer } from "@x/endpoint"
import { ABORT_SIGNAL, type Kind, type Kinds, milliseconds, objectWith, orInfinity, whole } from "@x/transport/check"
import { ControlLine } from "./control-line.ts"
import { check, PEER, TopicError } from "./errors.ts"
import { Telling } from "./events.ts"
import { Line } from "./line.ts"
import { checkName, type TopicOptions } from "./publish/options.ts"
import { Publisher } from "./publish/publisher.ts"
import type { Topic } from "./publish/topic.ts"
import type { Feed, Place } from "./subscribe/feed.ts"
import { Subscriber } from "./subscribe/subscriber.ts"
import { type Beginning, decodeControl, LOG_BYTES_MAX, POSITION_MAX, textBytes } from "./wire/message.ts"

/** Options of the topics of an endpoint. */
export interface TopicsOptions {
  /**
   * The first of two types of messages that topics use, on streams of their own, and that the application leaves to
   * them: 0 to 65,534, default 65,280. Both ends have the same.
   */
  readonly typeFirst?: number
  /** Topics at a time: default 1,024. */
  readonly topicsMax?: number
  /** Subscriptions that one peer may have to topics here: default 256. */
  readonly subscriptionsPerPeerMax?: number
}

/** Where a feed begins, and how long its caller waits. */
export interface SubscribeOptions {
  /**
   * `"newest"`, the default: with the next message that is published. `"last"`: with the last one that is kept.
   * `"oldest"`: with the oldest one that is kept. A place, as `feed.place` gives it: there, if the log is the same and
   * still has it; else with the oldest one that is kept. `feed.resumed` says which.
   */
  readonly from?: "newest" | "oldest" | "last" | Place
  /** Gives the call up, and later the feed. */
  readonly signal?: AbortSignal
  /** How long to wait for an answer, milliseconds: default 10,000; `Infinity`: until the peer leaves. */
  readonly timeoutMs?: number
}

/** What became of what peers said, and how much there is. */
export interface TopicsStats {
  /** Topics that may be subscribed to. */
  readonly topics: number
  /** Subscriptions of peers to them. */
  readonly subscribers: number
  /** Our feeds, and subscriptions that aren't answered yet. */
  readonly feeds: number
  /** Control messages that were dropped: malformed ones. */
  readonly malformed: number
  /** Control messages that were dropped: of subscriptions that there are none of, as when an end crosses one. */
  readonly unknown: number
  /** Subscriptions that were dropped: of peers that ask on many streams, and take no answers. */
  readonly unanswered: number
}

const TOPICS_OPTIONS: Kinds<TopicsOptions> = {
  typeFirst: whole(0, 65_534),
  topicsMax: whole(1, 1_000_000),
  subscriptionsPerPeerMax: whole(1, 1_000_000),
}

const BEGINNINGS: ReadonlySet<unknown> = new Set(["newest", "oldest", "last"])

const FROM: Kind<Exclude<SubscribeOptions["from"], undefined>> = {
  takes: `"newest", "oldest", "last", or a place as feed.place gives it`,
  has: (value): value is Exclude<SubscribeOptions["from"], undefined> => BEGINNINGS.has(value) || isPlace(value),
}

const SUBSCRIBE_OPTIONS: Kinds<SubscribeOptions> = {
  from: FROM,
  signal: ABORT_SIGNAL,
  timeoutMs: orInfinity(milliseconds(), "until the peer leaves"),
}

const ENDPOINT = objectWith<Endpoint>("an endpoint", "handle", "on", "alarm", "now")

function isPlace(value: unknown): value is Place {
  if (typeof value !== "object" || value === null) return false
  const { log, next } = value as Record<string, unknown>
  if (typeof log !== "string" || log === "" || textBytes(log) > LOG_BYTES_MAX) return false
  return Number.isInteger(next) && (next as number) >= 0 && (next as number) <= POSITION_MAX
}

/**
 * Topics on an endpoint: one object for all that it publishes and subscribes to.
 *
 * @example
 * const topics = new Topics(endpoint)
 * const quotes = topics.topic("quotes/EURUSD", { keep: { messages: 1 } })
 * quotes.publish(QUOTE, { bid: 1.0812, ask: 1.0814 })
 */
export class Topics implements AsyncDisposable {
  readonly #endpoint: Endpoint
  readonly #types: { readonly control: number; readonly entry: number }
  readonly #lines = new Map<Peer, Line>()
  /** Streams on which peers have told something. */
  readonly #heard = new WeakSet<IncomingStream>()
  readonly #publisher: Publisher
  readonly #subscriber: Subscriber
  readonly #forget: (() => void)[]
  #malformed = 0
  #unknown = 0
  #unanswered = 0
  #closing: Promise<void> | undefined

  /** Throws `TopicError` `invalid-option`; an endpoint has one such object for each pair of types. */
  constructor(endpoint: Endpoint, options: TopicsOptions = {}) {
    const given = check.options("Topics", options, TOPICS_OPTIONS)
    const { typeFirst = 65_280, topicsMax = 1_024, subscriptionsPerPeerMax = 256 } = given
    check.value("the endpoint", endpoint, ENDPOINT)
    this.#endpoint = endpoint
    this.#types = { control: typeFirst, entry: typeFirst + 1 }
    const common = { endpoint, telling: new Telling(endpoint), entryType: this.#types.entry }
    this.#publisher = new Publisher({
      ...common,
      limits: { topicsMax, subscriptionsPerPeerMax },
      lineOf: (peer) => this.#lines.get(peer),
    })
    this.#subscriber = new Subscriber(common)
    this.#forget = [
      endpoint.handle(this.#types.control, (message) => this.#handle(message)),
      endpoint.on("stream", (stream) => {
        const line = this.#lines.get(stream.peer)
        if (line !== undefined) this.#subscriber.opened(line, stream)
      }),
      endpoint.on("left", (peer) => this.#lose(peer, "peer-left")),
    ]
  }

  /**
   * Makes a topic that peers may subscribe to from now on. Throws `TopicError` `invalid-option`, or `no-room`: there is
   * one of that name, or there are too many.
   */
  topic(name: string, options: TopicOptions = {}): Topic {
    this.#checkOpen()
    return this.#publisher.topic(name, options)
  }

  /**
   * Subscribes to a topic of a peer. Settles once the publisher has answered and the stream of the messages is there.
   * Rejects with a `TopicError` that says why not: `no-topic`, `not-accepted`, `topic-full`, `peer-full`,
   * `no-such-beginning`, `timeout`, `aborted`, `peer-left`, `closed`, `invalid-option`; or with the `EndpointError` of
   * a peer that takes no stream.
   */
  async subscribe(peer: Peer, topic: string, options: SubscribeOptions = {}): Promise<Feed> {
    const { from = "newest", signal, timeoutMs = 10_000 } = check.options("subscribe", options, SUBSCRIBE_OPTIONS)
    check.value("the peer", peer, PEER)
    checkName(topic)
    this.#checkOpen()
    return this.#subscriber.subscribe(this.#lineOf(peer), topic, { beginning: beginningOf(from), signal, timeoutMs })
  }

  /** Counters and sizes, as they are now. */
  stats(): TopicsStats {
    let subscribers = 0
    let feeds = 0
    for (const { members, subscribing } of this.#lines.values()) {
      subscribers += members.size
      feeds += subscribing.size
    }
    return {
      ...{ topics: this.#publisher.size, subscribers, feeds },
      ...{ malformed: this.#malformed, unknown: this.#unknown, unanswered: this.#unanswered },
    }
  }

  /**
   * Closes all topics, as `topic.close` does, and ends all feeds. The endpoint goes on; close it afterwards, so that
   * subscribers get what they wait for. Never rejects; a second call returns the same promise.
   */
  close(): Promise<void> {
    return (this.#closing ??= this.#close())
  }

  async #close(): Promise<void> {
    for (const line of this.#lines.values()) this.#subscriber.close(line)
    await this.#publisher.close()
    for (const forget of this.#forget) forget()
    for (const { control } of this.#lines.values()) control.end()
    this.#lines.clear()
  }

  /** As `close()`: for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #checkOpen(): void {
    if (this.#closing !== undefined) throw new TopicError("closed", "the topics of this endpoint are closed")
  }

  #lineOf(peer: Peer): Line {
    const known = this.#lines.get(peer)
    if (known !== undefined) return known
    // Its answers would come to the other endpoint.
    if (peer.state !== "left" && !this.#endpoint.peers.includes(peer))
      throw check.wrong("the peer", "one of this endpoint", peer)
    const line: Line = new Line(
      new ControlLine(peer, {
        type: this.#types.control,
        onRoom: () => line.resume(),
        onLost: () => this.#lose(peer, peer.state === "left" ? "peer-left" : "stream-closed"),
      }),
    )
    // One that has left has no events any more.
    if (peer.state !== "left") this.#lines.set(peer, line)
    return line
  }

  #lose(peer: Peer, why: "peer-left" | "stream-closed"): void {
    const line = this.#lines.get(peer)
    if (line === undefined) return
    this.#lines.delete(peer)
    line.resume()
    this.#publisher.forget(line, why)
    this.#subscriber.forget(line, why)
  }

  #handle({ bytes, peer, stream }: Message): void {
    const control = decodeControl(bytes)
    if (control === undefined) {
      this.#malformed++
      return
    }
    this.#watch(stream)
    if (control.kind === "subscribe") {
      const line = this.#lineOf(peer)
      if (line.isFlooding) {
        this.#unanswered++
        return stream.stop()
      }
      try {
        this.#publisher.subscribe(line, stream, control)
      } finally {
        if (line.control.isFull) line.pause(stream)
      }
      return
    }
    const line = this.#lines.get(peer)
    if (line !== undefined && this.#tell(line, control)) return
    this.#unknown++
    // Nobody waits for it any more: the publisher would hold it for nobody.
    if (control.kind === "accepted") this.#subscriber.disown(this.#lineOf(peer), control.id)
  }

  /**
   * Once a stream for control of a peer is closed, what the peer asked for on it is over, and what it hasn't answered was
   * answered on that, or never is.
   */
  #watch(stream: IncomingStream): void {
    if (this.#heard.has(stream)) return
    this.#heard.add(stream)
    this.#subscriber.heard(stream)
    void stream.closed.then(() => {
      const line = this.#lines.get(stream.peer)
      if (line !== undefined) this.#publisher.unheard(line, stream)
      this.#subscriber.unheard(stream, line)
    })
  }

  /** Whether it was about a subscription that there is. */
  #tell(line: Line, control: Exclude<ReturnType<typeof decodeControl>, undefined>): boolean {
    switch (control.kind) {
      case "unsubscribe":
        this.#publisher.unsubscribe(line, control.id)
        return true
      case "accepted":
        return this.#subscriber.accepted(line, control.id, control)
      case "refused":
        return this.#subscriber.refused(line, control.id, control.code)
      case "ended":
        return this.#subscriber.ended(line, control.id, control.code, control.end)
      case "gap":
        return this.#subscriber.gap(line, control.id, control.messages)
      case "subscribe":
        return false
    }
  }
}

function beginningOf(from: Exclude<SubscribeOptions["from"], undefined>): Beginning {
  return typeof from === "string" ? { at: from } : { at: "next", log: from.log, position: from.next }
}
