/**
 * The receiving end of a stream: tells in-order packets from early, late and impossible ones, keeps early ones in the pool, and asks for
 * what is missing (PROTOCOL.md §8). The caller dispatches payloads; nothing here calls out.
 *
 * @module
 */

import { MODE, type Mode, NUMBER_MAX, type PacketDropReason, RANGES_MAX, ringIndex, type Status, STATUS, type Sync } from "@x/wire"
import { GapTracker } from "./gap-tracker.ts"
import { type StreamOptions } from "./options.ts"
import type { PacketPool } from "./packet-pool.ts"
import { GRANULARITY_MS, type RttEstimator } from "./rtt.ts"

/** NAKs are repeated at most this far apart, milliseconds. */
const NAK_REPEAT_MS_MAX = 1_000
/** Packets that can wait before their ring first grows. */
const WAITING_MIN = 16

export interface ReceiveStreamOptions {
  readonly id: number
  readonly mode: Mode
  readonly options: StreamOptions
  readonly rtt: RttEstimator
  readonly pool: PacketPool
}

/** What to do with a packet: dispatch its payload now and then `advance`; nothing, it is kept; or it was dropped for this reason. */
export type Verdict = "deliver" | "kept" | PacketDropReason

export type ReceiveState = "open" | "closed"

/** A kept packet whose turn has come. */
export interface KeptPacket {
  bytes: Uint8Array
  view: DataView
  offset: number
  length: number
  delivery: number
}

const EMPTY = new Uint8Array(0)

export function createKeptPacket(): KeptPacket {
  return { bytes: EMPTY, view: new DataView(EMPTY.buffer), offset: 0, length: 0, delivery: 0 }
}

export class ReceiveStream {
  readonly id: number
  readonly mode: Mode
  readonly #options: StreamOptions
  readonly #rtt: RttEstimator
  readonly #pool: PacketPool
  readonly #gaps: GapTracker
  /** Whether it is known with which number the stream begins. */
  #isStarted = false
  /** The cumulative edge. */
  #next = 0
  /** Behind the newest packet known of. */
  #high = 0
  #final = Infinity
  #state: ReceiveState = "open"
  /** Rings by packet number: pool slot + 1, payload length, delivery byte. */
  #mask = WAITING_MIN - 1
  #slots = new Int32Array(WAITING_MIN)
  #lengths = new Int32Array(WAITING_MIN)
  #deliveries = new Uint8Array(WAITING_MIN)
  #kept = 0
  /** Packets since the last status. */
  #unreported = 0
  #statusDueMs = Infinity
  #isStatusWanted = false
  #hasNoRoom = false
  #nakRepeatMs = 0
  #lastArrivalMs = -Infinity
  #lastNakMs = -Infinity
  #naksSent = 0
  #duplicates = 0

  constructor({ id, mode, options, rtt, pool }: ReceiveStreamOptions) {
    this.id = id
    this.mode = mode
    this.#options = options
    this.#rtt = rtt
    this.#pool = pool
    this.#gaps = new GapTracker(options.reorderPackets)
    if (mode === MODE["fire-and-forget"]) this.#isStarted = true
  }

  get state(): ReceiveState {
    return this.#state
  }

  get isStarted(): boolean {
    return this.#isStarted
  }

  /** The cumulative edge: all packets below left the stream layer. */
  get cumulative(): number {
    return this.#next
  }

  /** Packets kept until their turn comes. */
  get kept(): number {
    return this.#kept
  }

  get naksSent(): number {
    return this.#naksSent
  }

  get duplicates(): number {
    return this.#duplicates
  }

