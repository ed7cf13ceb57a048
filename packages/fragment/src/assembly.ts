/**
 * One large message under way: its bytes, in a buffer of the final size, and which of them have come.
 *
 * @module
 */

import type { Piece } from "@x/wire"

/** The most ranges with holes between them: as many as losses can leave in the usual spread of packets. */
const HOLES_MAX = 8_192

/** A message under way, or complete. */
export class Assembly {
  /** The number of the message in its stream, from 0. */
  readonly message: number
  /** Bytes of the whole message. */
  readonly total: number
  /** The message's memory, `total` bytes; bytes not yet received may be anything. */
  readonly bytes: Uint8Array<ArrayBuffer>
  /** The highest packet number that brought a piece. */
  highest = 0
  /** The message's type, from its first piece; −1 until that comes. */
  type = -1
  /** Bytes received. */
  received = 0
  /** When a piece last came, milliseconds. */
  progressMs: number
  /** Ranges `[from, to)` received, ascending, never touching: few, since pieces mostly come in order. */
  readonly #ranges: number[] = []

  /** `bytes`: memory as long as the message, with any content. */
  constructor(message: number, bytes: Uint8Array<ArrayBuffer>, nowMs: number) {
    this.message = message
    this.total = bytes.length
    this.bytes = bytes
    this.progressMs = nowMs
  }

  /** Whether all bytes have come, the first piece included. */
  get isComplete(): boolean {
    return this.#ranges.length === 2 && this.#ranges[0] === 0 && this.#ranges[1] === this.total && this.type >= 0
  }

  /** Takes in a piece of this message; `false`: it overlaps or contradicts what has come, and is ignored. */
  add(piece: Piece, source: Uint8Array, nowMs: number): boolean {
    if (piece.total !== this.total) return false
    if (!this.#mark(piece.messageOffset, piece.messageOffset + piece.length)) return false
    if (piece.type >= 0) this.type = piece.type
    this.received += piece.length
    this.bytes.set(source.subarray(piece.offset, piece.offset + piece.length), piece.messageOffset)
    this.progressMs = nowMs
    return true
  }

  #mark(from: number, to: number): boolean {
    const ranges = this.#ranges
    const i = this.#search(to)
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

  /** The index of the first range that begins at `to` or later; usually there is none. */
  #search(to: number): number {
    const ranges = this.#ranges
    let high = ranges.length / 2
    if (high === 0 || ranges[2 * high - 2]! < to) return 2 * high
    let low = 0
    while (low < high) {
      const middle = (low + high) >> 1
      if (ranges[2 * middle]! < to) low = middle + 1
      else high = middle
    }
    return 2 * low
  }
}
