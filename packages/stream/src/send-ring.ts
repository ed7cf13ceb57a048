/**
 * The packets of one stream from the moment they are written until nobody needs them: bytes in a slab of equal slots, facts in columns
 * beside it. A packet is built, sent and sent again in its slot.
 *
 * @module
 */

import { ringIndex } from "@x/wire"

/** What is known of a packet. */
export const PACKET = {
  /** The slot is empty. */
  none: 0,
  /** Written, not sent yet. */
  queued: 1,
  /** Sent, not acknowledged. */
  inFlight: 2,
  /** Reported missing, to be sent again. */
  lost: 3,
  /** The receiver has it; its neighbours below it may still be under way. */
  received: 4,
} as const

/** Slots to begin with; doubled when full. */
const SLOTS_MIN = 16

export class SendRing {
  readonly slotBytes: number
  readonly #headRoomBytes: number
  slab: Uint8Array
  view: DataView
  /** Counts how often the slab was replaced by a larger one: who registered it somewhere looks at this. */
  slabVersion = 0
  #mask = SLOTS_MIN - 1
  length: Int32Array = new Int32Array(SLOTS_MIN)
  delivery: Uint8Array = new Uint8Array(SLOTS_MIN)
  state: Uint8Array = new Uint8Array(SLOTS_MIN)
  sends: Int32Array = new Int32Array(SLOTS_MIN)
  sentMs: Float64Array = new Float64Array(SLOTS_MIN)
  /** Messages begun on the stream up to and with this packet. */
  begun: Float64Array = new Float64Array(SLOTS_MIN)

  constructor(payloadBytesMax: number, headRoomBytes: number, tailRoomBytes: number) {
    this.#headRoomBytes = headRoomBytes
    // Slots begin on a word: fields before the payload are then where a native gather likes them.
    this.slotBytes = (headRoomBytes + payloadBytesMax + tailRoomBytes + 7) & ~7
    this.slab = new Uint8Array(SLOTS_MIN * this.slotBytes)
    this.view = new DataView(this.slab.buffer)
  }

  get slots(): number {
    return this.#mask + 1
  }

  index(number: number): number {
    return ringIndex(number, this.#mask)
  }

  /** Where the payload of a packet is in the slab. */
  payloadOffset(number: number): number {
    return this.index(number) * this.slotBytes + this.#headRoomBytes
  }

  /** Makes room for the packets `[low, high]`, by doubling. */
  makeRoom(low: number, high: number): void {
    while (high - low >= this.slots) this.#double(low, high)
  }

  #double(low: number, high: number): void {
    const old = this.#mask
    const slots = 2 * (old + 1)
    const { slab, length, delivery, state, sends, sentMs, begun } = this
    this.#mask = slots - 1
    this.slab = new Uint8Array(slots * this.slotBytes)
    this.view = new DataView(this.slab.buffer)
    this.slabVersion++
    this.length = new Int32Array(slots)
    this.delivery = new Uint8Array(slots)
    this.state = new Uint8Array(slots)
    this.sends = new Int32Array(slots)
    this.sentMs = new Float64Array(slots)
    this.begun = new Float64Array(slots)
    for (let number = low; number < high; number++) {
      const from = ringIndex(number, old)
      const to = this.index(number)
      this.slab.set(slab.subarray(from * this.slotBytes, (from + 1) * this.slotBytes), to * this.slotBytes)
      this.length[to] = length[from]!
      this.delivery[to] = delivery[from]!
      this.state[to] = state[from]!
      this.sends[to] = sends[from]!
      this.sentMs[to] = sentMs[from]!
      this.begun[to] = begun[from]!
    }
  }
}
