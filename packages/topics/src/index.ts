/**
 * Topics: one publisher, many subscribers, on an endpoint of `@x/endpoint`.
 *
 * @module
 */

export { TopicError, type TopicErrorCode } from "./errors.ts"
export type { KeepOptions, LagOptions, TopicOptions } from "./publish/options.ts"
export type { Slow } from "./publish/publication.ts"
export type {
  Leaving,
  Left,
  PublishResult,
  Skipped,
  Subscribed,
  SubscriberAccount,
  SubscriberNews,
  Topic,
  TopicEvents,
} from "./publish/topic.ts"
export type { Feed, FeedEnd, FeedEvents, Place, TopicMessage, TopicValue } from "./subscribe/feed.ts"
export type { FeedAccount } from "./subscribe/subscription.ts"
export { type SubscribeOptions, Topics, type TopicsOptions, type TopicsStats } from "./topics.ts"
export type { End, Refusal } from "./wire/codes.ts"
