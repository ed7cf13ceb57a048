/**
 * What is due when: a binary heap in which each item knows its place. One for all requests of an endpoint, so that one
 * alarm serves them all. Most requests have the same time-out and are answered long before: such an item stays at the
 * end of the heap, where it costs next to nothing.
 *
 * @module
 */

/** Something with a deadline. */
export interface Due {
  dueMs: number
  /** Its place in the heap; −1: it is not in it. */
  heapIndex: number
}

export class Deadlines<T extends Due> {
  readonly #heap: T[] = []

  get count(): number {
    return this.#heap.length
  }

  get nextMs(): number {
    const first = this.#heap[0]
    return first === undefined ? Infinity : first.dueMs
  }

  /** Adds an item that isn't in it, with a deadline that isn't `Infinity`. */
  add(item: T, dueMs: number): void {
    item.dueMs = dueMs
    item.heapIndex = this.#heap.length
    this.#heap.push(item)
    this.#up(item, item.heapIndex)
  }

  /** Takes an item out, if it is there. */
  remove(item: T): void {
    const at = item.heapIndex
    if (at < 0) return
    item.heapIndex = -1
    const last = this.#heap.pop()!
    if (last === item) return
    this.#up(last, at)
    if (last.heapIndex === at) this.#down(last, at)
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

  #up(item: T, from: number): void {
    let at = from
    while (at > 0) {
      const parent = this.#heap[(at - 1) >> 1]!
      if (parent.dueMs <= item.dueMs) break
      this.#place(parent, at)
      at = (at - 1) >> 1
    }
    this.#place(item, at)
  }

  #down(item: T, from: number): void {
    let at = from
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
