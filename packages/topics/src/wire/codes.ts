/**
 * Why a subscription was refused or has ended, as numbers on the wire and as names for programs, PROTOCOL.md §2.
 *
 * @module
 */

/** Why a publisher doesn't take a subscriber. */
export type Refusal =
  /** It has no topic of that name. */
  | "no-topic"
  /** `accept` of the topic said no, or failed. */
  | "not-accepted"
  /** The topic has as many subscribers as it takes. */
  | "topic-full"
  /** The peer has as many subscriptions as one may have, or no room for another stream. */
  | "peer-full"
  /** The delivery mode of the topic doesn't allow that beginning. */
  | "no-such-beginning"
  /** The number of the subscription is in use. */
  | "number-in-use"
  /** A reason that isn't known here. */
  | "refused"

/** Why a publisher has ended a subscription. */
export type End =
  /** The subscriber wanted no more. */
  | "unsubscribed"
  /** The topic was closed. */
  | "topic-closed"
  /** It fell behind by more messages than the topic allows. */
  | "behind-by-messages"
  /** It fell behind by more time than the topic allows. */
  | "behind-by-time"
  /** It fell behind, and what waited for it had no more room in the topic's memory. */
  | "behind-by-memory"
  /** A message is larger than it accepts. */
  | "message-too-large"
  /** It stopped the stream of the messages, or the stream broke. */
  | "stream-closed"
  /** A reason that isn't known here. */
  | "ended"

/** The codes of refusals. */
export const REFUSALS: Readonly<Record<Exclude<Refusal, "refused">, number>> = {
  "no-topic": 1,
  "not-accepted": 2,
  "topic-full": 3,
  "peer-full": 4,
  "no-such-beginning": 5,
  "number-in-use": 6,
}

/** The codes of ends. */
export const ENDS: Readonly<Record<Exclude<End, "ended">, number>> = {
  unsubscribed: 1,
  "topic-closed": 2,
  "behind-by-messages": 3,
  "behind-by-time": 4,
  "behind-by-memory": 5,
  "message-too-large": 6,
  "stream-closed": 7,
}

const nameIn = <T extends string>(table: Readonly<Record<T, number>>): ReadonlyMap<number, T> =>
  new Map(Object.entries(table).map(([name, code]) => [code as number, name as T]))

const REFUSAL_NAMES = nameIn(REFUSALS)
const END_NAMES = nameIn(ENDS)

/** The name of the code of a refusal. */
export function refusalOf(code: number): Refusal {
  return REFUSAL_NAMES.get(code) ?? "refused"
}

/** The name of the code of an end. */
export function endOf(code: number): End {
  return END_NAMES.get(code) ?? "ended"
}
