/**
 * What is due when: many deadlines on one wake-up.
 *
 * @module
 */

/** Something that has a deadline. */
export interface Due {
  /** Its deadline, milliseconds of the host's clock. */
  dueMs: number
  /** Its place in the heap; −1: it is not in it. */
  heapIndex: number
}

/**
 * A binary heap in which each item knows its place, so that a deadline moves in O(log n) and no item is in it twice.
 * What is due after most others costs next to nothing: it stays at the end.
 */
export class DueQueue<T extends Due> {
  readonly #heap: T[] = []

  /** How many items have a deadline. */
  get count(): number {
    return this.#heap.length
  }

  /** The first deadline; `Infinity` where there is none. */
  get nextMs(): number {
    return this.#heap[0]?.dueMs ?? Infinity
  }

  /** Sets or moves a deadline; `Infinity` removes the item. */
  set(item: T, dueMs: number): void {
    item.dueMs = dueMs
    if (dueMs === Infinity) return this.remove(item)
    if (item.heapIndex < 0) {
      item.heapIndex = this.#heap.length
      this.#heap.push(item)
    }
    this.#up(item.heapIndex)
    this.#down(item.heapIndex)
  }

  /** Takes an item out, if it is there. */
  remove(item: T): void {
    const at = item.heapIndex
    if (at < 0) return
    item.heapIndex = -1
    const last = this.#heap.pop()!
    if (last === item) return
    this.#place(last, at)
    this.#up(at)
    this.#down(last.heapIndex)
  }

  /** Takes out the first item that is due, if any. */
  takeDue(nowMs: number): T | undefined {
    const first = this.#heap[0]
    if (first === undefined || first.dueMs > nowMs) return undefined
    this.remove(first)
    return first
  }

  #place(item: T, at: number): void {
    this.#heap[at] = item
    item.heapIndex = at
  }

  #up(at: number): void {
    const item = this.#heap[at]!
    while (at > 0) {
      const parent = this.#heap[(at - 1) >> 1]!
      if (parent.dueMs <= item.dueMs) break
      this.#place(parent, at)
      at = (at - 1) >> 1
    }
    this.#place(item, at)
  }

  #down(at: number): void {
    const item = this.#heap[at]!
    for (;;) {
      let child = 2 * at + 1
      if (child >= this.#heap.length) break
      if (child + 1 < this.#heap.length && this.#heap[child + 1]!.dueMs < this.#heap[child]!.dueMs) child++
      if (item.dueMs <= this.#heap[child]!.dueMs) break
      this.#place(this.#heap[child]!, at)
      at = child
    }
    this.#place(item, at)
  }
}
