/**
 * A topic, as its publisher holds it: judges who is too slow, and takes and releases subscribers.
 *
 * @module
 */

import {
  type Alarm,
  type Delivery,
  type Endpoint,
  EndpointError,
  type MessageType,
  type Peer,
  REASON,
} from "@x/endpoint"
import { traitsNamed } from "@x/wire"
import type { ControlLine } from "../control-line.ts"
import { TopicError } from "../errors.ts"
import type { Telling } from "../events.ts"
import { MessageLog } from "../log/log.ts"
import { entryOf } from "../values.ts"
import { ENDS } from "../wire/codes.ts"
import type { Beginning } from "../wire/message.ts"
import { Giving, type Unable } from "./giving.ts"
import { Member } from "./member.ts"
import { TopicNews } from "./news.ts"
import { mayBegin, type TopicSettings } from "./options.ts"
import { type DroppedOut, Publication } from "./publication.ts"
import type { Leaving, PublishResult, SubscriberAccount, Topic, TopicEvents } from "./topic.ts"

/** What a topic needs of the topics of its endpoint. */
export interface TopicHost {
  readonly endpoint: Endpoint
  readonly telling: Telling
  /** The type of messages of topics. */
  readonly entryType: number
  /** A subscriber has left, for whatever reason. */
  onLeft(member: Member): void
  /** It takes no more messages. */
  onClosing(topic: TopicHandle): void
}

export class TopicHandle implements Topic {
  readonly name: string
  readonly settings: TopicSettings
  readonly publication: Publication<Member>
  readonly #host: TopicHost
  readonly #giving: Giving
  readonly #news: TopicNews
  readonly #alarm: Alarm
  #alarmMs = Infinity
  #isPublishing = false
  #closing: Promise<void> | undefined
  #tellClosed: (() => void) | undefined
  #closeDueMs = Infinity

