/**
 * Copies of messages of a stream that wait for their consumer, in the order in which they came.
 *
 * @module
 */

import type { QueuedMessage } from "./queue-budget.ts"

/** Messages that were taken keep their places until this many have, so that each costs little. */
const TAKEN_MAX = 1_024

export class WaitingMessages {
  #queue: QueuedMessage[] = []
  /** Where the next one is. */
  #head = 0
  /** Those before them, on a stream without an order, that nobody is there for: the others go on. */
  #aside: QueuedMessage[] | undefined
  #bytes = 0

  /** All of them. */
  get count(): number {
    return this.ready + (this.#aside?.length ?? 0)
  }

  /** Their bytes. */
  get bytes(): number {
    return this.#bytes
  }

  /** Those that are handed over next. */
  get ready(): number {
    return this.#queue.length - this.#head
  }

  push(message: QueuedMessage): void {
    this.#queue.push(message)
    this.#bytes += message.bytes.length
  }

  /** The next one, which waits no more. */
  shift(): QueuedMessage {
    const message = this.#queue[this.#head++]!
    this.#bytes -= message.bytes.length
    if (this.#head === this.#queue.length || this.#head >= TAKEN_MAX) {
      this.#queue.splice(0, this.#head)
      this.#head = 0
    }
    return message
  }

  /** One that nobody has taken is the next one again. */
  putBack(message: QueuedMessage): void {
    if (this.#head > 0) this.#queue[--this.#head] = message
    else this.#queue.unshift(message)
    this.#bytes += message.bytes.length
  }

  /** The oldest, which waits no more, whether anybody is there for it or not. */
  dropOldest(): QueuedMessage {
    const message = this.#aside?.shift()
    if (message === undefined) return this.shift()
    this.#bytes -= message.bytes.length
    return message
  }

  /** Nobody is there for the next one: it waits, and holds up no other. */
  setAside(): void {
    const message = this.shift()
    this.#bytes += message.bytes.length
    ;(this.#aside ??= []).push(message)
  }

  /** What was set aside is the oldest, and is next again. */
  recall(): void {
    if (this.#aside === undefined) return
    this.#queue = [...this.#aside, ...this.#queue.slice(this.#head)]
    this.#head = 0
    this.#aside = undefined
  }

  /** Nobody wants them any more. */
  clear(): void {
    this.recall()
    for (let i = this.#head; i < this.#queue.length; i++) this.#queue[i]!.release()
    this.#queue = []
    this.#head = this.#bytes = 0
  }
}
