/**
 * The receiving end of a stream: tells in-order packets from early, late and impossible ones, keeps early ones in the
 * pool, and asks for what is missing (PROTOCOL.md §8). The caller dispatches payloads; nothing here calls out. The
 * stream is composed of machines, each of which knows only those above it:
 *
 *     edges           how far the stream has come
 *     gaps · kept     missing packets; early packets
 *     gone            packets that will not come
 *     status timer    when a status is sent, and how often missing packets are asked for
 *     room            what is refused for lack of room
 *     report          what a status says
 *
 * The file is long, but one thing: half of it forwards questions to the machines, the rest judges a packet and tells each
 * machine what follows. A packet is passed as its seven properties: an object for each would cost more than all that is done with it.
 *
 * @module
 */

import {
  type Mode,
  type ModeTraits,
  NUMBER_MAX,
  type PacketDropReason,
  RANGES_MAX,
  type Status,
  type Sync,
  traitsOf,
  ZERO,
} from "@x/wire"
import { GapTracker } from "./gap-tracker.ts"
import { ChargedRows } from "./receive/charged-rows.ts"
import { GonePackets, type SkippedPackets } from "./receive/gone-packets.ts"
import { type KeptPacket, KeptPackets } from "./receive/kept-packets.ts"
import { ReceiveEdges } from "./receive/receive-edges.ts"
import { ReceiveRoom } from "./receive/receive-room.ts"
import type { ReceiveStreamOptions } from "./receive/receive-stream-options.ts"
import { StatusReport } from "./receive/status-report.ts"
import { StatusTimer } from "./receive/status-timer.ts"
import type { RttEstimator } from "./rtt.ts"

/**
 * What the caller does with a packet. `"deliver"`: dispatch its payload now and report that, by `advance` in ordered
 * modes and by `accept` in unordered ones; or report by `refuse` that there is no memory for it. `"kept"`: nothing. Any
 * other value: nothing, the packet was dropped for this reason.
 */
export type Verdict = "deliver" | "kept" | PacketDropReason

/** `closed`: everything was dispatched, or the stream was given up. Then every packet that comes is dropped. */
export type ReceiveState = "open" | "closed"

/** One stream as its receiver sees it. */
export class ReceiveStream {
  /** The sender's id of the stream. */
  readonly id: number
  /** Its mode, one of `MODE`. */
  readonly mode: Mode
  /** What that mode promises. */
  readonly traits: ModeTraits
  readonly #rtt: RttEstimator
  readonly #isOrdered: boolean
  readonly #isNewestOnly: boolean
  readonly #edges: ReceiveEdges
  readonly #gaps: GapTracker
  readonly #kept: KeptPackets
  readonly #gone: GonePackets
  readonly #statusTimer: StatusTimer
  readonly #room: ReceiveRoom
  readonly #report: StatusReport
  #state: ReceiveState = "open"
  #duplicates = ZERO

