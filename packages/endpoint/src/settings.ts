/**
 * What an endpoint was set to, complete and checked: what `api/options.ts` makes of what the application gives.
 *
 * @module
 */

import { type Profile, SPREAD_MIN } from "@x/wire"
import type { CongestionFactory } from "./congestion/controller.ts"

/** Options that are numbers with a default; what each means is said where they are given. */
export type NumberName =
  | "assemblyBytesMax"
  | "assemblyBytesPerPeer"
  | "datagramBytes"
  | "halfOpenMax"
  | "halfOpenPerHostMax"
  | "heartbeatMs"
  | "joinTimeoutMs"
  | "keyDatagramsMax"
  | "leaveMs"
  | "lingerMs"
  | "messageBytesMax"
  | "parkedBytesMax"
  | "parkedMessagesMax"
  | "peersMax"
  | "poolPacketsMax"
  | "poolPacketsPerPeer"
  | "queuedBytesMax"
  | "queuedBytesTotalMax"
  | "queuedMessagesMax"
  | "rekeyAgeMs"
  | "rekeyDatagrams"
  | "sendPoolPacketsMax"
  | "sendPoolPacketsPerPeer"
  | "spreadPackets"
  | "statusDelayMs"
  | "streamsMax"
  | "streamsTotalMax"
  | "unclaimedMs"
  | "unreachableMs"
  | "windowBytes"
  | "windowPackets"

export type Settings = Readonly<Record<NumberName, number>> & {
  readonly profile: Profile
  readonly congestion: CongestionFactory
  readonly inFlightMax: number | undefined
}

/**
 * The spread that peers are told: no more than the pool keeps for one of them. Whoever sends further ahead of a missing
 * packet sends what is refused, and all of that again.
 */
export function spreadOf({ spreadPackets, poolPacketsPerPeer }: Settings): number {
  return Math.min(spreadPackets, Math.max(SPREAD_MIN, 1 << (31 - Math.clz32(poolPacketsPerPeer))))
}
