/**
 * When a sender sends a sync, because nothing moves or the receiver has to learn what was given up; and what the sync
 * says.
 *
 * @module
 */

import { RANGES_MAX, type Sync, ZERO } from "@x/wire"
import type { StreamOptions } from "../options.ts"
import type { RepeatPace } from "../repeater.ts"
import { GRANULARITY_MS, type RttEstimator } from "../rtt.ts"
import type { SendLedger } from "./send-ledger.ts"
import { PACKET } from "./send-ring.ts"
import type { SendLife } from "./send-life.ts"
import type { SendQueue } from "./send-queue.ts"

/**
 * Syncs are at most this far apart, milliseconds, or two RTTs if that is longer, while they were probably lost; further
 * apart when many things are repeated to the peer.
 */
const SYNC_MS_MAX = 100
const SYNC_PACE = 0.1
/**
 * After this many syncs without effect the intervals grow further. The second number counts once the receiver has
 * reported that it has no room.
 */
const SYNCS_SOON = 25
const SYNCS_SOON_HELD = 2
/** The first sync waits no longer than this, milliseconds: stalls can make a PTO of many seconds. */
const FIRST_SYNC_MS_MAX = 1_000

/**
 * When a packet was sent and nothing follows, a sync does, after this part of a round trip and at least this many
 * milliseconds: otherwise the loss of the last packet would show only after a PTO.
 */
const FOLLOW_SRTT = 1 / 4
const FOLLOW_MS_MIN = 5

/** What a {@link SyncTimer} reads. */
export interface SyncTimerParts {
  readonly life: SendLife
  readonly ledger: SendLedger
  readonly queue: SendQueue
  readonly rtt: RttEstimator
  readonly pace: RepeatPace
  readonly options: StreamOptions
  readonly isAcknowledged: boolean
}

/** The syncs of one stream. */
export class SyncTimer {
  readonly #life: SendLife
  readonly #ledger: SendLedger
  readonly #queue: SendQueue
  readonly #rtt: RttEstimator
  readonly #pace: RepeatPace
  readonly #peerStatusDelayMs: number
  readonly #isAcknowledged: boolean
  /** When the next one is due because nothing has moved; `Infinity`: nothing is awaited. */
  #dueMs = Infinity
  #intervalMs = ZERO
  /** Syncs since something moved. */
  #inVain = 0
  /** The receiver has to learn what was given up. */
  #isWanted = false
  #lastMs = -Infinity
  #sent = 0
  /** When the sync is due that follows the last packet; `Infinity`: none does. */
  #followMs = Infinity
  #doesAsk = true

  constructor({ life, ledger, queue, rtt, pace, options, isAcknowledged }: SyncTimerParts) {
    this.#life = life
    this.#ledger = ledger
    this.#queue = queue
    this.#rtt = rtt
    this.#pace = pace
    this.#peerStatusDelayMs = options.peerStatusDelayMs
    this.#isAcknowledged = isAcknowledged
  }

  /** Syncs so far. */
  get sent(): number {
    return this.#sent
  }

