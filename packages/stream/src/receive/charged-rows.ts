/**
 * The rows of a list that grows by what a peer sends, or leaves out: some come with the stream, more are charged a lot
 * at a time, up to a bound.
 *
 * @module
 */

/** What a stream's lists are charged to: rows of some 200 B. An `Allowance` is one. */
export interface RowAllowance {
  /** Takes this many, or none. */
  take(rows: number): boolean
  /** Gives back this many. */
  give(rows: number): void
}

/** Rows that come with a stream, and are charged with it. */
export const ROWS_FREE = 16
/** Rows that are charged at a time. */
export const ROWS_LOT = 64
/** The most rows of one list. */
export const ROWS_MAX: number = ROWS_FREE + 16 * ROWS_LOT

/** Takes as many rows as each list may have. */
const UNLIMITED: RowAllowance = { take: () => true, give: () => {} }

/** How many rows one list may have. */
export class ChargedRows {
  readonly #allowance: RowAllowance
  readonly #rowsMax: number
  #capacity = ROWS_FREE

  constructor(allowance: RowAllowance = UNLIMITED, rowsMax: number = ROWS_MAX) {
    this.#allowance = allowance
    this.#rowsMax = rowsMax
  }

  /** Rows that are charged. */
  get charged(): number {
    return this.#capacity - ROWS_FREE
  }

  /** Whether there may be this many rows; charges them. */
  fits(rows: number): boolean {
    if (rows <= this.#capacity) return true
    if (rows > this.#rowsMax || !this.#allowance.take(ROWS_LOT)) return false
    this.#capacity += ROWS_LOT
    return true
  }

  /** There are only so many rows now: gives back what is far above. */
  keep(rows: number): void {
    // A few more than there are now stay: they may soon be needed again.
    const wanted = rows <= ROWS_FREE / 2 ? ROWS_FREE : rows + 2 * ROWS_LOT - 1
    for (; this.#capacity > ROWS_FREE && this.#capacity > wanted; this.#capacity -= ROWS_LOT)
      this.#allowance.give(ROWS_LOT)
  }
}
