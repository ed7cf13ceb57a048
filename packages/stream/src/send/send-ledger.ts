/**
 * What a sender knows of its numbered packets, from the moment each is written until the receiver's edge has passed it:
 * columns by number, and the counts that follow from them. The payloads lie in slots of a pool. The file is long, but
 * one thing: each step changes columns and counts together, the questions about one packet read a column each, and the
 * check at the end says how the counts follow.
 *
 * @module
 */

import { deliveryByte, FORM, type Form, formOf, type Mode, traitsOf, ZERO } from "@x/wire"
import type { PacketSlots } from "../packet-pool.ts"
import type { OutgoingPacket } from "./outgoing-packet.ts"
import { type ByteAllowance, isKept, isRest, PACKET, SendRing, SENDS_MAX } from "./send-ring.ts"

/** The packets of one stream, by number: `[low, high)`. Those from `next` on were never sent. */
export class SendLedger {
  readonly #pool: PacketSlots
  readonly #mode: Mode
  readonly #headRoomBytes: number
  readonly #ring: SendRing
  #low: number
  #next: number
  #firstQueued: number
  #high: number
  #begun = ZERO
  #begunBelowLow = ZERO
  #isUnfinished = false
  #unackedBytes = 0
  #unackedPackets = 0
  #sentBytes = ZERO
  #sentPackets = ZERO
  #inFlightBytes = 0
  #gonePackets = ZERO

  /**
   * `first`: the number of the first packet; `headRoomBytes`: the room before the payload in a slot; `tables`: what
   * memory for many packets is charged to.
   */
  constructor(pool: PacketSlots, mode: Mode, first: number, headRoomBytes: number, tables?: ByteAllowance) {
    // In the other modes no message grows too old.
    this.#ring = new SendRing(tables, traitsOf(mode).givesUp)
    this.#pool = pool
    this.#mode = mode
    this.#headRoomBytes = headRoomBytes
    this.#low = this.#next = this.#firstQueued = this.#high = first
  }

  /** The receiver's edge as last reported: all packets below are acknowledged, or known by the receiver to be gone. */
  get low(): number {
    return this.#low
  }

  /** The first packet that was never sent. */
  get next(): number {
    return this.#next
  }

  /** The first packet that was neither sent nor given up unsent; `high`: there is none. */
  get firstQueued(): number {
    return this.#firstQueued
  }

  /** The number of the next packet to be written. */
  get high(): number {
    return this.#high
  }

  /** Messages begun in all packets so far. */
  get begun(): number {
    return this.#begun
  }

  /** Whether the last message lacks pieces. */
  get isUnfinished(): boolean {
    return this.#isUnfinished
  }

  /** Packets that are neither acknowledged nor given up. */
  get unackedPackets(): number {
    return this.#unackedPackets
  }

  /** Their payload bytes. */
  get unackedBytes(): number {
    return this.#unackedBytes
  }

  /** Sent packets that are kept to be sent again. */
  get sentPackets(): number {
    return this.#sentPackets
  }

  /** Their payload bytes. */
  get sentBytes(): number {
    return this.#sentBytes
  }

  /** Payload bytes that were sent and are neither acknowledged nor reported missing. */
  get inFlightBytes(): number {
    return this.#inFlightBytes
  }

  /** Packets that were given up and that the receiver's edge has not passed yet. */
  get gonePackets(): number {
    return this.#gonePackets
  }

  /** Packets that it has memory for. */
  get rows(): number {
    return this.#ring.rows
  }

