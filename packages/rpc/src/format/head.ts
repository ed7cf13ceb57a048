/**
 * The heads of messages: from bytes, which may be any, to fields. Writing is in `message-writer.ts`.
 *
 * @module
 */

/** What a message is: the lower four bits of its first byte. */
export const KIND = {
  request: 0,
  cancel: 1,
  answer: 2,
  failure: 3,
  part: 4,
  end: 5,
  partsFailure: 6,
} as const

export const EXTENSIONS_BIT = 0x10
export const REMAINING_BIT = 0x20
/** Bytes up to the end of slot and generation. */
export const ID_BYTES = 7
/** Bytes of the head of a part. */
export const PART_HEAD_BYTES = 1
/** Bytes of the longest head that is written. */
export const HEAD_BYTES_MAX = 11
export const REMAINING_MS_MAX = 0xffff_ffff

/** The head of a message; one is used again for each message that is read. */
export class Head {
  kind = 0
  slot = 0
  generation = 0
  /** Milliseconds; `Infinity`: the asker waits for ever. */
  remainingMs: number = Infinity
  /** Bytes of the head: what follows are question, answer, part or failure. */
  bytes = 0
  /** Slot and generation were read, also of a message that is malformed behind them. */
  hasId = false

  /** Reads the head of a message on a stream whose messages name a request. Returns whether it is well formed. */
  read(view: DataView, offset: number, length: number): boolean {
    this.hasId = length >= ID_BYTES
    if (!this.hasId) return false
    const first = view.getUint8(offset)
    this.kind = first & 15
    this.slot = view.getUint16(offset + 1, true)
    this.generation = view.getUint32(offset + 3, true)
    this.remainingMs = Infinity
    this.bytes = ID_BYTES
    // Most have nothing else.
    return first <= 15 || this.#readRest(view, offset, length, first)
  }

  /** The same on a stream of parts, whose label names the request. */
  readPart(view: DataView, offset: number, length: number): boolean {
    this.hasId = false
    if (length < 1) return false
    const first = view.getUint8(offset)
    this.kind = first & 15
    this.bytes = 1
    return first <= 15 || ((first & ~15) === EXTENSIONS_BIT && this.#readRest(view, offset, length, first))
  }

  #readRest(view: DataView, offset: number, length: number, first: number): boolean {
    const hasRemaining = (first & REMAINING_BIT) !== 0
    if ((first & 0xc0) !== 0 || (hasRemaining && this.kind !== KIND.request)) return false
    if (hasRemaining) {
      if (length < this.bytes + 4) return false
      this.remainingMs = view.getUint32(offset + this.bytes, true)
      this.bytes += 4
      if (this.remainingMs === 0) return false
    }
    return (first & EXTENSIONS_BIT) === 0 || this.#skipExtensions(view, offset, length)
  }

  /** None is known so far; a later version has some, and they have to be well formed. */
  #skipExtensions(view: DataView, offset: number, length: number): boolean {
    if (length < this.bytes + 2) return false
    let at = this.bytes + 2
    const end = at + view.getUint16(offset + this.bytes, true)
    if (end > length) return false
    while (at < end) {
      if (end - at < 4) return false
      at += 4 + view.getUint16(offset + at + 2, true)
    }
    this.bytes = end
    return at === end
  }
}
