/** Something that will happen at a time. */
export interface TimedEvent {
  atMs: number
  /** Breaks ties: first set, first out. */
  order: number
  /** Its index in the heap; −1: not in the queue. */
  index: number
}

/**
 * Times are multiples of 2^-20 ms (about 1 ns), rounded up. A machine's clock differs from the network's by a whole
 * number of milliseconds, so it shows every deadline exactly or a little later: no event comes too early because a sum
 * was rounded.
 */
const TICKS_PER_MS = 2 ** 20

/**
 * The events to come: a binary heap ordered by time, then by the order of setting, so that one seed gives one run.
 * Events know their index, so that they can be moved.
 */
export class EventQueue<E extends TimedEvent> {
  readonly #heap: E[] = []
  #order = 0

  get size(): number {
    return this.#heap.length
  }

  /** Time of the next event, `Infinity` when there is none. */
  get nextMs(): number {
    return this.#heap[0]?.atMs ?? Infinity
  }

  /** Adds an event, or moves one that is in the queue to another time. */
  set(event: E, atMs: number): void {
    event.atMs = Math.ceil(atMs * TICKS_PER_MS) / TICKS_PER_MS
    event.order = this.#order++
    if (event.index < 0) {
      event.index = this.#heap.length
      this.#heap.push(event)
    }
    this.#sink(this.#rise(event))
  }

  remove(event: E): void {
    if (event.index < 0) return
    const last = this.#heap.pop()!
    if (last !== event) {
      last.index = event.index
      this.#sink(this.#rise(last))
    }
    event.index = -1
  }

  pop(): E | undefined {
    const first = this.#heap[0]
    if (first !== undefined) this.remove(first)
    return first
  }

  #rise(event: E): E {
    const heap = this.#heap
    let at = event.index
    while (at > 0) {
      const parent = heap[(at - 1) >> 1]!
      if (isBefore(parent, event)) break
      at = this.#put(parent, at)
    }
    this.#put(event, at)
    return event
  }

  #sink(event: E): void {
    const heap = this.#heap
    let at = event.index
    for (;;) {
      let child = 2 * at + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++
      if (isBefore(event, heap[child]!)) break
      at = this.#put(heap[child]!, at)
    }
    this.#put(event, at)
  }

  /** Returns the index that the event came from. */
  #put(event: E, at: number): number {
    const from = event.index
    this.#heap[at] = event
    event.index = at
    return from
  }
}

function isBefore(a: TimedEvent, b: TimedEvent): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order)
}
