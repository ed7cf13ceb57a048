/**
 * Slots: the numbers that datagrams of an association are addressed to. The low bits index a table, so that a look-up
 * costs nothing; the high bits are random, so that nobody off the path can guess a slot.
 *
 * @module
 */

const INDEX_BITS = 20
const INDEX_MASK = (1 << INDEX_BITS) - 1
/** Random bits above the index. The two topmost bits of a slot are 0: they will name the shard. */
const RANDOM_BITS = 10
/**
 * A slot isn't given out again before datagrams for it have expired, milliseconds (twice the longest life of a packet,
 * RFC 8085).
 */
export const QUARANTINE_MS = 120_000

export class SlotTable<T> {
  readonly #slots: number[] = []
  readonly #values: (T | undefined)[] = []
  readonly #freed: { readonly index: number; readonly atMs: number }[] = []
  #count = 0

  /** Slots in use. */
  get count(): number {
    return this.#count
  }

  /**
   * Takes a slot, which leads to nothing until it is `set`; `random` are uniform bits. `undefined`: all were in use
   * within the quarantine.
   */
  take(random: number, nowMs: number): number | undefined {
    let index = this.#slots.length
    if (this.#freed.length > 0 && this.#freed[0]!.atMs + QUARANTINE_MS <= nowMs) index = this.#freed.shift()!.index
    else if (index > INDEX_MASK) return undefined
    // Never 0, which means no slot.
    const high = 1 + (random % ((1 << RANDOM_BITS) - 1))
    const slot = (high << INDEX_BITS) | index
    this.#slots[index] = slot
    this.#values[index] = undefined
    this.#count++
    return slot
  }

  get(slot: number): T | undefined {
    const index = slot & INDEX_MASK
    return this.#slots[index] === slot ? this.#values[index] : undefined
  }

  /** Sets what a slot that was taken leads to. */
  set(slot: number, value: T): void {
    if (this.#slots[slot & INDEX_MASK] === slot) this.#values[slot & INDEX_MASK] = value
  }

  free(slot: number, nowMs: number): void {
    const index = slot & INDEX_MASK
    if (this.#slots[index] !== slot) return
    this.#slots[index] = 0
    this.#values[index] = undefined
    this.#freed.push({ index, atMs: nowMs })
    this.#count--
  }
}
