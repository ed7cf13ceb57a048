/**
 * How large a datagram to a peer may be, by both ends' limits and by what the path carries; and the sizes that follow
 * from that.
 *
 * @module
 */

import { messageBytesLimit } from "@x/fragment"
import * as wire from "@x/wire"
import { DATAGRAM_BYTES_USUAL, expectedBytesOf, type Settings } from "../settings.ts"

/** Bytes of a datagram around the payload of a single packet, without prefix and tag. */
export const SEQUENCED_OVERHEAD_BYTES: number = wire.PACKET_OVERHEAD_BYTES + wire.SEQUENCED_HEADER_BYTES

/**
 * A socket counts datagrams of usual size. A larger one takes as much of its memory as several: by these bytes of it for
 * each, somewhat more than the usual one has, since less of the memory is bookkeeping.
 */
const HELD_BYTES = 1_792
/** Even the largest datagrams follow each other: one is read while the next one comes. */
const HELD_DATAGRAMS_MIN = 2
/** A window has room for this many packets, unless usual ones are too large for that: else it would open and shut. */
const WINDOW_PACKETS = 4

/** Read for each packet. */
export class PathSize {
  /** The largest datagram that both ends take, bytes; the path may carry less. */
  readonly boundBytes: number
  /** The largest message that both ends accept, bytes: whatever the path carries, in more packets or fewer. */
  readonly messageBytesMax: number
  readonly #aroundBytes: number
  readonly #usualBytes: number
  readonly #payloadBytesLimit: number
  readonly #inFlightMax: number
  #datagramBytesMax: number
  #isThrifty = false

  constructor(settings: Settings, limits: wire.Limits) {
    const { profile, datagramBytes, messageBytesMax } = settings
    this.#aroundBytes = wire.PREFIX_BYTES[profile]! + wire.TAG_BYTES[profile]! + SEQUENCED_OVERHEAD_BYTES
    this.#inFlightMax = limits.inFlight
    this.boundBytes = Math.min(datagramBytes, limits.datagramBytes)
    this.#usualBytes = DATAGRAM_BYTES_USUAL - this.#aroundBytes
    this.#payloadBytesLimit = Math.max(this.#usualBytes, Math.floor(settings.windowBytes / WINDOW_PACKETS))
    const pieceBytesMax = messageBytesLimit(expectedBytesOf(this.boundBytes) - this.#aroundBytes)
    this.messageBytesMax = Math.min(messageBytesMax, limits.messageBytes, pieceBytesMax)
    this.#datagramBytesMax = Math.min(this.boundBytes, wire.DATAGRAM_BYTES_BASE)
  }

  /** The largest datagram to the peer, bytes. */
  get datagramBytesMax(): number {
    return this.#datagramBytesMax
  }

  /** The largest payload of a single packet, bytes. */
  get payloadBytesMax(): number {
    const bytes = Math.min(this.#datagramBytesMax - this.#aroundBytes, this.#payloadBytesLimit)
    return this.#isThrifty ? Math.min(bytes, this.#usualBytes) : bytes
  }

  /** Whether packets have no more than usual size, whatever the path carries. */
  get isThrifty(): boolean {
    return this.#isThrifty
  }

  /** There is no memory for larger packets, or there is again. Returns whether that changes anything. */
  setThrifty(isThrifty: boolean): boolean {
    const before = this.payloadBytesMax
    this.#isThrifty = isThrifty
    return this.payloadBytesMax !== before
  }

  /** Bytes that the peer's socket holds while the peer doesn't read them. */
  get heldBytesMax(): number {
    const datagram = this.#datagramBytesMax
    return Math.max(this.#inFlightMax * Math.min(datagram, HELD_BYTES), HELD_DATAGRAMS_MIN * datagram)
  }

  /** The path carries datagrams of this size. Returns whether others were sent before. */
  set(datagramBytes: number): boolean {
    if (datagramBytes === this.#datagramBytesMax) return false
    this.#datagramBytesMax = datagramBytes
    return true
  }
}