  /** When the next sync is due; `Infinity`: none. */
  get dueMs(): number {
    // Packets written after the receiver reported no room: nothing is under way whose answer could say that there is
    // room.
    if (this.#dueMs === Infinity && this.#queue.isStuck) return this.#lastMs + SYNC_MS_MAX
    // Gone packets are reported soon, but not with each message that is given up.
    const dueMs = Math.min(this.#dueMs, this.#followMs)
    return this.#isWanted ? Math.min(dueMs, this.#lastMs + Math.max(GRANULARITY_MS, this.#rtt.srttMs / 4)) : dueMs
  }

  /** Whether the last sync asks for a status. One that follows a packet only shows what was sent. */
  get doesAsk(): boolean {
    return this.#doesAsk
  }

  /** A packet was sent. `isLast`: no other follows it for now. */
  follow(isLast: boolean, nowMs: number): void {
    this.#followMs = isLast ? nowMs + Math.max(FOLLOW_MS_MIN, FOLLOW_SRTT * this.#rtt.srttMs) : Infinity
  }

  /** The receiver has to learn what was given up. */
  want(): void {
    this.#isWanted = true
  }

  /** Whether a sync will be due if nothing moves. */
  get isWaiting(): boolean {
    return this.#dueMs !== Infinity
  }

  /** A packet was sent, or the receiver has no room, and no sync is scheduled: one is due if nothing moves for long. */
  wait(nowMs: number): void {
    this.#arm(nowMs)
  }

  /** Something moved. */
  move(nowMs: number): void {
    this.#intervalMs = this.#inVain = 0
    this.#arm(nowMs)
  }

  /** The peer is heard again after a silence: a sync whose interval had grown is due now. */
  handleReachable(nowMs: number): void {
    this.move(nowMs)
    if (this.#dueMs !== Infinity) this.#dueMs = nowMs
  }

  /** Nothing is awaited any more. */
  stop(): void {
    this.#isWanted = false
    this.#dueMs = this.#followMs = Infinity
  }

  /** Fills in a sync with at most this many gone ranges, if one is due. */
  poll(nowMs: number, sync: Sync, rangesMax: number): boolean {
    if (this.dueMs > nowMs) return false
    const ledger = this.#ledger
    ledger.passGone()
    this.#doesAsk = this.#isWanted || this.#dueMs <= nowMs || this.#queue.isStuck
    this.#isWanted = false
    this.#followMs = Infinity
    this.#lastMs = nowMs
    this.#sent++
    sync.high = ledger.next
    this.#listGone(sync, Math.min(rangesMax, RANGES_MAX))
    if (!this.#doesAsk) return true
    this.#inVain++
    this.#arm(nowMs)
    return true
  }

  /** The low mark passes gone packets right above the receiver's edge; ranges report the rest. */
  #listGone(sync: Sync, rangesMax: number): void {
    const ledger = this.#ledger
    const { low, next, gonePackets } = ledger
    let number = gonePackets > 0 ? endOfGone(ledger, low) : low
    sync.low = number
    sync.begun = ledger.begunBelow(number)
    const { gone } = sync
    gone.count = 0
    let left = gonePackets - (number - low)
    while (left > 0 && number < next && gone.count < rangesMax) {
      const from = number
      number = endOfGone(ledger, from)
      if (number === from) {
        number++
        continue
      }
      gone.edges[2 * gone.count] = from
      gone.edges[2 * gone.count + 1] = number
      gone.begun[gone.count++] = ledger.begunBelow(number)
      left -= number - from
    }
  }

  /** The first sync comes after a PTO and the peer's delay, the next ones at growing intervals. */
  #arm(nowMs: number): void {
    const { low, next, firstQueued, high } = this.#ledger
    const { isHeld } = this.#queue
    // Packets given up unsent after all sent ones have to be reported too.
    const isWaiting = low < firstQueued || (isHeld && next < high)
    if (!isWaiting || !this.#isAcknowledged || !this.#life.isDelivering) {
      this.#dueMs = this.#followMs = Infinity
      return
    }
    const { srttMs, ptoMs } = this.#rtt
    const first = Math.min(ptoMs + this.#peerStatusDelayMs, FIRST_SYNC_MS_MAX)
    const usual = Math.max(SYNC_MS_MAX, SYNC_PACE * this.#pace.intervalMs, 2 * srttMs, first)
    const isSoon = this.#inVain <= (isHeld ? SYNCS_SOON_HELD : SYNCS_SOON)
    const most = isSoon ? usual : Math.max(usual, this.#pace.intervalMs)
    this.#intervalMs = this.#intervalMs === 0 ? first : Math.min(2 * this.#intervalMs, most)
    this.#dueMs = this.#pace.align(nowMs, this.#intervalMs)
  }

  /** For tests: throws an `Error` if packets wait for an answer that nothing asks for. */
  assertInvariants(): void {
    const isWaiting = this.#isAcknowledged && this.#life.isDelivering && this.#ledger.low < this.#ledger.firstQueued
    if (isWaiting && this.dueMs === Infinity) throw new Error("packets are unanswered and no sync is due")
  }
}

/** Where the range of gone packets that begins at a packet ends, below the first unsent one. */
function endOfGone(ledger: SendLedger, from: number): number {
  let number = from
  while (number < ledger.next && ledger.state(number) === PACKET.gone) number++
  return number
}
