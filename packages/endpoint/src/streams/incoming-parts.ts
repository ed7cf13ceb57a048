/**
 * Packets of a peer of which only parts have come: the peer cut them for a path that carried more. Each is put together
 * in a slot for early packets. One is in memory of its own, so that the packet that others in those slots wait for can
 * always be put together.
 *
 * @module
 */

import type { PacketSlots } from "@x/stream"
import type * as wire from "@x/wire"
import type { IncomingState } from "./incoming-state.ts"

/** Packets of a peer that may be half there. */
const PACKETS_MAX = 64
/** Stretches of a packet that may be there with gaps between them: more than a datagram of the floor needs. */
const STRETCHES_MAX = 128

/** A packet that is put together. */
export interface PartedPacket {
  readonly state: IncomingState
  readonly number: number
  readonly delivery: number
  readonly total: number
  /** The slot that it lies in; −1: memory of its own. */
  readonly slot: number
  readonly bytes: Uint8Array
  readonly view: DataView
  /** Where its payload begins in `bytes`. */
  readonly offset: number
  /** What is there: the edges of each stretch, rising. */
  readonly edges: number[]
}

/** A part: these bytes belong at `partOffset` of the payload. */
export interface Part {
  readonly number: number
  readonly delivery: number
  readonly partOffset: number
  readonly total: number
  readonly bytes: Uint8Array
}

export class IncomingParts {
  readonly #slots: PacketSlots
  #packets: PartedPacket[] = []

  constructor(slots: PacketSlots) {
    this.#slots = slots
  }

  /** Packets of which only parts have come. */
  get count(): number {
    return this.#packets.length
  }

  /** Keeps a part. Returns its packet once all of it is there, or why the part is dropped. */
  take(state: IncomingState, part: Part): PartedPacket | wire.PacketDropReason | undefined {
    const { number, delivery, partOffset, total, bytes } = part
    const packet = this.#packets.find((it) => it.state === state && it.number === number) ?? this.#begin(state, part)
    if (packet === undefined) return "no-room"
    if (packet.total !== total || packet.delivery !== delivery) return "piece-conflict"
    if (packet.edges.length >= 2 * STRETCHES_MAX) return "no-room"
    packet.bytes.set(bytes, packet.offset + partOffset)
    addStretch(packet.edges, partOffset, partOffset + bytes.length)
    return packet.edges[0] === 0 && packet.edges[1] === total ? packet : undefined
  }

  #begin(state: IncomingState, { number, delivery, total }: Part): PartedPacket | undefined {
    if (total > this.#slots.slotBytes) return undefined
    if (this.#packets.length >= PACKETS_MAX && !this.#makeWay(state, number)) return undefined
    let slot = this.#slots.acquire(total)
    if (slot < 0 && this.#hasOwn() && this.#makeWay(state, number)) slot = this.#slots.acquire(total)
    if (slot < 0 && this.#hasOwn()) return undefined
    const own = slot < 0 ? new Uint8Array(total) : undefined
    const packet: PartedPacket = {
      state,
      ...{ number, delivery, total, slot, edges: [] },
      bytes: own ?? this.#slots.bytes(slot),
      view: own === undefined ? this.#slots.view(slot) : new DataView(own.buffer),
      offset: own === undefined ? this.#slots.offset(slot) : 0,
    }
    this.#packets.push(packet)
    return packet
  }

  #hasOwn(): boolean {
    return this.#packets.some(({ slot }) => slot < 0)
  }

  /**
   * Drops a packet for another one: the last of the same stream that is behind it, or one that something is missing in
   * front of while nothing is in front of the other.
   */
  #makeWay(state: IncomingState, number: number): boolean {
    let victim: PartedPacket | undefined
    for (const packet of this.#packets)
      if (packet.state === state && packet.number > (victim?.number ?? number)) victim = packet
    if (victim === undefined && number === state.stream.cumulative)
      victim = this.#packets.find((packet) => packet.number !== packet.state.stream.cumulative)
    if (victim === undefined) return false
    this.drop(victim)
    return true
  }

  /** Forgets a packet that is taken. What lies in its memory may be read until the next part comes. */
  drop(packet: PartedPacket): void {
    if (packet.slot >= 0) this.#slots.release(packet.slot)
    this.#packets = this.#packets.filter((it) => it !== packet)
  }

  /** Forgets the packets that nothing is missing of any more: the edges of their streams have passed them. */
  forgetPassed(): void {
    for (const packet of this.#packets) if (packet.number < packet.state.stream.cumulative) this.drop(packet)
  }

  /** Forgets all packets of a stream. */
  forget(state: IncomingState): void {
    for (const packet of this.#packets) if (packet.state === state) this.drop(packet)
  }
}

/** Adds a stretch to others, which have gaps between them. */
function addStretch(edges: number[], from: number, to: number): void {
  let first = 0
  while (first < edges.length && edges[first + 1]! < from) first += 2
  let end = first
  for (; end < edges.length && edges[end]! <= to; end += 2) {
    from = Math.min(from, edges[end]!)
    to = Math.max(to, edges[end + 1]!)
  }
  edges.splice(first, end - first, from, to)
}
