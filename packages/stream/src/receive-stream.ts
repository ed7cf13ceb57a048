/**
 * The receiving end of a stream: tells in-order packets from early, late and impossible ones, keeps early ones in the
 * pool, and asks for what is missing (PROTOCOL.md §8). The caller dispatches payloads; nothing here calls out. Composed
 * of machines that know only those above them:
 *
 *     edges           how far it has come
 *     gaps · kept     what is missing; what came before its turn
 *     gone            what will not come
 *     status timer    when it says how it stands, and how often it asks
 *     room            what is refused for want of it
 *     report          what it says
 *
 * A packet comes as its seven properties, since an object for each would cost more than all that is done with it.
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
} from "@x/wire"
import { GapTracker } from "./gap-tracker.ts"
import { GonePackets, type SkippedPackets } from "./receive/gone-packets.ts"
import { type KeptPacket, KeptPackets } from "./receive/kept-packets.ts"
import { ReceiveEdges } from "./receive/receive-edges.ts"
import { ReceiveRoom } from "./receive/receive-room.ts"
import type { ReceiveStreamOptions } from "./receive/receive-stream-options.ts"
import { StatusReport } from "./receive/status-report.ts"
import { StatusTimer } from "./receive/status-timer.ts"
import type { RttEstimator } from "./rtt.ts"

/**
 * What to do with a packet: dispatch its payload now and say so, by `advance` where there is an order and by `accept`
 * where there is none, or say by `refuse` that there is no memory for it; nothing, it is kept; or it was dropped for
 * this reason.
 */
export type Verdict = "deliver" | "kept" | PacketDropReason

/** `closed`: all of it was dispatched, or it was given up. Then everything that comes is dropped. */
export type ReceiveState = "open" | "closed"

/** One stream as its receiver sees it. */
export class ReceiveStream {
  /** The sender's id of the stream. */
  readonly id: number
  /** Its promise, one of `MODE`. */
  readonly mode: Mode
  /** What that promise means. */
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
  #duplicates = 0

