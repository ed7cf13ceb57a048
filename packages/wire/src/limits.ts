/** The limits of a member as a receiver, as in a `join` and an `accept` (PROTOCOL.md §7). */

import { SPREAD_MAX } from "./ranges.ts"

/** The smallest datagram that every peer accepts: 576 B of IPv4 less headers. */
export const DATAGRAM_BYTES_FLOOR = 548
/** Size of a `join` as a datagram, and of every datagram until the path is known to carry more. */
export const DATAGRAM_BYTES_BASE = 1200
/** The longest UDP payload over IPv4. */
export const DATAGRAM_BYTES_MAX = 65_507

/** What the sender of a `join` or `accept` accepts as a receiver. */
export interface Limits {
  /** Bytes of UDP payload, 548 to 65,507. */
  readonly datagramBytes: number
  /** Datagrams in flight, 64 to 1,048,576: bounds what the replay window has to span. */
  readonly inFlight: number
  /** Packets of a stream from the cumulative edge to the newest, a power of two from 64 to 65,536. */
  readonly spread: number
  /** Streams open to it at a time. */
  readonly streams: number
  /** Bytes of the largest message. */
  readonly messageBytes: number
  /** Milliseconds for which it may hold back a status, 1 to 1,000. */
  readonly statusDelayMs: number
}

/** Bytes of {@link Limits} in a `join` or `accept`. */
export const LIMITS_BYTES = 20
/** The least spread that a peer may announce, in packets. */
export const SPREAD_MIN = 64
/** The least datagrams in flight that a peer may announce. */
export const IN_FLIGHT_MIN = 64
/** The most datagrams in flight that a peer may announce: a replay window of 2^20 bits. */
export const IN_FLIGHT_MAX = 1_048_576
/** The longest status delay that a peer may announce, in milliseconds. */
export const STATUS_DELAY_MS_MAX = 1_000

/** Writes limits, {@link LIMITS_BYTES} bytes. */
export function writeLimits(view: DataView, at: number, limits: Limits): void {
  view.setUint16(at, limits.datagramBytes, true)
  view.setUint32(at + 2, limits.inFlight, true)
  view.setUint32(at + 6, limits.spread, true)
  view.setUint32(at + 10, limits.streams, true)
  view.setUint32(at + 14, limits.messageBytes, true)
  view.setUint16(at + 18, limits.statusDelayMs, true)
}

/** Reads limits, in range or not. */
export function readLimits(view: DataView, at: number): Limits {
  return {
    datagramBytes: view.getUint16(at, true),
    inFlight: view.getUint32(at + 2, true),
    spread: view.getUint32(at + 6, true),
    streams: view.getUint32(at + 10, true),
    messageBytes: view.getUint32(at + 14, true),
    statusDelayMs: view.getUint16(at + 18, true),
  }
}

/** Whether the limits at `at` are in the ranges that a peer may announce. */
export function areLimits(view: DataView, at: number): boolean {
  const { datagramBytes, inFlight, spread, statusDelayMs } = readLimits(view, at)
  return (
    isWithin(datagramBytes, DATAGRAM_BYTES_FLOOR, DATAGRAM_BYTES_MAX) &&
    isWithin(inFlight, IN_FLIGHT_MIN, IN_FLIGHT_MAX) &&
    isWithin(spread, SPREAD_MIN, SPREAD_MAX) &&
    (spread & (spread - 1)) === 0 &&
    isWithin(statusDelayMs, 1, STATUS_DELAY_MS_MAX)
  )
}

function isWithin(value: number, min: number, max: number): boolean {
  return value >= min && value <= max
}
