/**
 * Datagrams on their way to the transport: rows of a send batch, and scratch memory for those that aren't sent from where they were written.
 *
 * @module
 */

import { PacketWriter, PREFIX_BYTES, type Profile, sealChecksum, TAG_BYTES, writePrefix } from "@x/wire"
import type { PacketPool } from "@x/stream"
import { createSendBatch, type SendBatch, type Transport } from "@x/transport/host"
import type { Association } from "./association.ts"

/** Datagrams in a batch: what one turn of the loop sends at once. */
const ROWS = 64

export class Outbox {
  readonly #transport: Transport
  readonly #profile: Profile
  readonly #prefixBytes: number
  readonly #tagBytes: number
  readonly #slotBytes: number
  readonly #batch: SendBatch = createSendBatch(ROWS)
  readonly #scratch: Uint8Array
  readonly #scratchView: DataView
  readonly #scratchSlab: number
  /** The bytes of each row's slab. */
  readonly #sources: Uint8Array[] = []
  /** Packets for the datagram being composed. */
  readonly writer: PacketWriter
  /** Its slots are sent from: what was released may be given out again once no row names it. */
  readonly #pool: PacketPool
  #isBlocked = false

  constructor(transport: Transport, profile: Profile, datagramBytesMax: number, pool: PacketPool) {
    this.#pool = pool
    this.#transport = transport
    this.#profile = profile
    this.#prefixBytes = PREFIX_BYTES[profile]!
    this.#tagBytes = TAG_BYTES[profile]!
    this.#slotBytes = (datagramBytesMax + 7) & ~7
    this.#scratch = new Uint8Array(ROWS * this.#slotBytes)
    this.#scratchView = new DataView(this.#scratch.buffer)
    this.#scratchSlab = transport.registerSlab(this.#scratch)
    this.writer = new PacketWriter(this.#scratch)
  }

  /** The socket took less than it was given: nothing more goes out until `flush` succeeds. */
  get isBlocked(): boolean {
    return this.#isBlocked
  }

  /** Datagrams that the batch has room for. */
  get rowsLeft(): number {
    return ROWS - this.#batch.count
  }

  /** Starts composing a datagram in scratch memory; its packets go through `writer`. The batch has room, which the caller has seen to by `makeRoom`. */
  compose(): void {
    this.writer.start(this.#batch.count * this.#slotBytes + this.#prefixBytes)
  }

  /** Bytes of a datagram without packets. */
  get emptyBytes(): number {
    return this.#prefixBytes + this.#tagBytes
  }

  /** Bytes of the datagram being composed, tag included. */
  get composedBytes(): number {
    return this.writer.end - this.#batch.count * this.#slotBytes + this.#tagBytes
  }

  /** Adds the composed datagram of an association to the batch. */
  post(association: Association, isData: boolean, nowMs: number): void {
    const offset = this.#batch.count * this.#slotBytes
    const length = this.writer.end - offset
    writePrefix(
      this.#scratchView,
      offset,
      this.#profile,
      false,
      association.remoteSlot,
      association.takeCounter(length + this.#tagBytes, isData, nowMs),
    )
    this.#add(this.#scratchSlab, this.#scratch, offset, length, association.address, association.sealer)
  }

  /** Adds the composed datagram as one outside an association, sealed under the given pseudo-header seed: these are few. */
  postHandshake(address: number, slot: number, counter: number, seed: number): void {
    const offset = this.#batch.count * this.#slotBytes
    const length = this.writer.end - offset
    writePrefix(this.#scratchView, offset, this.#profile, true, slot, counter)
    if (this.#tagBytes > 0) sealChecksum(this.#scratch, offset, length, seed)
    this.#add(this.#scratchSlab, this.#scratch, offset, length + this.#tagBytes, address, 0)
  }

  /** Adds a datagram that lies complete but for its prefix at `packetOffset` of a registered slab, with room for the prefix before it. */
  postFrom(
    slab: number,
    source: Uint8Array,
    view: DataView,
    packetOffset: number,
    length: number,
    association: Association,
    nowMs: number,
  ): void {
    const offset = packetOffset - this.#prefixBytes
    writePrefix(
      view,
      offset,
      this.#profile,
      false,
      association.remoteSlot,
      association.takeCounter(this.#prefixBytes + length + this.#tagBytes, true, nowMs),
    )
    this.#add(slab, source, offset, this.#prefixBytes + length, association.address, association.sealer)
  }

  /** Room for one more datagram; `false`: the socket is full. */
  makeRoom(): boolean {
    return this.#batch.count < ROWS ? !this.#isBlocked : this.flush()
  }

  /** Hands the batch to the transport; `false`: it took only a part, and the rest waits. */
  flush(): boolean {
    const batch = this.#batch
    if (batch.count === 0) {
      this.#isBlocked = false
      this.#pool.reclaim()
      return true
    }
    const taken = this.#transport.send(batch)
    if (taken >= batch.count) {
      batch.count = 0
      this.#isBlocked = false
      this.#pool.reclaim()
      return true
    }
    this.#keepFrom(taken)
    this.#pool.reclaim()
    this.#isBlocked = true
    return false
  }

  release(): void {
    this.#transport.releaseSlab(this.#scratchSlab)
  }

  /** What wasn't taken moves to the front, and into scratch memory: its packets' slots may be given to others while it waits. */
  #keepFrom(taken: number): void {
    const batch = this.#batch
    for (let row = taken; row < batch.count; row++) this.#keep(row, row - taken)
    batch.count -= taken
  }

  /** Takes out what waits of an association that is over: its sealer and address are given back. */
  discard({ sealer, address }: Association): void {
    const batch = this.#batch
    let kept = 0
    for (let row = 0; row < batch.count; row++) if (batch.sealer[row] !== sealer || batch.address[row] !== address) this.#keep(row, kept++)
    batch.count = kept
  }

  #keep(row: number, to: number): void {
    const batch = this.#batch
    const offset = batch.offset[row]!
    const kept = to * this.#slotBytes
    this.#scratch.set(this.#sources[row]!.subarray(offset, offset + batch.length[row]!), kept)
    this.#sources[to] = this.#scratch
    batch.slab[to] = this.#scratchSlab
    batch.offset[to] = kept
    batch.length[to] = batch.length[row]!
    batch.address[to] = batch.address[row]!
    batch.sealer[to] = batch.sealer[row]!
  }

  #add(slab: number, source: Uint8Array, offset: number, length: number, address: number, sealer: number): void {
    const batch = this.#batch
    const row = batch.count++
    this.#sources[row] = source
    batch.slab[row] = slab
    batch.offset[row] = offset
    batch.length[row] = length
    batch.address[row] = address
    batch.sealer[row] = sealer
  }
}
