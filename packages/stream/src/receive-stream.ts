/**
 * The receiving end of a stream: tells in-order packets from early, late and impossible ones, keeps early ones in the
 * pool, and asks for what is missing (PROTOCOL.md §8). The caller dispatches payloads; nothing here calls out.
 *
 * @module
 */

import {
  type Mode,
  type ModeTraits,
  NUMBER_MAX,
  type PacketDropReason,
  RANGES_MAX,
  ringIndex,
  type Status,
  STATUS,
  type Sync,
  traitsOf,
} from "@x/wire"
import { append, GapTracker, lastEdge } from "./gap-tracker.ts"
import { type StreamOptions } from "./options.ts"
import type { PacketSlots } from "./packet-pool.ts"
import { Repeater, RepeatPace } from "./repeater.ts"
import { GRANULARITY_MS, type RttEstimator } from "./rtt.ts"

/**
 * Why packets are refused: the pool has no slot for what came early; there is no memory for what is next; or there may
 * be some again, which one packet is to show.
 */
const LACK = { nothing: 0, pool: 1, memory: 2, trial: 3 } as const
type Lack = (typeof LACK)[keyof typeof LACK]

/** NAKs are repeated at most this far apart, milliseconds. */
const NAK_REPEAT_MS_MAX = 1_000
/** That there is room is said this often, since a sender that waits for it is not heard. */
const ROOM_TOLD_MAX = 8
const ROOM_PACE = new RepeatPace()
/** Packets that can wait before their ring first grows. */
const WAITING_MIN = 16

/** What a {@link ReceiveStream} needs. */
export interface ReceiveStreamOptions {
  /** The sender's id of the stream, 1 to 2^32 − 1. */
  readonly id: number
  /** Its promise, one of `MODE`. */
  readonly mode: Mode
  /** Options that were checked, as `streamOptions` gives them; the spread is what its sender was told. */
  readonly options: StreamOptions
  /** The round trip to its sender: when to ask, and how often. */
  readonly rtt: RttEstimator
  /** Where packets that come before their turn are kept; slots of at least the largest payload. */
  readonly pool: PacketSlots
}

/**
 * What to do with a packet: dispatch its payload now and say so, by `advance` where there is an order and by `accept`
 * where there is none, or say by `refuse` that there is no memory for it; nothing, it is kept; or it was dropped for
 * this reason.
 */
export type Verdict = "deliver" | "kept" | PacketDropReason

/** A stretch of packets that the edge skips: gone, at the sender's word. */
export interface SkippedPackets {
  /** Messages begun on the stream up to here, if that is known here; −1: it is known further on. */
  begun: number
}

/**
 * `closed`: it was closed, since all of it was dispatched or it was given up. Then everything that comes is dropped.
 */
export type ReceiveState = "open" | "closed"

/** A kept packet whose turn has come. */
export interface KeptPacket {
  /** Where the payload lies, with others: `[offset, offset + length)` of it. */
  bytes: Uint8Array
  /** A view of `bytes`, whole. */
  view: DataView
  /** Where the payload begins in `bytes`. */
  offset: number
  /** Bytes of the payload. */
  length: number
  /** The delivery byte: mode and form. */
  delivery: number
}

const EMPTY = new Uint8Array(0)
const NO_INTS = new Int32Array(0)

/** An empty one, for `peekKept` to fill in. */
export function createKeptPacket(): KeptPacket {
  return { bytes: EMPTY, view: new DataView(EMPTY.buffer), offset: 0, length: 0, delivery: 0 }
}

