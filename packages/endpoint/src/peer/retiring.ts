import type { Association } from "../path/association.ts"

/** Associations that still take datagrams after others took their place. */
const RETIRING_MAX = 4

const NONE: readonly Association[] = []

/** Associations that another one replaced: they take datagrams until none can be on its way any more. */
export class Retiring {
  readonly #associations: Association[] = []

  get all(): readonly Association[] {
    return this.#associations
  }

  /** This one takes datagrams for so long. */
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

  /** Those whose time is over: they are to be forgotten. */
  takeDue(nowMs: number): readonly Association[] {
    if (this.#associations.length === 0) return NONE
    const over = this.#associations.filter(({ retiresMs }) => retiresMs <= nowMs)
    for (const association of over) this.#associations.splice(this.#associations.indexOf(association), 1)
    return over
  }
}
