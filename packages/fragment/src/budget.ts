/**
 * Memory that assemblies may take: a message is reserved whole before its first byte is kept. Budgets nest, a peer's in the process's.
 *
 * @module
 */
export class AssemblyBudget {
  readonly bytesMax: number
  readonly #parent: AssemblyBudget | undefined
  #used = 0

  constructor(bytesMax: number, parent?: AssemblyBudget) {
    if (!(bytesMax > 0)) throw new RangeError(`bytesMax must be above 0, not ${bytesMax}`)
    this.bytesMax = bytesMax
    this.#parent = parent
  }

  get used(): number {
    return this.#used
  }

  /** Takes `bytes` here and in the parents, or nowhere. */
  reserve(bytes: number): boolean {
    if (this.#used + bytes > this.bytesMax) return false
    if (this.#parent !== undefined && !this.#parent.reserve(bytes)) return false
    this.#used += bytes
    return true
  }

  release(bytes: number): void {
    this.#used -= bytes
    this.#parent?.release(bytes)
  }
}