/** One stream as its receiver sees it. */
export class ReceiveStream {
  /** The sender's id of the stream. */
  readonly id: number
  /** Its promise, one of `MODE`. */
  readonly mode: Mode
  /** What that promise means. */
  readonly traits: ModeTraits
  readonly #options: StreamOptions
  readonly #rtt: RttEstimator
  readonly #pool: PacketSlots
  readonly #gaps: GapTracker
  /** Whether it is known with which number the stream begins. */
  #isStarted: boolean
  /** The cumulative edge. */
  #next = 0
  /** Behind the newest packet known of. */
  #high = 0
  #final = Infinity
  #state: ReceiveState = "open"
  /** Rings by packet number: pool slot + 1, payload length, delivery byte. */
  #mask = -1
  #slots = NO_INTS
  #lengths = NO_INTS
  #deliveries = EMPTY
  #kept = 0
  /** Packets since the last status. */
  #unreported = 0
  #statusDueMs = Infinity
  #isStatusWanted = false
  #lack: Lack = LACK.nothing
  /**
   * The consumer has room for packets below this; `Infinity`: it was never behind. And what the sender was told of it.
   */
  #limit = Infinity
  #limitTold = Infinity
  /** Packets that messages under way want. */
  #unfinished = 0
  /** Says again that there is room, until something comes. */
  readonly #telling = new Repeater()
  #timesTold = 0
  /** What the sender will not send (again), above the edge. */
  readonly #gone: { from: number; readonly to: number; readonly begun: number }[] = []
  readonly #isOrdered: boolean
  readonly #isNewestOnly: boolean
  #nakRepeatMs = 0
  #lastArrivalMs = -Infinity
  #lastNakMs = -Infinity
  #naksSent = 0
  #duplicates = 0

  constructor({ id, mode, options, rtt, pool }: ReceiveStreamOptions) {
    this.id = id
    this.mode = mode
    const traits = (this.traits = traitsOf(mode))
    this.#options = options
    this.#rtt = rtt
    this.#pool = pool
    this.#gaps = new GapTracker(options.reorderPackets)
    this.#isOrdered = traits.isOrdered
    this.#isNewestOnly = traits.isNewestOnly
    // Where nothing is asked for there is nothing to wait for.
    this.#isStarted = !traits.isResent
  }

  /** Whether anything of it is still taken. */
  get state(): ReceiveState {
    return this.#state
  }

  /** Whether it is known with which number it begins; where nothing is resent it always is. */
  get isStarted(): boolean {
    return this.#isStarted
  }

  /** The cumulative edge: all packets below left the stream layer. */
  get cumulative(): number {
    return this.#next
  }

  /** Where the stream ends; `Infinity` while that isn't known. */
  get final(): number {
    return this.#final
  }

  /** Packets kept until their turn comes. */
  get kept(): number {
    return this.#kept
  }

  /** Statuses that asked for something, so far. */
  get naksSent(): number {
    return this.#naksSent
  }

  /** Packets that came again, so far. */
  get duplicates(): number {
    return this.#duplicates
  }

  /** Whether the end is known and everything before it was dispatched. */
  get isComplete(): boolean {
    // Nobody waits for what a stream without resends lost.
    return this.#isStarted && (this.#next >= this.#final || (!this.traits.isResent && this.#final !== Infinity))
  }

  /** The opening came: this is the first packet's number. What came before it is asked for at once. */
  handleOpen(first: number, nowMs: number): void {
    this.#isStatusWanted = true
    this.#start(first, nowMs)
  }

