/**
 * Time that passes only when nothing is left to do.
 *
 * @module
 */

import { EventQueue, type TimedEvent } from "./event-queue.ts"

/** A datagram that reaches a socket buffer. No process notices that by itself. */
export interface Arrival extends TimedEvent {
  readonly kind: "arrival"
  arrive(): void
}

/** A wake-up of a process. */
export interface Alarm extends TimedEvent {
  readonly kind: "alarm"
  /** Taken from the queue and about to ring, unless it is set again or cancelled first. */
  isDue: boolean
  ring(): void
}

/** A socket with datagrams to read. */
export interface Reader {
  readonly isReadable: boolean
  /** Reads while its process runs. */
  read(): void
}

/** A process with work deferred to the end of the turn. */
export interface Deferrer {
  readonly isRunning: boolean
  runDeferred(): void
}

/** The most rounds in one instant: if processes keep each other busy without end, time would never pass. */
const ROUNDS_PER_INSTANT_MAX = 10_000

export class VirtualTime {
  readonly #settle: () => Promise<void>
  readonly #queue = new EventQueue<Arrival | Alarm>()
  readonly #readers = new Set<Reader>()
  readonly #deferrers = new Set<Deferrer>()
  readonly #due: Alarm[] = []
  #errors: unknown[] = []
  #nowMs = 0
  #isRunning = false
  /** User code ran since promises last had their turn. */
  #isUnsettled = false

  constructor(settle: () => Promise<void>) {
    this.#settle = settle
  }

  get nowMs(): number {
    return this.#nowMs
  }

  /** Whether a call is letting time pass. */
  get isRunning(): boolean {
    return this.#isRunning
  }

  get eventCount(): number {
    return this.#queue.size
  }

  /** Sets an event, or moves it. A time in the past counts as now. */
  set(event: Arrival | Alarm, atMs: number): void {
    if (event.kind === "alarm") event.isDue = false
    this.#queue.set(event, Math.max(atMs, this.#nowMs))
  }

  cancel(alarm: Alarm): void {
    alarm.isDue = false
    this.#queue.remove(alarm)
  }

  readSoon(reader: Reader): void {
    this.#readers.add(reader)
  }

  runSoon(deferrer: Deferrer): void {
    this.#deferrers.add(deferrer)
  }

  /**
   * Calls a function of the user. {@link VirtualTime.runUntil} throws its error at the end of the instant, so that
   * others still have their turn.
   */
  call(run: () => void): void {
    this.#isUnsettled = true
    try {
      run()
    } catch (error) {
      this.fail(error)
    }
  }

  fail(error: unknown): void {
    this.#errors.push(error)
  }

  /** Lets time pass until `endMs`, or until a condition holds, which is tested after each instant. */
  async runUntil(endMs: number, isDone: () => boolean): Promise<void> {
    if (this.#isRunning) throw new Error("the network is running already: await one call before the next")
    this.#isRunning = true
    try {
      // What the caller has done since the last run belongs to this instant.
      this.#isUnsettled = true
      await this.#runInstant()
      while (!isDone() && this.#queue.nextMs <= endMs) {
        this.#nowMs = this.#queue.nextMs
        await this.#runInstant()
      }
      if (!isDone() && endMs !== Infinity) this.#nowMs = Math.max(this.#nowMs, endMs)
    } finally {
      this.#isRunning = false
    }
  }

  /** Runs rounds until nothing is left that can happen without time passing. */
  async #runInstant(): Promise<void> {
    for (let rounds = 0; this.#runRound() || this.#isUnsettled; rounds++) {
      if (rounds === ROUNDS_PER_INSTANT_MAX)
        throw new Error(`hosts keep each other busy without time passing, at ${this.#nowMs} ms`)
      if (!this.#isUnsettled) continue
      this.#isUnsettled = false
      await this.#settle()
    }
    const errors = this.#errors
    if (errors.length === 0) return
    this.#errors = []
    throw errors.length === 1 ? errors[0] : new AggregateError(errors, `${errors.length} errors at ${this.#nowMs} ms`)
  }

  /**
   * As on a real machine: reads sockets, then calls wake-ups, then deferred functions. Returns whether anything
   * happened.
   */
  #runRound(): boolean {
    let hasHappened = false
    while (this.#queue.nextMs <= this.#nowMs) {
      const event = this.#queue.pop()!
      hasHappened = true
      if (event.kind === "arrival") event.arrive()
      else {
        event.isDue = true
        this.#due.push(event)
      }
    }
    for (const reader of this.#readers) {
      reader.read()
      if (!reader.isReadable) this.#readers.delete(reader)
    }
    for (const alarm of this.#due) {
      if (!alarm.isDue) continue
      alarm.isDue = false
      alarm.ring()
    }
    this.#due.length = 0
    if (this.#deferrers.size > 0) {
      for (const deferrer of [...this.#deferrers]) {
        if (!deferrer.isRunning) continue
        this.#deferrers.delete(deferrer)
        deferrer.runDeferred()
      }
    }
    return hasHappened
  }
}
