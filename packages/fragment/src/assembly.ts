/**
 * One large message under way: its bytes in a buffer of the final size, and which of them are there.
 *
 * @module
 */

import type { Piece } from "@x/wire"

/** Ranges that don't touch: as many as reordering can make, and few enough to be looked through. */
const HOLES_MAX = 1_024

export class Assembly {
  readonly message: number
  readonly total: number
  readonly bytes: Uint8Array
  /** Told by the first piece; −1 until then. */
  type = -1
  /** When a piece last came, milliseconds. */
  progressMs: number
  /** `[from, to)` of what is there, ascending, never touching: few, since pieces mostly come in order. */
  readonly #ranges: number[] = []

  constructor(message: number, total: number, nowMs: number) {
    this.message = message
    this.total = total
    this.bytes = new Uint8Array(total)
    this.progressMs = nowMs
  }

  get isComplete(): boolean {
    return this.#ranges.length === 2 && this.#ranges[0] === 0 && this.#ranges[1] === this.total && this.type >= 0
  }

  /** Takes in a piece of this message; `false`: it overlaps or disagrees, and nothing was taken. */
  add(piece: Piece, source: Uint8Array, nowMs: number): boolean {
    if (piece.total !== this.total) return false
    if (!this.#mark(piece.messageOffset, piece.messageOffset + piece.length)) return false
    if (piece.type >= 0) this.type = piece.type
    this.bytes.set(source.subarray(piece.offset, piece.offset + piece.length), piece.messageOffset)
    this.progressMs = nowMs
    return true
  }

  #mark(from: number, to: number): boolean {
    const ranges = this.#ranges
    // The usual case is the one behind the last range.
    let i = ranges.length
    while (i > 0 && ranges[i - 2]! >= to) i -= 2
    if (i > 0 && ranges[i - 1]! > from) return false
    const joinsLeft = i > 0 && ranges[i - 1] === from
    const joinsRight = i < ranges.length && ranges[i] === to
    if (joinsLeft && joinsRight) ranges.splice(i - 1, 2)
    else if (joinsLeft) ranges[i - 1] = to
    else if (joinsRight) ranges[i] = from
    else if (ranges.length >= 2 * HOLES_MAX) return false
    else ranges.splice(i, 0, from, to)
    return true
  }
}
