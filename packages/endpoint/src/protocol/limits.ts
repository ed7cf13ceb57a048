/** What an endpoint announces of itself in a join. */

import * as wire from "@x/wire"
import { type Settings, spreadOf } from "../settings.ts"

/**
 * Kernel memory that a datagram of usual size takes in a socket buffer, bytes: two pages and their bookkeeping,
 * measured.
 */
const SOCKET_BYTES_PER_DATAGRAM = 2_304

/** `receiveBufferBytes`: the receive buffer of the sockets. */
export function limitsOf(settings: Settings, receiveBufferBytes: number): wire.Limits {
  const held = Math.floor(receiveBufferBytes / SOCKET_BYTES_PER_DATAGRAM)
  return {
    datagramBytes: Math.max(settings.datagramBytes, wire.DATAGRAM_BYTES_BASE),
    inFlight: settings.inFlightMax ?? Math.min(wire.IN_FLIGHT_MAX, Math.max(wire.IN_FLIGHT_MIN, held)),
    spread: spreadOf(settings),
    streams: settings.streamsMax,
    messageBytes: settings.messageBytesMax,
    statusDelayMs: settings.statusDelayMs,
  }
}
