/** Streams of all peers that found no memory for a packet though their windows are open, in that order. */

import type { OutgoingState } from "./outgoing-state.ts"

/** The streams of one peer. */
interface Fed {
  /** There is memory: waiting messages go on. */
  progress(state: OutgoingState, nowMs: number): void
}

export class Starved {
  readonly #states = new Map<OutgoingState, Fed>()
  /** Memory that had been given back when they were last fed; and whether some may need less than then. */
  #fedAt = -1
  #isChanged = false

  get count(): number {
    return this.#states.size
  }

  add(state: OutgoingState, streams: Fed): void {
    if (!this.#states.has(state)) this.#states.set(state, streams)
    this.#isChanged = true
  }

  /** Packets of some streams are smaller from now on. */
  recut(): void {
    this.#isChanged = true
  }

  /** Whether any may go on that couldn't before: memory has been given back since, `given` in all, or less is needed. */
  mayFeed(given: number): boolean {
    return this.#states.size > 0 && (this.#isChanged || given > this.#fedAt)
  }

  delete(state: OutgoingState): void {
    this.#states.delete(state)
  }

  /**
   * There is memory for packets: streams that may have some of it go on, as many as there is memory for a run of each.
   * To give each of them the next packet that is free would make a datagram, and a call of the application, for each.
   */
  feed(given: number, nowMs: number): void {
    this.#isChanged = false
    this.#fedAt = given
    let fed = 0
    for (const [state, streams] of [...this.#states]) {
      const { stream } = state
      // There may be some, but none for its peer. What is under way of it brings some.
      if (stream.isStarved) continue
      if (stream.unackedPackets > 0 && !stream.hasMemoryForRuns(fed + 1)) {
        // Those before it may take less than they could.
        this.#isChanged ||= fed > 0
        continue
      }
      fed++
      this.#states.delete(state)
      streams.progress(state, nowMs)
    }
  }
}