  #start(first: number, nowMs: number): void {
    if (this.#isStarted) return
    this.#isStarted = true
    this.#next = first
    this.#gone.length = 0
    const seen = Math.min(this.#high, first + this.#options.spreadPackets)
    this.#high = first
    this.#miss(seen, nowMs)
  }

  /** The sender has sent everything below `edge`, and not just now. */
  #miss(edge: number, nowMs: number): void {
    if (edge <= this.#high) return
    this.#gaps.add(this.#high, edge, nowMs, true)
    this.#high = edge
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
    if (this.#isNewestOnly) return number < this.#next ? "late" : "deliver"
    if (wanted) this.#isStatusWanted = true
    if (!this.#isStarted) return this.#refuseUnopened(number)
    if (number < this.#next) return this.#duplicate()
    if (number >= this.#next + this.#options.spreadPackets || number >= this.#final) return "beyond-spread"
    if (this.#slotOf(number) !== 0) return this.#duplicate()
    this.#lastArrivalMs = nowMs
    this.#telling.stop()
    const isNext = number === this.#next
    // With nothing kept and nothing missing, in-order packets touch no other state: the fast path.
    if (isNext && number === this.#high) {
      this.#gaps.arrived()
      this.#high = number + 1
      this.#noteArrival(nowMs)
      return "deliver"
    }
    if (!this.#isOrdered) return this.#takeUnordered(number, nowMs)
    // While what is next has no room nothing behind it is kept either: the sender's window is what holds it up.
    if (
      !isNext &&
      (this.#lack >= LACK.memory || number >= this.#limit || !this.#keep(number, delivery, bytes, offset, length))
    ) {
      if (this.#lack === LACK.nothing && number < this.#limit) this.#lack = LACK.pool
      this.#miss(number + 1, nowMs)
      this.#isStatusWanted = true
      return "no-room"
    }
    this.#noteNumber(number, nowMs)
    this.#noteArrival(nowMs)
    return isNext ? "deliver" : "kept"
  }

  /** What was missing counts so until it is accepted. */
  #takeUnordered(number: number, nowMs: number): Verdict {
    if (number >= this.#high) {
      this.#gaps.add(this.#high, number, nowMs, false)
      this.#gaps.arrived()
      this.#high = number + 1
    } else if (!this.#gaps.has(number)) {
      return this.#duplicate()
    }
    this.#noteArrival(nowMs)
    return "deliver"
  }

  /** Without the opening nobody knows what is missing in front; it is repeated, and asked for by a status. */
  #refuseUnopened(number: number): Verdict {
    this.#high = Math.max(this.#high, number + 1)
    this.#isStatusWanted = true
    return "not-open"
  }

  #duplicate(): Verdict {
    this.#duplicates++
    // The sender resends what it need not: tell it.
    this.#isStatusWanted = true
    return "duplicate-packet"
  }

  #noteNumber(number: number, nowMs: number): void {
    if (number >= this.#high) {
      this.#gaps.add(this.#high, number, nowMs, false)
      this.#gaps.arrived()
      this.#high = number + 1
    } else {
      this.#gaps.fill(number, nowMs, this.#rttMinMs())
    }
  }

  /** Unknown it teaches nothing. */
  #rttMinMs(): number {
    return this.#rtt.samples > 0 ? this.#rtt.minMs : 0
  }

  #noteArrival(nowMs: number): void {
    this.#unreported++
    if (this.#unreported >= this.#options.statusPackets) this.#isStatusWanted = true
    else if (this.#statusDueMs === Infinity)
      this.#statusDueMs = nowMs + Math.min(this.#options.statusDelayMs, Math.max(GRANULARITY_MS, this.#rtt.srttMs / 4))
  }

  /** The packet at the edge was dispatched, or lies in its message's own buffer. */
  advance(): void {
    const slot = this.#slotOf(this.#next)
    if (slot !== 0) this.#drop(this.#next, slot)
    if (this.#lack !== LACK.nothing && (slot !== 0 || this.#lack === LACK.trial)) this.#noLack()
    this.#moveTo(this.#next + 1)
  }

  #moveTo(edge: number): void {
    this.#next = edge
    // What the pool had no slot for has come by itself.
    if (this.#lack === LACK.pool && this.#gaps.count === 0) this.#noLack()
    if (edge >= this.#final) this.#isStatusWanted = true
  }

  /** `reliable-unordered`: the packet was dispatched, or lies in its message's own buffer. */
  accept(number: number, nowMs: number): void {
    this.#gaps.fill(number, nowMs, this.#rttMinMs())
    if (this.#lack === LACK.trial) this.#noLack()
    const edge = Math.min(this.#gaps.first, this.#high)
    if (edge <= this.#next) return
    this.#moveTo(edge)
    // What was refused lest it wait with its memory has nothing in front of it now.
    if (this.#gaps.isFirstHeld) this.hasRoom()
  }

  /** `latest`: a message was dispatched whose last packet this was: what is older comes too late. */
  pass(number: number): void {
    if (number < this.#next) return
    this.#next = this.#high = number + 1
  }

  /**
   * There was no memory for a packet (the one at the edge, where there is an order), or the message that it is of: it
   * is neither acknowledged nor asked for until `hasRoom`, or `hasBegun` of that message.
   */
  refuse(number: number = this.#next, message: number = -1): void {
    this.#lack = LACK.memory
    this.#putBack(number)
    if (!this.#isOrdered) this.#gaps.hold(number, message)
  }

  /**
   * A message has its memory now. What was refused of it before is asked for: it would wait for what is refused in
   * front of it, which may wait for that memory.
   */
  hasBegun(message: number): void {
    if (this.#lack !== LACK.nothing && this.#gaps.releaseOf(message)) this.#isStatusWanted = true
  }

  /** The consumer has no room for a packet: it is not acknowledged, and asked for once there is, as `limit` says. */
  hold(number: number = this.#next): void {
    this.#putBack(number)
  }

  /** What came is missing all the same. */
  #putBack(number: number): void {
    this.#isStatusWanted = true
    // What came as the newest was not missing before.
    if (!this.#isOrdered) {
      if (!this.#gaps.has(number)) this.#gaps.add(number, number + 1, -Infinity, true)
    } else if (this.#slotOf(this.#next) === 0) {
      this.#gaps.addFront(this.#next)
    }
  }

  /**
   * There may be memory again: one packet is asked for, to see; once it was taken the others are. All at once would
   * mostly be refused again.
   */
  hasRoom(): void {
    if (this.#lack === LACK.pool) return this.#noLack()
    if (this.#lack !== LACK.memory) return
    this.#lack = LACK.trial
    this.#gaps.release(true)
    this.#tellRoom()
  }

  #noLack(): void {
    this.#lack = LACK.nothing
    this.#gaps.release(false)
    this.#tellRoom()
  }

  #tellRoom(): void {
    this.#isStatusWanted = true
    this.#timesTold = 0
    this.#telling.start(-Infinity)
  }

  /**
   * The consumer is behind, and has room for this many packets from the edge on: no more are asked for, or let go
   * ahead. Once called it counts until it is called again. More room is told when it is worth a status: `worth` packets
   * more, or any, if `isWaiting` for what comes. `begun`: this many packets of messages under way are missing. Without
   * an order they may lie behind those of messages for which there is no memory until they have come.
   */
  limit(packets: number, worth: number, isWaiting: boolean, begun = 0): void {
    if (this.#state === "closed") return
    const wasLimited = this.#limit !== Infinity
    const most = Math.min(this.#next + this.#options.spreadPackets, NUMBER_MAX, this.#final)
    const behind = this.#isOrdered ? this.#next + packets : this.#gaps.behind(packets, this.#high)
    const limit = this.#isOrdered || begun === 0 ? behind : Math.max(behind, this.#high + begun)
    this.#limit = Math.max(this.#next, Math.min(limit, most))
    if (!wasLimited) {
      this.#limitTold = this.#limit
      this.#isStatusWanted = true
    }
    const more = this.#limit - this.#limitTold
    if (more >= worth || (more > 0 && isWaiting)) this.#tellRoom()
  }

  /**
   * Lets the edge pass packets that are gone, if it stands before such: up to the next one that is kept, or to the end
   * of the stretch. Says what is known of the messages begun up to there. The caller counts them, gives up the message
   * that was under way, and looks again.
   */
  skip(out: SkippedPackets): boolean {
    const stretch = this.#gone[0]
    if (stretch === undefined || this.#state === "closed" || stretch.from > this.#next) return false
    let edge = this.#next
    while (edge < stretch.to && this.#slotOf(edge) === 0) edge++
    const isOver = edge === stretch.to
    if (edge === this.#next && !isOver) return false
    out.begun = isOver ? stretch.begun : -1
    if (isOver) this.#gone.shift()
    else stretch.from = edge
    if (edge > this.#high) this.#high = edge
    this.#moveTo(edge)
    this.#isStatusWanted = true
    return true
  }

  /**
   * Messages under way want this many packets more, and have the memory for them. Without an order those may lie behind
   * what is refused until they have come: the sender is let go so far.
   */
  letFinish(packets: number): void {
    this.#unfinished = packets
  }

  /** What came since the last status is to be told now. */
  hurry(): void {
    if (this.#unreported > 0 && this.#state === "open") this.#isStatusWanted = true
  }

  /** Whether the packet at the edge is kept; if so, `out` is where. The caller dispatches it and calls `advance`. */
  peekKept(out: KeptPacket): boolean {
    if (this.#kept === 0 || this.#state === "closed") return false
    const slot = this.#slotOf(this.#next)
    if (slot === 0) return false
    const at = ringIndex(this.#next, this.#mask)
    out.bytes = this.#pool.bytes(slot - 1)
    out.view = this.#pool.view(slot - 1)
    out.offset = this.#pool.offset(slot - 1)
    out.length = this.#lengths[at]!
    out.delivery = this.#deliveries[at]!
    return true
  }

  /** The sender's marks: what was sent and never came is missing. */
  handleSync(sync: Sync, wanted: boolean, nowMs: number): PacketDropReason | undefined {
    if (this.#state === "closed") return "stream-closed"
    this.#telling.stop()
    // Nothing is asked for, so nothing is missing: a list of gaps that no packet fills would only grow.
    if (!this.traits.isResent) return undefined
    if (wanted) this.#isStatusWanted = true
    if (!this.#isStarted) {
      // The opening tells more than where to begin: it comes first.
      this.#isStatusWanted = true
      this.#high = Math.max(this.#high, sync.high)
      return "not-open"
    }
    if (sync.high > this.#final) return "beyond-spread"
    if (sync.high - this.#next > this.#options.spreadPackets) return "beyond-spread"
    this.#miss(sync.high, nowMs)
    if (this.traits.givesUp) this.#noteGone(sync)
    return undefined
  }

  /** Nothing waits for these any more. What is told again is known already. */
  #noteGone({ low, begun, gone }: Sync): void {
    this.#addGone(this.#next, low, begun)
    for (let i = 0; i < gone.count; i++)
      this.#addGone(Math.max(gone.edges[2 * i]!, this.#next), gone.edges[2 * i + 1]!, gone.begun[i]!)
  }

  #addGone(from: number, to: number, begun: number): void {
    if (from >= to) return
    this.#gaps.remove(from, to)
    const known = this.#gone
    let i = 0
    while (i < known.length && known[i]!.to < from) i++
    // Stretches grow as more is given up: those that touch become one, which ends where the last of them does.
    let end = i
    let [start, stop, count] = [from, to, begun]
    for (; end < known.length && known[end]!.from <= stop; end++) {
      start = Math.min(start, known[end]!.from)
      if (known[end]!.to > stop) [stop, count] = [known[end]!.to, known[end]!.begun]
    }
    known.splice(i, end - i, { from: start, to: stop, begun: count })
  }

  /** The stream ends at this edge. Answers whether that can be. */
  handleEnd(final: number): PacketDropReason | undefined {
    if (this.#state === "closed") return undefined
    this.#isStatusWanted = true
    if (final < this.#high || (this.#final !== Infinity && final !== this.#final)) return "not-sent"
    this.#final = final
    return undefined
  }

  /** Drops everything kept; nothing is taken any more. */
  close(): void {
    for (let number = this.#next; this.#kept > 0; number++) {
      const slot = this.#slotOf(number)
      if (slot !== 0) this.#drop(number, slot)
    }
    this.#state = "closed"
    this.#isStatusWanted = false
    this.#statusDueMs = Infinity
    this.#telling.stop()
  }

  /** When a status is due; −Infinity: now. */
  get nextTimeoutMs(): number {
    if (this.#state === "closed") return Infinity
    if (this.#isStatusWanted) return -Infinity
    const due = Math.min(this.#statusDueMs, this.#telling.dueMs)
    if (this.#gaps.count === 0 || (this.#lack === LACK.memory && this.#isOrdered)) return due
    return Math.min(due, this.#gaps.dueMs(this.#rtt.srttMs, this.#repeatMs(), this.#askEnd()))
  }

  /**
   * With the pool full only what can be taken in its turn is asked for; and where there may be memory again one packet,
   * to see.
   */
  #askEnd(): number {
    if (this.#lack === LACK.pool) return Math.min(this.#gaps.firstEnd, this.#limit)
    return this.#lack === LACK.trial && this.#isOrdered ? Math.min(this.#next + 1, this.#limit) : this.#limit
  }

  /** NAKs are repeated after 1.5 srtt, further and further apart only while nothing at all is heard. */
  #repeatMs(): number {
    const usual = Math.max(GRANULARITY_MS, 1.5 * this.#rtt.srttMs)
    return this.#lastArrivalMs >= this.#lastNakMs
      ? usual
      : Math.max(usual, Math.min(this.#nakRepeatMs, NAK_REPEAT_MS_MAX))
  }

  /**
   * Fills in a status, if one is due, with at most so many ranges in all: what is missing comes before what is there.
   */
  pollStatus(nowMs: number, status: Status, rangesMax: number = 2 * RANGES_MAX): boolean {
    if (this.nextTimeoutMs > nowMs) return false
    status.stream = this.id
    status.state =
      (this.#isStarted ? 0 : STATUS.startUnknown) |
      (this.isComplete || this.#state === "closed" ? STATUS.closed : 0) |
      (this.#lack !== LACK.nothing || this.#limit !== Infinity ? STATUS.noRoom : 0)
    status.cumulative = this.#isStarted ? this.#next : 0
    status.received.count = status.missing.count = 0
    if (this.#isStarted && this.#state === "open") {
      const missingMax = Math.min(rangesMax, RANGES_MAX)
      if (this.#lack !== LACK.memory || !this.#isOrdered) this.#ask(nowMs, status, missingMax)
      if (this.#lack === LACK.nothing) {
        if (this.#limit !== Infinity) {
          this.#limitTold = Math.max(this.#limitTold, this.#limit)
          this.#allow(status, missingMax, this.#limit)
        }
      } else if (this.#unfinished > 0 && !this.#isOrdered) {
        const most = Math.min(this.#next + this.#options.spreadPackets, NUMBER_MAX, this.#final)
        this.#allow(status, missingMax, Math.min(Math.max(this.#next, this.#high) + this.#unfinished, most))
      }
      const left = Math.min(rangesMax - status.missing.count, RANGES_MAX)
      // A packet kept at the edge waits for room: the edge says enough of it.
      const edge = this.#slotOf(this.#next) === 0 ? this.#next : this.#next + 1
      if (this.#kept > 0 || !this.#isOrdered || this.#gone.length > 0) {
        // What is in front may stand still until what is behind has gone on.
        const isStill = (status.state & STATUS.noRoom) !== 0
        this.#gaps.received(edge, this.#high, status.received, left, isStill)
      }
    }
    this.#isStatusWanted = false
    this.#unreported = 0
    this.#statusDueMs = Infinity
    if (this.#telling.isActive) this.#said(nowMs)
    return true
  }

  /** Where room is limited the sender goes ahead of what came so far only as far as it is allowed. */
  #allow(status: Status, rangesMax: number, limit: number): void {
    const { missing } = status
    const high = Math.max(this.#next, this.#high)
    // Ranges don't touch; where this one begins tells nothing.
    const from = lastEdge(missing) === high ? high + 1 : high
    if (limit <= from || missing.count >= rangesMax) return
    append(missing, from, limit)
    status.state |= STATUS.ahead
  }

  #said(nowMs: number): void {
    if (++this.#timesTold >= ROOM_TOLD_MAX) this.#telling.stop()
    else this.#telling.said(nowMs, this.#rtt.ptoMs + this.#options.peerStatusDelayMs, ROOM_PACE)
  }

  #ask(nowMs: number, status: Status, rangesMax: number): void {
    const repeatMs = this.#repeatMs()
    this.#gaps.ask(nowMs, this.#rtt.srttMs, repeatMs, status.missing, rangesMax, this.#askEnd())
    if (status.missing.count === 0) return
    this.#nakRepeatMs = this.#lastArrivalMs >= this.#lastNakMs ? repeatMs : 2 * repeatMs
    this.#lastNakMs = nowMs
    this.#naksSent++
  }

  #slotOf(number: number): number {
    return this.#kept === 0 || number >= this.#high || number - this.#next > this.#mask
      ? 0
      : this.#slots[ringIndex(number, this.#mask)]!
  }

  #keep(number: number, delivery: number, bytes: Uint8Array, offset: number, length: number): boolean {
    if (length > this.#pool.slotBytes) return false
    const slot = this.#pool.acquire()
    if (slot < 0) return false
    while (number - this.#next > this.#mask) this.#growRing()
    const at = ringIndex(number, this.#mask)
    this.#slots[at] = slot + 1
    this.#lengths[at] = length
    this.#deliveries[at] = delivery
    this.#pool
      .bytes(slot)
      .set(length === bytes.length ? bytes : bytes.subarray(offset, offset + length), this.#pool.offset(slot))
    this.#kept++
    return true
  }

  #growRing(): void {
    const { length: before } = this.#slots
    const [slots, lengths, deliveries] = [this.#slots, this.#lengths, this.#deliveries]
    const rows = Math.max(WAITING_MIN, 2 * before)
    this.#mask = rows - 1
    this.#slots = new Int32Array(rows)
    this.#lengths = new Int32Array(rows)
    this.#deliveries = new Uint8Array(rows)
    for (let number = this.#next; number < this.#next + before; number++) {
      const from = ringIndex(number, before - 1)
      const to = ringIndex(number, this.#mask)
      this.#slots[to] = slots[from]!
      this.#lengths[to] = lengths[from]!
      this.#deliveries[to] = deliveries[from]!
    }
  }

  #drop(number: number, slot: number): void {
    this.#slots[ringIndex(number, this.#mask)] = 0
    this.#pool.release(slot - 1)
    if (--this.#kept > 0) return
    // Streams that have nothing to keep hold no memory for it.
    this.#mask = -1
    this.#slots = this.#lengths = NO_INTS
    this.#deliveries = EMPTY
  }

  /** For tests: throws an `Error` that names what is wrong inside. */
  assertInvariants(): void {
    if (!this.#isStarted) return
    if (this.#next > this.#high) throw new Error(`edge ${this.#next} above the newest ${this.#high}`)
    if (this.#high - this.#next > this.#options.spreadPackets)
      throw new Error("more packets known of than the spread allows")
    if (this.#high > NUMBER_MAX + 1) throw new Error("number above the most")
    this.#gaps.assertInvariants(this.#next, this.#high)
    let kept = 0
    for (const slot of this.#slots) if (slot !== 0) kept++
    if (kept !== this.#kept) throw new Error(`${this.#kept} kept, counted ${kept}`)
  }
}
