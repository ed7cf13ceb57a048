/**
 * How large a datagram to a peer may be, and what follows from that: from both ends' limits, and from what the path
 * carries.
 *
 * @module
 */

import { messageBytesLimit } from "@x/fragment"
import * as wire from "@x/wire"
import type { Settings } from "../settings.ts"

/** Bytes of a datagram around the payload of a lone packet, prefix and tag not counted. */
export const SEQUENCED_OVERHEAD_BYTES: number = wire.PACKET_OVERHEAD_BYTES + wire.SEQUENCED_HEADER_BYTES

/** Asked for each packet, so it is kept. */
export class PathSize {
  readonly #settings: Settings
  readonly #limits: wire.Limits
  #datagramBytesMax = 0
  #payloadBytesMax = 0
  #messageBytesMax = 0
  #inFlightBytesMax = 0

  constructor(settings: Settings, limits: wire.Limits) {
    this.#settings = settings
    this.#limits = limits
    this.#measure(Infinity)
  }

  /** Bytes of a datagram to the peer. */
  get datagramBytesMax(): number {
    return this.#datagramBytesMax
  }

  /** Bytes of the payload of a lone packet. */
  get payloadBytesMax(): number {
    return this.#payloadBytesMax
  }

  /** Bytes of the largest message both ends take. */
  get messageBytesMax(): number {
    return this.#messageBytesMax
  }

  /** Bytes that may be under way to the peer, whatever the path takes. */
  get inFlightBytesMax(): number {
    return this.#inFlightBytesMax
  }

  /**
   * The path doesn't carry datagrams of this size. How many bytes it does is unknown until it is probed: the next lower
   * size that is known to do is used. `false`: larger ones than that aren't sent anyway.
   */
  limit(datagramBytes: number): boolean {
    if (datagramBytes > this.#datagramBytesMax) return false
    this.#measure(datagramBytes > wire.DATAGRAM_BYTES_BASE ? wire.DATAGRAM_BYTES_BASE : wire.DATAGRAM_BYTES_FLOOR)
    return true
  }

  #measure(pathBytes: number): void {
    const { profile, datagramBytes, messageBytesMax } = this.#settings
    const limits = this.#limits
    const aroundBytes = wire.PREFIX_BYTES[profile]! + wire.TAG_BYTES[profile]! + SEQUENCED_OVERHEAD_BYTES
    this.#datagramBytesMax = Math.min(datagramBytes, limits.datagramBytes, pathBytes)
    this.#payloadBytesMax = this.#datagramBytesMax - aroundBytes
    this.#messageBytesMax = Math.min(messageBytesMax, limits.messageBytes, messageBytesLimit(this.#payloadBytesMax))
    this.#inFlightBytesMax = limits.inFlight * this.#datagramBytesMax
  }
}
