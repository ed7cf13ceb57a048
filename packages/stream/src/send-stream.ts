/**
 * The sending end of a stream: numbers packets, keeps them until acknowledged or given up, sends again what is asked for, and asks for a status
 * when nothing moves (PROTOCOL.md §8). Knows payloads, and of messages only where they begin and end.
 *
 * @module
 */

import {
  checkWhole,
  deliveryByte,
  FORM,
  formOf,
  type Mode,
  type ModeTraits,
  NUMBER_MAX,
  RANGES_MAX,
  type Open,
  type PacketDropReason,
  REASON,
  type Reset,
  type End,
  type Status,
  STATUS,
  type Sync,
  traitsOf,
} from "@x/wire"
import { type StreamOptions } from "./options.ts"
import { PacketPool, type PacketSlots } from "./packet-pool.ts"
import { Repeater, RepeatPace } from "./repeater.ts"
import { GRANULARITY_MS, type RttEstimator } from "./rtt.ts"
import { PACKET, SendRing } from "./send-ring.ts"

/** Syncs are at most this far apart, milliseconds, or two RTTs if longer, as long as it is likely that they were lost; further where many are. */
const SYNC_MS_MAX = 100
const SYNC_PACE = 0.1
/** Syncs without an answer that moves anything until they come further and further apart; and so many once the receiver has said that it has no room. */
const SYNCS_SOON = 25
const SYNCS_SOON_HELD = 2
/** The first one waits no longer than this, milliseconds: stalls can make a PTO of many seconds. */
const FIRST_SYNC_MS_MAX = 1_000
/** Numbers of packets that were given up before they were sent are used again once there are so many. */
const COMPACT_PACKETS = 64
/** What an idle stream keeps its memory for, milliseconds. */
const IDLE_MS = 1_000

/** What a {@link SendStream} needs, and what it may be told. */
export interface SendStreamOptions {
  /** The stream's id, 1 to 2^32 − 1: counted up by its sender, never used twice with a peer. */
  readonly id: number
  /** Its promise, one of `MODE`. */
  readonly mode: Mode
  /** Options that were checked, as `streamOptions` gives them. */
  readonly options: StreamOptions
  /** The round trip to the receiver: how long to wait before a probe or a resend. */
  readonly rtt: RttEstimator
  /** Number of the first packet, default 0. */
  readonly first?: number
  /** 0 to 255, default 128; higher goes first. */
  readonly priority?: number
  /** Told to the peer with the opening, opaque, at most 1,024 bytes; default none. */
  readonly metadata?: Uint8Array
  /** Where packets are kept; slots of at least `slotBytesOf(options)`. Default: a pool of its own. */
  readonly pool?: PacketSlots
  /** `best-effort`: a message is given up once it is so old, milliseconds, or twice that while it is half sent; default `Infinity`. */
  readonly lifetimeMs?: number
  /** `best-effort`: and once one of its packets was resent so often, default `Infinity`. */
  readonly resendsMax?: number
  /** How far apart at most things are said again; default: a second. */
  readonly pace?: RepeatPace
}

/** Bytes of a pool's slots: the payload and the room around it. */
export function slotBytesOf({ headRoomBytes, payloadBytesMax, tailRoomBytes }: StreamOptions): number {
  return headRoomBytes + payloadBytesMax + tailRoomBytes
}

/** What became of the messages that were written: `accepted` = `acknowledged` + `unconfirmed` + `dropped` + `pending`, at all times. */
export interface SentMessages {
  /** Messages taken: the sum of the others. */
  readonly accepted: number
  /** The receiver has them: handed to its handler, or waiting for it. */
  readonly acknowledged: number
  /** Given up, or sent without a promise: they may have been delivered. */
  readonly unconfirmed: number
  /** Given up before all of it was sent: they can't have been delivered. */
  readonly dropped: number
  /** Neither settled nor given up: unsent, on their way, or waiting to be acknowledged. */
  readonly pending: number
}

/** What had become of a message when its stream was given up: `unsent` means that not all of it was sent. */
export type MessageFate = "acknowledged" | "sent" | "unsent"

/** The packets `[from, to)`, wherever their numbers go: see {@link SendStream.follow}. */
export interface PacketRange {
  /** The number of the first packet. */
  from: number
  /** The number behind the last packet. */
  to: number
}

/** Where a stream's life stands, seen from its sender. */
export type SendState = "open" | "ending" | "resetting" | "closed"

/** A packet to send, as `take` fills it in. */
export interface OutgoingPacket {
  /** Its packet number; 0 in `fire-and-forget`. */
  number: number
  /** Its delivery byte: mode and form. */
  delivery: number
  /** Its place in the pool, −1: none. */
  slot: number
  /** The payload is `[offset, offset + length)` of it, with head and tail room around it. */
  bytes: Uint8Array
  /** A view of `bytes`, whole. */
  view: DataView
  /** Where the payload begins in `bytes`. */
  offset: number
  /** Bytes of the payload. */
  length: number
  /** A status is wanted: the packet fills the window, or another quarter of it, or empties the queue and none was wanted for a while. */
  wanted: boolean
  /** Whether it was sent before. */
  isResend: boolean
}

/** An empty one, for `take` to fill in. */
export function createOutgoingPacket(): OutgoingPacket {
  return { number: 0, delivery: 0, slot: -1, bytes: NO_BYTES, view: NO_VIEW, offset: 0, length: 0, wanted: false, isResend: false }
}

const NO_BYTES = new Uint8Array(0)
const NO_VIEW = new DataView(NO_BYTES.buffer)

/** What fits the wire. */
const ID_MAX = 0xffff_ffff
const PRIORITY_MAX = 255