  constructor({ id, mode, options, rtt, pool }: ReceiveStreamOptions) {
    this.id = id
    this.mode = mode
    const { isOrdered, isNewestOnly, isResent } = (this.traits = traitsOf(mode))
    this.#rtt = rtt
    this.#isOrdered = isOrdered
    this.#isNewestOnly = isNewestOnly
    const edges = (this.#edges = new ReceiveEdges(options.spreadPackets, isResent))
    const gaps = (this.#gaps = new GapTracker(options.reorderPackets))
    const kept = (this.#kept = new KeptPackets(edges, pool))
    const gone = (this.#gone = new GonePackets(edges, gaps, kept))
    const statusTimer = (this.#statusTimer = new StatusTimer(rtt, options))
    const room = (this.#room = new ReceiveRoom(edges, gaps, statusTimer, isOrdered))
    this.#report = new StatusReport({ edges, gaps, kept, gone, statusTimer, room, rtt, isOrdered })
  }

  /** Whether anything of it is still taken. */
  get state(): ReceiveState {
    return this.#state
  }

  /** Whether it is known with which number it begins; where nothing is resent it always is. */
  get isStarted(): boolean {
    return this.#edges.isStarted
  }

  /** The cumulative edge: all packets below left the stream layer. */
  get cumulative(): number {
    return this.#edges.next
  }

  /** Where the stream ends; `Infinity` while that isn't known. */
  get final(): number {
    return this.#edges.final
  }

  /** Packets kept until their turn comes. */
  get kept(): number {
    return this.#kept.count
  }

  /** Statuses that asked for something, so far. */
  get naksSent(): number {
    return this.#statusTimer.naksSent
  }

  /** Packets that came again, so far. */
  get duplicates(): number {
    return this.#duplicates
  }

  /** Whether the end is known and everything before it was dispatched. */
  get isComplete(): boolean {
    return this.#edges.isComplete
  }

  /** The opening came: this is the first packet's number. What came before it is asked for at once. */
  handleOpen(first: number, nowMs: number): void {
    this.#statusTimer.want()
    if (this.#edges.isStarted) return
    this.#gone.clear()
    this.#miss(this.#edges.start(first), nowMs)
  }

  /** The sender has sent everything below `edge`, and not just now. */
  #miss(edge: number, nowMs: number): void {
    this.#gaps.add(this.#edges.high, edge, nowMs, true)
    this.#edges.raise(edge)
  }

  /**
   * Takes in a packet whose payload lies at `bytes[offset, offset + length)`. On `"deliver"` the caller dispatches the
   * payload and calls `advance` (`accept` in `reliable-unordered`, `pass` in `latest`), or, if there is no memory for
   * it, `refuse`; then it looks at `skip`, and at `peekKept` when there is nothing to skip, until neither has anything.
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
    // No status could tell an edge above it.
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
    if (!edges.isStarted) return this.#refuseUnopened(number)
    if (number < edges.next) return this.#duplicate()
    if (edges.isBeyond(number)) return "beyond-spread"
    const isNewest = number >= edges.high
    if (!isNewest && this.#kept.has(number)) return this.#duplicate()
    this.#statusTimer.handleArrival(nowMs)
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

  /** What was missing counts so until it is accepted. */
  #takeUnordered(number: number, isNewest: boolean, nowMs: number): Verdict {
    if (isNewest) this.#takeNewest(number, nowMs)
    else if (!this.#gaps.has(number)) return this.#duplicate()
    this.#statusTimer.handleTaken(nowMs)
    return "deliver"
  }

  #takeNewest(number: number, nowMs: number): void {
    this.#gaps.add(this.#edges.high, number, nowMs, false)
    this.#gaps.arrived()
    this.#edges.raise(number + 1)
  }

  /** Without the opening nobody knows what is missing in front; it is repeated, and asked for by a status. */
  #refuseUnopened(number: number): Verdict {
    this.#edges.raise(number + 1)
    this.#statusTimer.want()
    return "not-open"
  }

  #duplicate(): Verdict {
    this.#duplicates++
    // The sender resends what it need not: tell it.
    this.#statusTimer.want()
    return "duplicate-packet"
  }

  /** Unknown it teaches nothing. */
  #rttMinMs(): number {
    return this.#rtt.samples > 0 ? this.#rtt.minMs : 0
  }

  /** The packet at the edge was dispatched, or lies in its message's own buffer. */
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

  /** `reliable-unordered`: the packet was dispatched, or lies in its message's own buffer. */
  accept(number: number, nowMs: number): void {
    this.#gaps.fill(number, nowMs, this.#rttMinMs())
    if (this.#room.isLacking) this.#room.handleDispatched(false)
    const edge = Math.min(this.#gaps.first, this.#edges.high)
    if (edge <= this.#edges.next) return
    this.#moveTo(edge)
    // What was refused lest it wait with its memory has nothing in front of it now.
    if (this.#gaps.isFirstHeld) this.hasRoom()
  }

  /** `latest`: a message was dispatched whose last packet this was: what is older comes too late. */
  pass(number: number): void {
    if (number < this.#edges.next) return
    this.#edges.raise(number + 1)
    this.#edges.moveTo(number + 1)
  }

  /**
   * There was no memory for a packet (the one at the edge, where there is an order), or the message that it is of: it
   * is neither acknowledged nor asked for until `hasRoom`, or `hasBegun` of that message.
   */
  refuse(number: number = this.#edges.next, message: number = -1): void {
    this.#room.lackMemory()
    this.hold(number)
    if (!this.#isOrdered) this.#gaps.hold(number, message)
  }

  /**
   * A message has its memory now. What was refused of it before is asked for: it would wait for what is refused in
   * front of it, which may wait for that memory.
   */
  hasBegun(message: number): void {
    this.#room.handleBegun(message)
  }

  /**
   * The consumer has no room for a packet: it is missing all the same, not acknowledged, and asked for once there is
   * room, as `limit` says.
   */
  hold(number: number = this.#edges.next): void {
    this.#statusTimer.want()
    // What came as the newest was not missing before.
    if (!this.#isOrdered) {
      if (!this.#gaps.has(number)) this.#gaps.add(number, number + 1, -Infinity, true)
    } else if (!this.#kept.has(this.#edges.next)) {
      this.#gaps.addFront(this.#edges.next)
    }
  }

  /** There may be memory again: one packet is asked for, to see; once it was taken the others are. */
  hasRoom(): void {
    this.#room.hasRoom()
  }

  /**
   * The consumer is behind, and has room for this many packets from the edge on: no more are asked for, or let go
   * ahead. Once called it counts until it is called again. More room is told when it is worth a status: `worth` packets
   * more, or any, if `isWaiting` for what comes. `begun`: this many packets of messages under way are missing. Without
   * an order they may lie behind those of messages for which there is no memory until they have come.
   */
  limit(packets: number, worth: number, isWaiting: boolean, begun = 0): void {
    if (this.#state === "open") this.#room.limit(packets, worth, isWaiting, begun)
  }

  /**
   * Lets the edge pass packets that are gone, if it stands before such: up to the next one that is kept, or to the end
   * of the stretch. Says what is known of the messages begun up to there. The caller counts them, gives up the message
   * that was under way, and looks again.
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
   * Messages under way want this many packets more, and have the memory for them. Without an order those may lie behind
   * what is refused until they have come: the sender is let go so far.
   */
  letFinish(packets: number): void {
    this.#room.letFinish(packets)
  }

  /** What came since the last status is to be told now. */
  hurry(): void {
    if (this.#state === "open") this.#statusTimer.hurry()
  }

  /** Whether the packet at the edge is kept; if so, `out` is where. The caller dispatches it and calls `advance`. */
  peekKept(out: KeptPacket): boolean {
    return this.#kept.count > 0 && this.#state === "open" && this.#kept.peek(out)
  }

  /** The sender's marks: what was sent and never came is missing. */
  handleSync(sync: Sync, wanted: boolean, nowMs: number): PacketDropReason | undefined {
    if (this.#state === "closed") return "stream-closed"
    this.#statusTimer.handleSync()
    // Nothing is asked for, so nothing is missing: a list of gaps that no packet fills would only grow.
    if (!this.traits.isResent) return undefined
    if (wanted) this.#statusTimer.want()
    if (!this.#edges.isStarted) {
      // The opening tells more than where to begin: it comes first.
      this.#statusTimer.want()
      this.#edges.raise(sync.high)
      return "not-open"
    }
    if (!this.#edges.mayHaveSent(sync.high)) return "beyond-spread"
    this.#miss(sync.high, nowMs)
    if (this.traits.givesUp) this.#gone.note(sync)
    return undefined
  }

  /** The stream ends at this edge. Answers whether that can be. */
  handleEnd(final: number): PacketDropReason | undefined {
    if (this.#state === "closed") return undefined
    this.#statusTimer.want()
    return this.#edges.end(final) ? undefined : "not-sent"
  }

  /** Drops everything kept; nothing is taken any more, and nothing is said. */
  close(): void {
    this.#kept.clear()
    this.#state = "closed"
  }

  /** When a status is due; −Infinity: now. */
  get nextTimeoutMs(): number {
    if (this.#state === "closed") return Infinity
    const dueMs = this.#statusTimer.dueMs
    return dueMs === -Infinity ? dueMs : Math.min(dueMs, this.#report.askDueMs)
  }

  /**
   * Fills in a status, if one is due, with at most so many ranges in all: what is missing comes before what is there.
   */
  pollStatus(nowMs: number, status: Status, rangesMax: number = 2 * RANGES_MAX): boolean {
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
