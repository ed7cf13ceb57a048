/**
 * The settings of an endpoint, complete and checked: `api/options.ts` makes them from the application's options.
 *
 * @module
 */

import { DATAGRAM_BYTES_MAX, type Profile, SPREAD_MIN } from "@x/wire"
import type { CongestionFactory } from "./congestion/controller.ts"

/** Options that are numbers with a default; `EndpointOptions` says what each means. */
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
  | "peersPerHostMax"
  | "peersPerKeyMax"
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
  | "stalledMs"
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
  /** Caps of what goes to all peers together, and to each; `Infinity`: none. */
  readonly sendRateBytesPerSecondMax: number
  readonly sendRateBytesPerSecondPerPeer: number
  /** The same of what they send to us. */
  readonly receiveRateBytesPerSecondMax: number
  readonly receiveRateBytesPerSecondPerPeer: number
  /** The most bytes that the window of a stream grows to, as its path needs them. */
  readonly windowGrowthBytesMax: number
}

/** Ethernet's 1,500, less the headers of IPv6 and UDP: what the usual path carries. */
export const DATAGRAM_BYTES_USUAL = 1_452

/**
 * The largest datagrams that a path is expected to carry: a bound that was chosen was chosen for its paths, and without
 * one they are usual paths.
 */
export function expectedBytesOf(boundBytes: number): number {
  return boundBytes < DATAGRAM_BYTES_MAX ? boundBytes : DATAGRAM_BYTES_USUAL
}

/**
 * The spread that peers are told: no more than the pool keeps for one of them. A sender that goes further beyond a
 * missing packet sends packets that are refused, and sends all of them again.
 */
export function spreadOf({ spreadPackets, poolPacketsPerPeer }: Settings): number {
  return Math.min(spreadPackets, Math.max(SPREAD_MIN, 1 << (31 - Math.clz32(poolPacketsPerPeer))))
}
