/**
 * The packet that is being filled: whole messages back to back, or one piece of a large one, written where the packet
 * will be sent from.
 *
 * @module
 */

import { checkWhole, FORM } from "@x/wire"
import { PAYLOAD_BYTES_MAX, PAYLOAD_BYTES_MIN, type StreamOptions } from "../options.ts"
import type { PacketSlots } from "../packet-pool.ts"
import { NO_BYTES, NO_VIEW } from "./outgoing-packet.ts"
import type { SendLedger } from "./send-ledger.ts"
import { PACKET } from "./send-ring.ts"

const NO_SLOT = -1

/** The open packet of a stream. Closed, it is the ledger's next. */
export class PacketFilling {
  readonly #ledger: SendLedger
  readonly #pool: PacketSlots
  readonly #headRoomBytes: number
  /** What fits a slot with the room around it. */
  readonly #payloadBytesLimit: number
  /** Whether the stream waits for room, and may have a slot that is kept for what was begun. */
  readonly #waits: boolean
  #payloadBytesMax: number
  /** The slot of the packet, where it is, and where its payload begins. */
  #slot = NO_SLOT
  #slab: Uint8Array = NO_BYTES
  #view: DataView = NO_VIEW
  #offset = 0
  #bytes = 0
  #begun = 0
  /** When its first message was written. */
  #writtenMs = 0
  #nowMs = 0

  constructor(ledger: SendLedger, pool: PacketSlots, options: StreamOptions, waits: boolean) {
    this.#ledger = ledger
    this.#pool = pool
    this.#headRoomBytes = options.headRoomBytes
    this.#payloadBytesLimit = Math.min(
      pool.slotBytes - options.headRoomBytes - options.tailRoomBytes,
      PAYLOAD_BYTES_MAX,
    )
    this.#payloadBytesMax = options.payloadBytesMax
    this.#waits = waits
  }

  /** Bytes of the largest payload from now on. */
  get payloadBytesMax(): number {
    return this.#payloadBytesMax
  }

  /** Where `begin` and `roomBehind` gave room last. */
  get slab(): Uint8Array {
    return this.#slab
  }

  /** A view of `slab`, whole. */
  get view(): DataView {
    return this.#view
  }

  /** Payload bytes of the open packet; 0: none is open. */
  get bytes(): number {
    return this.#bytes
  }

  /** Messages that begin in the open packet. */
  get begun(): number {
    return this.#begun
  }

  /** Slots that the next packet has already. */
  get reserved(): number {
    return this.#slot !== NO_SLOT && this.#bytes === 0 ? 1 : 0
  }

  /** Slots that it has, filled or not. */
  get slots(): number {
    return this.#slot === NO_SLOT ? 0 : 1
  }

  /** Messages begun so far, those in the open packet too. */
  get begunInAll(): number {
    return this.#ledger.begun + this.#begun
  }

  /** The number of the next packet to be begun. */
  get high(): number {
    return this.#bytes > 0 ? this.#ledger.high + 1 : this.#ledger.high
  }

  /**
   * Whether a message is half written and all that was written of it has come: its receiver has memory for the rest.
   */
  get mayFinish(): boolean {
    const ledger = this.#ledger
    if (!this.#waits || !ledger.isUnfinished) return false
    for (let number = ledger.high - 1; number >= ledger.low; number--) {
      if (ledger.state(number) !== PACKET.received) return false
      if (ledger.form(number) === FORM.first) return true
    }
    return true
  }

  /** The time from which the age of what is written next counts. */
  setTime(nowMs: number): void {
    this.#nowMs = nowMs
  }

  /**
   * Payloads have at most this many bytes from now on, 64 up to what a slot of the pool holds; else it throws a
   * `RangeError`. What was written before stays as it is: an open packet is closed, since the window has room for one
   * of the size that it was begun with. Answers whether there was one.
   */
  setPayloadBytesMax(bytes: number): boolean {
    checkWhole("payloadBytesMax", bytes, PAYLOAD_BYTES_MIN, this.#payloadBytesLimit)
    if (bytes === this.#payloadBytesMax) return false
    this.#payloadBytesMax = bytes
    return this.close()
  }

  /**
   * An offset in `slab` for `bytes` of a whole message behind those in the open packet, or −1: none is open, or has
   * no room.
   */
  roomBehind(bytes: number): number {
    const used = this.#bytes
    return used > 0 && used + bytes <= this.#payloadBytesMax ? this.#offset + used : -1
  }

  /** Room for a new packet: an offset in `slab`, or −1 while there is no memory. None may be open. */
  begin(): number {
    return this.#slot === NO_SLOT && !this.#acquire() ? -1 : this.#offset
  }

  /**
   * One whole message of `bytes`, header included, was written. Whoever wrote it may have ended the stream in the
   * meantime.
   */
  commit(bytes: number): void {
    if (this.#slot === NO_SLOT) return
    if (this.#bytes === 0) this.#writtenMs = this.#nowMs
    this.#bytes += bytes
    this.#begun++
  }

  /**
   * One piece of this form and length, header included, was written: it is a packet. Answers whether it still may be.
   */
  commitPiece(form: number, bytes: number): boolean {
    if (this.#slot === NO_SLOT) return false
    this.#append(form, bytes, form === FORM.first ? 1 : 0, this.#nowMs)
    return true
  }

  /** Closes the open packet: what comes next goes into another. Answers whether there was one. */
  close(): boolean {
    if (this.#bytes === 0) return false
    const bytes = this.#bytes
    const begun = this.#begun
    this.#bytes = this.#begun = 0
    this.#append(FORM.whole, bytes, begun, this.#writtenMs)
    return true
  }

  /** Forgets what is in the open packet; the slot is for the next. */
  empty(): void {
    this.#bytes = this.#begun = 0
  }

  /** Forgets what is in the open packet, and gives its slot back. */
  release(): void {
    if (this.#slot !== NO_SLOT) this.#pool.release(this.#slot)
    this.#slot = NO_SLOT
    this.empty()
  }

  #acquire(): boolean {
    let slot = this.#pool.acquire()
    // Else what waits for room at the receiver would hold up what it waits for there.
    if (slot < 0 && this.mayFinish) slot = this.#pool.acquireKept?.() ?? NO_SLOT
    if (slot < 0) return false
    this.#slot = slot
    this.#slab = this.#pool.bytes(slot)
    this.#view = this.#pool.view(slot)
    this.#offset = this.#pool.offset(slot) + this.#headRoomBytes
    return true
  }

  #append(form: number, bytes: number, begun: number, writtenMs: number): void {
    const slot = this.#slot
    this.#slot = NO_SLOT
    this.#ledger.append(slot, bytes, form, begun, writtenMs)
  }

  /** For tests: throws an `Error` where what is filled has no place, or none is filled and something is counted. */
  assertInvariants(): void {
    if (this.#bytes > 0 && this.#slot === NO_SLOT) throw new Error("the open packet has no slot")
    if (this.#bytes === 0 && this.#begun > 0) throw new Error(`${this.#begun} messages are begun in no packet`)
  }
}
