/**
 * A topic, as its application holds it, and what is told of its subscribers.
 *
 * @module
 */

import type { Delivery, MessageType, Peer } from "@x/endpoint"
import type { End } from "../wire/codes.ts"

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
