/**
 * How much a peer may have in flight, and how fast. Pure and pluggable: a controller sees what is sent, delivered and
 * lost, in bytes of whole datagrams, and answers with a window and a pace. One object for each peer.
 *
 * @module
 */

/** What one feedback tells of the datagrams to a peer. Reused: read it during the call. */
export interface DeliverySample {
  /** When it came, milliseconds of the host's clock; so are the other times. */
  nowMs: number
  /** The round trip that this feedback closes, the peer's hold taken off; −1: none new. */
  rttMs: number
  /** When the datagram was sent that closes it. */
  sentMs: number
  /** The round trip, smoothed. */
  srttMs: number
  /** The least round trip seen so far; `Infinity` before the first sample. */
  minRttMs: number
  /** Bytes newly known to be delivered. */
  deliveredBytes: number
  /** Bytes newly known to be lost. */
  lostBytes: number
  /** Bytes of data sent behind the newest datagram heard of. */
  inFlightBytes: number
  /** Delivery rate since the newest datagram heard of was sent; 0: unknown. */
  rateBytesPerMs: number
  /** That datagram was sent while there was nothing more to send: the rate is the application's, not the path's. */
  isApplicationLimited: boolean
}

export function createDeliverySample(): DeliverySample {
  return {
    ...{
      nowMs: 0,
      rttMs: -1,
      sentMs: 0,
      srttMs: 0,
      minRttMs: Infinity,
      deliveredBytes: 0,
      lostBytes: 0,
      inFlightBytes: 0,
    },
    ...{ rateBytesPerMs: 0, isApplicationLimited: true },
  }
}

/**
 * Says how much data may be under way to one peer, and how fast it goes out. Control packets count, and are never held
 * back.
 */
export interface CongestionController {
  /** Bytes that may be in flight to the peer. */
  readonly windowBytes: number
  /** Bytes a millisecond; `Infinity`: as fast as the window opens. */
  readonly paceBytesPerMs: number
  /** A datagram goes out. */
  onSent(bytes: number, inFlightBytes: number, nowMs: number): void
  /** The peer told what arrived. `sample` is good during the call. */
  onFeedback(sample: DeliverySample): void
  /** The largest datagram has another size from now on. */
  onDatagramBytes?(datagramBytes: number): void
  /**
   * Data is about to be sent after a pause since `sinceMs`, of more than a PTO, in which nothing was in flight: what was
   * known of the path may be out of date.
   */
  onIdle?(sinceMs: number, nowMs: number): void
  /** Datagrams go another way from now on: to another address, say. What was measured is of the way before. */
  onPathChange?(nowMs: number): void
}

/**
 * Makes the controller of one peer. `datagramBytes`: of the largest datagram to it. What a factory or its controller
 * throws, a window below 1 and a pace that isn't above 0 is told as `error` of the endpoint, once for a peer, which
 * then goes on with `lossBased()`.
 */
export type CongestionFactory = (datagramBytes: number) => CongestionController

/** What `fixed` and `lossBased` made. */
const OWN = new WeakSet<CongestionFactory>()

/** Marks one of ours. */
export function own(factory: CongestionFactory): CongestionFactory {
  OWN.add(factory)
  return factory
}

/** Whether a factory makes controllers of ours, which need no watching. */
export function isOwn(factory: CongestionFactory): boolean {
  return OWN.has(factory)
}

/**
 * Window over round trip is what a path takes on the average; so much more lets the window, not the pace, be the limit.
 */
export const PACE_GAIN = 1.25
