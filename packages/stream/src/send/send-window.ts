/**
 * How much may be written now, by the window, by the spread, and by memory; and, in modes that don't wait, which
 * message is being sent.
 *
 * @module
 */

import { FORM, NUMBER_MAX } from "@x/wire"
import type { StreamOptions } from "../options.ts"
import { availableFor, fits, type PacketSlots } from "../packet-pool.ts"
import type { PacketFilling } from "./packet-filling.ts"
import type { SendLedger } from "./send-ledger.ts"
import type { SendLife } from "./send-life.ts"

/** A window grows by this factor or not at all. */
const GROWTH = 1.125
/** Packets that go to the system in one call, if they have no more bytes than this in all; or one. */
const RUN_PACKETS = 8
const RUN_BYTES = 65_536
const RUN_SHIFT = 3

/** What a {@link SendWindow} reads. */
export interface SendWindowParts {
  readonly life: SendLife
  readonly ledger: SendLedger
  readonly filling: PacketFilling
  readonly pool: PacketSlots
  readonly options: StreamOptions
  /** Whether the stream waits for room. Streams of the other modes give up older messages instead. */
  readonly waits: boolean
}

/** The room of one stream. */
export class SendWindow {
  readonly #life: SendLife
  readonly #ledger: SendLedger
  readonly #filling: PacketFilling
  readonly #pool: PacketSlots
  #windowPackets: number
  #windowBytes: number
  readonly #spreadPackets: number
  readonly #waits: boolean
  /**
   * In modes that don't wait: the message whose packet was last sent for the first time is `[sendingFrom, sendingTo)`;
   * this many bytes of it are unsent.
   */
  #sendingFrom = 0
  #sendingTo = 0
  #sendingBytes = 0

  constructor({ life, ledger, filling, pool, options, waits }: SendWindowParts) {
    this.#life = life
    this.#ledger = ledger
    this.#filling = filling
    this.#pool = pool
    this.#windowPackets = options.windowPackets
    this.#windowBytes = options.windowBytes
    this.#spreadPackets = options.spreadPackets
    this.#waits = waits
  }

  /** The first packet of the message that is being sent, or was sent last. */
  get sendingFrom(): number {
    return this.#sendingFrom
  }

  /** The packet after that message. */
  get sendingTo(): number {
    return this.#sendingTo
  }

  /** Whether a message is half sent. */
  get isSending(): boolean {
    return this.#ledger.next < this.#sendingTo
  }

