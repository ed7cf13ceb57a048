/**
 * The way to a peer, apart from its streams: the association in use and with it the address, the round trip, how large
 * datagrams may be, and how much may be in flight. A peer has one path at a time. Another may replace it; the streams
 * go on.
 *
 * @module
 */

import type { RttEstimator } from "@x/stream"
import { DATAGRAM_BYTES_BASE, type Feedback, type Limits } from "@x/wire"
import type { DeliverySample } from "../congestion/controller.ts"
import type { Settings } from "../settings.ts"
import type { Association } from "./association.ts"
import { Limiting } from "./limiting.ts"
import { PathSize } from "./path-size.ts"
import { SendGate } from "./send-gate.ts"

export interface PathParts {
  readonly settings: Settings
  /** What the peer announced of itself. */
  readonly limits: Limits
  /** The resolution of timers, milliseconds. */
  readonly timerMs: number
  /** The estimate of the peer, which its streams read: it begins anew with each path. */
  readonly rtt: RttEstimator
  /** Numbers from 0 to below 1, for the controller. */
  readonly random: () => number
}

export class Path {
  readonly rtt: RttEstimator
  readonly size: PathSize
  readonly gate: SendGate
  readonly limiting: Limiting = new Limiting()
  /** The association that datagrams go to; there is one from the first accept on. */
  association: Association | undefined
  /** Samples of datagrams sent before are of another path. */
  #beganMs = -Infinity

  constructor({ settings, limits, timerMs, rtt, random }: PathParts) {
    this.rtt = rtt
    this.size = new PathSize(settings, limits)
    this.gate = new SendGate(settings.congestion(this.size.datagramBytesMax, random), this.size, timerMs, rtt)
  }

  /** Takes an association into use. Returns the one before. */
  use(association: Association, nowMs: number): Association | undefined {
    const before = this.association
    this.association = association
    if (before !== undefined && before.address !== association.address) this.gate.controller.onPathChange?.(nowMs)
    return before
  }

  /**
   * The peer has proved an address of another host: nothing is known of the path there. Datagrams that were sent before
   * `sinceMs` took the path before.
   */
  renew(sinceMs: number, nowMs: number): void {
    this.#beganMs = sinceMs
    this.rtt.restart()
    this.size.renew()
    this.gate.controller.onPathChange?.(nowMs)
  }

  /** The path doesn't carry datagrams of this size. */
  limit(datagramBytes: number): void {
    if (this.size.limit(datagramBytes)) this.gate.controller.onDatagramBytes?.(this.size.datagramBytesMax)
  }

  /**
   * A datagram of this size came through when the peer joined: a join without its padding shows that the path carries
   * no more.
   */
  show(datagramBytes: number): void {
    if (datagramBytes < DATAGRAM_BYTES_BASE) this.limit(DATAGRAM_BYTES_BASE)
  }

  /** Takes in the peer's feedback on our datagrams; `false`: nothing new about the association in use. */
  handleFeedback(feedback: Feedback, association: Association, sample: DeliverySample, nowMs: number): boolean {
    if (!association.hasSent(feedback.counter)) return false
    association.protection.heard(feedback.counter, nowMs)
    const { rtt } = this
    if (!association.sent.handleFeedback(feedback, rtt.srttMs, nowMs, sample)) return false
    if (sample.rttMs >= 0 && sample.sentMs >= this.#beganMs) rtt.addSample(sample.rttMs, sample.sentMs, nowMs)
    if (association !== this.association) return false
    sample.srttMs = rtt.srttMs
    sample.minRttMs = rtt.minMs
    this.gate.handleFeedback(sample)
    return true
  }
}
