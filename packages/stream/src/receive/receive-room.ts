/**
 * What a receiver has no room for: early packets without a pool slot, messages without memory, and packets for a
 * consumer that is behind. It decides what is asked for meanwhile, how far ahead the sender may go, and when there is
 * room again.
 *
 * @module
 */

import { type Status, STATUS, ZERO } from "@x/wire"
import type { GapTracker } from "../gap-tracker.ts"
import { append, lastEdge } from "./append.ts"
import type { ReceiveEdges } from "./receive-edges.ts"
import type { StatusTimer } from "./status-timer.ts"

/**
 * Why packets are refused. `pool`: it has no slot for an early packet. `memory`: there is none for the next packet.
 * `trial`: there may be memory again, and one packet is asked for to find out.
 */
const LACK = { nothing: 0, pool: 1, memory: 2, trial: 3 } as const
type Lack = (typeof LACK)[keyof typeof LACK]

/**
 * Without a sign that there is room it is tried after an eighth of the time since the first try, and no later than this:
 * what is refused is sent for nothing, and each try is answered by a sync.
 */
const TRY_MS_MAX = 250
const TRY_PART = 8

/** The room for one stream. */
export class ReceiveRoom {
  readonly #edges: ReceiveEdges
  readonly #gaps: GapTracker
  readonly #statusTimer: StatusTimer
  readonly #isOrdered: boolean
  #lack: Lack = LACK.nothing
  /**
   * The consumer has room for packets below this; `Infinity`: it was never behind. The second is the limit that the
   * sender was told; `Infinity`: none.
   */
  #limit = Infinity
  #limitTold = Infinity
  /** Packets that messages under way still need. */
  #unfinished = 0
  /** The first try, and the last one, since something came on; `Infinity`: there was none. */
  #firstTriedMs = Infinity
  #lastTriedMs: number = ZERO

  constructor(edges: ReceiveEdges, gaps: GapTracker, statusTimer: StatusTimer, isOrdered: boolean) {
    this.#edges = edges
    this.#gaps = gaps
    this.#statusTimer = statusTimer
    this.#isOrdered = isOrdered
  }

  /** Whether the sender has to know that there is not room for everything. */
  get isShort(): boolean {
    return this.#lack !== LACK.nothing || this.#limit !== Infinity
  }

  /** Whether packets were refused for lack of a slot or of memory, and some of them haven't come since. */
  get isLacking(): boolean {
    return this.#lack !== LACK.nothing
  }

  /** Whether anything is asked for. In ordered modes nothing is while there is no memory for the next packet. */
  get isAsking(): boolean {
    return this.#lack !== LACK.memory || !this.#isOrdered
  }

