/**
 * A topic, as its publisher holds it: gives the messages of its publication to the streams of its subscribers, as far as
 * they take them.
 *
 * @module
 */

import {
  type Alarm,
  type Delivery,
  type Endpoint,
  EndpointError,
  type FanOut,
  type MessageType,
  type OutgoingStream,
  type Peer,
  REASON,
} from "@x/endpoint"
import { traitsNamed } from "@x/wire"
import type { ControlLine } from "../control-line.ts"
import { TopicError } from "../errors.ts"
import { Events, type Telling } from "../events.ts"
import { MessageLog } from "../log/log.ts"
import { entryOf } from "../values.ts"
import { type End, ENDS } from "../wire/codes.ts"
import type { Beginning } from "../wire/message.ts"
import { Member } from "./member.ts"
import { mayBegin, type TopicSettings } from "./options.ts"
import { type DroppedOut, Publication } from "./publication.ts"

/** What became of a message that was published. */
export type PublishResult =
  /** The stream of each subscriber has it. */
  | "sent"
  /** It is in the log; at least one subscriber gets it later. */
  | "held"
  /** Somebody holds the others up (`slow: "hold"`): nothing of it is kept; publish it again after `drain`. */
  | "refused"
  /** It is in the log, as far as `keep` says; nobody gets it now. */
  | "no-subscribers"

/** Why a subscriber is no longer one. */
export type Leaving = Exclude<End, "ended"> | "peer-left"

/** Somebody subscribed. */
export interface Subscribed {
  /** Who. */
  readonly peer: Peer
  /** What happened. */
  readonly state: "subscribed"
}

/** A subscriber was too slow for some messages, and won't get them. */
export interface Skipped {
  /** Who. */
  readonly peer: Peer
  /** What happened. */
  readonly state: "skipped"
  /** How many, beside those that were told before. */
  readonly messages: number
}

/** Somebody isn't a subscriber any more. */
export interface Left {
  /** Who. */
  readonly peer: Peer
  /** What happened. */
  readonly state: "left"
  /** Why. */
  readonly why: Leaving
}

/** What is told of a subscriber. */
export type SubscriberNews = Subscribed | Skipped | Left

/** The events of a topic, with their arguments. */
export interface TopicEvents {
  /** Somebody has subscribed, skips messages, or has left, and why. */
  subscriber: (news: SubscriberNews) => void
  /** After a message was refused: nobody holds the others up any more. */
  drain: () => void
}

/** A subscriber of a topic, and its account: `begun` = `given` + `skipped` + `waiting`. */
export interface SubscriberAccount {
  /** Who it is. */
  readonly peer: Peer
  /** Messages published since the first one that is for it. */
  readonly begun: number
  /** Of these, messages that its stream has taken. */
  readonly given: number
  /** Of these, messages that it was too slow for. */
  readonly skipped: number
  /** Of these, messages that wait for room in its stream. */
  readonly waiting: number
}

