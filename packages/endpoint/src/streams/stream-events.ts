/**
 * Events of a peer's streams: values, which the driver takes out and passes on.
 *
 * @module
 */

import type { IncomingState } from "./incoming-state.ts"
import type { OutgoingState } from "./outgoing-state.ts"

/** Takes the machines' events, in order; machines go on as if nothing took them. */
export interface EventSink<Event> {
  push(event: Event): void
}

/** `Peer`: the type of the streams' peer. */
export type StreamEvent<Peer> =
  /** The first packet of a stream came; and its opening came, possibly later. */
  | { readonly kind: "stream-begun" | "stream-opened"; readonly peer: Peer; readonly stream: IncomingState }
  /** No more messages will come. `isComplete`: all messages that were sent were delivered. */
  | {
      readonly kind: "stream-closed"
      readonly peer: Peer
      readonly stream: IncomingState
      readonly isComplete: boolean
      readonly reason: number
    }
  /** This many messages of the stream won't come; each is reported once. */
  | { readonly kind: "gap"; readonly peer: Peer; readonly stream: IncomingState; readonly messages: number }
  /** The sender of a stream whose consumer was behind asks whether there is room. */
  | { readonly kind: "room-asked"; readonly peer: Peer; readonly stream: IncomingState }
  /** Something of this stream was acknowledged, one of its deadlines has passed, or it closed. */
  | { readonly kind: "progress"; readonly peer: Peer; readonly stream: OutgoingState }
