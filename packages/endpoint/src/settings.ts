/**
 * What an endpoint was set to, complete and checked: what `api/options.ts` makes of what the application gives.
 *
 * @module
 */

import type { Profile } from "@x/wire"
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