/** One stream as its sender sees it. The constructor throws a `RangeError` that names what is wrong and what would be right. */
export class SendStream {
  /** The stream's id. */
  readonly id: number
  /** Its promise, one of `MODE`. */
  readonly mode: Mode
  /** What that promise means. */
  readonly traits: ModeTraits
  /** 0 to 255; higher goes first. */
  readonly priority: number
  /** What the peer is told with the opening. */
  readonly metadata: Uint8Array
  readonly #options: StreamOptions
  readonly #rtt: RttEstimator
  readonly #pace: RepeatPace
  readonly #pool: PacketSlots
  readonly #followed = new Set<PacketRange>()
  readonly #ring = new SendRing()
  readonly #first: number
  readonly #lifetimeMs: number
  readonly #resendsMax: number
  /** Nothing answers for these packets: they are forgotten as they are sent. */
  readonly #isUnanswered: boolean
  /** What finds the window shut waits for it. The other modes take it, and give up what is older instead. */
  readonly #isWaiting: boolean
  /** The receiver's edge as far as it was told: all below are acknowledged, or known there to be gone. */
  #low: number
  /** The first packet never sent. */
  #next: number
  /** The number of the next packet to be closed; an open one has this number already. */
  #high: number
  /** The slot of the packet being filled, −1: none yet; where it is, and where its payload begins. */
  #openSlot = -1
  #openSlab: Uint8Array = NO_BYTES
  #openView: DataView = NO_VIEW
  #openOffset = 0
  readonly #payloadBytesMax: number
  #openBytes = 0
  #openBegun = 0
  #openMs = 0
  #nowMs = 0
  #begun = 0
  #begunBelowLow = 0
  /** The message begun last wants more pieces. */
  #isUnfinished = false
  /** Messages begun in packets that were sent. */
  #begunSent = 0
  #acknowledged = 0
  #unconfirmed = 0
  #dropped = 0
  /** Dropped before anything of them was sent, and their identities used again. */
  #superseded = 0
  #unackedBytes = 0
  #unackedPackets = 0
  /** Those of them that were sent, and are kept to be sent again. */
  #sentBytes = 0
  #sentPackets = 0
  #inFlightBytes = 0
  /** Where nothing waits: the message whose packet was first sent last is `[sendingFrom, sendingTo)`; and so many bytes of it are unsent. */
  #sendingFrom = 0
  #sendingTo = 0
  #sendingBytes = 0
  /** Sent since a status was last asked for. */
  #unaskedBytes = 0
  /** Packets that were given up and whose numbers the receiver has not passed yet. */
  #gonePackets = 0
  /** All below are received or gone: where the search for what can be given up begins. */
  #evictFrom = 0
  /** Packets to send again, oldest report first. */
  readonly #lost: number[] = []
  #lostNext = 0
  #state: SendState = "open"
  #wasReset = false
  #wasDrained = false
  #reason: number = REASON.unspecified
  #isOpenAnswered = false
  #openAnsweredMs = Infinity
  /** The receiver has no room: only what it asks for is sent, and what was never sent below the edge that it allows. */
  #isHeld = false
  #allowedEdge = 0
  readonly #opening = new Repeater()
  readonly #closing = new Repeater()
  /** When the cumulative edge last moved, or the oldest packet was last sent. */
  #syncDueMs = Infinity
  #syncIntervalMs = 0
  #syncsInVain = 0
  #isSyncWanted = false
  /** When a packet last asked for a status. */
  #askedMs = -Infinity
  #lastSyncMs = -Infinity
  /** Where messages stood when the stream was given up. */
  #fates: { readonly acknowledged: number; readonly sent: number; readonly others: ReadonlySet<number> | undefined } | undefined
  /** When the stream has been idle long enough to give back its memory. */
  #idleMs = Infinity
  #resentPackets = 0
  #syncsSent = 0

