import type { Association } from "../path/association.ts"

/** Replaced associations that still accept datagrams. */
const RETIRING_MAX = 4

const NONE: readonly Association[] = []

/** Associations that were replaced: they accept datagrams until none can be on its way any more. */
export class Retiring {
  readonly #associations: Association[] = []

  get all(): readonly Association[] {
    return this.#associations
  }

  /** This association still accepts datagrams for `lingerMs`. */
  add(association: Association, lingerMs: number, nowMs: number): void {
    const all = this.#associations
    association.retiresMs = nowMs + lingerMs
    all.push(association)
    // Datagrams of more than a few can't be on their way.
    if (all.length > RETIRING_MAX) all[all.length - 1 - RETIRING_MAX]!.retiresMs = nowMs
  }

  get dueMs(): number {
    let dueMs = Infinity
    for (const { retiresMs } of this.#associations) dueMs = Math.min(dueMs, retiresMs)
    return dueMs
  }

  /** Returns associations whose time is over: they are to be forgotten. */
  takeDue(nowMs: number): readonly Association[] {
    if (this.#associations.length === 0) return NONE
    const over = this.#associations.filter(({ retiresMs }) => retiresMs <= nowMs)
    for (const association of over) this.#associations.splice(this.#associations.indexOf(association), 1)
    return over
  }
}
