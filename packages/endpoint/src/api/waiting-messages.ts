/**
 * Copies of a stream's messages that wait for their consumer, in the order of arrival.
 *
 * @module
 */

import type { QueuedMessage } from "./queue-budget.ts"

/** Messages that were taken keep their places until there are this many, so that removing them costs little. */
const TAKEN_MAX = 1_024

export class WaitingMessages {
  #queue: QueuedMessage[] = []
  /** The index of the next one. */
  #head = 0
  /** Earlier messages without a consumer, on an unordered stream: the others go on. */
  #aside: QueuedMessage[] | undefined
  #bytes = 0

  /** The number of all of them. */
  get count(): number {
    return this.ready + (this.#aside?.length ?? 0)
  }

  /** Their bytes. */
  get bytes(): number {
    return this.#bytes
  }

  /** The number of messages that are handed over next. */
  get ready(): number {
    return this.#queue.length - this.#head
  }

  push(message: QueuedMessage): void {
    this.#queue.push(message)
    this.#bytes += message.bytes.length
  }

  /** Takes out the next one. */
  shift(): QueuedMessage {
    const message = this.#queue[this.#head++]!
    this.#bytes -= message.bytes.length
    if (this.#head === this.#queue.length || this.#head >= TAKEN_MAX) {
      this.#queue.splice(0, this.#head)
      this.#head = 0
    }
    return message
  }

  /** A message that no consumer took is the next one again. */
  putBack(message: QueuedMessage): void {
    if (this.#head > 0) this.#queue[--this.#head] = message
    else this.#queue.unshift(message)
    this.#bytes += message.bytes.length
  }

  /** Takes out the oldest, whether it has a consumer or not. */
  dropOldest(): QueuedMessage {
    const message = this.#aside?.shift()
    if (message === undefined) return this.shift()
    this.#bytes -= message.bytes.length
    return message
  }

  /** The next message has no consumer: it waits, and holds up no other. */
  setAside(): void {
    const message = this.shift()
    this.#bytes += message.bytes.length
    ;(this.#aside ??= []).push(message)
  }

  /** Messages that were set aside are the oldest, and are next again. */
  recall(): void {
    if (this.#aside === undefined) return
    this.#queue = [...this.#aside, ...this.#queue.slice(this.#head)]
    this.#head = 0
    this.#aside = undefined
  }

  /** Nothing needs them any more. */
  clear(): void {
    this.recall()
    for (let i = this.#head; i < this.#queue.length; i++) this.#queue[i]!.release()
    this.#queue = []
    this.#head = this.#bytes = 0
  }
}