/** Messages that others subscribe to. Made by `topics.topic()`. */
export interface Topic {
  /** By which others find it. */
  readonly name: string
  /** What the streams to subscribers promise. */
  readonly delivery: Delivery
  /** The identity of its log: text that no other topic has, of whatever endpoint. */
  readonly log: string
  /** The position of the next message. */
  readonly position: number
  /** Its subscribers at this moment. */
  readonly subscribers: readonly SubscriberAccount[]
  /** What its log holds: kept for who comes late, or waiting. */
  readonly held: {
    /** How many messages. */
    readonly messages: number
    /** Their bytes, and what is kept about them. */
    readonly bytes: number
  }
  /** Whether it was closed. */
  readonly isClosed: boolean
  /**
   * Publishes a message; its bytes are copied. Never waits. Throws `TopicError` `closed`, `too-large`, or
   * `invalid-option` for what isn't of the type.
   */
  publish(type: number, bytes: Uint8Array): PublishResult
  /** The same for a value of a defined type, which is encoded once. */
  publish<T>(type: MessageType<T>, value: T): PublishResult
  /** Listens to an event. Returns a function that stops listening. */
  on<K extends keyof TopicEvents>(name: K, listener: TopicEvents[K]): () => void
  /**
   * Takes no more messages and subscribers, and ends the feeds of those that have everything. Settles once the others
   * have, too, or after `lag.ms` without them. Never rejects.
   */
  close(): Promise<void>
}

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
  readonly #events: Events<TopicEvents>
  readonly #alarm: Alarm
  /** Streams of subscribers that have everything: they are given each message at once, which is written once. */
  readonly #fanOut: FanOut
  /** Streams that give messages up each do so by themselves. */
  readonly #isShared: boolean
  readonly #abreast = new Set<Member>()
  /** Those that aren't known to be behind, nor abreast of all that was published. */
  readonly #others = new Set<Member>()
  #alarmMs = Infinity
  /** Bytes of a message that was refused, and whose publisher waits for `drain`. */
  #refusedBytes: number | undefined
  #isPublishing = false
  #closing: Promise<void> | undefined
  #tellClosed: (() => void) | undefined
  #closeDueMs = Infinity

  constructor(name: string, identity: string, settings: TopicSettings, host: TopicHost) {
    this.name = name
    this.settings = settings
    this.publication = new Publication<Member>(new MessageLog(), identity, settings.rules)
    this.#host = host
    this.#events = new Events(["subscriber", "drain"], host.telling)
    this.#alarm = host.endpoint.alarm(() => this.#wake())
    this.#fanOut = host.endpoint.fanOut()
    this.#isShared = traitsNamed(settings.delivery).waits
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
    return this.#events.on(name, listener)
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
      this.#refusedBytes = entry.length
      return "refused"
    }
    // Who skips all that there was waits for this one, and may have been behind until now.
    for (const member of publication.untold) this.#place(member)
    publication.append(entry, nowMs)
    const { size } = publication.accounts
    this.#giveAll(entry, nowMs)
    if (size === 0) return "no-subscribers"
    return publication.behind.size > 0 ? "held" : "sent"
  }

  /** Gives the message that was just published to all. */
  #giveAll(entry: Uint8Array, nowMs: number): void {
    const apart = this.#offer(entry)
    const slow = apart.length === 0 ? undefined : new Set(apart)
    const others = [...this.#others]
    for (const member of this.#abreast)
      if (slow?.has(member.stream) === true) others.push(member)
      else member.took(1, nowMs)
    this.#pumpAll(others, nowMs)
  }

  /** Writes it once for all, if there is anybody. Returns the streams of those abreast that didn't take it. */
  #offer(entry: Uint8Array): readonly OutgoingStream[] {
    if (this.publication.accounts.size > 0 && this.#isShared) return this.#fanOut.trySend(this.#host.entryType, entry)
    this.#fanOut.skip()
    return []
  }

  /** Gives members what their streams take, and judges who is too slow. */
  #pumpAll(members: Iterable<Member>, nowMs: number): void {
    const leaving: [Member, Leaving][] = []
    for (const member of members) {
      const why = this.#pump(member, nowMs)
      // Its stream may have been closed meanwhile.
      if (member.isOut) continue
      this.publication.settle(member)
      this.#place(member)
      if (why !== undefined) leaving.push([member, why])
      else if (this.isClosed && member.next === this.position) leaving.push([member, "topic-closed"])
    }
    for (const [member, why] of leaving) this.leave(member, why)
    this.#judge(nowMs)
  }

  /**
   * A member that has everything, and whose stream takes more, is given the next message with the others. One that is
   * behind, and whose stream takes no more, isn't looked at until it does.
   */
  #place(member: Member): void {
    const { isBlocked } = member
    if (this.#isShared && !isBlocked && member.next === this.position) {
      this.#others.delete(member)
      if (this.#abreast.has(member)) return
      this.#abreast.add(member)
      this.#fanOut.add(member.stream)
    } else {
      if (this.#abreast.delete(member)) this.#fanOut.delete(member.stream)
      if (isBlocked && this.publication.behind.has(member)) this.#others.delete(member)
      else this.#others.add(member)
    }
  }

  /** Gives a member what its stream takes. Returns why it can't be one any more. */
  #pump(member: Member, nowMs: number): Leaving | undefined {
    const { publication } = this
    while (!member.isBlocked) {
      const message = publication.nextFor(member)
      if (message === undefined) break
      const given = this.#fanOut.give(member.stream, member.next)
      if (given !== 0) {
        if (given > 0) member.took(given, nowMs)
        else member.isBlocked = true
        continue
      }
      switch (member.stream.trySend(this.#host.entryType, message)) {
        case "refused":
          member.isBlocked = true
          return undefined
        case "too-large":
          return "message-too-large"
        case "closed":
          return "stream-closed"
        case "not-joined":
          return "peer-left"
        case "parked":
          // It has it, and wants no more.
          member.isBlocked = true
          break
        case "sent":
        case "dropped":
          break
      }
      member.took(1, nowMs)
    }
    return undefined
  }

  #judge(nowMs: number): void {
    this.#dropOut(this.publication.judge(nowMs))
    this.#letGo()
    this.#tellSkipped()
    this.#tellDrain()
    this.#arm()
    this.#tellEmpty()
  }

  /** Packets aren't needed any more that nobody waits for. */
  #letGo(): void {
    this.#fanOut.release(this.publication.wantedFrom)
  }

  #dropOut(droppedOut: readonly DroppedOut<Member>[]): void {
    for (const { account, why } of droppedOut) this.leave(account, why)
  }

  #tellSkipped(): void {
    if (this.publication.untold.size === 0) return
    const { waits, isOrdered } = traitsNamed(this.delivery)
    for (const member of this.publication.untold) {
      const messages = member.untold
      member.untold = 0
      this.#emitSkipped(member, messages)
      // Where there is an order, the next message shows it; what may be lost anyway is counted at the end.
      if (waits && !isOrdered) tell(member.control, { kind: "gap", id: member.id, messages })
    }
    this.publication.untold.clear()
  }

  /** One event for all that is skipped until it is told: who skips much doesn't make a queue of it. */
  #emitSkipped(member: Member, messages: number): void {
    if (member.toTell === 0)
      this.#events.emitLater("subscriber", () => {
        const news: Skipped = { peer: member.stream.peer, state: "skipped", messages: member.toTell }
        member.toTell = 0
        return [news]
      })
    member.toTell += messages
  }

  #tellDrain(): void {
    if (this.#refusedBytes === undefined || !this.publication.hasRoomFor(this.#refusedBytes)) return
    this.#refusedBytes = undefined
    this.#events.emit("drain")
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
    this.#others.add(member)
    stream.on("drain", () => this.#drained(member))
    stream.on("closed", ({ reason }) => this.leave(member, whyClosed(control.peer, reason)))
    this.#events.emit("subscriber", { peer: control.peer, state: "subscribed" })
    if (tell(control, { kind: "accepted", id, stream: stream.id, ...start, log: publication.identity })) return member
    this.leave(member, "stream-closed")
    return undefined
  }

  /** Gives a new subscriber what was there before it. */
  begin(member: Member): void {
    this.#pumpAll([member], this.#host.endpoint.now())
  }

  #drained(member: Member): void {
    if (member.isOut) return
    member.isBlocked = false
    this.#pumpAll([member], this.#host.endpoint.now())
  }

  /** A subscriber is no longer one: nothing is kept for it. */
  leave(member: Member, why: Leaving): void {
    if (member.isOut) return
    member.isOut = true
    this.#others.delete(member)
    if (this.#abreast.delete(member)) this.#fanOut.delete(member.stream)
    const { peer } = member.stream
    this.publication.remove(member)
    this.#letGo()
    this.#host.onLeft(member)
    this.#events.emit("subscriber", { peer, state: "left", why })
    if (why !== "peer-left") {
      tell(member.control, { kind: "ended", id: member.id, code: ENDS[why], end: this.position })
      // One that has everything gets it. What waits for a slow one would stay here as long as that lives.
      if (why === "topic-closed" && (member.next === this.position || !traitsNamed(this.delivery).waits))
        void member.stream.end()
      else member.stream.reset()
    }
    this.#tellDrain()
    this.#tellEmpty()
  }

  /** For tests: throws an `Error` if a member would never be given anything again, or numbers are out of step. */
  assertInvariants(): void {
    this.publication.assertInvariants()
    const { accounts, behind } = this.publication
    for (const member of accounts) {
      const places = [this.#abreast.has(member), this.#others.has(member), member.isBlocked && behind.has(member)]
      if (places[0] === (places[1] || places[2])) throw new Error("a member is in no place, or in two")
    }
    if (this.#fanOut.next !== this.position && !this.isClosed) throw new Error("messages have two numbers")
  }

  close(): Promise<void> {
    if (this.#closing !== undefined) return this.#closing
    this.#closing = new Promise((resolve) => (this.#tellClosed = resolve))
    this.#host.onClosing(this)
    const nowMs = this.#host.endpoint.now()
    this.#closeDueMs = nowMs + this.settings.rules.lag.ms
    this.#pumpAll([...this.publication.accounts], nowMs)
    return this.#closing
  }

  #tellEmpty(): void {
    if (this.#tellClosed === undefined || this.publication.accounts.size > 0) return
    this.#tellClosed()
    this.#tellClosed = undefined
    // What was kept is for nobody any more.
    this.publication.log.release(this.position)
    this.#fanOut.close()
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

/** Tells a peer. `false`: it takes no stream for it, or has left. */
function tell(control: ControlLine, message: Parameters<ControlLine["send"]>[0]): boolean {
  try {
    control.send(message)
    return true
  } catch (error) {
    if (error instanceof EndpointError) return false
    throw error
  }
}
