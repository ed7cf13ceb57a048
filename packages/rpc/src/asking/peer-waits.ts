/**
 * Requests that wait until a connection is up. A connection is asked once, however many wait.
 *
 * @module
 */

import type { Connection, Peer } from "@x/endpoint"
import { onAbort } from "@x/transport/host"
import type { Alarm, Timed } from "../alarm.ts"
import { abortedError, busyError, closedError, deadlineError } from "../errors.ts"
import type { RequestError } from "../request-error.ts"
import type { Asked } from "./asked.ts"

class PeerWait implements Timed {
  dueMs: number = Infinity
  heapIndex: number = -1
  forget: (() => void) | undefined
  readonly promise: Promise<Peer>
  readonly #waits: Set<PeerWait>
  readonly #alarm: Alarm
  #resolve!: (peer: Peer) => void
  #reject!: (error: RequestError) => void

  constructor(waits: Set<PeerWait>, alarm: Alarm) {
    this.#waits = waits
    this.#alarm = alarm
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    waits.add(this)
  }

  onDue(): void {
    this.fail(deadlineError("not-done"))
  }

  tell(peer: Peer): void {
    if (this.#end()) this.#resolve(peer)
  }

  fail(error: RequestError): void {
    if (this.#end()) this.#reject(error)
  }

  #end(): boolean {
    this.#alarm.clear(this)
    this.forget?.()
    return this.#waits.delete(this)
  }
}

export class PeerWaits {
  readonly #alarm: Alarm
  readonly #max: number
  readonly #waits = new Map<Connection, Set<PeerWait>>()
  #isClosed = false

  /** `max`: for each connection. */
  constructor(alarm: Alarm, max: number) {
    this.#alarm = alarm
    this.#max = max
  }

  get count(): number {
    let count = 0
    for (const waits of this.#waits.values()) count += waits.size
    return count
  }

  /** `asked`: its `forget` ends the wait. */
  wait(connection: Connection, signal: AbortSignal | undefined, dueMs: number, asked?: Asked): Promise<Peer> {
    if (this.#isClosed) return Promise.reject(closedError("not-done"))
    if (signal?.aborted === true) return Promise.reject(abortedError(signal, "not-done"))
    const waits = this.#waits.get(connection) ?? this.#watch(connection)
    if (waits.size >= this.#max) return Promise.reject(busyError(`${waits.size} requests wait for this connection`))
    const wait = new PeerWait(waits, this.#alarm)
    this.#alarm.set(wait, dueMs)
    if (asked !== undefined) asked.forget = () => wait.fail(closedError("not-done"))
    if (signal !== undefined) wait.forget = onAbort(signal, () => wait.fail(abortedError(signal, "not-done")))
    return wait.promise
  }

  #watch(connection: Connection): Set<PeerWait> {
    const waits = new Set<PeerWait>()
    this.#waits.set(connection, waits)
    const end = (tell: (wait: PeerWait) => void): void => {
      this.#waits.delete(connection)
      for (const wait of [...waits]) tell(wait)
    }
    connection.joined().then(
      (peer) => end((wait) => wait.tell(peer)),
      () => end((wait) => wait.fail(closedError("not-done"))),
    )
    return waits
  }

  close(): void {
    this.#isClosed = true
    for (const waits of this.#waits.values()) for (const wait of [...waits]) wait.fail(closedError("not-done"))
  }
}
