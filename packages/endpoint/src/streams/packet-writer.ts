/** Writes data packets into datagrams: they are sent from their slots, or copied if several share a datagram. */

import type { OutgoingPacket, SendStream } from "@x/stream"
import * as wire from "@x/wire"
import type { Outbox } from "../datagram/outbox.ts"
import type { Association } from "../path/association.ts"
import { SEQUENCED_OVERHEAD_BYTES } from "../path/path-size.ts"

const FIRE_AND_FORGET_OVERHEAD_BYTES: number = wire.PACKET_OVERHEAD_BYTES + wire.FIRE_AND_FORGET_HEADER_BYTES

export class PacketWriter {
  readonly #outbox: Outbox
  /** The packet that is being written, in scratch memory. */
  readonly #packet: OutgoingPacket
  readonly #slabs: { of(slot: number): number }

  constructor(outbox: Outbox, packet: OutgoingPacket, slabs: { of(slot: number): number }) {
    this.#outbox = outbox
    this.#packet = packet
    this.#slabs = slabs
  }

  /** Copies the packet into the present datagram: for a small packet that costs less than a datagram of its own. */
  copy(stream: SendStream): void {
    const { writer } = this.#outbox
    const { number, delivery, wanted, bytes, offset, length } = this.#packet
    const isSequenced = stream.traits.isNumbered
    const body = writer.begin(
      (isSequenced ? wire.KIND.sequenced : wire.KIND.fireAndForget) | (wanted ? wire.FLAG_WANTED : 0),
    )
    const payload = isSequenced
      ? wire.writeSequencedBody(writer.view, body, stream.id, number, delivery)
      : wire.writeFireAndForgetBody(writer.view, body, stream.id, wire.formOf(delivery))
    writer.copy(payload, bytes, offset, length)
    writer.finish(payload + length)
  }

  /** Sends the packet from its slot: the headers go into the room before it. Returns the datagram's bytes. */
  post(stream: SendStream, association: Association, nowMs: number): number {
    const outbox = this.#outbox
    if (this.#packet.partOffset >= 0) return this.#postPart(stream, association, nowMs)
    if (this.#packet.isShared) return this.#postCopy(stream, association, nowMs)
    const { number, delivery, wanted, slot, bytes, view, offset, length } = this.#packet
    const slab = this.#slabs.of(slot)
    if (!stream.traits.isNumbered) {
      const start = offset - FIRE_AND_FORGET_OVERHEAD_BYTES
      view.setUint8(start, wire.KIND.fireAndForget)
      wire.writeFireAndForgetBody(view, start + wire.PACKET_OVERHEAD_BYTES, stream.id, wire.formOf(delivery))
      return outbox.postFrom(slab, bytes, view, start, FIRE_AND_FORGET_OVERHEAD_BYTES + length, association, nowMs)
    }
    const start = offset - SEQUENCED_OVERHEAD_BYTES
    wire.writeSequencedHeader(view, start, wanted, stream.id, number, delivery)
    return outbox.postFrom(slab, bytes, view, start, SEQUENCED_OVERHEAD_BYTES + length, association, nowMs)
  }

  /** A part is alone in its datagram. The packet's head room may belong to what was sent before, and still waits. */
  #postPart(stream: SendStream, association: Association, nowMs: number): number {
    const { number, delivery, partOffset, total, bytes, offset, length } = this.#packet
    const outbox = this.#outbox
    outbox.compose()
    const { writer } = outbox
    const body = writer.begin(wire.KIND.part)
    const at = wire.writePartBody(writer.view, body, stream.id, number, delivery, partOffset, total)
    writer.copy(at, bytes, offset, length)
    writer.finish(at + length)
    return outbox.post(association, true, nowMs)
  }

  /** Others send the same payload: the headers before it can't be those of one of them. */
  #postCopy(stream: SendStream, association: Association, nowMs: number): number {
    this.#outbox.compose()
    this.copy(stream)
    return this.#outbox.post(association, true, nowMs)
  }
}
