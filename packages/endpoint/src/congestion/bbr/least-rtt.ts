/**
 * The least round trip of the path: how long it takes without a queue. Once it wasn't seen for a while it is probed for,
 * by letting what is in flight shrink (draft-ietf-ccwg-bbr-06 §5.3.4). If round trips stay long, either the queue is of
 * others or the path has become longer; the first is believed until the second has been seen for long.
 *
 * @module
 */

import { double, ZERO } from "@x/wire"

/** A probe is due once the least round trip wasn't seen for this long, milliseconds (§2.15, BBR.ProbeRTTInterval). */
const PROBE_EACH_MS = 5_000
/**
 * It is probed for even if it is seen all the time: a flow that began while others kept a queue takes that for the path.
 * A probe that shows nothing new doubles the time to the next one, up to this, milliseconds.
 */
const CHECK_EACH_MS_MAX = 60_000
/** A least round trip below this part of the former one is new. */
const NEW_PART = 0.95
/** A queue of others is probed half as often: each probe gives up some of our share. */
const PROBE_SHARING_EACH_MS = 10_000
/** A least round trip that wasn't confirmed for this long is forgotten. */
const FORGET_MS = 60_000
/** A path that seems longer for this long, by the same time within a twentieth, is longer. */
const DOUBT_MS = 30_000
const DOUBT_PART = 1 / 20

export class LeastRtt {
  #ms = Infinity
  #seenMs = ZERO
  /** The least since the last probe was due, and when it was last seen. */
  #recentMs = Infinity
  #recentSeenMs = ZERO
  #isProbeDue = false
  /** When the last probe was over, or the first round trip was measured; and how long after it the next one is due. */
  #checkedMs = Infinity
  #checkEachMs = double(PROBE_EACH_MS)
  /** Since when the path seems longer, and by how much it did at the last probe; 0: it doesn't. */
  #doubtSinceMs = ZERO
  #doubtMs = ZERO

  /** The least round trip, milliseconds; `Infinity`: none was measured. */
  get ms(): number {
    return this.#ms
  }

  /** Whether it has to be probed for. */
  get isProbeDue(): boolean {
    return this.#isProbeDue
  }

  /** A round trip was measured. `isSharing`: others keep a queue. */
  handleRtt(rttMs: number, isSharing: boolean, nowMs: number): void {
    const isExpired = nowMs > this.#recentSeenMs + (isSharing ? PROBE_SHARING_EACH_MS : PROBE_EACH_MS)
    const isLess = isExpired || rttMs < this.#recentMs
    if (isLess) this.#recentMs = rttMs
    // Seeing a longer one again and again is no reason to stop looking for the least.
    if (isLess || isNear(rttMs, this.#ms)) this.#recentSeenMs = nowMs
    this.#isProbeDue = (isExpired && !isNear(this.#recentMs, this.#ms)) || this.#isCheckDue(isSharing, nowMs)
    if (this.#recentMs <= this.#ms || nowMs > this.#seenMs + FORGET_MS) this.#learn(this.#recentMs, this.#recentSeenMs)
    else if (isNear(rttMs, this.#ms)) this.#learn(this.#ms, nowMs)
  }

  #isCheckDue(isSharing: boolean, nowMs: number): boolean {
    if (this.#checkedMs === Infinity) this.#checkedMs = nowMs
    return !isSharing && nowMs > this.#checkedMs + this.#checkEachMs
  }

  #learn(ms: number, seenMs: number): void {
    if (ms < NEW_PART * this.#ms) this.#checkEachMs = PROBE_EACH_MS
    this.#ms = ms
    this.#seenMs = seenMs
    this.#doubtSinceMs = 0
  }

  /** A probe is over. `queuedMs`: from here on there is a queue. Returns whether that is of others. */
  endProbe(queuedMs: number, nowMs: number): boolean {
    this.#recentSeenMs = this.#checkedMs = nowMs
    this.#checkEachMs = Math.min(2 * this.#checkEachMs, CHECK_EACH_MS_MAX)
    const ms = this.#recentMs
    if (ms > queuedMs && !this.#isLonger(ms, nowMs)) {
      if (this.#doubtSinceMs === 0) this.#doubtSinceMs = nowMs
      this.#doubtMs = ms
      return true
    }
    this.#learn(ms, nowMs)
    return false
  }

  #isLonger(ms: number, nowMs: number): boolean {
    const isLong = this.#doubtSinceMs > 0 && nowMs >= this.#doubtSinceMs + DOUBT_MS
    return isLong && Math.abs(ms - this.#doubtMs) <= DOUBT_PART * this.#doubtMs
  }
}

/** Timers and other datagrams make a small difference to the same round trip. */
function isNear(ms: number, leastMs: number): boolean {
  return ms <= 1.02 * leastMs + 0.1
}
