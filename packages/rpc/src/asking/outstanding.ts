/**
 * The requests to one peer that wait for their answer, by slot. A slot is used again, in its next generation: an answer
 * to an earlier use never meets a later one.
 *
 * @module
 */

/** What has a slot while it is outstanding. */
export interface Slotted {
  slot: number
  generation: number
}

export class Outstanding<T extends Slotted> {
  readonly #max: number
  readonly #items: (T | undefined)[] = []
  /** The generation of the next use of each slot. */
  #next = new Uint32Array(16)
  /** Slots that were used and are free; the last one freed is used first. */
  readonly #free: number[] = []
  #count = 0

  /** `max`: at a time; at most 65,536. */
  constructor(max: number) {
    this.#max = max
  }

  get count(): number {
    return this.#count
  }

  /** Gives an item a slot and a generation. `false`: all slots are in use. */
  add(item: T): boolean {
    if (this.#count >= this.#max) return false
    const slot = this.#free.pop() ?? this.#another()
    item.slot = slot
    item.generation = this.#next[slot]!
    this.#next[slot] = item.generation + 1
    this.#items[slot] = item
    this.#count++
    return true
  }

  #another(): number {
    const slot = this.#items.length
    this.#items.push(undefined)
    if (slot >= this.#next.length) {
      const longer = new Uint32Array(2 * slot)
      longer.set(this.#next)
      this.#next = longer
    }
    return slot
  }

  /** The item with these, if it is outstanding; any numbers may be asked for. */
  find(slot: number, generation: number): T | undefined {
    if (slot >= this.#items.length) return undefined
    const item = this.#items[slot]
    return item !== undefined && item.generation === generation ? item : undefined
  }

  /** Frees the slot of an item that is outstanding. */
  remove(item: T): void {
    this.#items[item.slot] = undefined
    this.#free.push(item.slot)
    this.#count--
  }

  /** All of them, at this moment. */
  all(): T[] {
    return this.#items.filter((item) => item !== undefined)
  }
}