  constructor(options: SendStreamOptions) {
    const { id, mode, rtt, first = 0, priority = 128, metadata = NO_BYTES, lifetimeMs = Infinity, resendsMax = Infinity } = options
    checkWhole("first", first, 0, NUMBER_MAX)
    checkWhole("id", id, 0, ID_MAX)
    checkWhole("priority", priority, 0, PRIORITY_MAX)
    const traits = traitsOf(mode)
    if (!(typeof lifetimeMs === "number" && lifetimeMs > 0)) throw new RangeError(`lifetimeMs must be above 0, not ${String(lifetimeMs)}`)
    if (resendsMax !== Infinity) checkWhole("resendsMax", resendsMax, 0)
    if ((lifetimeMs !== Infinity || resendsMax !== Infinity) && !traits.givesUp)
      throw new RangeError("lifetimeMs and resendsMax are for best-effort: the other modes keep what they promised, or promise nothing")
    this.id = id
    this.mode = mode
    this.traits = traits
    this.priority = priority
    this.metadata = metadata
    this.#options = options.options
    this.#payloadBytesMax = options.options.payloadBytesMax
    this.#rtt = rtt
    this.#pace = options.pace ?? new RepeatPace()
    this.#lifetimeMs = lifetimeMs
    this.#resendsMax = resendsMax
    this.#isUnanswered = !traits.isAcknowledged
    this.#isWaiting = traits.waits
    const slotBytes = slotBytesOf(this.#options)
    this.#pool = options.pool ?? new PacketPool({ slotBytes })
    if (this.#pool.slotBytes < slotBytes) throw new RangeError(`the pool's slots have ${this.#pool.slotBytes} B; ${slotBytes} B are needed`)
    this.#first = this.#low = this.#next = this.#high = this.#evictFrom = traits.isNumbered ? first : 0
  }

  /** Where its life stands. */
  get state(): SendState {
    return this.#state
  }

  /** Whether it was given up, by either side, before all was delivered. */
  get wasReset(): boolean {
    return this.#wasReset
  }

  /** Whether nothing was left to be delivered when it was reset. */
  get wasDrained(): boolean {
    return this.#wasDrained
  }

  /** Why it was reset, one of `REASON` or the application's. */
  get reason(): number {
    return this.#reason
  }

  /** Bytes of the largest payload. */
  get payloadBytesMax(): number {
    return this.#options.payloadBytesMax
  }

  /** Where `reserve` gave room last. */
  get slab(): Uint8Array {
    return this.#openSlab
  }

  /** A view of `slab`, whole. */
  get view(): DataView {
    return this.#openView
  }

  /** An offset in `slab` for `bytes` of a whole message behind those in the open packet, or −1: none is open, or has no room. Then `commit`. */
  roomBehind(bytes: number): number {
    const used = this.#openBytes
    return used > 0 && used + bytes <= this.#payloadBytesMax && this.#state === "open" ? this.#openOffset + used : -1
  }

  /** Packets that are closed and were never sent. */
  get queuedPackets(): number {
    return this.#high - this.#next
  }

  /** Messages begun so far: the identity of the next one. */
  get begun(): number {
    return this.#begun + this.#openBegun
  }

  /** What became of its messages so far. */
  get messages(): SentMessages {
    return {
      accepted: this.begun + this.#superseded,
      acknowledged: this.#acknowledged,
      unconfirmed: this.#unconfirmed,
      dropped: this.#dropped + this.#superseded,
      pending: this.pendingMessages,
    }
  }

  /** Messages that were begun and whose fate is open. */
  get pendingMessages(): number {
    return this.begun - this.#acknowledged - this.#unconfirmed - this.#dropped
  }

  /** Messages that are settled one way or the other: the oldest so many, in modes that keep an order. */
  get settledMessages(): number {
    return this.#acknowledged + this.#unconfirmed + this.#dropped + this.#superseded
  }

  /** The edge below which all packets are acknowledged, or known to the receiver to be gone. */
  get low(): number {
    return this.#low
  }

  /** The number of the next packet to be begun: where the stream would end now. */
  get high(): number {
    return this.#openBytes > 0 ? this.#high + 1 : this.#high
  }

  /** Packets that are closed, and neither acknowledged nor given up. */
  get unackedPackets(): number {
    return this.#unackedPackets
  }

  /** Payload bytes of the packets that are closed, and neither acknowledged nor given up. */
  get unackedBytes(): number {
    return this.#unackedBytes
  }

  /** Bytes that were sent and are neither acknowledged nor reported missing. */
  get inFlightBytes(): number {
    return this.#inFlightBytes
  }

  /** Rows for packets that it holds memory for; 0 once it is idle. */
  get rowsHeld(): number {
    return this.#ring.rows
  }

  /** Resends so far. */
  get resentPackets(): number {
    return this.#resentPackets
  }

  /** Syncs so far. */
  get syncsSent(): number {
    return this.#syncsSent
  }

  /** Whether a packet is being filled: it is sent once it is closed. */
  get isFilling(): boolean {
    return this.#openBytes > 0
  }

  /** Whether all that was written is acknowledged or known to be gone (where nothing answers: sent). */
  get isDrained(): boolean {
    return this.#openBytes === 0 && this.#low === this.#high
  }

  /** Whether the receiver said that it has no room. */
  get isHeld(): boolean {
    return this.#isHeld
  }

  /** Whether the peer has heard of the stream. */
  get isOpenAnswered(): boolean {
    return this.#isOpenAnswered
  }

  /** Whether the packets `[from, to)` are all acknowledged or given up. */
  isSettled(from: number, to: number): boolean {
    for (let number = Math.max(from, this.#low); number < to; number++) {
      if (number >= this.#high) return false
      const state = this.#ring.state[this.#ring.index(number)]!
      if (state !== PACKET.received && state !== PACKET.gone) return false
    }
    return true
  }

  /** Whether nothing below a packet is to be delivered any more: the receiver's edge has passed it, or all that is left was given up. */
  isPast(to: number): boolean {
    for (let number = this.#low; number < to; number++)
      if (number >= this.#high || this.#ring.state[this.#ring.index(number)] !== PACKET.gone) return false
    return true
  }

  /** Keeps a range on the packets it means: numbers of what was never sent are used again once that is given up. Until `unfollow`. */
  follow(range: PacketRange): void {
    this.#followed.add(range)
  }

  /** The range is the caller's alone again. */
  unfollow(range: PacketRange): void {
    this.#followed.delete(range)
  }

  /** Ranges that are followed. */
  get followed(): number {
    return this.#followed.size
  }

  /** Packets from `end` on have numbers that are `shift` lower; those before it, from `first` on, are one that is gone, or none. */
  #renumber(first: number, end: number, shift: number): void {
    const lowest = end - shift
    for (const range of this.#followed) {
      if (range.from > first) range.from = range.from < end ? first : range.from - shift
      if (range.to > first) range.to = range.to < end ? lowest : range.to - shift
    }
  }

  /** Whether one of the packets `[from, to)` was given up and the receiver's edge has not passed it. */
  isGone(from: number, to: number): boolean {
    if (this.#gonePackets === 0) return false
    for (let number = Math.max(from, this.#low); number < Math.min(to, this.#high); number++)
      if (this.#ring.state[this.#ring.index(number)] === PACKET.gone) return true
    return false
  }

  /** Whether a packet with so many payload bytes or more waits for its acknowledgement. */
  hasUnacked(payloadBytes: number): boolean {
    for (let number = this.#low; number < this.#next; number++) {
      const at = this.#ring.index(number)
      if (isKept(this.#ring.state[at]!) && this.#ring.length[at]! >= payloadBytes) return true
    }
    return false
  }

  /** Packets that could be begun now, by window and memory; the open one has its place already. */
  get roomPackets(): number {
    const reserved = this.#openSlot >= 0 && this.#openBytes === 0 ? 1 : 0
    const packets = Math.min(this.#windowRoom(), this.#pool.available + reserved)
    return packets === 0 && this.#isWindowOpen() && this.#mayFinish() && this.#pool.hasKept === true ? 1 : packets
  }

  /** Whether the window is open and there is no memory for a packet. */
  get isStarved(): boolean {
    return this.#isWindowOpen() && this.roomPackets === 0
  }

  /** Packets that the window has room for. */
  #windowRoom(): number {
    if (this.#state !== "open") return 0
    return Math.max(0, Math.min(this.#packetRoom(), Math.floor(this.#byteRoom() / this.#payloadBytesMax)))
  }

  /** Whether that is one at least; asked for each. */
  #isWindowOpen(): boolean {
    return this.#state === "open" && this.#packetRoom() > 0 && this.#byteRoom() >= this.#payloadBytesMax
  }

  #packetRoom(): number {
    const { windowPackets, spreadPackets } = this.#options
    const { high } = this
    const packets = Math.min(windowPackets - this.#heldPackets(), spreadPackets - (high - this.#low), NUMBER_MAX - high)
    return this.#openBytes > 0 ? packets - 1 : packets
  }

  #byteRoom(): number {
    const { windowBytes } = this.#options
    // However small the window is, one packet has to fit.
    const bytes = windowBytes < this.#payloadBytesMax && this.#heldPackets() === 0 ? this.#payloadBytesMax : windowBytes
    return bytes - this.#heldBytes() - this.#openBytes
  }

  /**
   * What counts against the window: all that is unacknowledged; where nothing waits, what was not begun to be sent. There a message on its way is kept
   * beside the window, as much as another one holds: it would be given up for one that nothing was done for yet.
   */
  #heldPackets(): number {
    if (this.#isWaiting) return this.#unackedPackets
    return this.#unackedPackets - this.#sentPackets - Math.max(0, this.#sendingTo - this.#next)
  }

  #heldBytes(): number {
    return this.#isWaiting ? this.#unackedBytes : this.#unackedBytes - this.#sentBytes - this.#sendingBytes
  }

  /** Packets that an empty window has room for. */
  get windowPackets(): number {
    const { windowPackets, windowBytes, payloadBytesMax } = this.#options
    return Math.max(1, Math.min(windowPackets, Math.floor(windowBytes / payloadBytesMax)))
  }

  /**
   * Room for `bytes` of whole messages in the open packet, or in a new one if they don't fit: an offset in `slab`, or −1 while the window is
   * shut or the pool is empty. Nothing has happened until `commit`.
   */
  reserve(bytes: number): number {
    if (bytes > this.#options.payloadBytesMax) throw new RangeError(`${bytes} B don't fit a payload of ${this.#options.payloadBytesMax} B`)
    if (this.#openBytes > 0 && this.#openBytes + bytes <= this.#options.payloadBytesMax && this.#state === "open")
      return this.#openOffset + this.#openBytes
    return this.reservePiece()
  }

  /** The time from which the lifetime of what is written next counts. */
  setTime(nowMs: number): void {
    this.#nowMs = nowMs
  }

  /** One whole message of `bytes`, header included, was written where `reserve` said. */
  commit(bytes: number): void {
    // Whoever wrote may have reset the stream in the meantime.
    if (this.#state !== "open") return
    if (this.#openBytes === 0) this.#openMs = this.#nowMs
    this.#openBytes += bytes
    this.#openBegun++
  }

  /** Room for one piece of a large message, which has a packet of its own: an offset in `slab`, or −1 while there is none. */
  reservePiece(): number {
    if (!this.#isWindowOpen()) return -1
    this.closePacket()
    if (this.#openSlot < 0 && !this.#openNext()) return -1
    this.#ring.makeRoom(this.#low, this.#high)
    return this.#openOffset
  }

  /** Whether a message is half written and all that was written of it has come: its receiver has memory for the rest. */
  #mayFinish(): boolean {
    if (!this.#isUnfinished || !this.#isWaiting) return false
    const ring = this.#ring
    for (let number = this.#high - 1; number >= this.#low; number--) {
      const at = ring.index(number)
      if (ring.state[at] !== PACKET.received) return false
      if (formOf(ring.delivery[at]!) === FORM.first) return true
    }
    return true
  }

  #openNext(): boolean {
    let slot = this.#pool.acquire()
    // Else what waits for room at the receiver would hold up what it waits for there.
    if (slot < 0 && this.#mayFinish()) slot = this.#pool.acquireKept?.() ?? -1
    if (slot < 0) return false
    this.#openSlot = slot
    this.#openSlab = this.#pool.bytes(slot)
    this.#openView = this.#pool.view(slot)
    this.#openOffset = this.#pool.offset(slot) + this.#options.headRoomBytes
    return true
  }

  /** A piece of this form and length, header included, was written. */
  commitPiece(form: number, bytes: number): void {
    if (this.#state !== "open") return
    if (form === FORM.first) this.#begun++
    this.#isUnfinished = form === FORM.first || form === FORM.middle
    // What its sender gave up half written was never sent whole.
    if (form === FORM.abandoned) this.#dropped++
    this.#append(bytes, form, this.#nowMs)
  }

  /** Closes the open packet: what comes next goes into another, and this one may be sent. */
  closePacket(): void {
    if (this.#openBytes === 0) return
    const bytes = this.#openBytes
    this.#begun += this.#openBegun
    this.#openBytes = this.#openBegun = 0
    this.#append(bytes, FORM.whole, this.#openMs)
  }

  #append(bytes: number, form: number, nowMs: number): void {
    const ring = this.#ring
    const at = ring.index(this.#high)
    ring.slot[at] = this.#openSlot
    ring.length[at] = bytes
    ring.delivery[at] = deliveryByte(this.mode, form)
    ring.state[at] = PACKET.queued
    ring.sends[at] = 0
    ring.begun[at] = this.#begun
    ring.writtenMs[at] = nowMs
    this.#openSlot = -1
    this.#high++
    this.#unackedPackets++
    this.#unackedBytes += bytes
    this.#idleMs = Infinity
  }

  /** Payload bytes of the packet that `take` would give, or −1 when there is none. */
  peek(): number {
    const number = this.#nextToSend()
    return number < 0 ? -1 : this.#ring.length[this.#ring.index(number)]!
  }

  /** Gives the next packet to send, lost ones first, and counts it as sent now. Where nothing answers, its bytes are good until the next `reserve`. */
  take(nowMs: number, out: OutgoingPacket): boolean {
    const number = this.#nextToSend()
    if (number < 0) return false
    const ring = this.#ring
    const at = ring.index(number)
    const slot = ring.slot[at]!
    out.number = number
    out.delivery = ring.delivery[at]!
    out.slot = slot
    out.bytes = this.#pool.bytes(slot)
    out.view = this.#pool.view(slot)
    out.offset = this.#pool.offset(slot) + this.#options.headRoomBytes
    out.length = ring.length[at]!
    out.isResend = ring.sends[at]! > 0
    ring.sends[at]!++
    ring.sentMs[at] = nowMs
    if (out.isResend) {
      this.#lostNext++
      this.#resentPackets++
    } else {
      this.#next = number + 1
      this.#begunSent = ring.begun[at]!
      if (!this.#isWaiting) this.#noteSending(number)
    }
    if (this.#isUnanswered) {
      out.wanted = false
      this.#unconfirmed += this.#endedIn(number)
      this.#settle(at, PACKET.none)
      this.#low = this.#evictFrom = this.#next
      this.#begunBelowLow = this.#begunSent
      if (this.isDrained) this.#idleMs = nowMs + IDLE_MS
      return true
    }
    if (!out.isResend) {
      this.#sentPackets++
      this.#sentBytes += out.length
    }
    ring.state[at] = PACKET.inFlight
    this.#inFlightBytes += out.length
    this.#unaskedBytes += out.length
    if (!this.#isWaiting) this.#trimSent()
    out.wanted = this.#unaskedBytes >= this.#options.windowBytes / 4 || this.#isStandstill(nowMs)
    if (out.wanted) {
      this.#unaskedBytes = 0
      this.#askedMs = nowMs
    }
    if (this.#syncDueMs === Infinity) this.#armSync(nowMs)
    return true
  }

  /** A packet is sent for the first time: the rest of its message follows it before anything else. */
  #noteSending(number: number): void {
    const ring = this.#ring
    if (number < this.#sendingTo) {
      this.#sendingBytes -= ring.length[ring.index(number)]!
      return
    }
    let to = number + 1
    if (formOf(ring.delivery[ring.index(number)]!) === FORM.first)
      for (; to < this.#high && formOf(ring.delivery[ring.index(to - 1)]!) !== FORM.last; to++)
        this.#sendingBytes += ring.length[ring.index(to)]!
    this.#sendingFrom = number
    this.#sendingTo = to
  }

  /**
   * Whether nothing can follow the packet taken last: the window is shut; or all is sent, and no status was asked for in the time after which one comes
   * unasked. Small messages one by one would have an answer each otherwise. Where the oldest is given up for lack of room, room is asked for every time.
   */
  #isStandstill(nowMs: number): boolean {
    if (this.#nextToSend() >= 0) return false
    if (!this.#isWindowOpen() || (this.#isHeld && this.#firstQueued() >= this.#allowedEdge)) return true
    const isSoon = this.#isWaiting && nowMs - this.#askedMs < Math.max(GRANULARITY_MS, this.#rtt.srttMs / 4)
    return this.#openBytes === 0 && !isSoon
  }

  #nextToSend(): number {
    const ring = this.#ring
    while (this.#lostNext < this.#lost.length) {
      const number = this.#lost[this.#lostNext]!
      if (number >= this.#low && ring.state[ring.index(number)] === PACKET.lost) return number
      this.#lostNext++
    }
    // An array that is emptied gives back its memory: not each time, since mostly nothing is lost.
    if (this.#lost.length > 0) this.#lost.length = this.#lostNext = 0
    const number = this.#firstQueued()
    return number < (this.#isHeld ? Math.min(this.#allowedEdge, this.#high) : this.#high) ? number : -1
  }

  /** The first packet that was neither sent nor given up before it was. */
  #firstQueued(): number {
    let number = this.#next
    while (number < this.#high && this.#ring.state[this.#ring.index(number)] === PACKET.gone) number++
    return number
  }

  /** The packet at a ring index needs no more sending: its slot goes back. */
  #settle(at: number, state: number): void {
    const ring = this.#ring
    if (ring.state[at] !== PACKET.queued) {
      this.#sentPackets--
      this.#sentBytes -= ring.length[at]!
    }
    if (ring.state[at] === PACKET.inFlight) this.#inFlightBytes -= ring.length[at]!
    this.#unackedPackets--
    this.#unackedBytes -= ring.length[at]!
    this.#pool.release(ring.slot[at]!)
    ring.slot[at] = -1
    ring.state[at] = state
  }

  /** Messages begun below a packet. */
  #begunBelow(number: number): number {
    return number === this.#low ? this.#begunBelowLow : this.#ring.begun[this.#ring.index(number - 1)]!
  }

  /** Messages that end below a packet: all that were begun there, but for one that goes on in it. */
  #endedBelow(number: number): number {
    const goesOn = number < this.#high ? isRest(formOf(this.#ring.delivery[this.#ring.index(number)]!)) : this.#isUnfinished
    return this.#begunBelow(number) - (goesOn ? 1 : 0)
  }

  /** The oldest so many messages are acknowledged, those that were abandoned among them. */
  get messagesBelowLow(): number {
    return this.#endedBelow(this.#low)
  }

  /** What had become of a message, by its number (`begun` before it was written), when the stream was closed or reset; before that it is `unsent`. */
  fateOf(message: number): MessageFate {
    const fates = this.#fates
    if (fates === undefined) return "unsent"
    if (message < fates.acknowledged || fates.others?.has(message) === true) return "acknowledged"
    return message < fates.sent ? "sent" : "unsent"
  }

  /** Messages that end in a packet. */
  #endedIn(number: number): number {
    const form = formOf(this.#ring.delivery[this.#ring.index(number)]!)
    if (form === FORM.whole) return this.#ring.begun[this.#ring.index(number)]! - this.#begunBelow(number)
    return form === FORM.last ? 1 : 0
  }

  /** Applies a status. Answers why it can't be one of this stream's, or `undefined`. */
  handleStatus(status: Status, nowMs: number): PacketDropReason | undefined {
    if (this.#state === "closed") return undefined
    const isHeld = (status.state & STATUS.noRoom) !== 0
    // Who has no room may let packets come that were never sent: none of that range is missing.
    const isAhead = (status.state & STATUS.ahead) !== 0
    const missing = status.missing.count - (isAhead ? 1 : 0)
    const { edges } = status.missing
    const highest = Math.max(status.cumulative, lastEdge(status.received), missing === 0 ? 0 : edges[2 * missing - 1]!)
    if ((status.state & STATUS.startUnknown) !== 0) {
      if (!this.#isOpenAnswered || this.#low === this.#first) this.#opening.start(nowMs)
      return undefined
    }
    if (highest > this.#next) return "not-sent"
    // An end that came before the opening was dropped: now it counts.
    if (!this.#isOpenAnswered && this.#state !== "open") this.#closing.start(nowMs)
    if (!this.#isOpenAnswered) this.#openAnsweredMs = nowMs
    this.#isOpenAnswered = true
    this.#opening.stop()
    if (this.#state !== "open" && (status.state & STATUS.closed) !== 0) {
      if (this.#state === "ending" && !this.#isUnanswered) this.#acknowledge(status)
      this.#close()
      return undefined
    }
    if (this.#isUnanswered || this.#state === "resetting") return undefined
    // One that was overtaken tells how it was before.
    if (status.cumulative >= this.#low) this.#isHeld = isHeld
    const allowed = this.#allowedEdge
    if (isAhead) this.#allowedEdge = Math.max(allowed, edges[2 * missing + 1]!)
    const hasMoved = this.#acknowledge(status)
    this.#markLost(edges, missing, nowMs)
    if (hasMoved || this.#allowedEdge > allowed) {
      this.#syncIntervalMs = this.#syncsInVain = 0
      this.#armSync(nowMs)
    } else if (this.#isHeld && this.#syncDueMs === Infinity) {
      this.#armSync(nowMs)
    }
    if (this.isDrained && this.#idleMs === Infinity) this.#idleMs = nowMs + IDLE_MS
    return undefined
  }

  /** Moves the low mark and frees what was received above it. */
  #acknowledge(status: Status): boolean {
    const ring = this.#ring
    const before = this.#unackedPackets + this.#gonePackets
    while (this.#low < status.cumulative) {
      const at = ring.index(this.#low)
      const state = ring.state[at]!
      const begun = ring.begun[at]!
      if (state === PACKET.gone) this.#gonePackets--
      else this.#acknowledged += this.#endedIn(this.#low)
      if (isKept(state)) this.#settle(at, PACKET.none)
      ring.state[at] = PACKET.none
      this.#begunBelowLow = begun
      this.#low++
    }
    const { edges, count } = status.received
    for (let i = 0; i < count; i++) {
      for (let number = Math.max(edges[2 * i]!, this.#low); number < edges[2 * i + 1]!; number++) {
        const at = ring.index(number)
        if (isKept(ring.state[at]!)) this.#settle(at, PACKET.received)
      }
    }
    return this.#unackedPackets + this.#gonePackets < before
  }

  /** Queues what is reported missing, each packet at most once per RTT, however often it is reported. */
  #markLost(edges: Float64Array, ranges: number, nowMs: number): void {
    const ring = this.#ring
    const lingerMs = Math.max(GRANULARITY_MS, this.#rtt.srttMs)
    for (let i = 0; i < ranges; i++) {
      if (edges[2 * i]! < this.#low) this.#isSyncWanted = true
      for (let number = Math.max(edges[2 * i]!, this.#low); number < edges[2 * i + 1]!; number++) {
        const at = ring.index(number)
        if (ring.state[at] === PACKET.gone) this.#isSyncWanted = true
        if (ring.state[at] !== PACKET.inFlight) continue
        if (ring.sends[at]! > 1 && nowMs - ring.sentMs[at]! < lingerMs) continue
        // What the receiver didn't take for want of the opening was not lost.
        if (ring.sends[at]! > this.#resendsMax && ring.sentMs[at]! >= this.#openAnsweredMs) {
          this.#giveUp(number)
          continue
        }
        ring.state[at] = PACKET.lost
        this.#inFlightBytes -= ring.length[at]!
        this.#lost.push(number)
      }
    }
  }

  // Giving up: `best-effort` and `latest`. What is closest to being delivered is kept.

  /**
   * `best-effort`: gives up messages until there is room for so many packets, with what shares theirs; answers whether there is. Nothing that was done
   * is thrown away for what is still to be done: for the window the oldest go of which nothing was sent; for memory those before them that are on their
   * way, since they may arrive without it. A message that is half sent stays.
   */
  makeRoom(packets = 1): boolean {
    this.closePacket()
    while (this.roomPackets < packets) {
      let victim = this.#windowRoom() < packets ? -1 : this.#sentVictim(this.#next < this.#sendingTo ? this.#sendingFrom : this.#next)
      if (victim < 0) victim = this.#unsentVictim()
      if (victim < 0) return false
      this.#giveUp(victim)
    }
    return true
  }

  /** What was sent is kept within a window of its own. */
  #trimSent(): void {
    const { windowPackets, windowBytes } = this.#options
    while (this.#sentPackets > windowPackets || this.#sentBytes > windowBytes) {
      // More may follow of the one sent last.
      const victim = this.#sentVictim(this.#sendingFrom)
      if (victim < 0) return
      this.#giveUp(victim)
    }
  }

  /** A packet of the oldest message of which nothing was sent, or −1. */
  #unsentVictim(): number {
    let number = Math.max(this.#next, this.#sendingTo)
    while (number < this.#high && this.#ring.state[this.#ring.index(number)] !== PACKET.queued) number++
    return number < this.#high ? number : -1
  }

  /** A packet of a message sent before `end`, or −1: of the oldest that may arrive as it is; if something is known to be missing of each, of the oldest. */
  #sentVictim(end: number): number {
    const ring = this.#ring
    const oldest = this.#evictionStart()
    for (let number = oldest; number < end;) {
      const from = number
      let isPending = false
      let isMissing = false
      do {
        const state = ring.state[ring.index(number)]!
        if (isKept(state)) isPending = true
        if (state === PACKET.lost) isMissing = true
        number++
      } while (number < end && isRest(formOf(ring.delivery[ring.index(number)]!)))
      if (isPending && !isMissing) return from
    }
    return oldest < end ? oldest : -1
  }

  #evictionStart(): number {
    let from = Math.max(this.#evictFrom, this.#low)
    while (from < this.#high && !isKept(this.#ring.state[this.#ring.index(from)]!)) from++
    return (this.#evictFrom = from)
  }

  /** Gives up the message that a packet belongs to, or all messages in it. */
  #giveUp(number: number): void {
    const ring = this.#ring
    const formAt = (at: number): number => formOf(ring.delivery[ring.index(at)]!)
    let from = number
    let to = number + 1
    if (formAt(number) !== FORM.whole) {
      while (from > this.#low && formAt(from) !== FORM.first) from--
      while (to < this.#high && formAt(to - 1) !== FORM.last && formAt(to - 1) !== FORM.abandoned) to++
    }
    let wasSent = true
    let messages = 0
    for (let at = from; at < to; at++) {
      if (ring.sends[ring.index(at)] === 0) wasSent = false
      messages += this.#endedIn(at)
    }
    // What the receiver has of it already is of no use to it: the message is gone as a whole.
    for (let number = from; number < to; number++) {
      const at = ring.index(number)
      if (isKept(ring.state[at]!)) this.#settle(at, PACKET.gone)
      else ring.state[at] = PACKET.gone
      this.#gonePackets++
    }
    if (wasSent) this.#unconfirmed += messages
    else this.#dropped += messages
    this.#isSyncWanted = true
    if (from < this.#sendingTo && this.#sendingTo <= to) this.#stopSending()
    this.#compact(from)
  }

  #stopSending(): void {
    this.#sendingFrom = this.#sendingTo = this.#next
    this.#sendingBytes = 0
  }

  /** The receiver's edge can stand still for long while what was never sent is given up: its numbers are used again, but for one. `near`: one of them. */
  #compact(near: number): void {
    // Where the stream ends has been told.
    if (this.#state !== "open") return
    const ring = this.#ring
    let first = Math.max(near, this.#next)
    while (first > this.#next && ring.state[ring.index(first - 1)] === PACKET.gone) first--
    let end = first
    while (end < this.#high && ring.state[ring.index(end)] === PACKET.gone) end++
    const shift = end - first - 1
    if (shift < 1 || (shift < COMPACT_PACKETS && this.#high - this.#low < this.#options.spreadPackets / 2)) return
    ring.begun[ring.index(first)] = ring.begun[ring.index(end - 1)]!
    for (let number = end; number < this.#high; number++) {
      const from = ring.index(number)
      const to = ring.index(number - shift)
      ring.slot[to] = ring.slot[from]!
      ring.length[to] = ring.length[from]!
      ring.sends[to] = ring.sends[from]!
      ring.delivery[to] = ring.delivery[from]!
      ring.state[to] = ring.state[from]!
      ring.sentMs[to] = ring.sentMs[from]!
      ring.writtenMs[to] = ring.writtenMs[from]!
      ring.begun[to] = ring.begun[from]!
    }
    this.#high -= shift
    this.#gonePackets -= shift
    this.#evictFrom = Math.min(this.#evictFrom, first)
    this.#renumber(first, end, shift)
  }

  /**
   * `latest`: forgets what was written and not sent, but for the rest of a message that is half sent: something newer follows. Not if that had no
   * room all the same: answers whether there is some for so many packets.
   */
  supersede(packets = 1): boolean {
    const ring = this.#ring
    const end = Math.max(this.#next, this.#sendingTo)
    const unsent = this.#high - end + (this.#openSlot >= 0 ? 1 : 0)
    if (this.#state !== "open" || packets > this.windowPackets || packets > this.#pool.available + unsent) return false
    for (let number = end; number < this.#high; number++) this.#settle(ring.index(number), PACKET.none)
    const begun = end > this.#next ? ring.begun[ring.index(end - 1)]! : this.#begunSent
    // Nobody has seen their numbers: those are used again, and their identities too.
    this.#superseded += this.begun - begun
    this.#renumber(end, this.high, this.high - end)
    this.#high = end
    this.#begun = begun
    this.#openBytes = this.#openBegun = 0
    return this.roomPackets >= packets
  }

  /** Gives up what is too old, and gives back the memory of an idle stream. */
  handleTimeout(nowMs: number): void {
    if (this.#state === "open" || this.#state === "ending") {
      for (let number = this.#oldest(); number >= 0 && nowMs >= this.#ageMs(number); number = this.#oldest()) this.#giveUp(number)
    }
    if (nowMs < this.#idleMs) return
    this.#idleMs = Infinity
    if (this.#low !== this.#high || this.#openBytes > 0) return
    this.#releaseOpenSlot()
    this.#ring.clear()
  }

  /** When the message is too old that will be so first. */
  #expiryMs(): number {
    if (this.#lifetimeMs === Infinity) return Infinity
    const number = this.#oldest()
    return number < 0 ? Infinity : this.#ageMs(number)
  }

  /** A packet of the message that will be too old first, or −1: the oldest, or the one behind it while that is half sent. */
  #oldest(): number {
    const oldest = this.#evictionStart()
    if (oldest >= this.#high) return -1
    if (oldest < this.#sendingFrom || this.#next >= this.#sendingTo) return oldest
    const behind = this.#unsentVictim()
    return behind >= 0 && this.#ageMs(behind) < this.#ageMs(oldest) ? behind : oldest
  }

  /**
   * When the message of a packet is too old. One that was begun in time has as long again to be sent: on a path that is behind all are nearly too old
   * as their turn comes, and none would arrive.
   */
  #ageMs(number: number): number {
    const isHalfSent = number >= this.#sendingFrom && number < this.#sendingTo && this.#next < this.#sendingTo
    return this.#ring.writtenMs[this.#ring.index(number)]! + (isHalfSent ? 2 : 1) * this.#lifetimeMs
  }

  /** Says that the stream is over once all is delivered. Nothing can be written any more. */
  end(nowMs: number): void {
    if (this.#state !== "open") return
    this.closePacket()
    this.#releaseOpenSlot()
    this.#state = "ending"
    this.#closing.start(nowMs)
  }

  /** Gives up: the receiver drops what it hasn't dispatched. */
  reset(reason: number, nowMs: number): void {
    if (this.#state === "resetting" || this.#state === "closed") return
    this.closePacket()
    this.#wasDrained = this.isPast(this.#high)
    this.#forget()
    this.#state = "resetting"
    this.#wasReset = true
    this.#reason = reason
    this.#closing.start(nowMs)
  }

  /** The messages above the edge that the receiver took although others before them are missing: only where there is no order. */
  #takenAbove(): Set<number> | undefined {
    if (this.traits.isOrdered || this.#low === this.#next) return undefined
    const ring = this.#ring
    const taken = new Set<number>()
    // What goes on at the edge began below it, where all is acknowledged.
    let isWhole = true
    for (let number = this.#low; number < this.#next; number++) {
      const at = ring.index(number)
      const form = formOf(ring.delivery[at]!)
      const isReceived = ring.state[at] === PACKET.received
      isWhole = isReceived && (isWhole || !isRest(form))
      if (!isWhole || (form !== FORM.whole && form !== FORM.last)) continue
      for (let message = this.#begunBelow(number) - (form === FORM.last ? 1 : 0); message < ring.begun[at]!; message++) taken.add(message)
    }
    return taken
  }

  /** Nothing more becomes of what is left: it is accounted for, and its memory goes back. */
  #forget(): void {
    const ring = this.#ring
    if (this.#fates === undefined) {
      const others = this.#takenAbove()
      this.#fates = { acknowledged: this.messagesBelowLow, sent: this.#endedBelow(this.#next), others }
      this.#acknowledged += others?.size ?? 0
    }
    const { others } = this.#fates
    let wasSent = true
    for (let number = this.#low; number < this.#high; number++) {
      const at = ring.index(number)
      const form = formOf(ring.delivery[at]!)
      if (form === FORM.whole || form === FORM.first) wasSent = true
      if (ring.sends[at] === 0) wasSent = false
      if (ring.state[at] !== PACKET.gone && others?.has(ring.begun[at]! - 1) !== true) {
        if (wasSent) this.#unconfirmed += this.#endedIn(number)
        else this.#dropped += this.#endedIn(number)
      }
      if (isKept(ring.state[at]!)) this.#settle(at, PACKET.none)
    }
    // A message whose last piece was never written.
    this.#dropped += this.pendingMessages
    this.#releaseOpenSlot()
    this.#lost.length = this.#lostNext = 0
    this.#low = this.#next = this.#high
    this.#stopSending()
    this.#gonePackets = 0
    this.#begunBelowLow = this.#begunSent = this.#begun
    ring.clear()
    this.#isHeld = this.#isSyncWanted = false
    this.#syncDueMs = this.#idleMs = Infinity
  }

  #releaseOpenSlot(): void {
    if (this.#openSlot >= 0) this.#pool.release(this.#openSlot)
    this.#openSlot = -1
    this.#openBytes = this.#openBegun = 0
  }

  #close(): void {
    this.#forget()
    this.#state = "closed"
    this.#opening.stop()
    this.#closing.stop()
  }

  /** Announces the stream; before its first packet. */
  open(nowMs: number): void {
    this.#opening.start(nowMs)
  }

  /** When `handleTimeout`, `pollOpen`, `pollClose` or `pollSync` has something to do; `Infinity`: never. */
  get nextTimeoutMs(): number {
    const due = Math.min(this.#idleMs, this.#expiryMs())
    return this.#pace.isPaused ? due : Math.min(due, this.#opening.dueMs, this.#closeDueMs(), this.#syncMs())
  }

  #syncMs(): number {
    // Written after the receiver had no room: nothing is under way whose answer could tell that it has.
    if (this.#syncDueMs === Infinity && this.#isStuck()) return this.#lastSyncMs + SYNC_MS_MAX
    // What is gone is told at once, but not with each message that is given up.
    return this.#isSyncWanted ? this.#lastSyncMs + Math.max(GRANULARITY_MS, this.#rtt.srttMs / 4) : this.#syncDueMs
  }

  /** Whether something is to be sent for which the receiver has no room. */
  #isStuck(): boolean {
    return this.#isHeld && this.#firstQueued() < this.#high && this.#nextToSend() < 0
  }

  /** The end of a stream that asks for nothing again goes behind its data, or it would overtake it. */
  #closeDueMs(): number {
    const isWaiting = this.#isUnanswered && this.#state === "ending" && !this.isDrained
    return isWaiting ? Infinity : this.#closing.dueMs
  }

  /** The opening, if it is time to say it (again). */
  pollOpen(nowMs: number): Open | undefined {
    if (this.#opening.dueMs > nowMs) return undefined
    this.#opening.said(nowMs, this.#rtt.ptoMs, this.#pace)
    return { stream: this.id, first: this.#first, mode: this.mode, priority: this.priority, metadata: this.metadata }
  }

  /** The end or the reset, if it is time to say it (again). A reset is told by its `reason`. */
  pollClose(nowMs: number): End | Reset | undefined {
    if (this.#closeDueMs() > nowMs) return undefined
    this.#closing.said(nowMs, this.#rtt.ptoMs, this.#pace)
    const end = { stream: this.id, final: this.traits.isNumbered ? this.#high : 0, begun: this.#begun }
    return this.#state === "resetting" ? { ...end, reason: this.#reason } : end
  }

  /** Fills in a sync with at most so many gone ranges, if one is due: nothing moved for a PTO, or the receiver has to learn what is gone. */
  pollSync(nowMs: number, sync: Sync, rangesMax: number = RANGES_MAX): boolean {
    if (this.#syncMs() > nowMs) return false
    // What was given up before it was sent is told like the rest: its numbers stay from now on.
    this.#next = this.#firstQueued()
    this.#begunSent = this.#begunBelow(this.#next)
    this.#isSyncWanted = false
    this.#lastSyncMs = nowMs
    this.#syncsInVain++
    sync.stream = this.id
    sync.mode = this.mode
    sync.high = this.#next
    this.#listGone(sync, Math.min(rangesMax, RANGES_MAX))
    this.#syncsSent++
    this.#armSync(nowMs)
    return true
  }

  /** The low mark goes past what is gone right above the receiver's edge; ranges tell of the rest. */
  #listGone(sync: Sync, rangesMax: number): void {
    const ring = this.#ring
    const isGone = (number: number): boolean => ring.state[ring.index(number)] === PACKET.gone
    let number = this.#low
    while (this.#gonePackets > 0 && number < this.#next && isGone(number)) number++
    sync.low = number
    sync.begun = this.#begunBelow(number)
    const { gone } = sync
    gone.count = 0
    let left = this.#gonePackets - (number - this.#low)
    while (left > 0 && number < this.#next && gone.count < rangesMax) {
      const from = number
      while (number < this.#next && isGone(number)) number++
      if (number > from) {
        gone.edges[2 * gone.count] = from
        gone.edges[2 * gone.count + 1] = number
        gone.begun[gone.count++] = this.#begunBelow(number)
        left -= number - from
      } else {
        number++
      }
    }
  }

  /** The peer is heard again after a silence: what was said further and further apart is said soon. */
  handleReachable(nowMs: number): void {
    if (this.#opening.isActive) this.#opening.start(nowMs)
    if (this.#closing.isActive) this.#closing.start(nowMs)
    this.#syncIntervalMs = this.#syncsInVain = 0
    this.#armSync(nowMs)
    if (this.#syncDueMs !== Infinity) this.#syncDueMs = nowMs
  }

  /** The first sync after a PTO and the peer's delay, then further and further apart. */
  #armSync(nowMs: number): void {
    const isWaiting = this.#low < this.#next || (this.#isHeld && this.#next < this.#high)
    if (!isWaiting || this.#isUnanswered || this.#state === "resetting" || this.#state === "closed") {
      this.#syncDueMs = Infinity
      return
    }
    const { srttMs, ptoMs } = this.#rtt
    const first = Math.min(ptoMs, FIRST_SYNC_MS_MAX) + this.#options.peerStatusDelayMs
    const usual = Math.max(SYNC_MS_MAX, SYNC_PACE * this.#pace.intervalMs, 2 * srttMs, first)
    const most = this.#syncsInVain <= (this.#isHeld ? SYNCS_SOON_HELD : SYNCS_SOON) ? usual : Math.max(usual, this.#pace.intervalMs)
    this.#syncIntervalMs = this.#syncIntervalMs === 0 ? first : Math.min(2 * this.#syncIntervalMs, most)
    this.#syncDueMs = this.#pace.align(nowMs, this.#syncIntervalMs)
  }

  /** For tests: throws where the numbers contradict each other. */
  assertInvariants(): void {
    const ring = this.#ring
    let packets = 0
    let bytes = 0
    let inFlight = 0
    let sent = 0
    let gone = 0
    let pending = this.#openBegun
    for (let number = this.#low; number < this.#high; number++) {
      const at = ring.index(number)
      const state = ring.state[at]!
      if (state === PACKET.none) throw new Error(`packet ${number} between the marks has no state`)
      if (number >= this.#next && state !== PACKET.queued && state !== PACKET.gone)
        throw new Error(`packet ${number} was not sent but is in state ${state}`)
      if (isKept(state) !== ring.slot[at]! >= 0) throw new Error(`packet ${number} in state ${state} has slot ${ring.slot[at]}`)
      if (isKept(state)) {
        packets++
        bytes += ring.length[at]!
      }
      if (state === PACKET.gone) gone++
      else pending += this.#endedIn(number)
      if (state === PACKET.inFlight) inFlight += ring.length[at]!
      if (state === PACKET.inFlight || state === PACKET.lost) sent++
    }
    const expect = (name: string, is: number, should: number): void => {
      if (is !== should) throw new Error(`${name} is ${is}, counted ${should}`)
    }
    expect("unackedPackets", this.#unackedPackets, packets)
    expect("unackedBytes", this.#unackedBytes, bytes)
    expect("inFlightBytes", this.#inFlightBytes, inFlight)
    expect("sentPackets", this.#sentPackets, sent)
    expect("gonePackets", this.#gonePackets, gone)
    // One message may be begun whose last piece isn't written yet.
    if (this.pendingMessages !== pending && this.pendingMessages !== pending + 1)
      throw new Error(`${this.pendingMessages} messages are pending, counted ${pending}`)
    if (!(this.#first <= this.#low && this.#low <= this.#next && this.#next <= this.#high)) throw new Error("marks are out of order")
    if (this.#high - this.#low > this.#options.spreadPackets) throw new Error("more packets than the spread allows")
    if (this.#heldPackets() > this.#options.windowPackets) throw new Error("more packets than the window allows")
    // What was sent last is kept whatever it takes.
    const kept = this.#isWaiting ? Infinity : this.#options.windowPackets + Math.max(0, this.#next - this.#sendingFrom)
    if (this.#sentPackets > kept) throw new Error("more packets are kept that were sent than the window allows")
  }
}

/** Whether a packet in this state still needs its bytes. */
function isKept(state: number): boolean {
  return state === PACKET.queued || state === PACKET.inFlight || state === PACKET.lost
}

/** Whether a packet of this form goes on with a message that was begun before. */
function isRest(form: number): boolean {
  return form === FORM.middle || form === FORM.last
}

function lastEdge({ count, edges }: { readonly count: number; readonly edges: Float64Array }): number {
  return count === 0 ? 0 : edges[2 * count - 1]!
}
