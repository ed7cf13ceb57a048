import * as wire from "@x/wire"
import { ZERO } from "@x/wire"
import type { Association } from "../path/association.ts"
import type { Outbox } from "./outbox.ts"

/** Bytes of a datagram of control packets besides the body of its only packet. */
const AROUND_BODY_BYTES = wire.PACKET_OVERHEAD_BYTES_WITH_LENGTH + wire.FEEDBACK_BYTES + wire.PACKET_OVERHEAD_BYTES

/**
 * Room that is needed for a packet to an address that isn't proved: a status or sync with a few ranges, alone with the
 * feedback in a datagram.
 */
export const CONTROL_ROOM_BYTES = 102

/** Bytes of metadata that an opening can carry in a datagram of this size. */
export function metadataBytesMax(profile: wire.Profile, datagramBytes: number): number {
  const around = wire.PREFIX_BYTES[profile]! + wire.TAG_BYTES[profile]! + AROUND_BODY_BYTES + wire.OPEN_HEADER_BYTES
  return Math.min(wire.METADATA_BYTES_MAX, datagramBytes - around)
}

/** Writes the control packets of one poll into as few datagrams as possible; each datagram begins with feedback. */
export class ControlWriter {
  readonly #outbox: Outbox
  readonly #feedback = wire.createFeedback()
  #association: Association | undefined
  #nowMs = ZERO
  #datagramBytesMax = 0
  #isComposing = false
  #hasBegun = false
  #largestBytes = 0

  constructor(outbox: Outbox) {
    this.#outbox = outbox
  }

  /** The largest body of a packet that is alone with the feedback in a datagram. */
  get bodyBytesMax(): number {
    return this.#bytesMax() - this.#outbox.emptyBytes - AROUND_BODY_BYTES
  }

  /** Of the present datagram: also by what may go to an address that isn't proved. */
  #bytesMax(): number {
    return Math.min(this.#datagramBytesMax, this.#association!.roomBytes)
  }

  get view(): DataView {
    return this.#outbox.writer.view
  }

  start(association: Association, datagramBytesMax: number, nowMs: number): void {
    this.#association = association
    this.#datagramBytesMax = datagramBytesMax
    this.#nowMs = nowMs
    this.#isComposing = false
    this.#hasBegun = false
    this.#largestBytes = 0
  }

  /** Bytes of the largest datagram since `start`. */
  get largestBytes(): number {
    return this.#largestBytes
  }

  /** Whether a datagram was begun since `start`. */
  get hasBegun(): boolean {
    return this.#hasBegun
  }

  /**
   * Makes room for the next packet, in the present datagram or in another one; `false`: the socket is full, or no more may
   * go to an address that isn't proved. Called
   * before each `begin`.
   */
  hasRoom(): boolean {
    const composedBytes = this.#isComposing ? this.#outbox.composedBytes : 0
    if (this.#association!.roomBytes - composedBytes < CONTROL_ROOM_BYTES) return false
    if (this.#outbox.rowsLeft >= 2) return !this.#outbox.isBlocked
    this.post()
    return this.#outbox.flush()
  }

  /** Begins a packet with a body of at most `bodyBytes`; returns where the body begins. */
  begin(flags: number, bodyBytes: number): number {
    const { writer } = this.#outbox
    if (this.#isComposing && this.#outbox.composedBytes + writer.cost(bodyBytes) > this.#bytesMax()) this.post()
    if (!this.#isComposing) this.beginDatagram(bodyBytes)
    return writer.begin(flags)
  }

  /** Begins a datagram, with feedback that leaves room for a packet with a body of so many bytes. */
  beginDatagram(bodyBytes = 0): void {
    const { writer } = this.#outbox
    this.#outbox.compose()
    this.#association!.feedback(this.#nowMs, this.#feedback, this.bodyBytesMax - bodyBytes)
    writer.finish(wire.writeFeedback(writer.view, writer.begin(wire.KIND.feedback), this.#feedback))
    this.#isComposing = this.#hasBegun = true
  }

  /** Sets where the last body ends. */
  finish(end: number): void {
    this.#outbox.writer.finish(end)
  }

  /**
   * Posts the present datagram, if there is one. One that is too long for what may go to an address that isn't proved is
   * lost like any other.
   */
  post(): void {
    if (!this.#isComposing) return
    this.#isComposing = false
    if (this.#outbox.composedBytes > this.#association!.roomBytes) return
    this.#largestBytes = Math.max(this.#largestBytes, this.#outbox.post(this.#association!, false, this.#nowMs))
  }
}
