/**
 * Which stream of a peer has its turn: the highest priority first, and within it by deficit round robin; a turn is one
 * full packet for each unit of weight.
 *
 * @module
 */

import type { OutgoingState } from "./outgoing-state.ts"

/** Streams of one priority that have something to send, in the order of their turns. */
interface Level {
  readonly priority: number
  readonly ready: OutgoingState[]
}

export class StreamTurns {
  /** Highest priority first. */
  readonly #levels: Level[] = []
  #listed = 0

  /** Streams that have something to send, or had when they were last visited. */
  get count(): number {
    return this.#listed
  }

  /** Adds a stream, if it has something to send: its turn comes after those that already wait. */
  enlist(state: OutgoingState): void {
    if (state.isListed || state.stream.peek() < 0) return
    const { priority } = state.stream
    let i = 0
    while (i < this.#levels.length && this.#levels[i]!.priority > priority) i++
    if (this.#levels[i]?.priority !== priority) this.#levels.splice(i, 0, { priority, ready: [] })
    this.#levels[i]!.ready.push(state)
    state.isListed = true
    this.#listed++
  }

  /** The stream gets no more turns. */
  remove(state: OutgoingState): void {
    if (!state.isListed) return
    const { ready } = this.#levels.find(({ priority }) => priority === state.stream.priority)!
    ready.splice(ready.indexOf(state), 1)
    this.#unlist(state)
  }

  #unlist(state: OutgoingState): void {
    state.deficit = 0
    state.isServed = state.isListed = false
    this.#listed--
  }

  /**
   * The stream that has its turn; one that has used up its share goes behind the others. `payloadBytesMax`: of a full
   * packet.
   */
  next(payloadBytesMax: number): OutgoingState | undefined {
    for (let i = 0; this.#listed > 0 && i < this.#levels.length; i++) {
      const { ready } = this.#levels[i]!
      while (ready.length > 0) {
        const state = ready[0]!
        if (state.stream.peek() < 0) {
          ready.shift()
          this.#unlist(state)
          continue
        }
        if (!state.isServed) state.deficit += state.weight * payloadBytesMax
        state.isServed = true
        if (state.deficit > 0) return state
        state.isServed = false
        if (ready.length > 1) ready.push(ready.shift()!)
      }
    }
    return undefined
  }
}
