import { type Delivery, DELIVERIES, REASON, reasonName } from "@x/wire"
import type { Peer } from "./peer.ts"
import type { IncomingState } from "./protocol/incoming-streams.ts"
import type { PeerState } from "./protocol/peer-state.ts"

/** A stream that a peer opened to us. */
export class IncomingStream {
  readonly peer: Peer
  readonly #peerState: PeerState
  readonly #state: IncomingState
  readonly #closed: Promise<{ readonly isComplete: boolean; readonly reason: number }>
  #settle!: (end: { readonly isComplete: boolean; readonly reason: number }) => void
  #label: string | undefined

  /** @internal */
  constructor(peer: Peer, peerState: PeerState, state: IncomingState) {
    this.peer = peer
    this.#peerState = peerState
    this.#state = state
    this.#closed = new Promise((resolve) => (this.#settle = resolve))
  }

  /** The peer's number for it. */
  get id(): number {
    return this.#state.id
  }

  get delivery(): Delivery {
    return DELIVERIES[this.#state.stream.mode]!
  }

  /** What the peer called it when opening; empty while the opening is still under way. */
  get label(): string {
    // Until the opening came, which a message may overtake, it is not known.
    if (!this.#state.isAnnounced) return ""
    return (this.#label ??= new TextDecoder().decode(this.#state.metadata))
  }

  /** Messages handed over so far. */
  get delivered(): number {
    return this.#state.delivered
  }

  /** Settles when no more messages will come: `isComplete` if the sender ended it and all were delivered, which a fire-and-forget stream can't know; else `reason` says why not. */
  get closed(): Promise<{ readonly isComplete: boolean; readonly reason: number }> {
    return this.#closed
  }

  /** Tells the sender to stop; messages on their way are dropped. */
  stop(reason: number = REASON.aborted): void {
    this.#peerState.incoming.stop(this.#state, reason)
  }

  /** @internal */
  settle(isComplete: boolean, reason: number): void {
    this.#settle({ isComplete, reason })
  }

  toString(): string {
    return `stream ${this.id} "${this.label}" from ${this.peer.unique} (${this.delivery}${this.#state.stream.state === "closed" ? `, ${reasonName(this.#state.stopReason)}` : ""})`
  }
}
