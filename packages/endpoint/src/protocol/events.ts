/**
 * The protocol's results, besides messages: values, in the order in which they happened. Machines add them and go on;
 * the driver takes them out once the machine has returned, and passes them on.
 *
 * @module
 */

import type { JoinCall, JoinFailure } from "../join/join-call.ts"
import type { PeerEvent } from "../peer/peer-context.ts"
import type { PeerState } from "../peer/peer-state.ts"
import type { EventSink, StreamEvent } from "../streams/stream-events.ts"

/** The result of a join that a call waits for. */
export type JoinResult = PeerState | JoinFailure

/** An event of a peer, of one of its streams, or of a join. */
export type ProtocolEvent =
  | { readonly kind: "joined"; readonly peer: PeerState }
  /** The peer of the same incarnation forgot us, or another incarnation is at its address: `before` is over. */
  | { readonly kind: "replaced"; readonly peer: PeerState; readonly before: PeerState; readonly isRestart: boolean }
  | { readonly kind: "join-settled"; readonly call: JoinCall; readonly result: JoinResult }
  | PeerEvent<PeerState>
  | StreamEvent<PeerState>

export class EventQueue implements EventSink<ProtocolEvent> {
  readonly #events: ProtocolEvent[] = []
  #at = 0

  get isEmpty(): boolean {
    return this.#at === this.#events.length
  }

  push(event: ProtocolEvent): void {
    this.#events.push(event)
  }

  /** Takes out the oldest event. */
  shift(): ProtocolEvent | undefined {
    if (this.isEmpty) return undefined
    const event = this.#events[this.#at++]!
    if (this.isEmpty) this.#events.length = this.#at = 0
    return event
  }
}