  constructor({ id, mode, options, rtt, pool, rows }: ReceiveStreamOptions) {
    this.id = id
    this.mode = mode
    const { isOrdered, isNewestOnly, isResent } = (this.traits = traitsOf(mode))
    this.#rtt = rtt
    this.#isOrdered = isOrdered
    this.#isNewestOnly = isNewestOnly
    const edges = (this.#edges = new ReceiveEdges(options.spreadPackets, isResent))
    const gaps = (this.#gaps = new GapTracker(options.reorderPackets, new ChargedRows(rows)))
    const kept = (this.#kept = new KeptPackets(edges, pool, options.spreadPackets))
    const gone = (this.#gone = new GonePackets(edges, gaps, kept, new ChargedRows(rows)))
    const statusTimer = (this.#statusTimer = new StatusTimer(rtt, options))
    const room = (this.#room = new ReceiveRoom(edges, gaps, statusTimer, isOrdered))
    this.#report = new StatusReport({ edges, gaps, kept, gone, statusTimer, room, rtt, isOrdered })
  }

  /** Whether the stream still accepts anything. */
  get state(): ReceiveState {
    return this.#state
  }

  /** Whether the number of the first packet is known. In modes without resends it always counts as known. */
  get isStarted(): boolean {
    return this.#edges.isStarted
  }

  /** The cumulative edge: all packets below it left the stream layer. */
  get cumulative(): number {
    return this.#edges.next
  }

  /** Where the stream ends; `Infinity` while that is unknown. */
  get final(): number {
    return this.#edges.final
  }

  /** Whether there may be something for `skip` or `peekKept` to find. */
  get hasMore(): boolean {
    return this.#kept.count > 0 || this.#gone.count > 0
  }

  /** Early packets that are kept. */
  get kept(): number {
    return this.#kept.count
  }

  /** Statuses with NAKs, so far. */
  get naksSent(): number {
    return this.#statusTimer.naksSent
  }

  /** Duplicate packets so far. */
  get duplicates(): number {
    return this.#duplicates
  }

  /** Whether the end is known and everything before it was dispatched. */
  get isComplete(): boolean {
    return this.#edges.isComplete
  }

  /** The opening came: the stream begins at `first`. Packets dropped before it came are asked for at once. */
  handleOpen(first: number, nowMs: number): void {
    this.#statusTimer.handleOpen(nowMs)
    if (this.#edges.isStarted) return
    this.#gone.clear()
    this.#miss(this.#edges.start(first), nowMs)
  }

  /** The sender has sent everything below `edge`, and not only just now. Returns whether there was room to note that. */
  #miss(edge: number, nowMs: number): boolean {
    const { high } = this.#edges
    if (edge > high && !this.#gaps.hasRoom(1)) return false
    this.#gaps.add(high, edge, nowMs, true)
    this.#edges.raise(edge)
    return true
  }

  /**
   * Takes in a packet whose payload lies at `bytes[offset, offset + length)`. On `"deliver"` the caller dispatches the
   * payload and calls `advance` (`accept` in `reliable-unordered`, `pass` in `latest`), or, if there is no memory for
   * it, `refuse`. Then it calls `skip`, and `peekKept` when there is nothing to skip, until neither returns anything.
   */
  handlePacket(
    number: number,
    delivery: number,
    wanted: boolean,
    bytes: Uint8Array,
    offset: number,
    length: number,
    nowMs: number,
  ): Verdict {
    if (this.#state === "closed") return "stream-closed"
    // No status could report an edge above it.
    if (number >= NUMBER_MAX) return "beyond-spread"
    const edges = this.#edges
    if (this.#isNewestOnly) return number < edges.next ? "late" : "deliver"
    if (wanted) this.#statusTimer.want()
    if (!edges.takeExpected(number)) return this.#takeOther(number, delivery, bytes, offset, length, nowMs)
    // With nothing missing, in-order packets touch no other state: the fast path.
    this.#gaps.arrived()
    this.#statusTimer.handleArrival(nowMs)
    this.#statusTimer.handleTaken(nowMs)
    return "deliver"
  }

  #takeOther(
    number: number,
    delivery: number,
    bytes: Uint8Array,
    offset: number,
    length: number,
    nowMs: number,
  ): Verdict {
    const edges = this.#edges
    const refusal = this.refusal(number, nowMs)
    if (refusal !== undefined) return refusal
    const isNewest = number >= edges.high
    this.#statusTimer.handleArrival(nowMs)
    if (!this.#hasRows(number, isNewest)) {
      this.#statusTimer.want()
      return "no-room"
    }
    if (!this.#isOrdered) return this.#takeUnordered(number, isNewest, nowMs)
    const isNext = number === edges.next
    if (!isNext && (this.#room.refuses(number) || !this.#kept.keep(number, delivery, bytes, offset, length))) {
      this.#room.lackSlot(number)
      this.#miss(number + 1, nowMs)
      this.#statusTimer.want()
      return "no-room"
    }
    if (isNewest) this.#takeNewest(number, nowMs)
    else this.#gaps.fill(number, nowMs, this.#rttMinMs())
    this.#statusTimer.handleTaken(nowMs)
    return isNext ? "deliver" : "kept"
  }

  /** Whether there is room for the ranges that are missing once the packet has come, or was refused. */
  #hasRows(number: number, isNewest: boolean): boolean {
    if (!isNewest) return this.#gaps.mayFill(number)
    return this.#gaps.hasRoom((number > this.#edges.high ? 1 : 0) + (this.#isOrdered ? 0 : 1))
  }

  /** Why a packet would be dropped, whatever it holds: parts of one ask before they are kept. */
  refusal(number: number, nowMs: number): PacketDropReason | undefined {
    const edges = this.#edges
    if (this.#state === "closed") return "stream-closed"
    if (this.#isNewestOnly) return number < edges.next ? "late" : undefined
    if (!edges.isStarted) return this.#refuseUnopened(number)
    if (number < edges.next || this.#kept.has(number)) return this.#duplicate(nowMs)
    return edges.isBeyond(number) ? "beyond-spread" : undefined
  }

  /** A missing packet counts as missing until it is accepted. */
  #takeUnordered(number: number, isNewest: boolean, nowMs: number): Verdict {
    if (isNewest) this.#takeNewest(number, nowMs)
    else if (!this.#gaps.has(number)) return this.#duplicate(nowMs)
    this.#statusTimer.handleTaken(nowMs)
    return "deliver"
  }

  #takeNewest(number: number, nowMs: number): void {
    this.#gaps.add(this.#edges.high, number, nowMs, false)
    this.#gaps.arrived()
    this.#edges.raise(number + 1)
  }

  /** Without the opening nobody knows what is missing before a packet; it is repeated, and a status asks for it. */
  #refuseUnopened(number: number): PacketDropReason {
    this.#edges.raise(number + 1)
    this.#statusTimer.want()
    return "not-open"
  }

  #duplicate(nowMs: number): PacketDropReason {
    this.#duplicates++
    // The sender resends packets needlessly: it is told, but not of each copy that it sends in case of losses.
    this.#statusTimer.handleTaken(nowMs)
    return "duplicate-packet"
  }

  /** While unknown, late packets teach nothing. */
  #rttMinMs(): number {
    return this.#rtt.samples > 0 ? this.#rtt.minMs : 0
  }

  /** The packet at the edge was dispatched, or lies in the buffer of its message. */
  advance(): void {
    const room = this.#room
    const wasKept = this.#kept.dropNext()
    if (room.isLacking) room.handleDispatched(wasKept)
    if (this.#edges.advance()) this.#statusTimer.want()
    if (room.isLacking) room.handleMove()
  }

  #moveTo(edge: number): void {
    this.#edges.moveTo(edge)
    if (this.#room.isLacking) this.#room.handleMove()
    if (edge >= this.#edges.final) this.#statusTimer.want()
  }

  /** `reliable-unordered`: the packet was dispatched, or lies in the buffer of its message. */
  accept(number: number, nowMs: number): void {
    this.#gaps.fill(number, nowMs, this.#rttMinMs())
    if (this.#room.isLacking) this.#room.handleDispatched(false)
    const edge = Math.min(this.#gaps.first, this.#edges.high)
    if (edge <= this.#edges.next) return
    this.#moveTo(edge)
    // A packet that was refused so that it doesn't wait with its memory now has nothing in front of it.
    if (this.#gaps.isFirstHeld) this.hasRoom()
  }

  /** `latest`: a message was dispatched, and this was its last packet. Older packets come too late. */
  pass(number: number): void {
    if (number < this.#edges.next) return
    this.#edges.raise(number + 1)
    this.#edges.moveTo(number + 1)
  }

  /**
   * There was no memory for a packet (in ordered modes the one at the edge), or for its message. It is neither
   * acknowledged nor asked for until `hasRoom`, or until `hasBegun` of that message.
   */
  refuse(number: number = this.#edges.next, message: number = -1): void {
    this.#room.lackMemory()
    this.hold(number)
    if (!this.#isOrdered) this.#gaps.hold(number, message)
  }

  /**
   * A message has its memory now. Its packets that were refused are asked for: it would otherwise wait for a refused
   * packet, which in turn may wait for the memory of this message.
   */
  hasBegun(message: number): void {
    this.#room.handleBegun(message)
  }

  /** The consumer has no room for a packet: it counts as missing, and is asked for once there is room, see `limit`. */
  hold(number: number = this.#edges.next): void {
    this.#statusTimer.want()
    // The newest packet wasn't missing before.
    if (!this.#isOrdered) {
      if (!this.#gaps.has(number)) this.#gaps.add(number, number + 1, -Infinity, true)
    } else if (!this.#kept.has(this.#edges.next)) {
      this.#gaps.addFront(this.#edges.next)
    }
  }

  /** There may be memory again: one packet is asked for as a trial, and the others once it was accepted. */
  hasRoom(): void {
    this.#room.hasRoom()
  }

  /** The same without a sign of it: that is tried now and then, less often the longer it was in vain. */
  tryRoom(nowMs: number): void {
    this.#room.tryRoom(nowMs)
  }

  /**
   * The consumer is behind, and has room for this many packets from the edge on: no more are asked for, or allowed
   * ahead. Once called, the limit holds until the next call. More room is reported when it is worth a status: `worth`
   * packets more, or any increase if `isWaiting` for packets. `begun`: the packets that messages under way still lack.
   * In unordered modes those may lie after packets of messages for which there is no memory until they have come.
   */
  limit(packets: number, worth: number, isWaiting: boolean, begun = 0): void {
    if (this.#state === "open") this.#room.limit(packets, worth, isWaiting, begun)
  }

  /**
   * Lets the edge pass gone packets that it stands before: up to the next kept one, or to the end of the range. `out`:
   * messages begun up to there, if known. The caller counts them, gives up the message under way, and calls again.
   */
  skip(out: SkippedPackets): boolean {
    if (this.#gone.count === 0 || this.#state === "closed") return false
    const edge = this.#gone.pass(out)
    if (edge < 0) return false
    this.#edges.raise(edge)
    this.#moveTo(edge)
    this.#statusTimer.want()
    return true
  }

  /**
   * Messages under way need this many packets more, and have the memory for them. In unordered modes those may lie
   * after refused packets: the sender is allowed that far ahead until they have come.
   */
  letFinish(packets: number): void {
    this.#room.letFinish(packets)
  }

  /**
   * What arrived since the last status is reported now; all of it, if that went astray: it was sent at `strayMs` or
   * later. What was asked for since then is asked for again.
   */
  hurry(strayMs: number = Infinity): void {
    if (this.#state === "closed") return
    this.#statusTimer.hurry(strayMs)
    if (strayMs < Infinity) this.#gaps.askAgain(strayMs)
  }

  /** Whether the packet at the edge is kept; if so, fills in `out`. The caller dispatches it and calls `advance`. */
  peekKept(out: KeptPacket): boolean {
    return this.#kept.count > 0 && this.#state === "open" && this.#kept.peek(out)
  }

  /** Takes in the sender's marks: packets that were sent and never came are missing. */
  handleSync(sync: Sync, wanted: boolean, nowMs: number): PacketDropReason | undefined {
    if (this.#state === "closed") return "stream-closed"
    this.#statusTimer.handleSync(nowMs)
    // In this mode nothing is asked for, so nothing is missing: the list of gaps would only grow.
    if (!this.traits.isResent) return undefined
    if (wanted) this.#statusTimer.want()
    if (!this.#edges.isStarted) {
      // The opening says more than the first number: it has to come first.
      this.#statusTimer.want()
      this.#edges.raise(sync.high)
      return "not-open"
    }
    if (!this.#edges.mayHaveSent(sync.high)) return "beyond-spread"
    if (!this.#miss(sync.high, nowMs)) {
      // What is gone needs no room. The rest comes with the next sync.
      if (this.traits.givesUp) this.#gone.noteFront(sync)
      return "no-room"
    }
    if (this.traits.givesUp) this.#gone.note(sync)
    return undefined
  }

  /** The stream ends at this edge. Returns a reason if that is impossible. */
  handleEnd(final: number): PacketDropReason | undefined {
    if (this.#state === "closed") return undefined
    this.#statusTimer.want()
    return this.#edges.end(final) ? undefined : "not-sent"
  }

  /** Drops everything that is kept. From now on nothing is accepted and no status is sent. */
  close(): void {
    this.#kept.clear()
    this.#gaps.clear()
    this.#gone.clear()
    this.#state = "closed"
  }

  /** When a status is due; −Infinity: now. */
  get nextTimeoutMs(): number {
    if (this.#state === "closed") return Infinity
    const dueMs = this.#statusTimer.dueMs
    return dueMs === -Infinity ? dueMs : Math.min(dueMs, this.#report.askDueMs)
  }

  /** Whether a status is to go whatever is missing. */
  get isStatusWanted(): boolean {
    return this.#state === "open" && this.#statusTimer.dueMs === -Infinity
  }

  /** Ranges that were looked at so far: what the stream's packets and statuses have cost, beyond the usual. */
  get steps(): number {
    return this.#gaps.steps + this.#gone.steps
  }

  /** Fills in a status, if one is due, with at most `rangesMax` ranges in all: missing ones before received ones. */
  pollStatus(nowMs: number, status: Status, rangesMax: number = 2 * RANGES_MAX): boolean {
    this.#statusTimer.checkStop(nowMs)
    if (this.nextTimeoutMs > nowMs) return false
    status.stream = this.id
    this.#report.fill(status, nowMs, rangesMax)
    this.#statusTimer.said(nowMs)
    return true
  }

  /** For tests: throws an `Error` that names what is wrong inside. */
  assertInvariants(): void {
    if (!this.#edges.isStarted) return
    this.#edges.assertInvariants()
    this.#gaps.assertInvariants(this.#edges.next, this.#edges.high)
    this.#kept.assertInvariants()
    this.#gone.assertInvariants()
  }
}
