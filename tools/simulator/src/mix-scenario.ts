/** What a seed draws of topics and requests on the nodes. */

import type { Delivery } from "@x/endpoint"
import { deliveriesDrawn, type Draw } from "@x/testkit"
import type { Slow } from "@x/topics"
import { traitsNamed } from "@x/wire"

/** What happens to feeds and their topics, by name. */
export const FAN_OUT_FAULTS = [
  "slow-reader",
  "frozen-reader",
  "left-loop",
  "late-comer",
  "resumer",
  "unsubscriber",
  "given-up-subscription",
  "subscription-flood",
  "publish-burst",
  "large-messages",
  "closed-topic",
  "cut-feed",
  "cut-control",
  "throwing-doorman",
] as const
export type FanOutFault = (typeof FAN_OUT_FAULTS)[number]

/** What happens to requests, by name. */
export const REQUEST_FAULTS = [
  "ask-flood",
  "slow-handler",
  "deaf-handler",
  "throwing-handler",
  "refusing-handler",
  "oversized-answer",
  "no-handler",
  "cancelled-request",
  "short-deadline",
  "asked-again",
  "asked-while-down",
  "slow-parts",
  "left-parts",
  "throwing-parts",
  "cut-requests",
] as const
export type RequestFault = (typeof REQUEST_FAULTS)[number]

export type MixFault = FanOutFault | RequestFault

/** A topic that a node has in each of its lives. */
export interface TopicPlan {
  /** Of the node that publishes it. */
  readonly node: number
  readonly name: string
  readonly delivery: Delivery
  readonly slow: Slow
  readonly keep: number
  readonly lag: { readonly messages: number; readonly ms: number }
  readonly bytesMax: number
  readonly subscribersMax: number
}

export interface Mix {
  readonly topics: readonly TopicPlan[]
  readonly subscriptionsPerPeerMax: number
  readonly concurrencyMax: number
  readonly outstandingMax: number
  /** Mean milliseconds between two doings of a node: with topics, and with requests. */
  readonly fanOutMs: number
  readonly requestsMs: number
  /** Which of a hundred doings of their kind each fault is. */
  readonly faults: Readonly<Partial<Record<MixFault, number>>>
}

export interface MixScenario {
  /** Topics and requests on all nodes; `undefined`: none. */
  readonly mix: Mix | undefined
}

const DELIVERIES = deliveriesDrawn(3)

/** One world in three has it. */
export function drawMix(draw: Draw, nodes: number): MixScenario {
  if (!draw.chance(1 / 3)) return { mix: undefined }
  const topics: TopicPlan[] = []
  for (let i = draw.whole(1, 4); i > 0; i--) topics.push(drawTopic(draw, draw.whole(0, nodes - 1), topics.length))
  const likelihood = draw.pick([0.3, 0.6, 1])
  const faults: Partial<Record<MixFault, number>> = {}
  for (const fault of [...FAN_OUT_FAULTS, ...REQUEST_FAULTS])
    if (draw.chance(likelihood)) faults[fault] = draw.whole(2, 8)
  return {
    mix: {
      topics,
      subscriptionsPerPeerMax: draw.pick([2, 8, 64]),
      concurrencyMax: draw.pick([1, 4, 64]),
      outstandingMax: draw.pick([4, 64, 1_024]),
      fanOutMs: draw.scale(60, 400) * nodes,
      requestsMs: draw.scale(100, 800) * nodes,
      faults,
    },
  }
}

function drawTopic(draw: Draw, node: number, number: number): TopicPlan {
  const delivery = draw.pick(DELIVERIES)
  const { waits, isNewestOnly } = traitsNamed(delivery)
  const slow = draw.pick(["hold", "skip", "drop-out"] as const)
  const keep = draw.pick([0, 1, 30])
  return {
    ...{ node, name: `topic ${number}`, delivery },
    slow: waits ? slow : "skip",
    keep: isNewestOnly ? Math.min(keep, 1) : keep,
    lag: { messages: draw.pick([2, 20, 100]), ms: draw.pick([300, 1_500, 5_000]) },
    bytesMax: draw.pick([65_536, 1_048_576]),
    subscribersMax: draw.pick([2, 64]),
  }
}
