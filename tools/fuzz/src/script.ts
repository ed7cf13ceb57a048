/** Reads choices from bytes, and zeros after their end: any input is a script. */
export class Script {
  readonly #bytes: Uint8Array
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  get isOver(): boolean {
    return this.#at >= this.#bytes.length
  }

  byte(): number {
    return this.#bytes[this.#at++] ?? 0
  }

  /** A whole number below `most`, which is at most 65,536. */
  below(most: number): number {
    return (this.byte() | (this.byte() << 8)) % most
  }
}
