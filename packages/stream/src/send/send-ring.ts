/**
 * What is known of each numbered packet, in columns by number.
 *
 * @module
 */

import { FORM, ringIndex } from "@x/wire"

/** The state of a packet. */
export const PACKET = {
  /** There is none. */
  none: 0,
  /** Written, not sent yet. */
  queued: 1,
  /** Sent, not acknowledged. */
  inFlight: 2,
  /** Reported missing, to be sent again. */
  lost: 3,
  /** The receiver has it; its neighbours below it may still be under way. */
  received: 4,
  /** Given up; the receiver may not know yet. */
  gone: 5,
} as const

/** Whether a packet in this state still needs its bytes. */
export function isKept(state: number): boolean {
  return state === PACKET.queued || state === PACKET.inFlight || state === PACKET.lost
}

/** Whether a packet of this form continues a message that was begun before. */
export function isRest(form: number): boolean {
  return form === FORM.middle || form === FORM.last
}

/** Rows to begin with, which come with the stream; doubled when full, and what is added is charged. */
const ROWS_MIN = 16
/** Bytes of a row, in all columns; and of the column that only streams have whose messages grow too old. */
export const ROW_BYTES = 22
export const AGE_BYTES = 8
/** How often a packet was sent is counted up to here. */
export const SENDS_MAX = 65_535

/** What memory beyond what comes with a stream is charged to, bytes. */
export interface ByteAllowance {
  /** Whether `take` would succeed. */
  fits(bytes: number): boolean
  /** Takes this many, or none. */
  take(bytes: number): boolean
  /** Gives back this many. */
  give(bytes: number): void
}

const UNLIMITED: ByteAllowance = { fits: () => true, take: () => true, give: () => {} }

const NO_INTS = new Int32Array(0)
const NO_BYTES = new Uint8Array(0)
const NO_SHORTS = new Uint16Array(0)
const NO_COUNTS = new Uint32Array(0)
const NO_FLOATS = new Float64Array(0)

/**
 * Columns for the packets between two marks, which belong to the ledger that has the ring. Only the ledger writes to
 * them.
 */
export class SendRing {
  readonly #allowance: ByteAllowance
  /** Whether it is kept when each packet was written. */
  readonly hasAges: boolean
  #rows = 0
  #chargedBytes = 0
  /** The slot of its payload in the pool; −1: no longer needed. */
  slot: Int32Array = NO_INTS
  /** Bytes of its payload: fewer than 2^16. */
  length: Uint16Array = NO_SHORTS
  /** The delivery byte: mode and form. */
  delivery: Uint8Array = NO_BYTES
  /** One of `PACKET`. */
  state: Uint8Array = NO_BYTES
  /** How often it was sent, up to `SENDS_MAX`. */
  sends: Uint16Array = NO_SHORTS
  /** When it was written, if the ring has ages; and when it was last sent. */
  writtenMs: Float64Array = NO_FLOATS
  sentMs: Float64Array = NO_FLOATS
  /**
   * Messages begun on the stream up to and including this packet, modulo 2^32: packets of a spread have fewer, so they
   * tell it from what was begun before them.
   */
  begun: Uint32Array = NO_COUNTS

  /** `allowance`: default: nothing bounds it. `hasAges`: whether it is asked when packets were written. */
  constructor(allowance: ByteAllowance = UNLIMITED, hasAges = false) {
    this.#allowance = allowance
    this.hasAges = hasAges
  }

  /** Bytes of a row. */
  get rowBytes(): number {
    return this.hasAges ? ROW_BYTES + AGE_BYTES : ROW_BYTES
  }

  /** Rows that it has memory for. */
  get rows(): number {
    return this.#rows
  }

  /** The row of a packet. */
  index(number: number): number {
    return ringIndex(number, this.#rows - 1)
  }

  /** Copies one row to another. */
  move(from: number, to: number): void {
    this.slot[to] = this.slot[from]!
    this.length[to] = this.length[from]!
    this.delivery[to] = this.delivery[from]!
    this.state[to] = this.state[from]!
    this.sends[to] = this.sends[from]!
    if (this.hasAges) this.writtenMs[to] = this.writtenMs[from]!
    this.sentMs[to] = this.sentMs[from]!
    this.begun[to] = this.begun[from]!
  }

  /** How many of so many consecutive packets it has room for, or could have. */
  roomFor(packets: number): number {
    const rows = Math.max(ROWS_MIN, this.#rows)
    if (packets <= rows) return packets
    for (let room = powerOfTwo(packets); room > rows; room /= 2)
      if (this.#allowance.fits((room - rows) * this.rowBytes)) return Math.min(packets, room)
    return rows
  }

  /** Makes room for this many consecutive packets, by doubling; `false`: it can't have that much. */
  makeRoom(packets: number): boolean {
    while (packets > this.#rows) if (!this.#grow()) return false
    return true
  }

  /** Gives the memory back; no packet is left. */
  clear(): void {
    this.#rows = 0
    if (this.#chargedBytes > 0) this.#allowance.give(this.#chargedBytes)
    this.#chargedBytes = 0
    this.slot = NO_INTS
    this.length = this.sends = NO_SHORTS
    this.delivery = this.state = NO_BYTES
    this.writtenMs = this.sentMs = NO_FLOATS
    this.begun = NO_COUNTS
  }

  #grow(): boolean {
    const rows = Math.max(ROWS_MIN, 2 * this.#rows)
    if (this.#rows > 0) {
      const bytes = (rows - this.#rows) * this.rowBytes
      if (!this.#allowance.take(bytes)) return false
      this.#chargedBytes += bytes
    }
    this.slot = twice(this.slot, new Int32Array(rows))
    this.length = twice(this.length, new Uint16Array(rows))
    this.delivery = twice(this.delivery, new Uint8Array(rows))
    this.state = twice(this.state, new Uint8Array(rows))
    this.sends = twice(this.sends, new Uint16Array(rows))
    if (this.hasAges) this.writtenMs = twice(this.writtenMs, new Float64Array(rows))
    this.sentMs = twice(this.sentMs, new Float64Array(rows))
    this.begun = twice(this.begun, new Uint32Array(rows))
    this.#rows = rows
    return true
  }
}

/** The least power of two that is no less. */
function powerOfTwo(number: number): number {
  return 1 << (32 - Math.clz32(number - 1))
}

/** In a ring of twice the size each row is in both halves, so it is found wherever its number leads. */
function twice<T extends Int32Array | Uint8Array | Uint16Array | Uint32Array | Float64Array>(column: T, to: T): T {
  to.set(column)
  to.set(column, column.length)
  return to
}
