/**
 * Whose turn it is where all share one rate: those of the highest priority first, and among them whoever has had least,
 * for its weight (start-time fair queueing, Goyal, Vin and Cheng 1996). Who comes and goes, since something else stops
 * it now and then, has its part all the same.
 *
 * @module
 */

/** One that takes turns. */
export interface FairShare {
  readonly priority: number
  readonly weight: number
  readonly turn: FairTurn
}

/** The place of one among the others. */
export class FairTurn {
  isWaiting = false
  /** Its priority when it last wanted a turn. */
  priority = -1
  /** Bytes that it has had, for each unit of weight, and those that it forwent while it wanted none. */
  servedBytes = 0
}

/** Who comes back has forgone what it didn't want, but for this many bytes for each unit of weight. */
const CREDIT_BYTES = 12_000
const PRIORITIES = 256

export class FairQueue<T extends FairShare> {
  readonly #waiting: T[] = []
  /** For each priority: what the one that was served last had had by then. */
  readonly #servedBytes = new Float64Array(PRIORITIES)

  get count(): number {
    return this.#waiting.length
  }

  /** It wants a turn. */
  add(item: T): void {
    const { turn, priority } = item
    const servedBytes = this.#servedBytes[priority]!
    // Those of one priority count from a beginning of their own.
    if (turn.priority !== priority) turn.servedBytes = servedBytes
    turn.priority = priority
    if (turn.isWaiting) return
    turn.isWaiting = true
    turn.servedBytes = Math.max(turn.servedBytes, servedBytes - CREDIT_BYTES)
    this.#waiting.push(item)
  }

  /** Takes out who is next. Looks at all that wait: a cap makes each turn take longer than that by far. */
  next(): T | undefined {
    const waiting = this.#waiting
    let best: T | undefined
    let at = -1
    for (let i = 0; i < waiting.length; i++) {
      const item = waiting[i]!
      if (best !== undefined && !isBefore(item, best)) continue
      best = item
      at = i
    }
    if (best === undefined) return undefined
    waiting.splice(at, 1)
    best.turn.isWaiting = false
    const { priority, turn } = best
    this.#servedBytes[priority] = Math.max(this.#servedBytes[priority]!, turn.servedBytes)
    return best
  }

  /** It had this many bytes. */
  serve({ turn, weight }: T, bytes: number): void {
    turn.servedBytes += bytes / weight
  }

  remove(item: T): void {
    if (!item.turn.isWaiting) return
    item.turn.isWaiting = false
    this.#waiting.splice(this.#waiting.indexOf(item), 1)
  }
}

/** Of equals, the one that came first stays first. */
function isBefore(a: FairShare, b: FairShare): boolean {
  if (a.priority !== b.priority) return a.priority > b.priority
  return a.turn.servedBytes < b.turn.servedBytes
}
