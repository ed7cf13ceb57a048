/**
 * The history of a run as a hash, and its last events as text: unless two runs agree in every byte, time and order,
 * their hashes differ. An event is passed as its fields, more than five of them: no object is made for a datagram.
 */
export class Trace {
  readonly #linesMax: number
  readonly #lines: string[] = []
  // Two hashes of 32 bits with different start values and multipliers: 64 bits without BigInt. They find accidents, not
  // attacks.
  #low = 0x811c_9dc5 | 0
  #high = 0x01c9_dc59 | 0
  readonly #timeMs = new Float64Array(1)
  readonly #timeWords = new Int32Array(this.#timeMs.buffer)

  constructor(linesMax: number) {
    this.#linesMax = linesMax
  }

  /** 16 hexadecimal digits. */
  get hash(): string {
    return [this.#high, this.#low].map((word) => (word >>> 0).toString(16).padStart(8, "0")).join("")
  }

  get record(): readonly string[] {
    return this.#lines.slice(-this.#linesMax || this.#lines.length)
  }

  /** What happened to a datagram with this mark. */
  add(atMs: number, from: string, to: string, fate: string, bytes: Uint8Array, ecn: number): void {
    this.#timeMs[0] = atMs
    this.#mix(this.#timeWords[0]!)
    this.#mix(this.#timeWords[1]!)
    this.#mixText(from)
    this.#mixText(to)
    this.#mixText(fate)
    this.#mix(bytes.length | (ecn << 24))
    this.#mixBytes(bytes)
    if (this.#linesMax > 0) this.#write(`${atMs} ms ${from} > ${to} ${fate} ${bytes.length} B`)
  }

  /** Words go to the two hashes in turn: a long run spends most of its time here. */
  #mixBytes(bytes: Uint8Array): void {
    let low = this.#low
    let high = this.#high
    let i = 0
    for (; i + 8 <= bytes.length; i += 8) {
      low = Math.imul(
        low ^ (bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24)),
        0x85eb_ca6b,
      )
      low ^= low >>> 15
      high = Math.imul(
        high ^ (bytes[i + 4]! | (bytes[i + 5]! << 8) | (bytes[i + 6]! << 16) | (bytes[i + 7]! << 24)),
        0xc2b2_ae35,
      )
      high ^= high >>> 13
    }
    this.#low = low
    this.#high = high
    for (; i < bytes.length; i++) this.#mix(bytes[i]!)
  }

  #mixText(text: string): void {
    for (let i = 0; i < text.length; i++) this.#mix(text.charCodeAt(i))
  }

  /** Multiplication carries only to higher bits; the shift brings them down again. */
  #mix(word: number): void {
    const low = Math.imul(this.#low ^ word, 0x85eb_ca6b)
    this.#low = low ^ (low >>> 15)
    const high = Math.imul(this.#high ^ word, 0xc2b2_ae35)
    this.#high = high ^ (high >>> 13)
  }

  #write(line: string): void {
    this.#lines.push(line)
    // Cut now and then, not each time.
    if (this.#lines.length >= 2 * this.#linesMax) this.#lines.splice(0, this.#linesMax)
  }
}
