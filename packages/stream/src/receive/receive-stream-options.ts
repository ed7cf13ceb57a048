/**
 * What a receiving stream is made of.
 *
 * @module
 */

import type { Mode } from "@x/wire"
import type { StreamOptions } from "../options.ts"
import type { PacketSlots } from "../packet-pool.ts"
import type { RttEstimator } from "../rtt.ts"

/** What a `ReceiveStream` needs. */
export interface ReceiveStreamOptions {
  /** The sender's id of the stream, 1 to 2^32 − 1. */
  readonly id: number
  /** Its promise, one of `MODE`. */
  readonly mode: Mode
  /** Options that were checked, as `streamOptions` gives them; the spread is what its sender was told. */
  readonly options: StreamOptions
  /** The round trip to its sender: when to ask, and how often. */
  readonly rtt: RttEstimator
  /** Where packets that come before their turn are kept; slots of at least the largest payload. */
  readonly pool: PacketSlots
}
