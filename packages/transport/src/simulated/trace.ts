/** The history of a run as a hash: two runs of one seed agree in every byte, time and order, or their hashes differ. */
export class Trace {
  // Two FNV-1a hashes of 32 bits with different bases: 64 bits without BigInt.
  #low = 0x811c_9dc5 | 0
  #high = 0x01c9_dc59 | 0
  readonly #time = new Float64Array(1)
  readonly #timeBytes = new Uint8Array(this.#time.buffer)

  /** 16 hexadecimal digits. */
  get hash(): string {
    return [this.#high, this.#low].map((word) => (word >>> 0).toString(16).padStart(8, "0")).join("")
  }

  add(atMs: number, from: number, to: number, fate: number, bytes: Uint8Array): void {
    this.#time[0] = atMs
    for (let i = 0; i < 8; i++) this.#mix(this.#timeBytes[i]!)
    this.#mix(from)
    this.#mix(to)
    this.#mix(fate)
    this.#mix(bytes.length)
    for (let i = 0; i < bytes.length; i++) this.#mix(bytes[i]!)
  }

  #mix(value: number): void {
    this.#low = Math.imul(this.#low ^ value, 0x0100_0193)
    this.#high = Math.imul(this.#high ^ value, 0x0100_0197)
  }
}
