/** What the streams of all peers together may be, and how often it was not enough. */
export class Quota {
  readonly streamsMax: number
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

  takeStream(): boolean {
    if (this.#streams >= this.streamsMax) {
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
