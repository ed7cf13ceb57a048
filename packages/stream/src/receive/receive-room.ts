/**
 * What a receiver has no room for: packets that the pool has no slot for, messages without memory, and what a consumer
 * that is behind can't take. What is asked for then, how far the sender is let go ahead, and that there is room again.
 *
 * @module
 */

import { type Status, STATUS } from "@x/wire"
import { append, type GapTracker, lastEdge } from "../gap-tracker.ts"
import type { ReceiveEdges } from "./receive-edges.ts"
import type { StatusTimer } from "./status-timer.ts"

/**
 * Why packets are refused: the pool has no slot for what came early; there is no memory for what is next; or there may
 * be some again, which one packet is to show.
 */
const LACK = { nothing: 0, pool: 1, memory: 2, trial: 3 } as const
type Lack = (typeof LACK)[keyof typeof LACK]

/** The room for one stream. */
export class ReceiveRoom {
  readonly #edges: ReceiveEdges
  readonly #gaps: GapTracker
  readonly #statusTimer: StatusTimer
  readonly #isOrdered: boolean
  #lack: Lack = LACK.nothing
  /** The consumer has room for packets below this; `Infinity`: it was never behind. And what the sender was told. */
  #limit = Infinity
  #limitTold = Infinity
  /** Packets that messages under way want. */
  #unfinished = 0

  constructor(edges: ReceiveEdges, gaps: GapTracker, statusTimer: StatusTimer, isOrdered: boolean) {
    this.#edges = edges
    this.#gaps = gaps
    this.#statusTimer = statusTimer
    this.#isOrdered = isOrdered
  }

  /** Whether the sender is to know that there is not room for everything. */
  get isShort(): boolean {
    return this.#lack !== LACK.nothing || this.#limit !== Infinity
  }

  /** Whether packets were refused for want of a slot, or of memory, and not all of them have come since. */
  get isLacking(): boolean {
    return this.#lack !== LACK.nothing
  }

  /** Whether anything is asked for: not while there is no memory for what is next, where there is an order. */
  get isAsking(): boolean {
    return this.#lack !== LACK.memory || !this.#isOrdered
  }

  /**
   * Nothing from here on is asked for. With the pool full only what can be taken in its turn is; and where there may be
   * memory again one packet, to see.
   */
  get askEnd(): number {
    if (this.#lack === LACK.pool) return Math.min(this.#gaps.firstEnd, this.#limit)
    return this.#lack === LACK.trial && this.#isOrdered ? Math.min(this.#edges.next + 1, this.#limit) : this.#limit
  }

  /**
   * Whether a packet that came early is not kept, slot or not. While what is next has no room nothing behind it is kept
   * either: the sender's window is what holds it up.
   */
  refuses(number: number): boolean {
    return this.#lack >= LACK.memory || number >= this.#limit
  }

  /** A packet that came early was not kept: for want of a slot, if nothing else was wanting. */
  lackSlot(number: number): void {
    if (this.#lack === LACK.nothing && number < this.#limit) this.#lack = LACK.pool
  }

  /** There was no memory for a packet, or for the message that it is of. */
  lackMemory(): void {
    this.#lack = LACK.memory
  }

  /** While it is lacking: a packet was dispatched. `wasKept`: that gave a slot back. */
  handleDispatched(wasKept: boolean): void {
    if (wasKept || this.#lack === LACK.trial) this.#noLack()
  }

  /** While it is lacking: the edge moved. */
  handleMove(): void {
    if (this.#hasCome) this.#noLack()
  }

  /** What was refused has come by itself, or was given up: nothing of it is left to ask for. */
  get #hasCome(): boolean {
    return this.#gaps.count === 0
  }

  /** A message has its memory now: what was refused of it before is asked for. */
  handleBegun(message: number): void {
    if (this.#lack !== LACK.nothing && this.#gaps.releaseOf(message)) this.#statusTimer.want()
  }

  /**
   * There may be memory again: one packet is asked for, to see; once it was taken the others are. All at once would
   * mostly be refused again.
   */
  hasRoom(): void {
    if (this.#lack === LACK.nothing) return
    if (this.#lack === LACK.pool || this.#hasCome) return this.#noLack()
    // The packet that was asked for before may be one that its sender has given up: then it is the turn of the next.
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

  /** The consumer has room for this many packets; the stream's `limit` says what the arguments mean. */
  limit(packets: number, worth: number, isWaiting: boolean, begun: number): void {
    const { next, high, reach } = this.#edges
    const wasLimited = this.#limit !== Infinity
    const behind = this.#isOrdered ? next + packets : this.#gaps.behind(packets, high)
    const limit = this.#isOrdered || begun === 0 ? behind : Math.max(behind, high + begun)
    this.#limit = Math.max(next, Math.min(limit, reach))
    if (!wasLimited) {
      this.#limitTold = this.#limit
      this.#statusTimer.want()
    }
    const more = this.#limit - this.#limitTold
    if (more >= worth || (more > 0 && isWaiting)) this.#statusTimer.tellRoom()
  }

  /** Messages under way want this many packets more, and have the memory for them. */
  letFinish(packets: number): void {
    this.#unfinished = packets
  }

  /** Fills in how far the sender may go ahead of what came so far, if that is limited, and counts it as told. */
  allow(status: Status, rangesMax: number): void {
    if (this.#lack === LACK.nothing) {
      if (this.#limit === Infinity) return
      this.#limitTold = Math.max(this.#limitTold, this.#limit)
      this.#letGo(status, rangesMax, this.#limit)
    } else if (this.#unfinished > 0 && !this.#isOrdered) {
      const { next, high, reach } = this.#edges
      this.#letGo(status, rangesMax, Math.min(Math.max(next, high) + this.#unfinished, reach))
    }
  }

  #letGo(status: Status, rangesMax: number, limit: number): void {
    const { missing } = status
    const { high } = this.#edges
    // Ranges don't touch; where this one begins tells nothing.
    const from = lastEdge(missing) === high ? high + 1 : high
    if (limit <= from || missing.count >= rangesMax) return
    append(missing, from, limit)
    status.state |= STATUS.ahead
  }
}
