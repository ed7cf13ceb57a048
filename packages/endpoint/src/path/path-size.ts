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

/** Read for each packet, so the values are kept. */
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

  /** The largest datagram to the peer, bytes. */
  get datagramBytesMax(): number {
    return this.#datagramBytesMax
  }

  /** The largest payload of a single packet, bytes. */
  get payloadBytesMax(): number {
    return this.#payloadBytesMax
  }

  /** The largest message that both ends accept, bytes. */
  get messageBytesMax(): number {
    return this.#messageBytesMax
  }

  /** Bytes that may be in flight to the peer, whatever the path can carry. */
  get inFlightBytesMax(): number {
    return this.#inFlightBytesMax
  }

  /**
   * The path doesn't carry datagrams of this size. What it does carry is unknown until it is probed: the next lower
   * size that is known to pass is used. `false`: datagrams of this size weren't sent anyway.
   */
  limit(datagramBytes: number): boolean {
    if (datagramBytes > this.#datagramBytesMax) return false
    this.#measure(datagramBytes > wire.DATAGRAM_BYTES_BASE ? wire.DATAGRAM_BYTES_BASE : wire.DATAGRAM_BYTES_FLOOR)
    return true
  }

  /** Another path: what it carries is unknown, and so far nothing finds that out. The size stays. */
  renew(): void {}

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
