/**
 * Whether a stream to a peer accepts a message: how large it may be, and why the stream takes none, or no more.
 *
 * @module
 */

import type { PeerState } from "../peer/peer-state.ts"
import type { OutgoingState } from "../streams/outgoing-state.ts"
import type { EndpointError } from "../errors/endpoint-error.ts"
import type { Peer } from "./handles.ts"
import { endedError, notJoinedError, type Refusal, resetError, tooLargeError } from "./send-errors.ts"

/** Bytes of the longest header of a piece that isn't the first. */
const PIECE_ROOM_BYTES = 14

export class Acceptance {
  readonly #peer: Pick<Peer, "state" | "unique">
  readonly #peerState: Pick<PeerState, "messageBytesMax">
  readonly #state: Pick<OutgoingState, "stream" | "sender">

  constructor(
    peer: Pick<Peer, "state" | "unique">,
    peerState: Pick<PeerState, "messageBytesMax">,
    state: Pick<OutgoingState, "stream" | "sender">,
  ) {
    this.#peer = peer
    this.#peerState = peerState
    this.#state = state
  }

  /** How far the stream is. */
  get state(): "open" | "ending" | "closed" {
    const { stream, sender } = this.#state
    if (stream.state === "closed" || stream.state === "resetting") return "closed"
    return sender.isEnded ? "ending" : "open"
  }

  /** In a mode that doesn't wait, a message has to fit the window. */
  get messageBytesMax(): number {
    const { messageBytesMax } = this.#peerState
    const { traits, windowPackets, payloadBytesMax } = this.#state.stream
    if (traits.waits) return messageBytesMax
    return Math.min(messageBytesMax, windowPackets * (payloadBytesMax - PIECE_ROOM_BYTES))
  }

  /** Why a message of this many bytes isn't accepted; `undefined`: it is. */
  refusal(bytes: number): Refusal | undefined {
    if (this.state !== "open") return this.#peer.state === "left" ? "not-joined" : "closed"
    return bytes > this.messageBytesMax ? "too-large" : undefined
  }

  /** The same as an error. */
  errorOf(refusal: Refusal, bytes: number): EndpointError {
    if (refusal === "too-large") return tooLargeError(bytes, this.messageBytesMax, this.#state.stream.traits.waits)
    return refusal === "not-joined" ? notJoinedError(this.#peer.unique) : this.closedError
  }

  /** The error for calls that come once the stream accepts no more. */
  get closedError(): EndpointError {
    const { stream, sender } = this.#state
    const hasLeft = this.#peer.state === "left"
    const wasEnded = sender.isEnded && !stream.wasReset && !hasLeft
    return wasEnded ? endedError() : resetError(stream.reason, hasLeft)
  }
}
