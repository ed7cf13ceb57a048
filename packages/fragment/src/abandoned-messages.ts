/**
 * Messages that were abandoned while some of their pieces may still come: those are to be passed over. Each is
 * forgotten once all packets up to the one that abandoned it have come.
 *
 * @module
 */

import { ZERO } from "@x/wire"

/** Messages that are remembered without being charged. */
const FREE = 16
/** Messages that are charged at a time, and the bytes of each. */
const LOT = 64
const MESSAGE_BYTES = 128
/** The most messages. */
const MESSAGES_MAX: number = FREE + 16 * LOT

/** Where their memory comes from. */
export interface AbandonedMemory {
  reserve(bytes: number): boolean
  release(bytes: number): void
}

/** The abandoned messages of one stream. */
export class AbandonedMessages {
  readonly #memory: AbandonedMemory
  /** The packet that abandoned each message; and these packets as a heap, lowest first, beside their messages. */
  readonly #numbers = new Map<number, number>()
  readonly #heap: [number: number, message: number][] = []
  #capacity = FREE
  #edge = ZERO

  constructor(memory: AbandonedMemory) {
    this.#memory = memory
  }

  get count(): number {
    return this.#heap.length
  }

  has(message: number): boolean {
    return this.#numbers.size > 0 && this.#numbers.has(message)
  }

  /** The packet `number` abandoned a message. Returns whether that could be noted. */
  add(message: number, number: number): boolean {
    // Everything before it has come.
    if (number === this.#edge) return true
    if (this.#numbers.get(message) === number) return true
    const heap = this.#heap
    if (heap.length >= this.#capacity) {
      if (this.#capacity >= MESSAGES_MAX || !this.#memory.reserve(LOT * MESSAGE_BYTES)) return false
      this.#capacity += LOT
    }
    this.#numbers.set(message, number)
    let at = heap.length
    heap.push([number, message])
    while (at > 0 && heap[(at - 1) >> 1]![0] > number) {
      heap[at] = heap[(at - 1) >> 1]!
      at = (at - 1) >> 1
    }
    heap[at] = [number, message]
    return true
  }

  /** All packets below `edge` have come. Returns whether any message was forgotten. */
  settleBelow(edge: number): boolean {
    this.#edge = edge
    const heap = this.#heap
    if (heap.length === 0 || heap[0]![0] >= edge) return false
    while (heap.length > 0 && heap[0]![0] < edge) {
      const [number, message] = heap[0]!
      if (this.#numbers.get(message) === number) this.#numbers.delete(message)
      const last = heap.pop()!
      if (heap.length > 0) this.#sink(last)
    }
    this.#giveBack()
    return true
  }

  #sink(entry: [number: number, message: number]): void {
    const heap = this.#heap
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && heap[child + 1]![0] < heap[child]![0]) child++
      if (heap[child]![0] >= entry[0]) break
      heap[at] = heap[child]!
      at = child
    }
    heap[at] = entry
  }

  clear(): void {
    this.#numbers.clear()
    this.#heap.length = 0
    this.#giveBack()
  }

  #giveBack(): void {
    const count = this.#heap.length
    const wanted = count <= FREE / 2 ? FREE : count + 2 * LOT - 1
    for (; this.#capacity > FREE && this.#capacity > wanted; this.#capacity -= LOT)
      this.#memory.release(LOT * MESSAGE_BYTES)
  }
}
