/**
 * The sending end of a stream: numbers packets, keeps them until acknowledged, sends again what is asked for, and asks for a status when
 * nothing moves (PROTOCOL.md §8). Knows payloads, not messages.
 *
 * @module
 */

import {
  deliveryByte,
  FORM,
  isNumber,
  MODE,
  type Mode,
  NUMBER_MAX,
  type Open,
  type PacketDropReason,
  REASON,
  type Reset,
  type End,
  type Status,
  STATUS,
  type Sync,
} from "@x/wire"
import { type StreamOptions } from "./options.ts"
import { Repeater } from "./repeater.ts"
import { GRANULARITY_MS, type RttEstimator } from "./rtt.ts"
import { PACKET, SendRing } from "./send-ring.ts"

/** Open, end and reset are repeated at most this far apart, milliseconds. */
const REPEAT_MS_MAX = 1_000
/** Syncs are at most this far apart while the peer is heard, milliseconds, or two RTTs if longer. */
const SYNC_MS_MAX = 100
/** And so far once it is not. */
const SYNC_MS_UNREACHABLE = 1_000

export interface SendStreamOptions {
  readonly id: number
  readonly mode: Mode
  readonly options: StreamOptions
  readonly rtt: RttEstimator
  /** Number of the first packet, default 0. */
  readonly first?: number
  /** Default 128; higher goes first. */
  readonly priority?: number
  /** Opaque, told to the peer with the opening. */
  readonly metadata?: Uint8Array
}

/** Where a stream's life stands, seen from its sender. */
export type SendState = "open" | "ending" | "resetting" | "closed"

/** A packet to send, as `take` fills it in. */
export interface OutgoingPacket {
  number: number
  delivery: number
  /** Where the payload is in `slab`. */
  offset: number
  length: number
  /** A status is wanted: the packet fills the window or empties the queue. */
  wanted: boolean
  isResend: boolean
}

export function createOutgoingPacket(): OutgoingPacket {
  return { number: 0, delivery: 0, offset: 0, length: 0, wanted: false, isResend: false }
}

export class SendStream {
  readonly id: number
  readonly mode: Mode
  readonly priority: number
  readonly metadata: Uint8Array
  readonly #options: StreamOptions
  readonly #rtt: RttEstimator
  readonly #ring: SendRing
  readonly #first: number
  /** All below are acknowledged. */
  #low: number
  /** The first packet never sent. */
  #next: number
  /** The number of the next packet to be closed; an open one has this number already. */
  #high: number
  #openBytes = 0
  #openBegun = 0
  #begun = 0
  #begunBelowLow = 0
  #unackedBytes = 0
  #unackedPackets = 0
  #inFlightBytes = 0
  /** Packets to send again, oldest report first. */
  readonly #lost: number[] = []
  #lostNext = 0
  #state: SendState = "open"
  #reason: number = REASON.unspecified
  #isOpenAnswered = false
  readonly #opening = new Repeater()
  readonly #closing = new Repeater()
  /** When the cumulative edge last moved, or the oldest packet was last sent. */
  #syncDueMs = Infinity
  #syncIntervalMs = 0
  #isSyncWanted = false
  #isReachable = true
  #resentPackets = 0
  #syncsSent = 0

  constructor({ id, mode, options, rtt, first = 0, priority = 128, metadata = new Uint8Array(0) }: SendStreamOptions) {
    if (!isNumber(first)) throw new RangeError(`first must be a packet number from 0 to ${NUMBER_MAX}, not ${first}`)
    this.id = id
    this.mode = mode
    this.priority = priority
    this.metadata = metadata
    this.#options = options
    this.#rtt = rtt
    this.#ring = new SendRing(options.payloadBytesMax, options.headRoomBytes, options.tailRoomBytes)
    this.#first = this.#low = this.#next = this.#high = mode === MODE["fire-and-forget"] ? 0 : first
  }