  /** How many of so many packets more could be written, by the memory for what is known of them. */
  roomFor(packets: number): number {
    const written = this.#high - this.#low
    return Math.max(0, this.#ring.roomFor(written + packets) - written)
  }

  /** Makes sure that one more packet can be written; `false`: there is no memory for it. */
  makeRoom(): boolean {
    return this.#ring.makeRoom(this.#high + 1 - this.#low)
  }

  /** The state of a packet between the marks, one of `PACKET`. */
  state(number: number): number {
    return this.#ring.state[this.#ring.index(number)]!
  }

  /** Whether a packet between the marks is kept, to be sent or sent again. */
  isKept(number: number): boolean {
    return isKept(this.#ring.state[this.#ring.index(number)]!)
  }

  /** The form of a packet between the marks. */
  form(number: number): Form {
    return formOf(this.#ring.delivery[this.#ring.index(number)]!)
  }

  /** How often a packet between the marks was sent, up to `SENDS_MAX`. */
  sends(number: number): number {
    return this.#ring.sends[this.#ring.index(number)]!
  }

  /** When a packet that was sent was last sent. */
  sentMs(number: number): number {
    return this.#ring.sentMs[this.#ring.index(number)]!
  }

  /** The pool's slot of a packet that is kept. */
  slot(number: number): number {
    return this.#ring.slot[this.#ring.index(number)]!
  }

  /** Payload bytes of a packet. */
  bytes(number: number): number {
    return this.#ring.length[this.#ring.index(number)]!
  }

  /** When a packet was written, in a mode that gives messages up; else 0. */
  writtenMs(number: number): number {
    return this.#writtenAt(this.#ring.index(number))
  }

  #writtenAt(at: number): number {
    return this.#ring.hasAges ? this.#ring.writtenMs[at]! : 0
  }

  /** Messages begun below a packet; the packet may be the one after the last. */
  begunBelow(number: number): number {
    return number === this.#low ? this.#begunBelowLow : this.#begunAt(this.#ring.index(number - 1))
  }

  /** Messages begun up to and including a packet between the marks. */
  begunWith(number: number): number {
    return this.#begunAt(this.#ring.index(number))
  }

  /** The ring has it modulo 2^32. */
  #begunAt(at: number): number {
    const before = this.#begunBelowLow
    return before + ((this.#ring.begun[at]! - before) >>> 0)
  }

  /** Messages that end below a packet: all that were begun there, except for one that continues in it. */
  endedBelow(number: number): number {
    const goesOn = number < this.#high ? isRest(this.form(number)) : this.#isUnfinished
    return this.begunBelow(number) - (goesOn ? 1 : 0)
  }

  /** Messages that end in a packet between the marks. */
  endedIn(number: number): number {
    return this.#endedAt(this.#ring.index(number), this.begunBelow(number))
  }

  #endedAt(at: number, begunBelow: number): number {
    const form = formOf(this.#ring.delivery[at]!)
    if (form === FORM.whole) return this.#begunAt(at) - begunBelow
    return form === FORM.last ? 1 : 0
  }

  /** A packet was written, for which there is room: it has the next number. `begun`: messages that begin in it. */
  append(slot: number, bytes: number, form: number, begun: number, writtenMs: number): void {
    const ring = this.#ring
    ring.makeRoom(this.#high + 1 - this.#low)
    const at = ring.index(this.#high)
    ring.slot[at] = slot
    ring.length[at] = bytes
    ring.delivery[at] = deliveryByte(this.#mode, form)
    ring.state[at] = PACKET.queued
    ring.sends[at] = 0
    if (ring.hasAges) ring.writtenMs[at] = writtenMs
    this.#begun += begun
    ring.begun[at] = this.#begun
    this.#isUnfinished = form === FORM.first || form === FORM.middle
    this.#high++
    this.#unackedPackets++
    this.#unackedBytes += bytes
  }

  /** Fills in a packet that is sent now, for the first time or again, and keeps it until it is acknowledged. */
  send(number: number, nowMs: number, out: OutgoingPacket): void {
    const ring = this.#ring
    const at = ring.index(number)
    const sends = ring.sends[at]!
    const bytes = this.#fill(at, number, out)
    out.isResend = sends > 0
    out.isCopy = false
    if (sends < SENDS_MAX) ring.sends[at] = sends + 1
    ring.sentMs[at] = nowMs
    ring.state[at] = PACKET.inFlight
    this.#inFlightBytes += bytes
    if (sends > 0) return
    this.#next = number + 1
    this.#sentPackets++
    this.#sentBytes += bytes
    this.#firstQueued = number + 1
    if (this.#gonePackets > 0) this.#skipGone()
  }

  /** Fills in a packet that is kept, and changes nothing. */
  fill(number: number, out: OutgoingPacket): void {
    this.#fill(this.#ring.index(number), number, out)
  }

  /** More of a packet in flight is sent: it counts as sent now. */
  sendMore(number: number, nowMs: number): void {
    this.#ring.sentMs[this.#ring.index(number)] = nowMs
  }

  /**
   * Like `send`, for modes without acknowledgements: the packet and all below it are forgotten. Returns how many
   * messages end in it.
   */
  sendUnanswered(number: number, out: OutgoingPacket): number {
    const ring = this.#ring
    const at = ring.index(number)
    this.#fill(at, number, out)
    out.isResend = out.isCopy = false
    const ended = this.#endedAt(at, this.begunBelow(number))
    this.#settle(at, PACKET.none)
    this.#low = this.#next = this.#firstQueued = number + 1
    this.#begunBelowLow = this.#begunAt(at)
    return ended
  }

  /** Fills in a packet in flight that is sent once more, in case it is lost. Nothing is known of it by that. */
  copy(number: number, out: OutgoingPacket): void {
    this.#fill(this.#ring.index(number), number, out)
    out.isResend = false
    out.isCopy = true
  }

  #fill(at: number, number: number, out: OutgoingPacket): number {
    const ring = this.#ring
    const pool = this.#pool
    const slot = ring.slot[at]!
    out.number = number
    out.delivery = ring.delivery[at]!
    out.slot = slot
    out.isShared = pool.isShared(slot)
    out.bytes = pool.bytes(slot)
    out.view = pool.view(slot)
    out.offset = pool.offset(slot) + this.#headRoomBytes
    out.partOffset = -1
    return (out.length = ring.length[at]!)
  }

  #skipGone(): void {
    while (this.#firstQueued < this.#high && this.state(this.#firstQueued) === PACKET.gone) this.#firstQueued++
  }

  /** A packet in flight was reported missing. */
  lose(number: number): void {
    const ring = this.#ring
    const at = ring.index(number)
    ring.state[at] = PACKET.lost
    this.#inFlightBytes -= ring.length[at]!
  }

  /**
   * The receiver's edge has moved. Returns how many messages the receiver has by that: those that end in packets that
   * were not given up.
   */
  advance(edge: number): number {
    const ring = this.#ring
    let ended = 0
    while (this.#low < edge) {
      const at = ring.index(this.#low)
      const state = ring.state[at]!
      if (state === PACKET.gone) this.#gonePackets--
      else ended += this.#endedAt(at, this.#begunBelowLow)
      if (isKept(state)) this.#settle(at, PACKET.none)
      ring.state[at] = PACKET.none
      this.#begunBelowLow = this.#begunAt(at)
      this.#low++
    }
    return ended
  }

  /** The receiver has the packets `[from, to)`. */
  receive(from: number, to: number): void {
    const ring = this.#ring
    for (let number = Math.max(from, this.#low); number < to; number++) {
      const at = ring.index(number)
      if (isKept(ring.state[at]!)) this.#settle(at, PACKET.received)
    }
  }

  /** A packet is given up: the receiver can't use the part of the message that it already has. */
  giveUp(number: number): void {
    const ring = this.#ring
    const at = ring.index(number)
    if (isKept(ring.state[at]!)) this.#settle(at, PACKET.gone)
    else ring.state[at] = PACKET.gone
    this.#gonePackets++
    if (number === this.#firstQueued) this.#skipGone()
  }

  /** Packets that were given up unsent are reported like the others: their numbers are fixed from now on. */
  passGone(): void {
    this.#next = this.#firstQueued
  }

  /**
   * Removes the packets from `end` on, all of them queued: their numbers are used again, and those of their messages.
   */
  withdraw(end: number): void {
    const begun = this.begunBelow(end)
    for (let number = end; number < this.#high; number++) this.#settle(this.#ring.index(number), PACKET.none)
    this.#high = end
    this.#firstQueued = Math.min(this.#firstQueued, end)
    this.#begun = begun
  }

  /** The packets `[first, end)`, gone and never sent, become one; those after them get lower numbers. */
  merge(first: number, end: number): void {
    const ring = this.#ring
    const shift = end - first - 1
    ring.begun[ring.index(first)] = ring.begun[ring.index(end - 1)]!
    for (let number = end; number < this.#high; number++) ring.move(ring.index(number), ring.index(number - shift))
    if (this.#firstQueued >= end) this.#firstQueued -= shift
    this.#high -= shift
    this.#gonePackets -= shift
  }

  /** The remaining packets are forgotten, and their memory goes back. */
  forget(): void {
    const ring = this.#ring
    for (let number = this.#low; number < this.#high; number++) {
      const at = ring.index(number)
      if (isKept(ring.state[at]!)) this.#settle(at, PACKET.none)
    }
    this.#low = this.#next = this.#firstQueued = this.#high
    this.#begunBelowLow = this.#begun
    this.#gonePackets = 0
    this.clear()
  }

  /** Gives the memory back; no packet is left. */
  clear(): void {
    this.#ring.clear()
  }

  /** The packet at a ring index need not be sent any more: its slot goes back. */
  #settle(at: number, state: number): void {
    const ring = this.#ring
    const bytes = ring.length[at]!
    const before = ring.state[at]
    if (before !== PACKET.queued) {
      this.#sentPackets--
      this.#sentBytes -= bytes
    }
    if (before === PACKET.inFlight) this.#inFlightBytes -= bytes
    this.#unackedPackets--
    this.#unackedBytes -= bytes
    this.#pool.release(ring.slot[at]!)
    ring.slot[at] = -1
    ring.state[at] = state
  }

  /** For tests: throws an `Error` if the counts differ from the columns. */
  assertInvariants(): void {
    if (!(this.#low <= this.#next && this.#next <= this.#high)) throw new Error("marks are out of order")
    const counted = {
      unackedPackets: 0,
      unackedBytes: 0,
      sentPackets: 0,
      sentBytes: 0,
      inFlightBytes: 0,
      gonePackets: 0,
    }
    let firstQueued = this.#high
    let begun = this.#begunBelowLow
    for (let number = this.#low; number < this.#high; number++) {
      const state = this.state(number)
      if (state === PACKET.none) throw new Error(`packet ${number} between the marks has no state`)
      if (number >= this.#next && state !== PACKET.queued && state !== PACKET.gone)
        throw new Error(`packet ${number} was not sent but is in state ${state}`)
      if (isKept(state) !== this.slot(number) >= 0)
        throw new Error(`packet ${number} in state ${state} has slot ${this.slot(number)}`)
      if (this.begunWith(number) < begun)
        throw new Error(`fewer messages are begun with packet ${number} than before it`)
      begun = this.begunWith(number)
      if (state === PACKET.gone) counted.gonePackets++
      if (!isKept(state)) continue
      const bytes = this.bytes(number)
      counted.unackedPackets++
      counted.unackedBytes += bytes
      if (state === PACKET.queued) {
        firstQueued = Math.min(firstQueued, number)
        continue
      }
      counted.sentPackets++
      counted.sentBytes += bytes
      if (state === PACKET.inFlight) counted.inFlightBytes += bytes
    }
    if (firstQueued !== this.#firstQueued)
      throw new Error(`packet ${this.#firstQueued} is queued first, found ${firstQueued}`)
    if (begun !== this.#begun) throw new Error(`${this.#begun} messages are begun, counted ${begun}`)
    for (const [name, count] of Object.entries(counted)) {
      const is = this[name as keyof typeof counted]
      if (is !== count) throw new Error(`${name} is ${is}, counted ${count}`)
    }
  }
}