  /** Whether the end is known and everything before it was dispatched. */
  get isComplete(): boolean {
    return this.#isStarted && this.#next >= this.#final
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
   * Takes in a packet whose payload lies at `bytes[offset, offset + length)`. On `"deliver"` the caller dispatches the payload and calls
   * `advance`, or, if there is no memory for it, `refuse`; then it looks at `peekKept`.
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
    if (wanted) this.#isStatusWanted = true
    if (!this.#isStarted) return this.#refuseUnopened(number)
    if (number < this.#next) return this.#duplicate()
    if (number >= this.#next + this.#options.spreadPackets || number >= this.#final) return "beyond-spread"
    if (this.#slotOf(number) !== 0) return this.#duplicate()
    this.#lastArrivalMs = nowMs
    const isNext = number === this.#next
    // With nothing kept and nothing missing, in-order packets touch no other state: the fast path.
    if (isNext && number === this.#high) {
      this.#gaps.arrived()
      this.#high = number + 1
      this.#noteArrival(nowMs)
      return "deliver"
    }
    if (!isNext && !this.#keep(number, delivery, bytes, offset, length)) {
      this.#hasNoRoom = true
      this.#isStatusWanted = true
      return "no-room"
    }
    this.#noteNumber(number, nowMs)
    this.#noteArrival(nowMs)
    return isNext ? "deliver" : "kept"
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
      this.#gaps.fill(number, nowMs)
    }
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
    if (slot !== 0) {
      this.#drop(this.#next, slot)
      this.hasRoom()
    }
    this.#next++
    if (this.#next === this.#final) this.#isStatusWanted = true
  }

  /** There was no memory for the packet at the edge: it is neither acknowledged nor asked for until `hasRoom`. */
  refuse(): void {
    this.#hasNoRoom = true
    this.#isStatusWanted = true
    if (this.#slotOf(this.#next) !== 0) return
    if (this.#high === this.#next + 1) this.#high = this.#next
    else this.#gaps.addFront(this.#next)
  }

  /** Memory is free again: a status tells, and what was refused is asked for. */
  hasRoom(): void {
    if (!this.#hasNoRoom) return
    this.#hasNoRoom = false
    this.#isStatusWanted = true
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
    if (wanted) this.#isStatusWanted = true
    if (!this.#isStarted) {
      // The opening tells more than where to begin: it comes first.
      this.#isStatusWanted = true
      this.#high = Math.max(this.#high, sync.high)
      return "not-open"
    }
    if (sync.high > this.#final) return "beyond-spread"
    // Memory may be free again that others gave back: what was refused is asked for, at most as often as syncs come.
    this.hasRoom()
    if (sync.high - this.#next > this.#options.spreadPackets) return "beyond-spread"
    this.#miss(sync.high, nowMs)
    return undefined
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
  }

  /** When a status is due; −Infinity: now. */
  get nextTimeoutMs(): number {
    if (this.#state === "closed") return Infinity
    if (this.#isStatusWanted) return -Infinity
    if (this.#hasNoRoom) return this.#statusDueMs
    return this.#gaps.count === 0 ? this.#statusDueMs : Math.min(this.#statusDueMs, this.#gaps.dueMs(this.#rtt.srttMs, this.#repeatMs))
  }

  /** NAKs are repeated after 1.5 srtt, further and further apart only while nothing at all is heard. */
  get #repeatMs(): number {
    const usual = Math.max(GRANULARITY_MS, 1.5 * this.#rtt.srttMs)
    return this.#lastArrivalMs >= this.#lastNakMs ? usual : Math.max(usual, Math.min(this.#nakRepeatMs, NAK_REPEAT_MS_MAX))
  }

  /** Fills in a status, if one is due, with at most so many ranges in all: what is missing comes before what is there. */
  pollStatus(nowMs: number, status: Status, rangesMax: number = 2 * RANGES_MAX): boolean {
    if (this.nextTimeoutMs > nowMs) return false
    status.stream = this.id
    status.state =
      (this.#isStarted ? 0 : STATUS.startUnknown) |
      (this.isComplete || this.#state === "closed" ? STATUS.closed : 0) |
      (this.#hasNoRoom ? STATUS.noRoom : 0)
    status.cumulative = this.#isStarted ? this.#next : 0
    status.received.count = status.missing.count = 0
    if (this.#isStarted && this.#state === "open") {
      if (!this.#hasNoRoom) this.#ask(nowMs, status, Math.min(rangesMax, RANGES_MAX))
      const left = Math.min(rangesMax - status.missing.count, RANGES_MAX)
      // A packet kept at the edge waits for room: the edge says enough of it.
      const edge = this.#slotOf(this.#next) === 0 ? this.#next : this.#next + 1
      if (this.#kept > 0) this.#gaps.received(edge, this.#high, status.received, left)
    }
    this.#isStatusWanted = false
    this.#unreported = 0
    this.#statusDueMs = Infinity
    return true
  }

  #ask(nowMs: number, status: Status, rangesMax: number): void {
    const repeatMs = this.#repeatMs
    this.#gaps.ask(nowMs, this.#rtt.srttMs, repeatMs, status.missing, rangesMax)
    if (status.missing.count === 0) return
    this.#nakRepeatMs = this.#lastArrivalMs >= this.#lastNakMs ? repeatMs : 2 * repeatMs
    this.#lastNakMs = nowMs
    this.#naksSent++
  }

  #slotOf(number: number): number {
    return this.#kept === 0 || number >= this.#high || number - this.#next > this.#mask ? 0 : this.#slots[ringIndex(number, this.#mask)]!
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
    this.#pool.bytes(slot).set(length === bytes.length ? bytes : bytes.subarray(offset, offset + length), this.#pool.offset(slot))
    this.#kept++
    return true
  }

  #growRing(): void {
    const { length: before } = this.#slots
    const [slots, lengths, deliveries] = [this.#slots, this.#lengths, this.#deliveries]
    this.#mask = 2 * before - 1
    this.#slots = new Int32Array(2 * before)
    this.#lengths = new Int32Array(2 * before)
    this.#deliveries = new Uint8Array(2 * before)
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
    this.#kept--
  }

  assertInvariants(): void {
    if (!this.#isStarted) return
    if (this.#next > this.#high) throw new Error(`edge ${this.#next} above the newest ${this.#high}`)
    if (this.#high - this.#next > this.#options.spreadPackets) throw new Error("more packets known of than the spread allows")
    if (this.#high > NUMBER_MAX + 1) throw new Error("number above the most")
    this.#gaps.assertInvariants(this.#next, this.#high)
    let kept = 0
    for (const slot of this.#slots) if (slot !== 0) kept++
    if (kept !== this.#kept) throw new Error(`${this.#kept} kept, counted ${kept}`)
  }
}