  get state(): SendState {
    return this.#state
  }

  /** Why it was reset, one of `REASON` or the application's. */
  get reason(): number {
    return this.#reason
  }

  get payloadBytesMax(): number {
    return this.#options.payloadBytesMax
  }

  get slab(): Uint8Array {
    return this.#ring.slab
  }

  get view(): DataView {
    return this.#ring.view
  }

  /** Changes when `slab` is replaced by a larger one. */
  get slabVersion(): number {
    return this.#ring.slabVersion
  }

  /** Messages begun so far: the identity of the next one. */
  get begun(): number {
    return this.#begun + this.#openBegun
  }

  /** The edge below which all packets are acknowledged, and the number of the next packet. */
  get low(): number {
    return this.#low
  }

  get high(): number {
    return this.#openBytes > 0 ? this.#high + 1 : this.#high
  }

  get unackedPackets(): number {
    return this.#unackedPackets
  }

  get unackedBytes(): number {
    return this.#unackedBytes
  }

  /** Bytes that were sent and are neither acknowledged nor reported missing. */
  get inFlightBytes(): number {
    return this.#inFlightBytes
  }

  get resentPackets(): number {
    return this.#resentPackets
  }

  get syncsSent(): number {
    return this.#syncsSent
  }

  /** Whether all that was written is acknowledged (for fire-and-forget: sent). */
  get isDrained(): boolean {
    return this.#openBytes === 0 && this.#low === this.#high
  }

  /** Whether the peer has heard of the stream. */
  get isOpenAnswered(): boolean {
    return this.#isOpenAnswered
  }

