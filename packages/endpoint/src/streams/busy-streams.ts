/**
 * The streams to a peer that may have something to send or to repeat. The others cost nothing: they wait for their time,
 * or for being touched.
 *
 * @module
 */

import { DueQueue } from "@x/transport/host"
import type { OutgoingState } from "./outgoing-state.ts"

export class BusyStreams {
  /** In the order in which they were roused. */
  readonly all: OutgoingState[] = []
  readonly #waiting = new DueQueue<OutgoingState>()

  /** How many there are, and how many wait for their time. */
  get count(): number {
    return this.all.length + this.#waiting.count
  }

  /** It may have something to send. */
  rouse(state: OutgoingState): void {
    if (state.isSending) return
    state.isSending = true
    this.all.push(state)
  }

  /** Those whose time has come are among them again. */
  rouseDue(nowMs: number): void {
    for (let due = this.#waiting.takeDue(nowMs); due !== undefined; due = this.#waiting.takeDue(nowMs)) this.rouse(due)
  }

  /** It is over. */
  delete(state: OutgoingState): void {
    if (state.isSending) this.all.splice(this.all.indexOf(state), 1)
    state.isSending = false
    this.#waiting.remove(state)
  }

  /**
   * When there is something to repeat, to probe or to give up. Streams with nothing to send are looked at no more until
   * then, or until touched.
   */
  settle(): number {
    const { all } = this
    let next = Infinity
    let kept = 0
    for (let i = 0; i < all.length; i++) {
      const state = all[i]!
      const nextTimeoutMs = Math.min(state.stream.nextTimeoutMs, state.deadlineMs)
      // What is written while others are sent lies in a packet that nobody has closed yet.
      if (state.stream.peek() < 0 && !state.stream.isFilling) {
        state.isSending = false
        // One that is in the queue for an earlier time stays there while more is under way: then it is looked at once for
        // nothing, instead of moved with every packet.
        if (state.heapIndex < 0 || nextTimeoutMs < state.dueMs || state.stream.isDrained)
          this.#waiting.set(state, nextTimeoutMs)
        continue
      }
      next = Math.min(next, nextTimeoutMs)
      all[kept++] = state
    }
    if (kept < all.length) all.length = kept
    return Math.min(next, this.#waiting.nextMs)
  }
}
