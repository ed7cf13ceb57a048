/**
 * What happens to the streams of a peer: values, which whoever drives the protocol takes out and tells.
 *
 * @module
 */

import type { IncomingState } from "./incoming-state.ts"
import type { OutgoingState } from "./outgoing-state.ts"

/** Where machines put what happened, in order; they go on as if nobody took it. */
export interface EventSink<Event> {
  push(event: Event): void
}

/** `Peer`: whose streams they are. */
export type StreamEvent<Peer> =
  /** Something of a stream came for the first time; and its opening did, which may be later. */
  | { readonly kind: "stream-begun" | "stream-opened"; readonly peer: Peer; readonly stream: IncomingState }
  /** No more messages will come. `isComplete`: all that were sent were delivered. */
  | {
      readonly kind: "stream-closed"
      readonly peer: Peer
      readonly stream: IncomingState
      readonly isComplete: boolean
      readonly reason: number
    }
  /** This many messages of the stream won't come; each is told once. */
  | { readonly kind: "gap"; readonly peer: Peer; readonly stream: IncomingState; readonly messages: number }
  /** The sender of a stream whose consumer was behind asks whether there is room. */
  | { readonly kind: "room-asked"; readonly peer: Peer; readonly stream: IncomingState }
  /** Something of this stream was acknowledged, a deadline of it has passed, or it closed. */
  | { readonly kind: "progress"; readonly peer: Peer; readonly stream: OutgoingState }
