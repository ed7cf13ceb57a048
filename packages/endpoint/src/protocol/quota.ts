/** What the streams of all peers together may be, and how often a bound was met. */
export class Quota {
  readonly streamsMax: number
  /** How often a peer had all of its share of the pool for early packets, of that for sent ones, and of half-open joins. */
  poolShares = 0
  sendPoolShares = 0
  halfOpenShares = 0
  #streams = 0
  #refused = 0

  constructor(streamsMax: number) {
    this.streamsMax = streamsMax
  }

  get streams(): number {
    return this.#streams
  }

  /** How often there was no place for a stream. */
  get refused(): number {
    return this.#refused
  }

  get hasStream(): boolean {
    return this.#streams < this.streamsMax
  }

  takeStream(): boolean {
    if (!this.hasStream) {
      this.#refused++
      return false
    }
    this.#streams++
    return true
  }

  giveStream(): void {
    this.#streams--
  }
}
