/**
 * How much a peer may have in flight. Pure and pluggable: a controller sees what is sent, acknowledged and lost, and answers with a window
 * and a pace.
 *
 * @module
 */

export interface CongestionController {
  /** Payload bytes that may be in flight to the peer. */
  readonly windowBytes: number
  /** Payload bytes a millisecond; `Infinity`: as fast as the window opens. */
  readonly paceBytesPerMs: number
  onAcknowledged(bytes: number, rttMs: number, nowMs: number): void
  onLost(bytes: number, nowMs: number): void
}

/** A window that never changes: for networks that are one's own. */
export function fixedController(windowBytes: number): CongestionController {
  return { windowBytes, paceBytesPerMs: Infinity, onAcknowledged: () => {}, onLost: () => {} }
}
