/** What the streams from a peer need: from their peer, and from all peers together. */

import type { RepeatPace, RttEstimator, StreamOptions } from "@x/stream"
import type * as wire from "@x/wire"
import type { Scratch } from "../datagram/scratch.ts"
import type { Account } from "../schedule/accounts.ts"
import type { Dispatch } from "./dispatch.ts"
import type { IncomingMemoryContext } from "./incoming-memory.ts"
import type { EventSink, StreamEvent } from "./stream-events.ts"

/** The peer that opened the streams, as they see it: it may have another path from one call to the next. */
export interface IncomingPeer {
  readonly rtt: RttEstimator
  readonly pace: RepeatPace
  /** Packets of a stream from the oldest missing to the newest. */
  readonly spreadPackets: number
  /** The largest payload of a packet, bytes. */
  readonly payloadBytesMax: number
  readonly receiveOptions: StreamOptions
  /** Its shares of what all peers share. */
  readonly account: Account
  /** A datagram with data came. */
  handleData(nowMs: number): void
}

/** What the streams of all peers share. */
export interface IncomingContext<Peer> extends IncomingMemoryContext {
  readonly scratch: Scratch
  readonly dispatch: Dispatch
  readonly events: EventSink<StreamEvent<Peer>>
  /** Counts a dropped packet. */
  drop(reason: wire.PacketDropReason): void
  /** The peer has something to send now. */
  wake(peer: Peer): void
  /** Data of the peer came: nothing is due by that but what its streams have to report. */
  wakeForData(peer: Peer): void
}
