/**
 * What the protocol tells whoever owns it. Only `catchUp` and `onMessage` run the application's functions, which may
 * come back in by any call: they are called between its machines, never inside one. The others leave values that wait
 * for `catchUp`. None of these throws.
 *
 * @module
 */

import type { IncomingState } from "../streams/incoming-streams.ts"
import type { OutgoingState } from "../streams/outgoing-streams.ts"
import type { PeerState } from "../peer/peer-state.ts"

export interface ProtocolListener {
  /** Whether memory for messages that wait may be short, so that `mayTake` is to be asked. */
  readonly queues: { readonly isTight: boolean }
  /** Whether a message of a type that has come can be taken now, on a stream that waits; else it is told by `roomChanged` when. */
  mayTake(peer: PeerState, stream: IncomingState, type: number): boolean
  /** The sender of a stream whose consumer was behind asks whether there is room. */
  onRoomAsked(peer: PeerState, stream: IncomingState): void
  /** The application is to know what happened so far: a message is next. */
  catchUp(): void
  /** What `catchUp` has to tell: looked at before each message, which costs less than a call. */
  readonly news: readonly unknown[]
  /** A message; the bytes are valid during the call. */
  onMessage(peer: PeerState, stream: IncomingState, type: number, bytes: Uint8Array, view: DataView, offset: number, length: number): void
  /** So many messages of the stream won't come; each is told once. */
  onGap(peer: PeerState, stream: IncomingState, messages: number): void
  onStreamOpened(peer: PeerState, stream: IncomingState): void
  /** No more messages will come. `isComplete`: all that were sent were delivered. */
  onStreamClosed(peer: PeerState, stream: IncomingState, isComplete: boolean, reason: number): void
  /** Something of this stream was acknowledged, or it closed. */
  onProgress(peer: PeerState, stream: OutgoingState): void
  /** There is memory for packets: whoever found none may go on. Told at the end of each poll, since much gives some back without a word. */
  onMemory(): void
  onJoined(peer: PeerState): void
  /** The peer of the same incarnation forgot us, or another incarnation is at its address: `before` is over. */
  onReplaced(before: PeerState, after: PeerState, isRestart: boolean): void
  onReachable(peer: PeerState, isReachable: boolean): void
  onLeft(peer: PeerState, reason: number, text: string): void
}
