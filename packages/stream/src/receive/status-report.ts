/**
 * The contents of a status: the edge, the missing packets that are asked for, how far the sender may go, and what was
 * received above the gaps.
 *
 * @module
 */

import { RANGES_MAX, type Status, STATUS } from "@x/wire"
import type { GapTracker } from "../gap-tracker.ts"
import { GRANULARITY_MS, type RttEstimator } from "../rtt.ts"
import type { GonePackets } from "./gone-packets.ts"
import type { KeptPackets } from "./kept-packets.ts"
import type { ReceiveEdges } from "./receive-edges.ts"
import type { ReceiveRoom } from "./receive-room.ts"
import type { StatusTimer } from "./status-timer.ts"

/** Between two full lists of missing packets lies this part of a round trip: they are no answer to one packet. */
const LIST_SRTT = 1 / 16

/** What a {@link StatusReport} reads. */
export interface StatusReportParts {
  readonly edges: ReceiveEdges
  readonly gaps: GapTracker
  readonly kept: KeptPackets
  readonly gone: GonePackets
  readonly room: ReceiveRoom
  readonly statusTimer: StatusTimer
  readonly rtt: RttEstimator
  readonly isOrdered: boolean
}

/** The contents of one stream's statuses. */
export class StatusReport {
  readonly #edges: ReceiveEdges
  readonly #gaps: GapTracker
  readonly #kept: KeptPackets
  readonly #gone: GonePackets
  readonly #room: ReceiveRoom
  readonly #statusTimer: StatusTimer
  readonly #rtt: RttEstimator
  readonly #isOrdered: boolean
  /** The last list of missing packets was full: the next one goes then, unless a status goes anyway. */
  #fullUntilMs = -Infinity

  constructor({ edges, gaps, kept, gone, room, statusTimer, rtt, isOrdered }: StatusReportParts) {
    this.#edges = edges
    this.#gaps = gaps
    this.#kept = kept
    this.#gone = gone
    this.#room = room
    this.#statusTimer = statusTimer
    this.#rtt = rtt
    this.#isOrdered = isOrdered
  }

  /** When something will have to be asked for, if nothing else comes; −Infinity: now. */
  get askDueMs(): number {
    const gaps = this.#gaps
    if (gaps.count === 0 || !this.#room.isAsking || this.#statusTimer.hasStopped) return Infinity
    const dueMs = gaps.dueMs(this.#rtt.srttMs, this.#statusTimer.repeatMs, this.#room.askEnd)
    return dueMs > this.#statusTimer.askUntilMs ? Infinity : Math.max(dueMs, this.#fullUntilMs)
  }

  /**
   * Fills in a status, except for the stream's id, with at most `rangesMax` ranges in all: missing ranges come before
   * received ones. What it asks for and allows counts as told.
   */
  fill(status: Status, nowMs: number, rangesMax: number): void {
    const { isStarted, isComplete, next, high } = this.#edges
    status.state =
      (isStarted ? 0 : STATUS.startUnknown) |
      (isComplete ? STATUS.closed : 0) |
      (this.#room.isShort ? STATUS.noRoom : 0)
    status.cumulative = isStarted ? next : 0
    status.received.count = status.missing.count = 0
    if (!isStarted) return
    const missingMax = Math.min(rangesMax, RANGES_MAX)
    if (this.#room.isAsking) this.#ask(status, nowMs, missingMax)
    this.#room.allow(status, missingMax)
    if (this.#kept.count === 0 && this.#isOrdered && this.#gone.count === 0) return
    const left = Math.min(rangesMax - status.missing.count, RANGES_MAX)
    // A packet kept at the edge waits for room. It is not listed: the edge says enough about it.
    const edge = this.#kept.has(next) ? next + 1 : next
    // Packets at the front may stand still until later ones have moved on.
    const isStill = (status.state & STATUS.noRoom) !== 0
    this.#gaps.received(edge, high, status.received, left, isStill)
  }

  #ask({ missing }: Status, nowMs: number, rangesMax: number): void {
    const { srttMs } = this.#rtt
    if (this.#gaps.ask(nowMs, srttMs, this.#statusTimer.repeatMs, missing, rangesMax, this.#room.askEnd))
      this.#statusTimer.asked(nowMs)
    if (missing.count >= rangesMax) this.#fullUntilMs = nowMs + Math.max(GRANULARITY_MS, LIST_SRTT * srttMs)
  }
}
