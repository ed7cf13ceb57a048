/**
 * A stream that we opened to a peer, among the streams of its peer: its turn, and when it is to be looked at.
 *
 * @module
 */

import type { SendStream } from "@x/stream"
import type * as wire from "@x/wire"
import type { Due } from "../schedule/due-queue.ts"
import type { Sender } from "./sender.ts"

/** What a stream is opened with. */
export interface OpenStream {
  readonly mode: wire.Mode
  readonly priority: number
  /** Share among the streams of the same priority. */
  readonly weight: number
  readonly metadata: Uint8Array
  readonly lifetimeMs?: number
  readonly resendsMax?: number
}

/** A stream towards the peer. */
export class OutgoingState implements Due {
  readonly stream: SendStream
  /** What is offered to it, and waits. */
  readonly sender: Sender
  readonly weight: number
  /** Who tells the application of it; set by the shell. */
  owner: unknown = undefined
  /** Bytes it may still send before the next one has its turn. */
  deficit = 0
  /** Whether it is its turn; and whether it waits for one. */
  isServed = false
  isListed = false
  /** Whether it may have something to send or to repeat. */
  isSending = false
  /** It ended because the peer did. */
  isCutOff = false
  /** An event says that it made progress, and nobody has taken it yet. */
  isTold = false
  /** When it is to be looked at again, while it has nothing to send. */
  dueMs: number = Infinity
  heapIndex = -1

  constructor(stream: SendStream, sender: Sender, weight: number) {
    this.stream = stream
    this.sender = sender
    this.weight = weight
  }
  /** When a message or a call that waits has waited long enough. */
  get deadlineMs(): number {
    return this.sender.deadlineMs
  }
}