  /**
   * Nothing from this number on is asked for. With a full pool only packets that can be taken in order are asked for,
   * and on a trial only one packet.
   */
  get askEnd(): number {
    if (this.#lack === LACK.pool) return Math.min(this.#gaps.firstEnd, this.#limit)
    return this.#lack === LACK.trial && this.#isOrdered ? Math.min(this.#edges.next + 1, this.#limit) : this.#limit
  }

  /**
   * Whether an early packet is refused even if there is a slot. While the next packet has no room, no later one is
   * kept: the sender's window is to hold it up. What the sender was allowed is kept, also where the packets before it
   * turn out to need all of the room.
   */
  refuses(number: number): boolean {
    if (this.#lack >= LACK.memory) return true
    return number >= this.#limit && (number >= this.#limitTold || this.#limitTold === Infinity)
  }

  /** An early packet was not kept: for lack of a slot, unless something else was lacking. */
  lackSlot(number: number): void {
    if (this.#lack === LACK.nothing && number < this.#limit) this.#lack = LACK.pool
  }

  /** There was no memory for a packet, or for its message. */
  lackMemory(): void {
    this.#lack = LACK.memory
  }

  /** Only while something is lacking: a packet was dispatched. `wasKept`: its slot is free now. */
  handleDispatched(wasKept: boolean): void {
    if (wasKept || this.#lack === LACK.trial) this.#comeOn()
  }

  /** Only while something is lacking: the edge moved. */
  handleMove(): void {
    if (this.#hasCome()) this.#comeOn()
  }

  /** The refused packets have come by themselves, or were given up: none is left to ask for. */
  #hasCome(): boolean {
    return this.#gaps.count === 0
  }

  /** A message has its memory now: its packets that were refused before are asked for. */
  handleBegun(message: number): void {
    if (this.#lack !== LACK.nothing && this.#gaps.releaseOf(message)) this.#statusTimer.want()
  }

  #comeOn(): void {
    this.#firstTriedMs = Infinity
    this.#noLack()
  }

  /** Others may have given back memory, or not: now and then that is tried. */
  tryRoom(nowMs: number): void {
    if (this.#lack === LACK.nothing) return
    if (this.#firstTriedMs === Infinity) this.#firstTriedMs = nowMs
    else if (nowMs - this.#lastTriedMs < Math.min(TRY_MS_MAX, (nowMs - this.#firstTriedMs) / TRY_PART)) return
    this.#lastTriedMs = nowMs
    this.hasRoom()
  }

  /**
   * There may be memory again: one packet is asked for as a trial, and the others once it was accepted. If all were
   * asked for at once, most would be refused again.
   */
  hasRoom(): void {
    if (this.#lack === LACK.nothing) return
    if (this.#lack === LACK.pool || this.#hasCome()) return this.#noLack()
    // The sender may have given up the packet of the last trial: then the next one is tried.
    if (this.#lack === LACK.trial && !this.#gaps.isFirstHeld) return
    this.#lack = LACK.trial
    this.#gaps.release(true)
    this.#statusTimer.tellRoom()
  }

  #noLack(): void {
    this.#lack = LACK.nothing
    this.#gaps.release(false)
    this.#statusTimer.tellRoom()
  }

  /** The consumer has room for this many packets. `ReceiveStream.limit` explains the arguments. */
  limit(packets: number, worth: number, isWaiting: boolean, begun: number): void {
    const { next, high, reach } = this.#edges
    const wasLimited = this.#limit !== Infinity
    const behind = this.#isOrdered ? next + packets : this.#gaps.behind(packets, high)
    const limit = this.#isOrdered || begun === 0 ? behind : Math.max(behind, high + begun)
    this.#limit = Math.max(next, Math.min(limit, reach))
    if (!wasLimited) this.#statusTimer.want()
    const more = this.#limit - this.#limitTold
    if (more >= worth || (more > 0 && isWaiting)) this.#statusTimer.tellRoom()
  }

  /** Messages under way need this many packets more, and have the memory for them. */
  letFinish(packets: number): void {
    this.#unfinished = packets
  }

  /**
   * Fills in how far the sender may go ahead of the packets received so far, if that is limited, and counts it as told.
   */
  allow(status: Status, rangesMax: number): void {
    if (this.#lack === LACK.nothing) {
      if (this.#limit === Infinity) return
      // Not the first limit that was computed: by now the consumer may have less room.
      this.#limitTold = this.#limitTold === Infinity ? this.#limit : Math.max(this.#limitTold, this.#limit)
      this.#letGo(status, rangesMax, this.#limit)
    } else if (this.#unfinished > 0 && !this.#isOrdered) {
      const { next, high, reach } = this.#edges
      this.#letGo(status, rangesMax, Math.min(Math.max(next, high) + this.#unfinished, reach))
    }
  }

  #letGo(status: Status, rangesMax: number, limit: number): void {
    const { missing } = status
    const { high } = this.#edges
    // Ranges don't touch. The beginning of this one has no meaning.
    const from = lastEdge(missing) === high ? high + 1 : high
    if (limit <= from || missing.count >= rangesMax) return
    append(missing, from, limit)
    status.state |= STATUS.ahead
  }
}