  /** Packets that could be begun now, by window and memory; the open one already has its place. */
  get roomPackets(): number {
    const [pool, filling] = [this.#pool, this.#filling]
    const { slotBytes } = filling
    const packets = Math.min(this.packets, availableFor(pool, slotBytes) + filling.reserved)
    return packets === 0 && this.isOpen && filling.mayFinish && pool.hasKept?.(slotBytes) === true ? 1 : packets
  }

  /** Whether the window is open and there is no memory for a packet. */
  get isStarved(): boolean {
    if (!this.isOpen || this.hasMemoryFor(1)) return false
    const [pool, filling] = [this.#pool, this.#filling]
    return !(filling.mayFinish && pool.hasKept?.(filling.slotBytes) === true)
  }

  /** Whether there is memory for this many packets more. */
  hasMemoryFor(packets: number): boolean {
    const filling = this.#filling
    return fits(this.#pool, packets - filling.reserved, filling.slotBytes)
  }

  /**
   * Packets that are worth a writer's turn: those that go to the system in one call, since each alone would cost as much
   * as all of them; or an eighth of those under way, so that no more than that of a small window stays unused.
   */
  get runPackets(): number {
    const packets = Math.min(RUN_PACKETS, Math.floor(RUN_BYTES / this.#filling.payloadBytesMax))
    return Math.max(1, Math.min(packets, this.#ledger.unackedPackets >> RUN_SHIFT))
  }

  /** Whether there is room for such a run of packets. */
  get hasRoomForRun(): boolean {
    const { runPackets } = this
    if (!this.isOpen || runPackets === 1) return this.roomPackets > 0
    return (
      this.#packetRoom(runPackets) >= runPackets &&
      this.#byteRoom() >= runPackets * this.#filling.payloadBytesMax &&
      this.hasMemoryFor(runPackets)
    )
  }

  /** Packets that the window has room for. */
  get packets(): number {
    if (!this.#life.isOpen) return 0
    return Math.max(0, Math.min(this.#packetRoom(), Math.floor(this.#byteRoom() / this.#filling.payloadBytesMax)))
  }

  /** Whether there is room for one packet; called for each packet. */
  get isOpen(): boolean {
    return this.#life.isOpen && this.#packetRoom(1) > 0 && this.#byteRoom() >= this.#filling.payloadBytesMax
  }

  /**
   * Makes the window this many bytes, and packets in proportion, if that is an eighth more than it has. Returns whether
   * it has grown.
   */
  grow(bytes: number): boolean {
    if (bytes < GROWTH * this.#windowBytes) return false
    const packets = Math.floor((this.#windowPackets * bytes) / this.#windowBytes)
    this.#windowPackets = Math.max(this.#windowPackets, Math.min(packets, this.#spreadPackets))
    this.#windowBytes = bytes
    return true
  }

  /** Packets that an empty window has room for. */
  get packetsMax(): number {
    return Math.max(1, Math.min(this.#windowPackets, Math.floor(this.#windowBytes / this.#filling.payloadBytesMax)))
  }

  /** `most`: no more is asked for. */
  #packetRoom(most = Infinity): number {
    const { high, bytes } = this.#filling
    const ledger = this.#ledger
    const packets = Math.min(
      this.#windowPackets - this.#heldPackets(),
      this.#spreadPackets - (high - ledger.low),
      NUMBER_MAX - high,
    )
    // The open one has its place.
    const open = bytes > 0 ? 1 : 0
    const wanted = Math.min(packets, most + open)
    return (wanted > ledger.rows - (ledger.high - ledger.low) ? ledger.roomFor(wanted) : wanted) - open
  }

  #byteRoom(): number {
    const { payloadBytesMax } = this.#filling
    // However small the window is, one packet must fit.
    const bytes = this.#windowBytes < payloadBytesMax && this.#heldPackets() === 0 ? payloadBytesMax : this.#windowBytes
    return bytes - this.#heldBytes() - this.#filling.bytes
  }

  /**
   * What counts against the window: all unacknowledged packets; in modes that don't wait, packets of messages that were
   * not begun to be sent. In those modes sent messages are kept beside the window, as many as another window holds:
   * otherwise they would be given up for messages that nothing was done for yet.
   */
  #heldPackets(): number {
    const { unackedPackets } = this.#ledger
    if (this.#waits) return unackedPackets
    return unackedPackets - this.#ledger.sentPackets - Math.max(0, this.#sendingTo - this.#ledger.next)
  }

  #heldBytes(): number {
    const { unackedBytes } = this.#ledger
    return this.#waits ? unackedBytes : unackedBytes - this.#ledger.sentBytes - this.#sendingBytes
  }

  /** Whether more sent packets are kept than one window holds. */
  get isKeepingMore(): boolean {
    return this.#ledger.sentPackets > this.#windowPackets || this.#ledger.sentBytes > this.#windowBytes
  }

  /** A packet is sent for the first time: the rest of its message follows before anything else. */
  noteSending(number: number): void {
    const ledger = this.#ledger
    if (number < this.#sendingTo) {
      this.#sendingBytes -= ledger.bytes(number)
      return
    }
    let to = number + 1
    if (ledger.form(number) === FORM.first)
      for (; to < ledger.high && ledger.form(to - 1) !== FORM.last; to++) this.#sendingBytes += ledger.bytes(to)
    this.#sendingFrom = number
    this.#sendingTo = to
  }

  /** Nothing of that message will be sent any more. */
  stopSending(): void {
    this.#sendingFrom = this.#sendingTo = this.#ledger.next
    this.#sendingBytes = 0
  }

  /** For tests: throws an `Error` if more is kept or numbered than the window and the spread allow. */
  assertInvariants(): void {
    const { low, next, high, sentPackets } = this.#ledger
    if (high - low > this.#spreadPackets) throw new Error("more packets than the spread allows")
    if (this.#heldPackets() > this.#windowPackets) throw new Error("more packets than the window allows")
    // The message sent last is kept whatever it takes.
    const kept = this.#waits ? Infinity : this.#windowPackets + Math.max(0, next - this.#sendingFrom)
    if (sentPackets > kept) throw new Error("more packets are kept that were sent than the window allows")
    let unsentBytes = 0
    for (let number = next; number < this.#sendingTo; number++) unsentBytes += this.#ledger.bytes(number)
    if (unsentBytes !== this.#sendingBytes)
      throw new Error(`${this.#sendingBytes} B are being sent, counted ${unsentBytes}`)
  }
}
