/**
 * The packet that is being filled: whole messages back to back, or one piece of a large one, written into the memory
 * that the packet will be sent from.
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

/** The open packet of a stream. When closed, it becomes the next packet of the ledger. */
export class PacketFilling {
  readonly #ledger: SendLedger
  readonly #pool: PacketSlots
  readonly #headRoomBytes: number
  /** The largest payload that fits a slot with the room around it. */
  readonly #payloadBytesLimit: number
  /** Whether the stream waits for room; then it may use a slot reserved for messages under way. */
  readonly #waits: boolean
  #payloadBytesMax: number
  /** The slot of the packet, where it begins, and where its payload begins. */
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

  /** The largest payload from now on, bytes. */
  get payloadBytesMax(): number {
    return this.#payloadBytesMax
  }

  /** The memory in which `begin` and `roomBehind` last gave room. */
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

  /** Slots that the next packet already has. */
  get reserved(): number {
    return this.#slot !== NO_SLOT && this.#bytes === 0 ? 1 : 0
  }

  /** Slots that are taken, filled or not. */
  get slots(): number {
    return this.#slot === NO_SLOT ? 0 : 1
  }

  /** Messages begun so far, including those in the open packet. */
  get begunInAll(): number {
    return this.#ledger.begun + this.#begun
  }

  /** The number of the next packet to be begun. */
  get high(): number {
    return this.#bytes > 0 ? this.#ledger.high + 1 : this.#ledger.high
  }

  /**
   * Whether a message is half written and everything written of it has arrived: then its receiver has memory for the
   * rest.
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

  /** The time from which the age of the next message counts. */
  setTime(nowMs: number): void {
    this.#nowMs = nowMs
  }

  /**
   * From now on payloads have at most this many bytes: 64 up to what a slot of the pool holds; otherwise it throws a
   * `RangeError`. Packets written before keep their size. An open packet is closed, since the window has room only for
   * a packet of the size that it was begun with. Returns whether there was one.
   */
  setPayloadBytesMax(bytes: number): boolean {
    checkWhole("payloadBytesMax", bytes, PAYLOAD_BYTES_MIN, this.#payloadBytesLimit)
    if (bytes === this.#payloadBytesMax) return false
    this.#payloadBytesMax = bytes
    return this.close()
  }

  /**
   * Returns an offset in `slab` for a whole message of `bytes` after those in the open packet, or −1: no packet is
   * open, or it has no room.
   */
  roomBehind(bytes: number): number {
    const used = this.#bytes
    return used > 0 && used + bytes <= this.#payloadBytesMax ? this.#offset + used : -1
  }

  /** Returns room for a new packet: an offset in `slab`, or −1 while there is no memory. No packet may be open. */
  begin(): number {
    return this.#slot === NO_SLOT && !this.#acquire() ? -1 : this.#offset
  }

  /**
   * One whole message of `bytes`, header included, was written. The code that wrote it may have ended the stream in the
   * meantime.
   */
  commit(bytes: number): void {
    if (this.#slot === NO_SLOT) return
    if (this.#bytes === 0) this.#writtenMs = this.#nowMs
    this.#bytes += bytes
    this.#begun++
  }

  /**
   * One piece of this form and length, header included, was written: it is a packet. Returns whether it may still be
   * sent.
   */
  commitPiece(form: number, bytes: number): boolean {
    if (this.#slot === NO_SLOT) return false
    this.#append(form, bytes, form === FORM.first ? 1 : 0, this.#nowMs)
    return true
  }

  /** Closes the open packet: the next message goes into another. Returns whether there was one. */
  close(): boolean {
    if (this.#bytes === 0) return false
    const bytes = this.#bytes
    const begun = this.#begun
    this.#bytes = this.#begun = 0
    this.#append(FORM.whole, bytes, begun, this.#writtenMs)
    return true
  }

  /** Forgets the contents of the open packet; the next packet gets its slot. */
  empty(): void {
    this.#bytes = this.#begun = 0
  }

  /** Forgets the contents of the open packet, and gives its slot back. */
  release(): void {
    if (this.#slot !== NO_SLOT) this.#pool.release(this.#slot)
    this.#slot = NO_SLOT
    this.empty()
  }

  #acquire(): boolean {
    let slot = this.#pool.acquire()
    // Otherwise messages that wait for room at the receiver would hold up the ones that they wait for there.
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

  /** For tests: throws an `Error` if the open packet has no slot, or something is counted although none is open. */
  assertInvariants(): void {
    if (this.#bytes > 0 && this.#slot === NO_SLOT) throw new Error("the open packet has no slot")
    if (this.#bytes === 0 && this.#begun > 0) throw new Error(`${this.#begun} messages are begun in no packet`)
  }
}
