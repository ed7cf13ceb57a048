/**
 * Memory that assemblies may take: a message is reserved whole before its first byte is kept. Budgets nest, a peer's in the process's.
 *
 * @module
 */

import { checkWhole } from "@x/wire"
import { BufferPool } from "./buffer-pool.ts"

/** Holds memory for messages that nobody was promised. */
export interface Yielder {
  /** Gives back the memory of the message with the least progress. */
  yieldOldest(): void
}

export class AssemblyBudget {
  readonly bytesMax: number
  /** Where the memory comes from, one for all that nest. */
  readonly buffers: BufferPool
  readonly #parent: AssemblyBudget | undefined
  /** Those who hold memory here and promised nothing, in the order they began to. */
  readonly #yielders = new Set<Yielder>()
  #used = 0

  constructor(bytesMax: number, parent?: AssemblyBudget) {
    if (!(bytesMax === Infinity || (Number.isSafeInteger(bytesMax) && bytesMax > 0)))
      throw new RangeError(`bytesMax must be a whole number above 0, or Infinity: no limit; not ${String(bytesMax)}`)
    this.bytesMax = bytesMax
    this.#parent = parent
    this.buffers = parent?.buffers ?? new BufferPool()
  }

  get used(): number {
    return this.#used
  }

  /** Takes `bytes` here and in the parents, or nowhere. */
  reserve(bytes: number): boolean {
    // What is no number would be in use for ever.
    checkWhole("bytes", bytes, 0)
    if (this.#used + bytes > this.bytesMax) return false
    if (this.#parent !== undefined && !this.#parent.reserve(bytes)) return false
    this.#used += bytes
    return true
  }

  /** As `reserve`, for a message that was promised: those that were not make way. */
  claim(bytes: number): boolean {
    checkWhole("bytes", bytes, 0)
    for (;;) {
      const full = this.#fullFor(bytes)
      if (full === undefined) return this.reserve(bytes)
      const [yielder] = full.#yielders
      if (yielder === undefined || bytes > full.bytesMax) return false
      yielder.yieldOldest()
    }
  }

  /** Which budget has no room for so much. */
  #fullFor(bytes: number): AssemblyBudget | undefined {
    if (this.#used + bytes > this.bytesMax) return this
    return this.#parent === undefined ? undefined : this.#parent.#fullFor(bytes)
  }

  /** It holds memory that others may claim; until `keep`. */
  offer(yielder: Yielder): void {
    this.#yielders.add(yielder)
    this.#parent?.offer(yielder)
  }

  keep(yielder: Yielder): void {
    this.#yielders.delete(yielder)
    this.#parent?.keep(yielder)
  }

  release(bytes: number): void {
    this.#used -= bytes
    this.#parent?.release(bytes)
  }
}
