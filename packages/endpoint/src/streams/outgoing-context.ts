/** What the streams to a peer need: from their peer and from all peers together, and the signals that they give. */

import type { PacketPool, RepeatPace, StreamOptions } from "@x/stream"
import type * as wire from "@x/wire"
import type { Outbox } from "../datagram/outbox.ts"
import type { Scratch } from "../datagram/scratch.ts"
import type { Path } from "../path/path.ts"
import type { Quota } from "../schedule/quota.ts"
import type { Account } from "../schedule/accounts.ts"
import type { Settings } from "../settings.ts"
import type { OutgoingState } from "./outgoing-state.ts"
import type { Starved } from "./starved.ts"

/** The peer that the streams lead to, as they see it: it may have another path from one call to the next. */
export interface OutgoingPeer {
  readonly path: Path
  readonly limits: wire.Limits
  readonly metadataBytesMax: number
  readonly sendOptions: StreamOptions
  /** Its shares of what all peers share. */
  readonly account: Account
  readonly pace: RepeatPace
}

/** What the streams of all peers share. */
export interface OutgoingContext {
  readonly settings: Settings
  readonly outbox: Outbox
  readonly scratch: Scratch
  readonly quota: Quota
  /** Memory of packets that were written and aren't acknowledged. */
  readonly sendPool: PacketPool
  /** The transport's numbers for the memory of its slots. */
  readonly slabs: { of(slot: number): number }
  readonly starved: Starved
  /** Counts a dropped packet. */
  drop(reason: wire.PacketDropReason): void
}

/** The signals of the streams. */
export interface OutgoingSignals {
  /** There is something to send. */
  wake(): void
  /** There is data to send, and nothing else. */
  wakeForData(): void
  /** The application waits for something until this deadline, and for nothing sooner. */
  hasten(deadlineMs: number): void
  /** A status acknowledges what was never sent. */
  refute(nowMs: number): void
  /** Something of this stream was acknowledged, a deadline of it has passed, or it closed. */
  progress(state: OutgoingState): void
}
