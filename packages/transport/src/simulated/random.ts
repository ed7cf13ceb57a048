/**
 * A seeded generator, sfc32 (Chris Doty-Humphrey, PractRand): integer arithmetic only, so that every engine draws the
 * same numbers.
 */
export class Random {
  #a: number
  #b: number
  #c: number
  #counter = 1

  /** Generators with different labels draw independent numbers from one seed. */
  constructor(seed: number, label = "") {
    let hash = 0x811c_9dc5 ^ seed
    for (let i = 0; i < label.length; i++) hash = Math.imul(hash ^ label.charCodeAt(i), 0x0100_0193)
    this.#a = seed | 0
    this.#b = hash | 0
    this.#c = Math.imul(hash ^ (hash >>> 15), 0x2c1b_3c6d) | 0
    // After a dozen rounds the state is mixed, however similar two seeds are.
    for (let i = 0; i < 15; i++) this.uint32()
  }

  /** 0 to 2^32 − 1. */
  uint32(): number {
    const out = (((this.#a + this.#b) | 0) + this.#counter) | 0
    this.#counter = (this.#counter + 1) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + out) | 0
    return out >>> 0
  }

  /** [0, 1). */
  fraction(): number {
    return this.uint32() / 2 ** 32
  }

  /** True with this probability. Draws nothing for 0, so that a fault that is off doesn't change the others. */
  chance(rate: number): boolean {
    return rate > 0 && this.fraction() < rate
  }

  /** 0 to `below` − 1. */
  below(below: number): number {
    return Math.floor(this.fraction() * below)
  }

  /** Fills `out` with drawn bytes. */
  fill(out: Uint8Array): void {
    for (let i = 0; i < out.length; i++) out[i] = this.uint32() >>> 24
  }
}
