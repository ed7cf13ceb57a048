/** Streams of all peers that found no memory for a packet though their windows are open, in the order they did. */

import type { OutgoingState } from "./outgoing-state.ts"

/** The streams that a starved one is among. */
interface Fed {
  /** There is memory: what waits goes on. */
  progress(state: OutgoingState, nowMs: number): void
}

export class Starved {
  readonly #states = new Map<OutgoingState, Fed>()

  get count(): number {
    return this.#states.size
  }

  add(state: OutgoingState, streams: Fed): void {
    if (!this.#states.has(state)) this.#states.set(state, streams)
  }

  delete(state: OutgoingState): void {
    this.#states.delete(state)
  }

  /** There is memory for packets: those go on that may have some of it. */
  feed(nowMs: number): void {
    for (const [state, streams] of [...this.#states]) {
      // There may be some, and none for its peer.
      if (state.stream.isStarved) continue
      this.#states.delete(state)
      streams.progress(state, nowMs)
    }
  }
}
