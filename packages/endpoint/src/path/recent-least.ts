/**
 * The least round trip of the last ten to twenty seconds: a path may become longer, and what was least on another one
 * says nothing of it.
 *
 * @module
 */

/** Round trips of this many milliseconds are looked at together. */
const SPAN_MS = 10_000

export class RecentLeast {
  #nowMs = Infinity
  #beforeMs = Infinity
  #endMs = -Infinity

  /** The least one, milliseconds; `Infinity`: none was measured. */
  get ms(): number {
    return Math.min(this.#nowMs, this.#beforeMs)
  }

  /** A round trip was measured. */
  handleRtt(rttMs: number, nowMs: number): void {
    if (nowMs < this.#endMs) {
      this.#nowMs = Math.min(this.#nowMs, rttMs)
      return
    }
    const isLate = nowMs >= this.#endMs + SPAN_MS
    this.#beforeMs = isLate ? Infinity : this.#nowMs
    this.#endMs = (isLate ? nowMs : this.#endMs) + SPAN_MS
    this.#nowMs = rttMs
  }

  /** Nothing is known: the path is another one. */
  restart(): void {
    this.#nowMs = this.#beforeMs = Infinity
    this.#endMs = -Infinity
  }
}
