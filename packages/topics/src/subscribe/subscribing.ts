/**
 * A subscription under way, as it is found by its number.
 *
 * @module
 */

import type { Accepted, Beginning } from "../wire/message.ts"
import type { Feed, FeedHandle } from "./feed.ts"

/** One of our subscriptions, until the publisher says that it is over. */
export interface Subscribing {
  /** Another one when it is asked for again. */
  id: number
  readonly topic: string
  readonly beginning: Beginning
  /** It is asked for again, unless it is answered. */
  isRepeated: boolean
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
