/**
 * What comes out of the protocol, beside messages: values, in the order in which they happened. Machines put them in
 * and go on; the driver takes them out once the machine has returned, and tells those whom they concern.
 *
 * @module
 */

import type { JoinCall, JoinFailure } from "../join/join-call.ts"
import type { PeerEvent, PeerState } from "../peer/peer-state.ts"
import type { EventSink, StreamEvent } from "../streams/stream-events.ts"

/** What came of a join that somebody waits for. */
export type JoinResult = PeerState | JoinFailure

/** Something that happened to a peer, to a stream of it, or to a join. */
export type ProtocolEvent =
  | { readonly kind: "joined"; readonly peer: PeerState }
  /** The peer of the same incarnation forgot us, or another incarnation is at its address: `before` is over. */
  | { readonly kind: "replaced"; readonly peer: PeerState; readonly before: PeerState; readonly isRestart: boolean }
  | { readonly kind: "join-settled"; readonly call: JoinCall; readonly result: JoinResult }
  | PeerEvent
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

  /** The oldest, which is taken out. */
  shift(): ProtocolEvent | undefined {
    if (this.isEmpty) return undefined
    const event = this.#events[this.#at++]!
    if (this.isEmpty) this.#events.length = this.#at = 0
    return event
  }
}
