/** What happens when: a binary heap ordered by time, then by order of arrival, so that one seed gives one run. */
export interface TimedEvent {
  atMs: number
  order: number
  /** Where it stands in the heap, −1: not in it. */
  place: number
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
    this.#heap.push(event)
    this.#rise(event, this.#heap.length - 1)
  }

  pop(): E | undefined {
    const first = this.#heap[0]
    if (first !== undefined) this.remove(first)
    return first
  }

  /** Takes an event out before its time; nothing happens when it isn't in the queue. */
  remove(event: E): void {
    const { place } = event
    if (place < 0) return
    event.place = -1
    const last = this.#heap.pop()!
    if (last === event) return
    this.#sink(last, place)
    this.#rise(last, last.place)
  }

  #rise(event: E, from: number): void {
    const heap = this.#heap
    let at = from
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (isBefore(heap[parent]!, event)) break
      this.#put(heap[parent]!, at)
      at = parent
    }
    this.#put(event, at)
  }

  #sink(event: E, from: number): void {
    const heap = this.#heap
    let at = from
    for (;;) {
      let child = 2 * at + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++
      if (isBefore(event, heap[child]!)) break
      this.#put(heap[child]!, at)
      at = child
    }
    this.#put(event, at)
  }

  #put(event: E, at: number): void {
    this.#heap[at] = event
    event.place = at
  }
}

function isBefore(a: TimedEvent, b: TimedEvent): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order)
}