  /** Whether a packet with so many payload bytes or more waits for its acknowledgement. */
  hasUnacked(payloadBytes: number): boolean {
    for (let number = this.#low; number < this.#next; number++) {
      const at = this.#ring.index(number)
      if (this.#ring.state[at] !== PACKET.received && this.#ring.length[at]! >= payloadBytes) return true
    }
    return false
  }

  /** Packets that could be begun now; the open one has its place already. */
  get roomPackets(): number {
    if (this.#state !== "open") return 0
    const { windowPackets, windowBytes, spreadPackets, payloadBytesMax } = this.#options
    const unsent = this.high - this.#low
    const packets = Math.min(windowPackets - this.#unackedPackets, spreadPackets - unsent, NUMBER_MAX - this.high)
    const bytes = this.#unackedPackets === 0 ? Math.max(windowBytes, payloadBytesMax) : windowBytes
    return Math.max(
      0,
      Math.min(packets - (this.#openBytes > 0 ? 1 : 0), Math.floor((bytes - this.#unackedBytes - this.#openBytes) / payloadBytesMax)),
    )
  }

  /**
   * Room for `bytes` of whole messages in the open packet, or in a new one if they don't fit: an offset in `slab`, or −1 while the window is
   * shut. Nothing has happened until `commit`.
   */
  reserve(bytes: number): number {
    if (bytes > this.#options.payloadBytesMax) throw new RangeError(`${bytes} B don't fit a payload of ${this.#options.payloadBytesMax} B`)
    if (this.#openBytes > 0 && this.#openBytes + bytes <= this.#options.payloadBytesMax && this.#state === "open")
      return this.#ring.payloadOffset(this.#high) + this.#openBytes
    if (this.roomPackets === 0) return -1
    this.closePacket()
    this.#ring.makeRoom(this.#low, this.#high)
    return this.#ring.payloadOffset(this.#high)
  }

  /** One whole message of `bytes`, header included, was written where `reserve` said. */
  commit(bytes: number): void {
    this.#openBytes += bytes
    this.#openBegun++
  }

  /** Room for one piece of a large message, which has a packet of its own: an offset in `slab`, or −1 while the window is shut. */
  reservePiece(): number {
    if (this.roomPackets === 0) return -1
    this.closePacket()
    this.#ring.makeRoom(this.#low, this.#high)
    return this.#ring.payloadOffset(this.#high)
  }

  /** A piece of this form and length, header included, was written. */
  commitPiece(form: number, bytes: number): void {
    if (form === FORM.first) this.#begun++
    this.#append(bytes, form)
  }

  /** Closes the open packet: what comes next goes into another, and this one may be sent. */
  closePacket(): void {
    if (this.#openBytes === 0) return
    const bytes = this.#openBytes
    this.#begun += this.#openBegun
    this.#openBytes = this.#openBegun = 0
    this.#append(bytes, FORM.whole)
  }

  #append(bytes: number, form: number): void {
    const ring = this.#ring
    const at = ring.index(this.#high)
    ring.length[at] = bytes
    ring.delivery[at] = deliveryByte(this.mode, form)
    ring.state[at] = PACKET.queued
    ring.sends[at] = 0
    ring.begun[at] = this.#begun
    this.#high++
    this.#unackedPackets++
    this.#unackedBytes += bytes
  }

  /** Payload bytes of the packet that `take` would give, or −1 when there is none. */
  peek(): number {
    const number = this.#nextToSend()
    return number < 0 ? -1 : this.#ring.length[this.#ring.index(number)]!
  }

  /** Gives the next packet to send, lost ones first, and counts it as sent now. */
  take(nowMs: number, out: OutgoingPacket): boolean {
    const number = this.#nextToSend()
    if (number < 0) return false
    const ring = this.#ring
    const at = ring.index(number)
    out.number = number
    out.delivery = ring.delivery[at]!
    out.offset = ring.payloadOffset(number)
    out.length = ring.length[at]!
    out.isResend = ring.sends[at]! > 0
    ring.sends[at]!++
    ring.sentMs[at] = nowMs
    if (out.isResend) {
      this.#lostNext++
      this.#resentPackets++
    } else {
      this.#next++
    }
    if (this.mode === MODE["fire-and-forget"]) {
      out.wanted = false
      this.#settle(at)
      this.#low = this.#next
      return true
    }
    ring.state[at] = PACKET.inFlight
    this.#inFlightBytes += out.length
    out.wanted = this.#nextToSend() < 0 && (this.#openBytes === 0 || this.roomPackets === 0)
    if (this.#syncDueMs === Infinity) this.#armSync(nowMs)
    return true
  }

  #nextToSend(): number {
    const ring = this.#ring
    while (this.#lostNext < this.#lost.length) {
      const number = this.#lost[this.#lostNext]!
      if (number >= this.#low && ring.state[ring.index(number)] === PACKET.lost) return number
      this.#lostNext++
    }
    this.#lost.length = this.#lostNext = 0
    return this.#next < this.#high ? this.#next : -1
  }

  /** The packet at a ring index needs no more sending. */
  #settle(at: number): void {
    const ring = this.#ring
    if (ring.state[at] === PACKET.inFlight) this.#inFlightBytes -= ring.length[at]!
    this.#unackedPackets--
    this.#unackedBytes -= ring.length[at]!
  }

  /** Applies a status. Answers why it can't be one of this stream's, or `undefined`. */
  handleStatus(status: Status, nowMs: number): PacketDropReason | undefined {
    if (this.#state === "closed") return undefined
    const highest = Math.max(status.cumulative, lastEdge(status.received), lastEdge(status.missing))
    if ((status.state & STATUS.startUnknown) !== 0) {
      if (!this.#isOpenAnswered || this.#low === this.#first) this.#opening.start(nowMs)
      return undefined
    }
    if (highest > this.#next) return "not-sent"
    this.#isOpenAnswered = true
    this.#opening.stop()
    if (this.#state !== "open" && (status.state & STATUS.closed) !== 0) {
      this.#close()
      return undefined
    }
    if (this.mode === MODE["fire-and-forget"] || this.#state === "resetting") return undefined
    const hasMoved = this.#acknowledge(status)
    this.#markLost(status, nowMs)
    if (hasMoved) {
      this.#syncIntervalMs = 0
      this.#armSync(nowMs)
    }
    return undefined
  }

  /** Moves the low mark and frees what was received above it. */
  #acknowledge(status: Status): boolean {
    const ring = this.#ring
    const before = this.#unackedPackets
    for (; this.#low < status.cumulative; this.#low++) {
      const at = ring.index(this.#low)
      if (ring.state[at] !== PACKET.received) this.#settle(at)
      ring.state[at] = PACKET.none
      this.#begunBelowLow = ring.begun[at]!
    }
    const { edges, count } = status.received
    for (let i = 0; i < count; i++) {
      for (let number = Math.max(edges[2 * i]!, this.#low); number < edges[2 * i + 1]!; number++) {
        const at = ring.index(number)
        if (ring.state[at] === PACKET.received) continue
        this.#settle(at)
        ring.state[at] = PACKET.received
      }
    }
    return this.#unackedPackets < before
  }

  /** Queues what is reported missing, each packet at most once per RTT, however often it is reported. */
  #markLost(status: Status, nowMs: number): void {
    const ring = this.#ring
    const { edges, count } = status.missing
    const lingerMs = Math.max(GRANULARITY_MS, this.#rtt.srttMs)
    for (let i = 0; i < count; i++) {
      if (edges[2 * i]! < this.#low) this.#isSyncWanted = true
      for (let number = Math.max(edges[2 * i]!, this.#low); number < edges[2 * i + 1]!; number++) {
        const at = ring.index(number)
        if (ring.state[at] !== PACKET.inFlight) continue
        if (ring.sends[at]! > 1 && nowMs - ring.sentMs[at]! < lingerMs) continue
        ring.state[at] = PACKET.lost
        this.#inFlightBytes -= ring.length[at]!
        this.#lost.push(number)
      }
    }
  }

  /** Says that the stream is over once all is delivered. Nothing can be written any more. */
  end(nowMs: number): void {
    if (this.#state !== "open") return
    this.closePacket()
    this.#state = "ending"
    this.#closing.start(nowMs)
  }

  /** Gives up: the receiver drops what it hasn't dispatched. */
  reset(reason: number, nowMs: number): void {
    if (this.#state === "resetting" || this.#state === "closed") return
    this.#openBytes = this.#openBegun = 0
    this.#state = "resetting"
    this.#reason = reason
    this.#lost.length = this.#lostNext = 0
    this.#next = this.#high
    this.#syncDueMs = Infinity
    this.#closing.start(nowMs)
  }

  #close(): void {
    this.#state = "closed"
    this.#opening.stop()
    this.#closing.stop()
    this.#syncDueMs = Infinity
    this.#lost.length = this.#lostNext = 0
  }

  /** Announces the stream; before its first packet. */
  open(nowMs: number): void {
    this.#opening.start(nowMs)
  }

  /** When `pollOpen`, `pollClose` or `pollSync` has something to say; `Infinity`: never. */
  get nextTimeoutMs(): number {
    return Math.min(this.#opening.dueMs, this.#closeDueMs, this.#isSyncWanted ? -Infinity : this.#syncDueMs)
  }

  /** The end of a stream that asks for nothing again goes behind its data, or it would overtake it. */
  get #closeDueMs(): number {
    const isWaiting = this.mode === MODE["fire-and-forget"] && this.#state === "ending" && !this.isDrained
    return isWaiting ? Infinity : this.#closing.dueMs
  }

  /** The opening, if it is time to say it (again). */
  pollOpen(nowMs: number): Open | undefined {
    if (this.#opening.dueMs > nowMs) return undefined
    this.#opening.said(nowMs, this.#rtt.ptoMs, REPEAT_MS_MAX)
    return { stream: this.id, first: this.#first, mode: this.mode, priority: this.priority, metadata: this.metadata }
  }

  /** The end or the reset, if it is time to say it (again). A reset is told by its `reason`. */
  pollClose(nowMs: number): End | Reset | undefined {
    if (this.#closeDueMs > nowMs) return undefined
    this.#closing.said(nowMs, this.#rtt.ptoMs, REPEAT_MS_MAX)
    const end = { stream: this.id, final: this.mode === MODE["fire-and-forget"] ? 0 : this.#high, begun: this.#begun }
    return this.#state === "resetting" ? { ...end, reason: this.#reason } : end
  }

  /** Fills in a sync, if one is due: nothing moved for a PTO, or the receiver asked for what is below the low mark. */
  pollSync(nowMs: number, sync: Sync): boolean {
    if (!this.#isSyncWanted && this.#syncDueMs > nowMs) return false
    this.#isSyncWanted = false
    sync.stream = this.id
    sync.mode = this.mode
    sync.low = this.#low
    sync.high = this.#next
    sync.begun = this.#begunBelowLow
    sync.gone.count = 0
    this.#syncsSent++
    this.#armSync(nowMs)
    return true
  }

  /** The peer is silent, or is heard again: then what was said further and further apart is said soon. */
  handleReachable(isReachable: boolean, nowMs: number): void {
    this.#isReachable = isReachable
    if (!isReachable) return
    if (this.#opening.isActive) this.#opening.start(nowMs)
    if (this.#closing.isActive) this.#closing.start(nowMs)
    this.#syncIntervalMs = 0
    this.#armSync(nowMs)
  }

  /** The first sync after a PTO and the peer's delay, then further and further apart. */
  #armSync(nowMs: number): void {
    if (this.#low >= this.#next || this.#state === "resetting" || this.#state === "closed") {
      this.#syncDueMs = Infinity
      return
    }
    const { srttMs, ptoMs } = this.#rtt
    const first = ptoMs + this.#options.peerStatusDelayMs
    this.#syncIntervalMs =
      this.#syncIntervalMs === 0
        ? first
        : Math.min(2 * this.#syncIntervalMs, Math.max(this.#isReachable ? SYNC_MS_MAX : SYNC_MS_UNREACHABLE, 2 * srttMs, first))
    this.#syncDueMs = nowMs + this.#syncIntervalMs
  }

  /** For tests: throws where the numbers contradict each other. */
  assertInvariants(): void {
    const ring = this.#ring
    let packets = 0
    let bytes = 0
    let inFlight = 0
    for (let number = this.#low; number < this.#high; number++) {
      const at = ring.index(number)
      const state = ring.state[at]!
      if (state === PACKET.none) throw new Error(`packet ${number} between the marks has no state`)
      if (number >= this.#next && state !== PACKET.queued && this.#state !== "resetting")
        throw new Error(`packet ${number} was not sent but is in state ${state}`)
      if (state !== PACKET.received) {
        packets++
        bytes += ring.length[at]!
      }
      if (state === PACKET.inFlight) inFlight += ring.length[at]!
    }
    const expect = (name: string, is: number, should: number): void => {
      if (is !== should) throw new Error(`${name} is ${is}, counted ${should}`)
    }
    expect("unackedPackets", this.#unackedPackets, packets)
    expect("unackedBytes", this.#unackedBytes, bytes)
    expect("inFlightBytes", this.#inFlightBytes, inFlight)
    if (!(this.#first <= this.#low && this.#low <= this.#next && this.#next <= this.#high)) throw new Error("marks are out of order")
    if (this.#high - this.#low > this.#options.spreadPackets) throw new Error("more packets than the spread allows")
    if (this.#unackedPackets > this.#options.windowPackets) throw new Error("more packets than the window allows")
  }
}

function lastEdge({ count, edges }: { readonly count: number; readonly edges: Float64Array }): number {
  return count === 0 ? 0 : edges[2 * count - 1]!
}
