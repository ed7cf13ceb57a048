/**
 * The requests of one peer that are being answered, or wait for that; and the cancels that came before their request. A
 * slot has one at a time: a later use of it means that the asker has given the earlier one up.
 *
 * @module
 */

/** Of the cancels that found no request so many are remembered; most of these crossed their answer. */
export const CANCELS_AHEAD_MAX = 1_024

/** A request, as this table sees it. */
export interface Identified {
  readonly slot: number
  readonly generation: number
}

export class Calls<T extends Identified> {
  readonly #calls = new Map<number, T>()
  /** Oldest first. */
  readonly #ahead = new Set<number>()

  get count(): number {
    return this.#calls.size
  }

  get cancelsAhead(): number {
    return this.#ahead.size
  }

  /**
   * Whether a request that has come is to be answered: `cancelled`: its cancel came before it; `duplicate`: it is as old
   * as the one in its slot, or older.
   */
  judge(slot: number, generation: number): "new" | "cancelled" | "duplicate" {
    if (this.#ahead.size > 0 && this.#ahead.delete(keyOf(slot, generation))) return "cancelled"
    const earlier = this.#calls.get(slot)
    return earlier !== undefined && ((generation - earlier.generation) | 0) <= 0 ? "duplicate" : "new"
  }

  /** Adds one that was judged `new`. Returns the earlier use of its slot, which is over. */
  add(call: T): T | undefined {
    const earlier = this.#calls.get(call.slot)
    this.#calls.set(call.slot, call)
    return earlier
  }

  /** It is answered, or nothing is to be answered any more. */
  remove(call: T): void {
    if (this.#calls.get(call.slot) === call) this.#calls.delete(call.slot)
  }

  /** Takes the cancelled request out; one that isn't there is remembered. */
  cancel(slot: number, generation: number): T | undefined {
    const call = this.#calls.get(slot)
    if (call?.generation === generation) {
      this.#calls.delete(slot)
      return call
    }
    this.#ahead.add(keyOf(slot, generation))
    if (this.#ahead.size > CANCELS_AHEAD_MAX) for (const oldest of this.#ahead) return void this.#ahead.delete(oldest)
    return undefined
  }

  /** Takes all out. */
  clear(): T[] {
    const calls = [...this.#calls.values()]
    this.#calls.clear()
    this.#ahead.clear()
    return calls
  }
}

/** 48 bits. */
function keyOf(slot: number, generation: number): number {
  return generation * 65_536 + slot
}
