import type { Alarm as Ring, Endpoint } from "@x/endpoint"
import { type Due, DueQueue } from "@x/transport/host"

/** Something that is told when it is due. */
export interface Timed extends Due {
  onDue(nowMs: number): void
}

/** All deadlines of an endpoint's requests, by one alarm of the endpoint. */
export class Alarm {
  readonly #endpoint: Endpoint
  readonly #ring: Ring
  readonly #deadlines = new DueQueue<Timed>()
  /** The alarm is set to this; it may be earlier than the first deadline, and rarely has to be moved. */
  #armedMs = Infinity

  constructor(endpoint: Endpoint) {
    this.#endpoint = endpoint
    this.#ring = endpoint.alarm(() => this.#wake())
  }

  now(): number {
    return this.#endpoint.now()
  }

  get count(): number {
    return this.#deadlines.count
  }

  /** Sets the deadline of something that has none. */
  set(item: Timed, dueMs: number): void {
    if (dueMs === Infinity) return
    this.#deadlines.set(item, dueMs)
    if (dueMs < this.#armedMs) this.#arm(dueMs)
  }

  clear(item: Timed): void {
    this.#deadlines.remove(item)
  }

  #arm(dueMs: number): void {
    this.#armedMs = dueMs
    this.#ring.at(dueMs)
  }

  #wake(): void {
    this.#armedMs = Infinity
    const nowMs = this.#endpoint.now()
    for (let it = this.#deadlines.takeDue(nowMs); it !== undefined; it = this.#deadlines.takeDue(nowMs)) it.onDue(nowMs)
    const { nextMs } = this.#deadlines
    if (nextMs < this.#armedMs) this.#arm(nextMs)
  }
}
