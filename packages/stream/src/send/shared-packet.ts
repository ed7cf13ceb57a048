/**
 * A packet of several streams: what is written to it is written once, lies in memory once, and is a packet of each of
 * them, with a number, a header and a tag of its own.
 *
 * @module
 */

import { bytesOf, type PacketSlots } from "../packet-pool.ts"

/**
 * A packet that several streams may send. Those that take it before it is full fill it together: as soon as one of them
 * closes its own, nothing more is written to it. So what they send of it is the same.
 */
export class SharedPacket {
  /** Its slot in the pool. Each stream that has the packet holds the slot. */
  readonly slot: number
  /** The memory that the offsets refer to. */
  readonly slab: Uint8Array
  /** A view of all of it. */
  readonly view: DataView
  readonly #offset: number
  readonly #roomBytes: number
  #bytes = 0
  #begun = 0
  #largestBytes = 0
  #isShut = false
  #isTaken = false

  /**
   * `slot`: one that its maker holds. `payloadBytesMax`: the most that it may hold, if the slot has room for as much.
   * `headRoomBytes` and `aroundBytes`: what is kept free before the payload, and on both sides.
   */
  constructor(
    pool: PacketSlots,
    slot: number,
    payloadBytesMax: number,
    { headRoomBytes, aroundBytes }: { readonly headRoomBytes: number; readonly aroundBytes: number },
  ) {
    this.slot = slot
    this.slab = pool.bytes(slot)
    this.view = pool.view(slot)
    this.#offset = pool.offset(slot) + headRoomBytes
    this.#roomBytes = Math.min(payloadBytesMax, bytesOf(pool, slot) - aroundBytes)
  }

  /** Bytes of its payload so far. */
  get bytes(): number {
    return this.#bytes
  }

  /** The most that it will have. */
  get bytesMax(): number {
    return this.#isShut ? this.#bytes : this.#roomBytes
  }

  /** Messages in it. */
  get begun(): number {
    return this.#begun
  }

  /** Bytes of the largest of them, header included. */
  get largestBytes(): number {
    return this.#largestBytes
  }

  /** Whether nothing more is written to it. */
  get isShut(): boolean {
    return this.#isShut
  }

  /** Whether a stream has taken it. */
  get isTaken(): boolean {
    return this.#isTaken
  }

  /** A stream takes it. */
  take(): void {
    this.#isTaken = true
  }

  /** An offset in `slab` for this many bytes of whole messages; −1: it is shut, or has no room. */
  roomBehind(bytes: number): number {
    const used = this.#bytes
    return this.#isShut || used + bytes > this.#roomBytes ? -1 : this.#offset + used
  }

  /** One whole message of `bytes`, header included, was written there. */
  commit(bytes: number): void {
    this.#bytes += bytes
    this.#begun++
    if (bytes > this.#largestBytes) this.#largestBytes = bytes
  }

  /** A stream closes its packet, or lets go of it. */
  shut(): void {
    this.#isShut = true
  }
}
