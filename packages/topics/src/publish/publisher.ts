/**
 * The topics of an endpoint: finds that which a peer asks for, and says no where there is none or no room.
 *
 * @module
 */

import type { Endpoint, IncomingStream, Peer } from "@x/endpoint"
import { TopicError } from "../errors.ts"
import type { Telling } from "../events.ts"
import type { Line } from "../line.ts"
import { nextNumber } from "../numbers.ts"
import { REFUSALS } from "../wire/codes.ts"
import type { Beginning } from "../wire/message.ts"
import type { Member } from "./member.ts"
import { checkName, settingsOf, type TopicOptions } from "./options.ts"
import { TopicHandle } from "./topic-handle.ts"

/** Bounds of what peers may have. */
export interface PublisherLimits {
  readonly topicsMax: number
  readonly subscriptionsPerPeerMax: number
}

/** What a peer asks for. */
export interface Question {
  /** The peer's number for the subscription. */
  readonly id: number
  readonly name: string
  readonly beginning: Beginning
}

/** What a publisher needs of the topics of its endpoint. */
export interface PublisherHost {
  readonly endpoint: Endpoint
  readonly telling: Telling
  readonly entryType: number
  readonly limits: PublisherLimits
  lineOf(peer: Peer): Line | undefined
}

/** Where a subscriber belongs. */
interface Seat {
  readonly topic: TopicHandle
  /** The stream for control on which the peer asked for it. */
  readonly asked: IncomingStream
}

export class Publisher {
  readonly #host: PublisherHost
  readonly #topics = new Map<string, TopicHandle>()
  /** Those that are being closed, too. */
  readonly #all = new Set<TopicHandle>()
  readonly #seatOf = new Map<Member, Seat>()

  constructor(host: PublisherHost) {
    this.#host = host
  }

  /** Topics that may be subscribed to. */
  get size(): number {
    return this.#topics.size
  }

  topic(name: string, options: TopicOptions): TopicHandle {
    checkName(name)
    const settings = settingsOf(options)
    if (this.#topics.has(name))
      throw new TopicError("no-room", `there is a topic ${JSON.stringify(name)} already; keep the object that made it`)
    const { limits, endpoint } = this.#host
    if (this.#all.size >= limits.topicsMax)
      throw new TopicError("no-room", `there are ${limits.topicsMax} topics: close some, or raise topicsMax`)
    const { telling, entryType } = this.#host
    const topic = new TopicHandle(name, `${endpoint.unique}.${nextNumber(endpoint)}`, settings, {
      ...{ endpoint, telling, entryType },
      onLeft: (member) => this.#left(member),
      onClosing: (closing) => void this.#closing(closing),
    })
    this.#topics.set(name, topic)
    this.#all.add(topic)
    return topic
  }

  async #closing(topic: TopicHandle): Promise<void> {
    this.#topics.delete(topic.name)
    await topic.close()
    this.#all.delete(topic)
  }

  #left(member: Member): void {
    this.#seatOf.delete(member)
    this.#host.lineOf(member.stream.peer)?.members.delete(member.id)
  }

  /** A peer asks for a topic on a stream for control. What `accept` throws is thrown once the peer has its answer. */
  subscribe(line: Line, asked: IncomingStream, { id, name, beginning }: Question): void {
    const refuse = (code: keyof typeof REFUSALS): void =>
      void line.control.trySend({ kind: "refused", id, code: REFUSALS[code] })
    if (line.members.has(id)) return refuse("number-in-use")
    const topic = this.#topics.get(name)
    if (topic === undefined) return refuse("no-topic")
    try {
      if (!topic.accepts(line.peer)) return refuse("not-accepted")
    } catch (error) {
      refuse("not-accepted")
      throw error
    }
    // `accept` may have closed it.
    if (topic.isClosed) return refuse("no-topic")
    if (!topic.mayBegin(beginning)) return refuse("no-such-beginning")
    if (topic.isFull) return refuse("topic-full")
    if (line.members.size >= this.#host.limits.subscriptionsPerPeerMax) return refuse("peer-full")
    const member = topic.add(id, line.control, beginning)
    if (member === undefined) return refuse("peer-full")
    line.members.set(id, member)
    this.#seatOf.set(member, { topic, asked })
    topic.begin(member)
  }

  /** A peer wants no more; that it ended by itself may be on its way. */
  unsubscribe(line: Line, id: number): void {
    const member = line.members.get(id)
    if (member !== undefined) this.#seatOf.get(member)?.topic.leave(member, "unsubscribed")
  }

  /**
   * A stream for control of a peer was closed. The peer forgets what it asked for on it, and what it said to end that is
   * lost: its subscriptions are over, also those whose streams it has yet to see.
   */
  unheard(line: Line, stream: IncomingStream): void {
    const why = line.peer.state === "left" ? "peer-left" : "stream-closed"
    for (const member of [...line.members.values()]) {
      const seat = this.#seatOf.get(member)
      if (seat?.asked === stream) seat.topic.leave(member, why)
    }
  }

  /** A peer has left, or can't be told anything any more. */
  forget(line: Line, why: "peer-left" | "stream-closed"): void {
    for (const member of [...line.members.values()]) this.#seatOf.get(member)?.topic.leave(member, why)
  }

  /** Closes all topics. Settles once all are. */
  async close(): Promise<void> {
    await Promise.all([...this.#all].map((topic) => topic.close()))
  }
}
