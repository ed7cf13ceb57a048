/**
 * A stream that we opened to a peer, among the streams of its peer: its turn, and when it is next visited.
 *
 * @module
 */

import type { SendStream } from "@x/stream"
import type { Due } from "@x/transport/host"
import type * as wire from "@x/wire"
import { ZERO } from "@x/wire"
import type { Sender } from "./sender.ts"

/** The options of a stream when it is opened. */
export interface OpenStream {
  readonly mode: wire.Mode
  readonly priority: number
  /** Weight among the streams of the same priority. */
  readonly weight: number
  readonly metadata: Uint8Array
  readonly lifetimeMs?: number
  readonly resendsMax?: number
  readonly copies?: number
  readonly copySpreadMs?: number
}

/** A stream towards the peer. */
export class OutgoingState implements Due {
  readonly stream: SendStream
  /** Takes the messages that are offered, and keeps those that wait. */
  readonly sender: Sender
  readonly weight: number
  /** The application's object for the stream; set by the shell. */
  owner: unknown = undefined
  /** Bytes it may still send before the next stream has its turn. */
  deficit: number = ZERO
  /** Whether it has its turn; and whether it waits for one. */
  isServed = false
  isListed = false
  /** Whether it may have something to send or to repeat. */
  isSending = false
  /** Whether it ended because the peer did. */
  isCutOff = false
  /** Whether an event of its progress is waiting to be taken. */
  isTold = false
  /** The datagram that brought its last status. */
  statusDatagram = -1
  /** When it is next visited, while it has nothing to send. */
  dueMs: number = Infinity
  heapIndex = -1

  constructor(stream: SendStream, sender: Sender, weight: number) {
    this.stream = stream
    this.sender = sender
    this.weight = weight
  }
  /** When a message or a call has waited long enough. */
  get deadlineMs(): number {
    return this.sender.deadlineMs
  }
}
