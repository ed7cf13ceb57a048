/**
 * A packet that is too long for the path, on its way in parts: which one, and how much of it was taken.
 *
 * @module
 */

import { PART_HEADER_BYTES, SEQUENCED_HEADER_BYTES } from "@x/wire"
import type { OutgoingPacket } from "./outgoing-packet.ts"
import type { PacketFilling } from "./packet-filling.ts"
import type { SendLedger } from "./send-ledger.ts"
import { PACKET } from "./send-ring.ts"

/** The parts of one packet follow each other. One that was acknowledged or given up meanwhile has no more. */
export class SendParts {
  readonly #ledger: SendLedger
  readonly #filling: PacketFilling
  #number = -1
  #taken = 0

  constructor(ledger: SendLedger, filling: PacketFilling) {
    this.#ledger = ledger
    this.#filling = filling
  }

  /** The packet of which parts are left; −1: none. */
  get number(): number {
    const number = this.#number
    if (number < 0) return number
    const isLeft = number >= this.#ledger.low && this.#ledger.state(number) === PACKET.inFlight
    return isLeft ? number : (this.#number = -1)
  }

  /** Bytes of the next part. */
  get bytes(): number {
    return Math.min(this.#bytesMax(), this.#ledger.bytes(this.#number) - this.#taken)
  }

  #bytesMax(): number {
    return this.#filling.payloadBytesMax - PART_HEADER_BYTES + SEQUENCED_HEADER_BYTES
  }

  /** Whether a packet with this many bytes has to go in parts. */
  isNeeded(bytes: number): boolean {
    return bytes > this.#filling.payloadBytesMax
  }

  /** The largest part of a packet with this many bytes, or all of it. */
  bytesOf(bytes: number): number {
    return this.isNeeded(bytes) ? this.#bytesMax() : bytes
  }

  /** The packet in `out` is sent in parts: only the first of them remains in `out`. */
  begin(out: OutgoingPacket): void {
    this.#number = out.number
    this.#taken = 0
    this.#cut(out)
  }

  /** Fills in the next part. */
  take(nowMs: number, out: OutgoingPacket): void {
    this.#ledger.fill(this.#number, out)
    // Until all of it has gone, nobody can have missed it.
    this.#ledger.sendMore(this.#number, nowMs)
    out.isResend = out.isCopy = false
    this.#cut(out)
  }

  #cut(out: OutgoingPacket): void {
    const bytes = this.bytes
    out.partOffset = this.#taken
    out.total = out.length
    out.offset += this.#taken
    out.length = bytes
    out.wanted = false
    this.#taken += bytes
    if (this.#taken === out.total) this.#number = -1
  }
}
