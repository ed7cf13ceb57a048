/**
 * The errors of this package, and its checks of what callers pass in.
 *
 * @module
 */

import { Checks, type Kind, type NumberKind, objectWith, whole } from "@x/transport/check"
import type { Peer } from "@x/endpoint"
import type { End, Refusal } from "./wire/codes.ts"

/** What went wrong, for programs. */
export type TopicErrorCode =
  /** An argument isn't a valid one. */
  | "invalid-option"
  /** There is a topic of that name already, or there are too many. */
  | "no-room"
  /** The message is larger than the memory of its topic. */
  | "too-large"
  /** The topic, or all of this endpoint's, are closed. */
  | "closed"
  /** The peer didn't answer: perhaps it has no topics. */
  | "timeout"
  /** The caller's signal; `cause` is its reason. */
  | "aborted"
  /** The peer has left, or its stream for control was closed. */
  | "peer-left"
  /** The peer sent what can't be. */
  | "protocol-error"
  | Refusal
  | End

/** The one error class of this package. The message says what to do; `cause` is the underlying error. */
export class TopicError extends Error {
  /** Identifies it where `instanceof` doesn't: with two copies of the package, say. */
  override readonly name = "TopicError"
  /** What went wrong, as a code for programs. */
  readonly code: TopicErrorCode

  constructor(code: TopicErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.code = code
  }
}

/** Options, and arguments of calls. */
export const check: Checks = new Checks((message) => new TopicError("invalid-option", message))

/** What is told to the other side can't say more than this. */
export const PEER: Kind<Peer> = objectWith<Peer>("a peer", "open", "messages", "stats")

/** Numbers of messages' types. */
export const TYPE: NumberKind = whole(0, 65_535)

/** The error with which calls end that a caller gave up. */
export function abortedError({ reason }: AbortSignal): TopicError {
  return new TopicError("aborted", "the caller aborted", reason)
}

const REFUSAL_TEXTS: Readonly<Record<Refusal, string>> = {
  "no-topic": "the peer has no topic of that name",
  "not-accepted": "the topic doesn't accept us",
  "topic-full": "the topic has as many subscribers as it takes (subscribersMax)",
  "peer-full": "we have as many subscriptions there as one peer may (subscriptionsPerPeerMax), or streams",
  "no-such-beginning": "the delivery mode of the topic has no such beginning; the README has a table",
  "number-in-use": "the peer has a subscription of that number",
  refused: "the peer refused, for a reason that isn't known here",
}

/** The error of a subscription that was refused. */
export function refusedError(topic: string, code: Refusal): TopicError {
  return new TopicError(code, `no subscription to ${JSON.stringify(topic)}: ${REFUSAL_TEXTS[code]}`)
}

const END_TEXTS: Readonly<Record<End, string>> = {
  unsubscribed: "it was unsubscribed",
  "topic-closed": "the topic was closed",
  "behind-by-messages": "it was further behind than the topic allows (lag.messages)",
  "behind-by-time": "it was behind for longer than the topic allows (lag.ms)",
  "behind-by-memory": "what waited for it had no more room in the topic's memory (bytesMax)",
  "message-too-large": "a message is larger than our endpoint accepts (messageBytesMax)",
  "stream-closed": "the stream of its messages was closed",
  ended: "the publisher ended it, for a reason that isn't known here",
}

/** The error with which a feed ends that its publisher has ended. */
export function endedError(topic: string, code: End): TopicError {
  return new TopicError(code, `the feed of ${JSON.stringify(topic)} has ended: ${END_TEXTS[code]}; subscribe again`)
}
