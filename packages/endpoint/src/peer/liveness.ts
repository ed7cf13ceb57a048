/**
 * Whether a peer is alive, judged by its silence: when heartbeats ask, when a join asks which incarnation is at its
 * address, and when the peer counts as unreachable or as gone.
 *
 * @module
 */

import { PROFILE } from "@x/wire"
import type { Settings } from "../settings.ts"

/** Unanswered heartbeats before a join asks which incarnation is there. */
const SILENT_HEARTBEATS_MAX = 3
/** Heartbeats come this many times further apart on an association that has been idle for this many intervals. */
const IDLE_FACTOR = 3
const IDLE_INTERVALS = 10

export type LivenessState = "joined" | "unreachable" | "leaving" | "left"

/** When something was last received and sent on an association, milliseconds. */
interface LastTimes {
  readonly lastReceivedMs: number
  readonly lastSentMs: number
}

export class Liveness {
  readonly #settings: Settings
  #state: LivenessState = "joined"
  /** When a join last asked which incarnation is there. */
  #probedMs = -Infinity

  constructor(settings: Settings) {
    this.#settings = settings
  }

  get state(): LivenessState {
    return this.#state
  }

  /** Whether it is neither leaving nor gone. */
  get isThere(): boolean {
    return this.#state === "joined" || this.#state === "unreachable"
  }

  /** A genuine datagram came. Returns whether the peer is reachable again. */
  heard(): boolean {
    this.#probedMs = -Infinity
    return this.revive()
  }

  revive(): boolean {
    if (this.#state !== "unreachable") return false
    this.#state = "joined"
    return true
  }

  lose(): void {
    this.#state = "unreachable"
  }

  leave(): void {
    this.#state = "leaving"
  }

  end(): void {
    this.#state = "left"
  }

  /** A join asks which incarnation is there. */
  probed(nowMs: number): void {
    this.#probedMs = nowMs
  }

  /**
   * Heartbeats come further apart once only heartbeats were exchanged for a while. `dataMs`: when a message was last
   * exchanged.
   */
  #heartbeatIntervalMs({ lastSentMs }: LastTimes, dataMs: number): number {
    const { heartbeatMs } = this.#settings
    // Only heartbeats find out whether it is back.
    const isIdle = this.#state !== "unreachable" && lastSentMs - dataMs > IDLE_INTERVALS * heartbeatMs
    return isIdle ? IDLE_FACTOR * heartbeatMs : heartbeatMs
  }

  heartbeatDueMs(last: LastTimes, dataMs: number): number {
    return this.#state === "leaving" ? Infinity : last.lastSentMs + this.#heartbeatIntervalMs(last, dataMs)
  }

  /** When the peer counts as unreachable. */
  silenceDueMs({ lastReceivedMs }: LastTimes): number {
    return this.#state === "joined" ? lastReceivedMs + this.#settings.unreachableMs : Infinity
  }

  /** When the peer counts as gone. */
  absenceDueMs({ lastReceivedMs }: LastTimes): number {
    const { unreachableMs, leaveMs } = this.#settings
    return this.#state === "unreachable" ? lastReceivedMs + unreachableMs + leaveMs : Infinity
  }

  /**
   * After a few unanswered heartbeats a join asks which incarnation is there, and from then on as often as a peer could
   * become unreachable. With keys, no hint says that the peer no longer knows us: so the join asks no later than when
   * the peer counts as unreachable, and again as soon as the last join is over.
   */
  probeDueMs(last: LastTimes, dataMs: number): number {
    if (this.#state === "leaving") return Infinity
    const { profile, unreachableMs, joinTimeoutMs } = this.#settings
    const silenceMs = SILENT_HEARTBEATS_MAX * this.#heartbeatIntervalMs(last, dataMs)
    if (profile < PROFILE.mac) return Math.max(last.lastReceivedMs + silenceMs, this.#probedMs + unreachableMs)
    return Math.max(
      last.lastReceivedMs + Math.min(silenceMs, unreachableMs),
      this.#probedMs + Math.min(joinTimeoutMs, unreachableMs),
    )
  }
}
