/**
 * The packet that is being filled: whole messages back to back, or one piece of a large one, written into the memory
 * that the packet will be sent from.
 *
 * @module
 */

import { checkWhole, FORM, ZERO } from "@x/wire"
import { PAYLOAD_BYTES_MAX, PAYLOAD_BYTES_MIN, type StreamOptions } from "../options.ts"
import { bytesOf, type PacketSlots } from "../packet-pool.ts"
import { NO_BYTES, NO_VIEW } from "./outgoing-packet.ts"
import type { SendLedger } from "./send-ledger.ts"
import { PACKET } from "./send-ring.ts"
import type { SharedPacket } from "./shared-packet.ts"

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
  readonly #aroundBytes: number
  #payloadBytesMax: number
  /** The slot of the packet, the largest payload that it holds, where it begins, and where its payload begins. */
  #slot = NO_SLOT
  #roomBytes = 0
  #slab: Uint8Array = NO_BYTES
  #view: DataView = NO_VIEW
  #offset = 0
  #bytes = 0
  #begun = ZERO
  /** Payload bytes of the packet before it, if messages were written to that one after the other. */
  #bytesBefore = 0
  /** When its first message was written. */
  #writtenMs = ZERO
  #nowMs = ZERO
  /** The open packet, if it is one of several streams. A slot of our own is kept for the next one. */
  #shared: SharedPacket | undefined

  constructor(ledger: SendLedger, pool: PacketSlots, options: StreamOptions, waits: boolean) {
    this.#ledger = ledger
    this.#pool = pool
    this.#headRoomBytes = options.headRoomBytes
    this.#aroundBytes = options.headRoomBytes + options.tailRoomBytes
    this.#payloadBytesLimit = Math.min(pool.slotBytes - this.#aroundBytes, PAYLOAD_BYTES_MAX)
    this.#payloadBytesMax = options.payloadBytesMax
    this.#waits = waits
  }

  /** The largest payload from now on, bytes. */
  get payloadBytesMax(): number {
    return this.#payloadBytesMax
  }

  /** Bytes of a slot for the largest packet, with the room around it. */
  get slotBytes(): number {
    return this.#payloadBytesMax + this.#aroundBytes
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
    return this.#shared === undefined ? this.#bytes : this.#shared.bytes
  }

  /** Messages that begin in the open packet. */
  get begun(): number {
    return this.#shared === undefined ? this.#begun : this.#shared.begun
  }

  /** Whether the open packet is one of several streams. */
  get isShared(): boolean {
    return this.#shared !== undefined
  }

  /** Slots for full packets that the next packet already has. */
  get reserved(): number {
    return this.#slot !== NO_SLOT && this.#bytes === 0 && this.#roomBytes === this.#payloadBytesMax ? 1 : 0
  }

  /** Slots that are taken, filled or not. */
  get slots(): number {
    return this.#slot === NO_SLOT ? 0 : 1
  }

  /** Messages begun so far, including those in the open packet. */
  get begunInAll(): number {
    return this.#ledger.begun + this.begun
  }

  /** The number of the next packet to be begun. */
  get high(): number {
    return this.bytes > 0 ? this.#ledger.high + 1 : this.#ledger.high
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
    const wasOpen = this.close()
    this.#payloadBytesMax = bytes
    if (this.#slot !== NO_SLOT) this.#roomBytes = this.#roomIn(this.#slot)
    return wasOpen
  }

  /**
   * Returns an offset in `slab` for a whole message of `bytes` after those in the open packet, or −1: no packet is
   * open, or it has no room.
   */
  roomBehind(bytes: number): number {
    const used = this.#bytes
    if (used === 0) return -1
    return used + bytes <= this.#roomBytes || this.#widen(used + bytes) ? this.#offset + used : -1
  }

  /**
   * Returns room for a new packet of at least this many payload bytes: an offset in `slab`, or −1 while there is no
   * memory. No packet may be open. After a packet that became large the next one has room for as much from the
   * beginning, if there is memory: a stream that is written to steadily would move each of its packets.
   */
  begin(bytes: number = this.#payloadBytesMax): number {
    if (this.#slot !== NO_SLOT && bytes <= this.#roomBytes && this.#ledger.makeRoom()) return this.#offset
    this.release()
    if (!this.#ledger.makeRoom()) return -1
    const likely = Math.min(this.#bytesBefore, this.#payloadBytesMax)
    return (likely > bytes && this.#acquire(likely)) || this.#acquire(bytes) ? this.#offset : -1
  }

  /**
   * Small packets lie in small slots, though the path carries larger ones: what is in the packet moves to another slot
   * when more is written behind it.
   */
  #widen(bytes: number): boolean {
    if (bytes > this.#payloadBytesMax) return false
    const [slot, slab, offset] = [this.#slot, this.#slab, this.#offset]
    if (!this.#acquire(bytes)) return false
    this.#slab.set(slab.subarray(offset, offset + this.#bytes), this.#offset)
    this.#pool.release(slot)
    return true
  }

  /** The open packet is one of several streams from now on; no other may be open. `false`: there is no memory for it. */
  share(packet: SharedPacket): boolean {
    if (!this.#ledger.makeRoom() || !this.#pool.share(packet.slot)) return false
    this.#shared = packet
    packet.take()
    return true
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
    if (this.#shared !== undefined) return this.#closeShared(this.#shared)
    if (this.#bytes === 0) return false
    const bytes = this.#bytes
    const begun = this.#begun
    this.#bytes = this.#begun = 0
    this.#bytesBefore = bytes
    this.#append(FORM.whole, bytes, begun, this.#writtenMs)
    return true
  }

  #closeShared(packet: SharedPacket): boolean {
    this.#shared = undefined
    packet.shut()
    const { slot, bytes, begun } = packet
    if (bytes > 0) this.#ledger.append(slot, bytes, FORM.whole, begun, 0)
    else this.#pool.release(slot)
    return bytes > 0
  }

  /** Forgets the contents of the open packet; the next packet gets its slot. */
  empty(): void {
    this.#bytes = this.#begun = 0
    if (this.#shared === undefined) return
    this.#shared.shut()
    this.#pool.release(this.#shared.slot)
    this.#shared = undefined
  }

  /** Forgets the contents of the open packet, and gives its slot back. */
  release(): void {
    if (this.#slot !== NO_SLOT) this.#pool.release(this.#slot)
    this.#slot = NO_SLOT
    this.empty()
  }

  /** Takes a slot for this many payload bytes. */
  #acquire(bytes: number): boolean {
    const slotBytes = bytes + this.#aroundBytes
    let slot = this.#pool.acquire(slotBytes)
    // Otherwise messages that wait for room at the receiver would hold up the ones that they wait for there.
    if (slot < 0 && this.mayFinish) slot = this.#pool.acquireKept?.(slotBytes) ?? NO_SLOT
    if (slot < 0) return false
    this.#slot = slot
    this.#slab = this.#pool.bytes(slot)
    this.#view = this.#pool.view(slot)
    this.#offset = this.#pool.offset(slot) + this.#headRoomBytes
    this.#roomBytes = this.#roomIn(slot)
    return true
  }

  #roomIn(slot: number): number {
    return Math.min(this.#payloadBytesMax, bytesOf(this.#pool, slot) - this.#aroundBytes)
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
    if (this.#bytes > 0 && this.#shared !== undefined) throw new Error("two packets are open")
  }
}
