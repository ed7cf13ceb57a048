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

/** Rows to begin with; doubled when full. */
const ROWS_MIN = 16

const NO_INTS = new Int32Array(0)
const NO_BYTES = new Uint8Array(0)
const NO_FLOATS = new Float64Array(0)

/**
 * Columns for the packets between two marks, which belong to the ledger that has the ring. Only the ledger writes to
 * them.
 */
export class SendRing {
  #rows = 0
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

  /** Makes room for this many consecutive packets, by doubling. */
  makeRoom(packets: number): void {
    while (packets > this.#rows) this.#grow()
  }

  /** Gives the memory back; no packet is left. */
  clear(): void {
    this.#rows = 0
    this.slot = this.length = this.sends = NO_INTS
    this.delivery = this.state = NO_BYTES
    this.writtenMs = this.sentMs = this.begun = NO_FLOATS
  }

  #grow(): void {
    const rows = Math.max(ROWS_MIN, 2 * this.#rows)
    this.slot = twice(this.slot, new Int32Array(rows))
    this.length = twice(this.length, new Int32Array(rows))
    this.delivery = twice(this.delivery, new Uint8Array(rows))
    this.state = twice(this.state, new Uint8Array(rows))
    this.sends = twice(this.sends, new Int32Array(rows))
    this.writtenMs = twice(this.writtenMs, new Float64Array(rows))
    this.sentMs = twice(this.sentMs, new Float64Array(rows))
    this.begun = twice(this.begun, new Float64Array(rows))
    this.#rows = rows
  }
}

/** In a ring of twice the size each row is in both halves, so it is found wherever its number leads. */
function twice<T extends Int32Array | Uint8Array | Float64Array>(column: T, to: T): T {
  to.set(column)
  to.set(column, column.length)
  return to
}
