/**
 * How large a datagram to a peer may be, by both ends' limits and by what the path carries; and the sizes that follow
 * from that.
 *
 * @module
 */

import { messageBytesLimit } from "@x/fragment"
import * as wire from "@x/wire"
import type { Settings } from "../settings.ts"

/** Bytes of a datagram around the payload of a single packet, without prefix and tag. */
export const SEQUENCED_OVERHEAD_BYTES: number = wire.PACKET_OVERHEAD_BYTES + wire.SEQUENCED_HEADER_BYTES

/** Read for each packet. */
export class PathSize {
  /** The largest datagram that both ends take, bytes; the path may carry less. */
  readonly boundBytes: number
  /** The largest message that both ends accept, bytes: whatever the path carries, in more packets or fewer. */
  readonly messageBytesMax: number
  readonly #aroundBytes: number
  readonly #inFlightMax: number
  #datagramBytesMax: number

  constructor(settings: Settings, limits: wire.Limits) {
    const { profile, datagramBytes, messageBytesMax } = settings
    this.#aroundBytes = wire.PREFIX_BYTES[profile]! + wire.TAG_BYTES[profile]! + SEQUENCED_OVERHEAD_BYTES
    this.#inFlightMax = limits.inFlight
    this.boundBytes = Math.min(datagramBytes, limits.datagramBytes)
    const pieceBytesMax = messageBytesLimit(this.boundBytes - this.#aroundBytes)
    this.messageBytesMax = Math.min(messageBytesMax, limits.messageBytes, pieceBytesMax)
    this.#datagramBytesMax = Math.min(this.boundBytes, wire.DATAGRAM_BYTES_BASE)
  }

  /** The largest datagram to the peer, bytes. */
  get datagramBytesMax(): number {
    return this.#datagramBytesMax
  }

  /** The largest payload of a single packet, bytes. */
  get payloadBytesMax(): number {
    return this.#datagramBytesMax - this.#aroundBytes
  }

  /** Bytes that the peer's socket holds while the peer doesn't read them. */
  get heldBytesMax(): number {
    return this.#inFlightMax * this.#datagramBytesMax
  }

  /** The path carries datagrams of this size. Returns whether others were sent before. */
  set(datagramBytes: number): boolean {
    if (datagramBytes === this.#datagramBytesMax) return false
    this.#datagramBytesMax = datagramBytes
    return true
  }
}
