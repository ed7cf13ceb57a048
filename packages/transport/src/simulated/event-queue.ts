/** What happens when: a binary heap ordered by time, then by order of arrival, so that one seed gives one run. */
export interface TimedEvent {
  atMs: number
  order: number
}

/**
 * Times are multiples of 2^-20 ms (about 1 ns), rounded up. So a machine's clock, a whole number of milliseconds apart from the network's, shows
 * every deadline exactly or a little later: an event is never too early by the last digit of a sum.
 */
const TICKS_PER_MS = 2 ** 20

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

  push(event: E): void {
    event.order = this.#order++
    event.atMs = Math.ceil(event.atMs * TICKS_PER_MS) / TICKS_PER_MS
    const heap = this.#heap
    let at = heap.length
    heap.push(event)
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (isBefore(heap[parent]!, event)) break
      heap[at] = heap[parent]!
      at = parent
    }
    heap[at] = event
  }

  pop(): E | undefined {
    const heap = this.#heap
    const first = heap[0]
    const last = heap.pop()
    if (last === undefined || last === first) return first
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++
      if (isBefore(last, heap[child]!)) break
      heap[at] = heap[child]!
      at = child
    }
    heap[at] = last
    return first
  }
}

function isBefore(a: TimedEvent, b: TimedEvent): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order)
}
