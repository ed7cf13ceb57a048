/**
 * The options of a topic, and what they mean in each delivery mode.
 *
 * @module
 */

import type { Delivery, Peer } from "@x/endpoint"
import { functionThat, group, type Kinds, milliseconds, oneOf, orInfinity, whole } from "@x/transport/check"
import { DELIVERIES, traitsNamed } from "@x/wire"
import { check, TopicError } from "../errors.ts"
import { type Beginning, NAME_BYTES_MAX, textBytes } from "../wire/message.ts"
import type { Rules, Slow } from "./publication.ts"

/** How far a subscriber may be behind before the policy of the topic applies to it. */
export interface LagOptions {
  /** Messages that wait for it, beyond what its stream's window holds: 1 or more, default 4,096. */
  readonly messages?: number
  /**
   * Age of the oldest of these, milliseconds: default 5,000; `Infinity`: no bound, so that who reads nothing and lives
   * holds the others up for ever.
   */
  readonly ms?: number
}

/** What is kept for who comes late. */
export interface KeepOptions {
  /** The newest messages: default 0; 1 is the retained value. */
  readonly messages?: number
}

/** Options of a topic. */
export interface TopicOptions {
  /** What the streams to subscribers promise, as of any stream; default `"reliable"`. */
  readonly delivery?: Delivery
  /**
   * What becomes of a subscriber that is slower than the publisher. `"drop-out"`, the default: it is out, and told why.
   * `"skip"`: it doesn't get the oldest messages that wait for it, and is told how many. `"hold"`: nothing more is
   * published until it has caught up, and it is out once that takes too long. Only for modes that wait,
   * `reliable` and `reliable-unordered`: in the others the stream itself drops what it has no room for, as `"skip"`.
   */
  readonly slow?: Slow
  /** When it is too slow. */
  readonly lag?: LagOptions
  /** What is kept for who comes late. */
  readonly keep?: KeepOptions
  /** Who may subscribe; called with each peer that asks. Default: everybody. */
  readonly accept?: (peer: Peer) => boolean
  /** Subscribers at a time: default 1,024. */
  readonly subscribersMax?: number
  /** Bytes of messages that are kept, or wait: default 16 MiB. What doesn't fit falls under `slow`. */
  readonly bytesMax?: number
  /** Of the streams to subscribers, 0 to 255, higher goes first: default 128. */
  readonly priority?: number
}

const POSITIVE = whole(1)

const TOPIC_OPTIONS: Kinds<TopicOptions> = {
  delivery: oneOf(...DELIVERIES),
  slow: oneOf<Slow>("hold", "skip", "drop-out"),
  lag: group<LagOptions>({ messages: POSITIVE, ms: orInfinity(milliseconds(1), "no bound") }),
  keep: group<KeepOptions>({ messages: whole(0) }),
  accept: functionThat("answers true or false for a peer"),
  subscribersMax: whole(1, 1_000_000),
  bytesMax: whole(4_096, Number.MAX_SAFE_INTEGER, "of bytes"),
  priority: whole(0, 255),
}

/** What a topic is made with. */
export interface TopicSettings {
  readonly rules: Rules
  readonly delivery: Delivery
  readonly accept: ((peer: Peer) => boolean) | undefined
  readonly subscribersMax: number
  readonly priority: number | undefined
}

/** Whether a feed of a mode may begin like this. What is kept is of no use where only the newest message counts. */
export function mayBegin(delivery: Delivery, { at }: Beginning): boolean {
  if (at === "next") return traitsNamed(delivery).isOrdered
  return at !== "oldest" || !traitsNamed(delivery).isNewestOnly
}

/** The name of a topic, 1 to 255 bytes of UTF-8. Throws `TopicError` `invalid-option`. */
export function checkName(name: string): string {
  const bytes = typeof name === "string" ? textBytes(name) : 0
  if (bytes < 1 || bytes > NAME_BYTES_MAX)
    throw check.wrong("the name of a topic", `text of 1 to ${NAME_BYTES_MAX} bytes`, name)
  return name
}

/** Checks the options of a topic. Throws `TopicError` `invalid-option`. */
export function settingsOf(options: TopicOptions): TopicSettings {
  const given = check.options("topic", options, TOPIC_OPTIONS)
  const { delivery = "reliable", lag = {}, keep = {} } = given
  const { waits, isNewestOnly } = traitsNamed(delivery)
  const { slow = waits ? "drop-out" : "skip" } = given
  if (slow !== "skip" && !waits)
    throw new TopicError(
      "invalid-option",
      `slow can't be "${slow}" with delivery "${delivery}", which never waits: leave it out, or choose "reliable"`,
    )
  if (isNewestOnly && (keep.messages ?? 0) > 1)
    throw new TopicError(
      "invalid-option",
      `with delivery "${delivery}" only the last message is of use: keep.messages is 0 or 1`,
    )
  return {
    rules: {
      slow,
      lag: { messages: lag.messages ?? 4_096, ms: lag.ms ?? 5_000 },
      keep: keep.messages ?? 0,
      bytesMax: given.bytesMax ?? 16 * 1_048_576,
    },
    delivery,
    accept: given.accept,
    subscribersMax: given.subscribersMax ?? 1_024,
    priority: given.priority,
  }
}
