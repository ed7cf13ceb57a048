/** Something that is said again until it is answered: when it is due, with the interval doubling. */
export class Repeater {
  #dueMs = Infinity
  #intervalMs = 0

  /** When to say it next; `Infinity`: not at all. */
  get dueMs(): number {
    return this.#dueMs
  }

  get isActive(): boolean {
    return this.#dueMs !== Infinity
  }

  /** Say it at once, and again until {@link Repeater.stop}. */
  start(nowMs: number): void {
    this.#dueMs = nowMs
    this.#intervalMs = 0
  }

  /** It was said. `firstMs`: the interval to begin with; it doubles up to `maxMs`. */
  said(nowMs: number, firstMs: number, maxMs: number): void {
    this.#intervalMs = Math.min(this.#intervalMs === 0 ? firstMs : 2 * this.#intervalMs, maxMs)
    this.#dueMs = nowMs + this.#intervalMs
  }

  stop(): void {
    this.#dueMs = Infinity
  }
}
