/** Milliseconds between two times that a thing is said, if few are. */
const INTERVAL_MS = 1_000
/**
 * What was said in its second is due in its second again, whatever the sum of a long time and a short one loses; in
 * seconds.
 */
const SLACK = 1e-6

/** Things that go into one datagram, about. */
const THINGS_PER_DATAGRAM = 32

/**
 * How far apart at most things are said again that a peer doesn't answer. One for all of a peer: however many they are,
 * they take about a datagram a second, since those that are due in the same second go together.
 */
export class RepeatPace {
  readonly #phaseMs: number
  /** Nothing is said again now: the peer is silent, and will be told everything once it is heard. */
  isPaused = false
  #intervalMs = INTERVAL_MS

  /** `startMs`: seconds are counted from it, so that peers don't all have theirs at once. */
  constructor(startMs: number = 0) {
    this.#phaseMs = startMs % INTERVAL_MS
  }

  /** The most between two times, milliseconds. */
  get intervalMs(): number {
    return this.#intervalMs
  }

  /** So many things are being said again. */
  share(things: number): void {
    this.#intervalMs = INTERVAL_MS * Math.max(1, Math.ceil(things / THINGS_PER_DATAGRAM))
  }

  /**
   * When to say a thing that is due in so long: with the others of the same second, if it is long. That of each second
   * is never later: a second is what who waits for it can rely on.
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

/** Something that is said again until it is answered: when it is due, with the interval doubling. */
export class Repeater {
  #dueMs = Infinity
  #intervalMs = 0

  /** When to say it next; `Infinity`: not at all. */
  get dueMs(): number {
    return this.#dueMs
  }

  /** Whether it is being said: it was started and isn't stopped. */
  get isActive(): boolean {
    return this.#dueMs !== Infinity
  }

  /** Say it at once, and again until {@link Repeater.stop}. */
  start(nowMs: number): void {
    this.#dueMs = nowMs
    this.#intervalMs = 0
  }

  /** It was said. `firstMs`: the interval to begin with; it doubles up to that of the pace. */
  said(nowMs: number, firstMs: number, pace: RepeatPace): void {
    this.#intervalMs = Math.min(this.#intervalMs === 0 ? firstMs : 2 * this.#intervalMs, pace.intervalMs)
    this.#dueMs = pace.align(nowMs, this.#intervalMs)
  }

  /** It was answered: say it no more. */
  stop(): void {
    this.#dueMs = Infinity
  }
}
