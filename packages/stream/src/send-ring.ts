/**
 * The packets of one stream from the moment they are written until nobody asks for them any more: facts in columns by number, bytes in slots of
 * a pool. A packet is built, sent and sent again in its slot; the slot goes back as soon as the packet is acknowledged, in whatever order.
 *
 * @module
 */

import { ringIndex } from "@x/wire"

/** What is known of a packet. */
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

/** Rows to begin with; doubled when full. */
const ROWS_MIN = 16

const NO_INTS = new Int32Array(0)
const NO_BYTES = new Uint8Array(0)
const NO_FLOATS = new Float64Array(0)

export class SendRing {
  #rows = 0
  slot: Int32Array = NO_INTS
  length: Int32Array = NO_INTS
  sends: Int32Array = NO_INTS
  delivery: Uint8Array = NO_BYTES
  state: Uint8Array = NO_BYTES
  sentMs: Float64Array = NO_FLOATS
  /** When it was written. */
  writtenMs: Float64Array = NO_FLOATS
  /** Messages begun on the stream up to and with this packet. */
  begun: Float64Array = NO_FLOATS

  get rows(): number {
    return this.#rows
  }

  index(number: number): number {
    return ringIndex(number, this.#rows - 1)
  }

  /** Makes room for the packets `[low, high]`, by doubling. */
  makeRoom(low: number, high: number): void {
    while (high - low >= this.#rows) this.#grow(low, high)
  }

  /** Gives the memory back; no packet is left. */
  clear(): void {
    this.#rows = 0
    this.slot = this.length = this.sends = NO_INTS
    this.delivery = this.state = NO_BYTES
    this.sentMs = this.writtenMs = this.begun = NO_FLOATS
  }

  #grow(low: number, high: number): void {
    const before = this.#rows
    const { slot, length, sends, delivery, state, sentMs, writtenMs, begun } = this
    const rows = (this.#rows = Math.max(ROWS_MIN, 2 * before))
    this.slot = new Int32Array(rows)
    this.length = new Int32Array(rows)
    this.sends = new Int32Array(rows)
    this.delivery = new Uint8Array(rows)
    this.state = new Uint8Array(rows)
    this.sentMs = new Float64Array(rows)
    this.writtenMs = new Float64Array(rows)
    this.begun = new Float64Array(rows)
    for (let number = low; number < high; number++) {
      const from = ringIndex(number, before - 1)
      const to = this.index(number)
      this.slot[to] = slot[from]!
      this.length[to] = length[from]!
      this.sends[to] = sends[from]!
      this.delivery[to] = delivery[from]!
      this.state[to] = state[from]!
      this.sentMs[to] = sentMs[from]!
      this.writtenMs[to] = writtenMs[from]!
      this.begun[to] = begun[from]!
    }
  }
}
