/**
 * A subscription under way, as it is found by its number.
 *
 * @module
 */

import type { Accepted } from "../wire/message.ts"
import type { Feed, FeedHandle } from "./feed.ts"

/** One of our subscriptions, until the publisher says that it is over. */
export interface Subscribing {
  readonly id: number
  readonly topic: string
  /** The caller waits for an answer. */
  call: Call | undefined
  accepted: Accepted | undefined
  feed: FeedHandle | undefined
  /** How it ended, where the stream has yet to come. */
  ended: { readonly code: number; readonly end: number } | undefined
}

/** A call of `subscribe` that waits. */
export interface Call {
  resolve(feed: Feed): void
  reject(error: unknown): void
  /** The signal doesn't matter any more. */
  forget(): void
}
