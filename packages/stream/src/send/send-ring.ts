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
/** Bytes of a row, in all columns. */
export const ROW_BYTES = 38

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
const NO_FLOATS = new Float64Array(0)

/**
 * Columns for the packets between two marks, which belong to the ledger that has the ring. Only the ledger writes to
 * them.
 */
export class SendRing {
  readonly #allowance: ByteAllowance
  #rows = 0
  #chargedBytes = 0
  /** The slot of its payload in the pool; −1: no longer needed. */
  slot: Int32Array = NO_INTS
  /** Bytes of its payload. */
  length: Int32Array = NO_INTS
  /** The delivery byte: mode and form. */
  delivery: Uint8Array = NO_BYTES
  /** One of `PACKET`. */
  state: Uint8Array = NO_BYTES
  /** How often it was sent. */
  sends: Int32Array = NO_INTS
  /** When it was written, and when it was last sent. */
  writtenMs: Float64Array = NO_FLOATS
  sentMs: Float64Array = NO_FLOATS
  /** Messages begun on the stream up to and including this packet. */
  begun: Float64Array = NO_FLOATS

  /** `allowance`: default: nothing bounds it. */
  constructor(allowance: ByteAllowance = UNLIMITED) {
    this.#allowance = allowance
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
    this.writtenMs[to] = this.writtenMs[from]!
    this.sentMs[to] = this.sentMs[from]!
    this.begun[to] = this.begun[from]!
  }

  /** How many of so many consecutive packets it has room for, or could have. */
  roomFor(packets: number): number {
    const rows = Math.max(ROWS_MIN, this.#rows)
    if (packets <= rows) return packets
    for (let room = powerOfTwo(packets); room > rows; room /= 2)
      if (this.#allowance.fits((room - rows) * ROW_BYTES)) return Math.min(packets, room)
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
    this.slot = this.length = this.sends = NO_INTS
    this.delivery = this.state = NO_BYTES
    this.writtenMs = this.sentMs = this.begun = NO_FLOATS
  }

  #grow(): boolean {
    const rows = Math.max(ROWS_MIN, 2 * this.#rows)
    if (this.#rows > 0) {
      const bytes = (rows - this.#rows) * ROW_BYTES
      if (!this.#allowance.take(bytes)) return false
      this.#chargedBytes += bytes
    }
    this.slot = twice(this.slot, new Int32Array(rows))
    this.length = twice(this.length, new Int32Array(rows))
    this.delivery = twice(this.delivery, new Uint8Array(rows))
    this.state = twice(this.state, new Uint8Array(rows))
    this.sends = twice(this.sends, new Int32Array(rows))
    this.writtenMs = twice(this.writtenMs, new Float64Array(rows))
    this.sentMs = twice(this.sentMs, new Float64Array(rows))
    this.begun = twice(this.begun, new Float64Array(rows))
    this.#rows = rows
    return true
  }
}

/** The least power of two that is no less. */
function powerOfTwo(number: number): number {
  return 1 << (32 - Math.clz32(number - 1))
}

/** In a ring of twice the size each row is in both halves, so it is found wherever its number leads. */
function twice<T extends Int32Array | Uint8Array | Float64Array>(column: T, to: T): T {
  to.set(column)
  to.set(column, column.length)
  return to
}
