/**
 * The streams to a peer whose application has more to send than there is room for, and those whose receivers have no
 * room: what holds them back.
 *
 * @module
 */

import type { OutgoingState } from "./outgoing-state.ts"

/** What a stream that has more to send waits for; `application`: none has. */
export type StreamLimit = "application" | "window" | "consumer" | "memory"

export class FullStreams {
  readonly #full = new Set<OutgoingState>()
  #wasFull = false
  /** Those whose receivers had no room when they were last heard. */
  readonly #held = new Set<OutgoingState>()

  /** Whether there is one with more to send than its window, or the memory, has room for. */
  get isFull(): boolean {
    return this.#full.size > 0
  }

  /** Those. */
  get all(): Iterable<OutgoingState> {
    return this.#full
  }

  /** What the first of them waits for. */
  get limit(): StreamLimit {
    for (const { stream } of this.#full) return stream.isHeld ? "consumer" : stream.isStarved ? "memory" : "window"
    for (const { stream } of this.#held) if (stream.isHeld && stream.queuedPackets > 0) return "consumer"
    return "application"
  }

  /** Whether there was one at any time since this was last asked. */
  takeFull(): boolean {
    const wasFull = this.#wasFull
    this.#wasFull = this.isFull
    return wasFull
  }

  /** Whether messages of a stream wait for room may have changed. */
  note(state: OutgoingState): void {
    if (!state.sender.isWaiting) this.#full.delete(state)
    else if (state.stream.state === "open") {
      this.#full.add(state)
      this.#wasFull = true
    }
  }

  /** Its receiver was heard. */
  noteHeld(state: OutgoingState): void {
    if (state.stream.isHeld) this.#held.add(state)
    else this.#held.delete(state)
  }

  /** It is over. */
  delete(state: OutgoingState): void {
    this.#full.delete(state)
    this.#held.delete(state)
  }
}
