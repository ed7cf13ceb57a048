import type { TransportCounters } from "@x/transport/host"
import type { DropReason } from "@x/wire"
import type { Full } from "../protocol/sizes.ts"

/** What an endpoint has and did: a copy, as things stand. */
export interface EndpointStats {
  /** Datagrams and failed socket calls, since it was bound. */
  readonly transport: TransportCounters
  /** What came and was not applied, by reason. */
  readonly drops: Readonly<Record<DropReason, number>>
  /** Messages that were dropped since nobody handled their types. */
  readonly unhandled: number
  /** Peers that are joined, unreachable, or saying goodbye. */
  readonly peers: number
  /** Joins of ours that are under way. */
  readonly joins: number
  /** Joins of others that were accepted and aren't confirmed; at most `halfOpenMax`. */
  readonly halfOpen: number
  /** Packets kept until their turn comes; at most `poolPacketsMax`. */
  readonly poolPackets: number
  /** Bytes of large messages under way; at most `assemblyBytesMax`. */
  readonly assemblyBytes: number
  /** Packets written and not acknowledged; at most `sendPoolPacketsMax`. */
  readonly sendPoolPackets: number
  /** Streams of all peers, both ways; at most `streamsTotalMax`. */
  readonly streams: number
  /** Bytes of copies that wait for their consumers, or that those have. */
  readonly queuedBytes: number
  /** How often a bound of memory or number was met. What was dropped for it is among the drops. */
  readonly full: Full & {
    /**
     * A stream was held up, or dropped its oldest, since the copies of all streams that wait for consumers are too
     * many.
     */
    readonly queues: number
  }
}
