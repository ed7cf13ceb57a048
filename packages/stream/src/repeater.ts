import { double, ZERO } from "@x/wire"

/** Milliseconds between two repeats of one thing, while few are repeated. */
const INTERVAL_MS = 1_000
/** A repeat is due in its own second again, whatever rounding the sum of a long and a short time loses; in seconds. */
const SLACK = 1e-6

/** Control packets that fit into one datagram, roughly. */
const THINGS_PER_DATAGRAM = 32

/**
 * The longest interval between repeats to a peer that doesn't answer. One serves a whole peer: however many repeats
 * there are, they take about one datagram a second, since repeats due in the same second go together.
 */
export class RepeatPace {
  readonly #phaseMs: number
  /** Nothing is repeated now: the peer is silent, and gets everything once it is heard. */
  isPaused = false
  #intervalMs = double(INTERVAL_MS)

  /** `startMs`: seconds are counted from it, so that not all peers have their repeats at the same time. */
  constructor(startMs: number = 0) {
    this.#phaseMs = startMs % INTERVAL_MS
  }

  /** The longest interval, milliseconds. */
  get intervalMs(): number {
    return this.#intervalMs
  }

  /** This many things are being repeated. */
  share(things: number): void {
    this.#intervalMs = INTERVAL_MS * Math.max(1, Math.ceil(things / THINGS_PER_DATAGRAM))
  }

  /**
   * When to send what is due after `afterMs`: if that is long, together with other repeats of the same second. A repeat
   * due after one second is never later: a waiting peer relies on that second.
   */
  align(nowMs: number, afterMs: number): number {
    const dueMs = nowMs + afterMs
    if (afterMs < INTERVAL_MS) return dueMs
    const seconds = (dueMs - this.#phaseMs) / INTERVAL_MS
    return (
      this.#phaseMs + (afterMs === INTERVAL_MS ? Math.floor(seconds + SLACK) : Math.ceil(seconds - SLACK)) * INTERVAL_MS
    )
  }
}

/** Something that is repeated until it is answered: when it is due. The interval doubles. */
export class Repeater {
  #dueMs = Infinity
  #intervalMs = ZERO

  /** When to send it next; `Infinity`: never. */
  get dueMs(): number {
    return this.#dueMs
  }

  /** Whether it is being repeated: it was started and hasn't been stopped. */
  get isActive(): boolean {
    return this.#dueMs !== Infinity
  }

  /** Send it at once, and again until {@link Repeater.stop}. */
  start(nowMs: number): void {
    this.#dueMs = nowMs
    this.#intervalMs = 0
  }

  /** It was sent. `firstMs`: the first interval; intervals double up to that of the pace. */
  said(nowMs: number, firstMs: number, pace: RepeatPace): void {
    this.#intervalMs = Math.min(this.#intervalMs === 0 ? firstMs : 2 * this.#intervalMs, pace.intervalMs)
    this.#dueMs = pace.align(nowMs, this.#intervalMs)
  }

  /** It was answered: don't send it again. */
  stop(): void {
    this.#dueMs = Infinity
  }
}
