/**
 * The options of a receiving stream.
 *
 * @module
 */

import type { Mode } from "@x/wire"
import type { StreamOptions } from "../options.ts"
import type { PacketSlots } from "../packet-pool.ts"
import type { RttEstimator } from "../rtt.ts"
import type { RowAllowance } from "./charged-rows.ts"

/** What a `ReceiveStream` needs. */
export interface ReceiveStreamOptions {
  /** The sender's id of the stream, 1 to 2^32 − 1. */
  readonly id: number
  /** Its mode, one of `MODE`. */
  readonly mode: Mode
  /** Checked options, as `streamOptions` returns them. The spread is the one that the sender was told. */
  readonly options: StreamOptions
  /** The round trip to the sender: decides when to ask, and how often. */
  readonly rtt: RttEstimator
  /** Where early packets are kept. Its slots hold at least the largest payload. */
  readonly pool: PacketSlots
  /** What ranges of missing and of gone packets are charged to, beyond the few that come with a stream. Default: nothing. */
  readonly rows?: RowAllowance
}