  constructor(name: string, identity: string, settings: TopicSettings, host: TopicHost) {
    this.name = name
    this.settings = settings
    this.publication = new Publication<Member>(new MessageLog(), identity, settings.rules)
    this.#host = host
    this.#giving = new Giving({
      publication: this.publication,
      fanOut: host.endpoint.fanOut(),
      entryType: host.entryType,
      isShared: traitsNamed(settings.delivery).waits,
    })
    this.#news = new TopicNews(this.publication, settings.delivery, host.telling)
    this.#alarm = host.endpoint.alarm(() => this.#wake())
  }

  get delivery(): Delivery {
    return this.settings.delivery
  }

  get log(): string {
    return this.publication.identity
  }

  get position(): number {
    return this.publication.log.end
  }

  get subscribers(): readonly SubscriberAccount[] {
    const { end } = this.publication.log
    return [...this.publication.accounts].map(({ stream: { peer }, first, next, given, skipped }) => ({
      peer,
      begun: end - first,
      given,
      skipped,
      waiting: end - next,
    }))
  }

  get held(): { readonly messages: number; readonly bytes: number } {
    const { begin, end, bytes } = this.publication.log
    return { messages: end - begin, bytes }
  }

  get isClosed(): boolean {
    return this.#closing !== undefined
  }

  on<K extends keyof TopicEvents>(name: K, listener: TopicEvents[K]): () => void {
    return this.#news.on(name, listener)
  }

  publish(type: number, bytes: Uint8Array): PublishResult
  publish<T>(type: MessageType<T>, value: T): PublishResult
  publish(type: number | MessageType<unknown>, value: unknown): PublishResult {
    if (this.isClosed) throw new TopicError("closed", `the topic ${JSON.stringify(this.name)} is closed`)
    if (this.#isPublishing)
      throw new TopicError("invalid-option", "a codec must not publish on the topic that it encodes for")
    const { publication } = this
    let entry: Uint8Array
    this.#isPublishing = true
    try {
      entry = entryOf(publication.log.end, type, value)
    } finally {
      this.#isPublishing = false
    }
    return this.#publish(entry)
  }

  #publish(entry: Uint8Array): PublishResult {
    const { publication } = this
    const { bytesMax } = publication.rules
    if (publication.log.cost(entry.length) > bytesMax)
      throw new TopicError("too-large", `the message is larger than bytesMax of its topic, ${bytesMax}`)
    const nowMs = this.#host.endpoint.now()
    const droppedOut: DroppedOut<Member>[] = []
    const isAdmitted = publication.admits(entry.length, nowMs, droppedOut)
    this.#dropOut(droppedOut)
    if (!isAdmitted) {
      this.#news.refused(entry.length)
      return "refused"
    }
    const { size } = publication.accounts
    this.#settle(this.#giving.publish(entry, nowMs), nowMs)
    if (size === 0) return "no-subscribers"
    return publication.behind.size > 0 ? "held" : "sent"
  }

  /** Gives members what their streams take. */
  #give(members: readonly Member[], nowMs: number): void {
    const unable = this.#giving.give(members, nowMs)
    if (this.isClosed)
      for (const member of members) if (member.next === this.position) this.leave(member, "topic-closed")
    this.#settle(unable, nowMs)
  }

  /** Members were given what their streams take: judges who is too slow, and tells what there is to tell. */
  #settle(unable: readonly Unable[], nowMs: number): void {
    for (const { member, why } of unable) this.leave(member, why)
    this.#judge(nowMs)
  }

  #judge(nowMs: number): void {
    this.#dropOut(this.publication.judge(nowMs))
    this.#giving.release()
    this.#news.tellSkipped()
    this.#news.tellDrain()
    this.#arm()
    this.#tellEmpty()
  }

  #dropOut(droppedOut: readonly DroppedOut<Member>[]): void {
    for (const { account, why } of droppedOut) this.leave(account, why)
  }

  #arm(): void {
    const dueMs = Math.min(this.publication.nextTimeoutMs, this.#closeDueMs)
    if (dueMs !== this.#alarmMs) this.#alarm.at((this.#alarmMs = dueMs))
  }

  #wake(): void {
    this.#alarmMs = Infinity
    const nowMs = this.#host.endpoint.now()
    if (this.#closeDueMs <= nowMs) for (const member of this.publication.accounts) this.leave(member, "topic-closed")
    this.#judge(nowMs)
  }

  /** Whether a peer may subscribe: `false`, or what `accept` throws. */
  accepts(peer: Peer): boolean {
    const { accept } = this.settings
    if (accept === undefined) return true
    const answer: unknown = accept(peer)
    if (typeof answer === "boolean") return answer
    // A promise would count as a yes.
    throw new TypeError(`accept has to answer true or false at once, not ${typeof answer}`)
  }

  /** Whether it has as many subscribers as it takes. */
  get isFull(): boolean {
    return this.publication.accounts.size >= this.settings.subscribersMax
  }

  /** Whether a feed may begin like this. */
  mayBegin(beginning: Beginning): boolean {
    return mayBegin(this.delivery, beginning)
  }

  /** Takes a subscriber. `undefined`: the peer has no room for a stream. */
  add(id: number, control: ControlLine, beginning: Beginning): Member | undefined {
    const { publication } = this
    const { delivery, priority } = this.settings
    const start = publication.startOf(beginning)
    const nowMs = this.#host.endpoint.now()
    const stream = open(control.peer, { delivery, label: this.name, ...(priority === undefined ? {} : { priority }) })
    if (stream === undefined) return undefined
    const member = new Member(id, control, stream, start, publication.log.end, nowMs)
    publication.add(member)
    this.#giving.add(member)
    stream.on("drain", () => this.#drained(member))
    stream.on("closed", ({ reason }) => this.leave(member, whyClosed(control.peer, reason)))
    this.#news.subscribed(control.peer)
    if (control.trySend({ kind: "accepted", id, stream: stream.id, ...start, log: publication.identity })) return member
    this.leave(member, "stream-closed")
    return undefined
  }

  /** Gives a new subscriber what was there before it. */
  begin(member: Member): void {
    this.#give([member], this.#host.endpoint.now())
  }

  #drained(member: Member): void {
    if (member.isOut) return
    member.isBlocked = false
    this.#give([member], this.#host.endpoint.now())
  }

  /** A subscriber is no longer one: nothing is kept for it. */
  leave(member: Member, why: Leaving): void {
    if (member.isOut) return
    member.isOut = true
    this.#giving.delete(member)
    const { peer } = member.stream
    this.publication.remove(member)
    this.#giving.release()
    this.#host.onLeft(member)
    this.#news.left(peer, why)
    if (why !== "peer-left") {
      member.control.trySend({ kind: "ended", id: member.id, code: ENDS[why], end: this.position })
      // One that has everything gets it. What waits for a slow one would stay here as long as that lives.
      if (why === "topic-closed" && (member.next === this.position || !traitsNamed(this.delivery).waits))
        void member.stream.end()
      else member.stream.reset()
    }
    this.#news.tellDrain()
    this.#tellEmpty()
  }

  /** For tests: throws an `Error` if a member would never be given anything again, or numbers are out of step. */
  assertInvariants(): void {
    this.publication.assertInvariants()
    if (!this.isClosed) this.#giving.assertInvariants()
  }

  close(): Promise<void> {
    if (this.#closing !== undefined) return this.#closing
    this.#closing = new Promise((resolve) => (this.#tellClosed = resolve))
    this.#host.onClosing(this)
    const nowMs = this.#host.endpoint.now()
    this.#closeDueMs = nowMs + this.settings.rules.lag.ms
    this.#give([...this.publication.accounts], nowMs)
    return this.#closing
  }

  #tellEmpty(): void {
    if (this.#tellClosed === undefined || this.publication.accounts.size > 0) return
    this.#tellClosed()
    this.#tellClosed = undefined
    // What was kept is for nobody any more.
    this.publication.log.release(this.position)
    this.#giving.close()
    this.#closeDueMs = Infinity
    this.#arm()
  }
}

/** Why the stream to a subscriber was closed, and not by us. Who wants no more stops it, and then says so. */
function whyClosed(peer: Peer, reason: number): Leaving {
  if (peer.state === "left") return "peer-left"
  return reason === REASON.closing ? "unsubscribed" : "stream-closed"
}

/** A stream to a peer; `undefined`: it takes no more, or has left. */
function open(peer: Peer, options: Parameters<Peer["open"]>[0]): ReturnType<Peer["open"]> | undefined {
  try {
    return peer.open(options)
  } catch (error) {
    if (error instanceof EndpointError && (error.code === "refused" || error.code === "not-joined")) return undefined
    throw error
  }
}
