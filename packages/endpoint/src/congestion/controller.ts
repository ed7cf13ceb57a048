/**
 * How much a peer may have in flight, and how fast. Pure and pluggable: a controller learns what was sent, delivered
 * and lost, in bytes of whole datagrams, and sets a window and a pace. One object for each peer.
 *
 * @module
 */

import { double, ZERO } from "@x/wire"

/** What one feedback says about the datagrams to a peer. Reused: read it during the call. */
export interface DeliverySample {
  /** When the feedback came, milliseconds of the host's clock; all other times are of that clock too. */
  nowMs: number
  /** The round trip that this feedback completes, without the time that the peer held it back; −1: none. */
  rttMs: number
  /** When the datagram of that round trip was sent. */
  sentMs: number
  /** The smoothed round trip. */
  srttMs: number
  /** The least round trip seen so far; `Infinity` before the first sample. */
  minRttMs: number
  /** Bytes newly known to be delivered. */
  deliveredBytes: number
  /** Bytes newly known to be lost. */
  lostBytes: number
  /**
   * Bytes newly known to be delivered in datagrams that a queue on the way has marked instead of dropping them (ECN,
   * CE): of the bytes delivered, the part that the datagrams marked are of those delivered.
   */
  markedBytes: number
  /** Bytes that were counted as lost and were only late. */
  spuriousBytes: number
  /** Bytes of data that are neither known to be delivered nor counted as lost. */
  inFlightBytes: number
  /** Bytes known to be delivered in all. */
  totalDeliveredBytes: number
  /** Delivery rate since the newest reported datagram was sent; 0: unknown. */
  rateBytesPerMs: number
  /**
   * Whether the rate may be the application's, not the path's: when that datagram was sent, or since, the application
   * had nothing more to send.
   */
  isApplicationLimited: boolean
  /** Bytes known to be delivered in all when the newest reported datagram was sent. Only with a round trip. */
  sentDeliveredBytes: number
  /** Bytes in flight then, that datagram included. Only with a round trip. */
  sentInFlightBytes: number
  /** Bytes that were lost since then. Only with a round trip. */
  lostSinceSentBytes: number
  /** Bytes that came marked since then, 0 without a round trip. */
  markedSinceSentBytes: number
}

export function createDeliverySample(): DeliverySample {
  return {
    nowMs: ZERO,
    ...{ rttMs: double(-1), sentMs: ZERO, srttMs: ZERO, minRttMs: Infinity },
    ...{ deliveredBytes: ZERO, lostBytes: ZERO, spuriousBytes: ZERO, inFlightBytes: ZERO },
    ...{ totalDeliveredBytes: ZERO, rateBytesPerMs: ZERO, isApplicationLimited: true },
    ...{ sentDeliveredBytes: ZERO, sentInFlightBytes: ZERO, lostSinceSentBytes: ZERO },
    ...{ markedBytes: ZERO, markedSinceSentBytes: ZERO },
  }
}

/**
 * Decides how much data may be in flight to one peer, and how fast it is sent. Control packets count, but are never
 * held back.
 */
export interface CongestionController {
  /** Bytes that may be in flight to the peer. */
  readonly windowBytes: number
  /** Bytes a millisecond; `Infinity`: as fast as the window opens. */
  readonly paceBytesPerMs: number
  /**
   * Whether it slows down for `markedBytes` of a sample at least as it does for lost ones (RFC 3168 §5). Only then are
   * datagrams sent as ECN-capable: queues would mark those of a controller that doesn't, in vain. Read when a path
   * begins. Default `false`.
   */
  readonly answersMarks?: boolean
  /** A datagram is being sent. */
  onSent(bytes: number, inFlightBytes: number, nowMs: number): void
  /** The peer reported which datagrams arrived. `sample` is valid during the call. */
  onFeedback(sample: DeliverySample): void
  /** The size of the largest datagram has changed. */
  onDatagramBytes?(datagramBytes: number): void
  /**
   * Data is about to be sent after a pause since `sinceMs`, of more than a PTO, in which nothing was in flight: what is
   * known of the path may be out of date.
   */
  onIdle?(sinceMs: number, nowMs: number): void
  /** From now on datagrams take another path: they go to another address, say. All measurements are of the old path. */
  onPathChange?(nowMs: number): void
}

/** A usual datagram, by which RFC 9002 §7.2 bounds the first window: 10 of them are its 14,720 bytes. */
const FIRST_BYTES = 1_472

/** The window of a path that nothing is known of: so many datagrams, but only two where two are more than usual ones. */
export function firstWindowBytes(datagrams: number, datagramBytes: number): number {
  return Math.min(datagrams * datagramBytes, Math.max(2 * datagramBytes, datagrams * FIRST_BYTES))
}

/**
 * Makes the controller of one peer. `datagramBytes`: the size of the largest datagram to it; `random`: numbers from 0 to
 * below 1, for a controller that draws its times. Errors thrown by a factory or its controller, a window below 1, and a
 * pace that isn't above 0 are reported as `error` of the endpoint, once for a peer, which then goes on with `bbr()`.
 */
export type CongestionFactory = (datagramBytes: number, random: () => number) => CongestionController

/** Factories that `bbr`, `lossBased` and `fixed` made. */
const OWN = new WeakSet<CongestionFactory>()

/** Marks a factory as one of ours. */
export function own(factory: CongestionFactory): CongestionFactory {
  OWN.add(factory)
  return factory
}

/** Whether a factory makes our own controllers, which need no checks. */
export function isOwn(factory: CongestionFactory): boolean {
  return OWN.has(factory)
}

/** A path carries window over round trip on average. With this factor on top, the window is the limit, not the pace. */
export const PACE_GAIN = 1.25
