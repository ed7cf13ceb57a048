/**
 * Datagrams on their way to the transport: rows of a send batch, and scratch memory for datagrams that aren't sent from
 * a pool's slots. A row is passed as its columns, more than five of them: no object is made for a datagram.
 *
 * @module
 */

import { PacketWriter, PREFIX_BYTES, type Profile, sealChecksum, TAG_BYTES, writePrefix } from "@x/wire"
import type { PacketPool } from "@x/stream"
import { createSendBatch, ECN, type SendBatch, type Transport } from "@x/transport/host"
import type { Association } from "../path/association.ts"

/** Datagrams in a batch: the most that one call of the transport sends. */
const ROWS = 64
/**
 * Scratch memory for each row: few paths carry larger datagrams, and a batch that is full of them goes earlier. Two
 * of the largest fit besides, whatever went before.
 */
const ROW_BYTES = 2_048
const LARGEST_ROWS = 2
/** Memory for datagrams that waited is kept up to this size. */
const WAITING_BYTES_KEPT = 262_144

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
  /** Where the present datagram, or the next one, begins in scratch memory. */
  #at = 0
  /** Memory for datagrams of a pool's slots that the socket didn't take, and its number; there is none before the first. */
  #waiting = new Uint8Array(0)
  #waitingSlab = -1
  /** The bytes of each row's slab. */
  readonly #sources: Uint8Array[] = []
  /** The association of each row, if it has one. */
  readonly #owners: (Association | undefined)[] = []
  /** Whether each row holds a reference to its address itself; else its association does. */
  readonly #holds: boolean[] = []
  /** Addresses to give back once no row names them. */
  #leftAddresses: number[] = []
  /** Sealers to give back once no row names them. */
  #retired: number[] = []
  /** Writes packets into the present datagram. */
  readonly writer: PacketWriter
  /** Rows name slots of this pool: released slots may be given out again once no row names them. */
  readonly #pool: PacketPool
  #isBlocked = false

  constructor(transport: Transport, profile: Profile, datagramBytesMax: number, pool: PacketPool) {
    this.#pool = pool
    this.#transport = transport
    this.#profile = profile
    this.#prefixBytes = PREFIX_BYTES[profile]!
    this.#tagBytes = TAG_BYTES[profile]!
    this.#slotBytes = (datagramBytesMax + 7) & ~7
    this.#scratch = new Uint8Array(ROWS * Math.min(ROW_BYTES, this.#slotBytes) + LARGEST_ROWS * this.#slotBytes)
    this.#scratchView = new DataView(this.#scratch.buffer)
    this.#scratchSlab = transport.registerSlab(this.#scratch)
    this.writer = new PacketWriter(this.#scratch)
  }

  /** The socket took less than it was given: nothing more is sent until `flush` succeeds. */
  get isBlocked(): boolean {
    return this.#isBlocked
  }

  /** Datagrams that the batch has room for, whatever their size. */
  get rowsLeft(): number {
    return Math.min(ROWS - this.#batch.count, Math.floor((this.#scratch.length - this.#at) / this.#slotBytes))
  }

  /**
   * Starts composing a datagram in scratch memory; its packets go through `writer`. The batch must have room, which the
   * caller ensures by `makeRoom`.
   */
  compose(): void {
    this.writer.start(this.#at + this.#prefixBytes)
  }

  /** Starts composing a datagram outside an association, with room for `gapBytes` between prefix and packets. */
  composeHandshake(gapBytes = 0): void {
    this.writer.start(this.#at + this.#prefixBytes + gapBytes)
  }

  /** Where the packets end in a datagram of `datagramBytes` that is being composed. */
  endOf(datagramBytes: number): number {
    return this.#at + datagramBytes - this.#tagBytes
  }

  /** Bytes of a datagram without packets. */
  get emptyBytes(): number {
    return this.#prefixBytes + this.#tagBytes
  }

  /** Bytes of the present datagram, tag included. */
  get composedBytes(): number {
    return this.writer.end - this.#at + this.#tagBytes
  }

  /** The composed datagram takes so much of the scratch memory, tag included. */
  #take(bytes: number): void {
    this.#at += (bytes + 7) & ~7
  }

  /** Adds the composed datagram of an association to the batch. Returns its bytes. */
  post(association: Association, isData: boolean, nowMs: number): number {
    const { destination } = association
    const bytes = this.#postScratch(association, isData, nowMs, destination.address, false)
    destination.roomBytes -= bytes
    return bytes
  }

  /** Adds the composed datagram of an association as one to another address than its datagrams go to. */
  postTo(address: number, association: Association, nowMs: number): number {
    return this.#postScratch(association, false, nowMs, address, true)
  }

  #postScratch(
    association: Association,
    isData: boolean,
    nowMs: number,
    address: number,
    isElsewhere: boolean,
  ): number {
    const offset = this.#at
    const length = this.writer.end - offset
    const bytes = length + this.#tagBytes
    // Whether marks get through is known only of where its datagrams go.
    const mark = isElsewhere ? ECN.notEct : association.ecn.mark(nowMs)
    this.#writePrefix(this.#scratchView, offset, association, bytes, isData, mark, nowMs)
    const { sealer } = association.protection
    this.#take(bytes)
    this.#add(this.#scratchSlab, this.#scratch, offset, length, address, sealer, mark, association, isElsewhere)
    return bytes
  }

  /**
   * Adds the composed datagram as one outside an association, sealed under the given pseudo-header seed. There are few
   * of these.
   */
  postHandshake(address: number, slot: number, counter: number, seed: number): void {
    const offset = this.#at
    const length = this.writer.end - offset
    writePrefix(this.#scratchView, offset, this.#profile, true, slot, counter)
    if (this.#tagBytes > 0) sealChecksum(this.#scratch, offset, length, seed)
    this.#take(length + this.#tagBytes)
    this.#add(this.#scratchSlab, this.#scratch, offset, length + this.#tagBytes, address, 0, ECN.notEct)
  }

  /**
   * Adds the composed datagram as one outside an association, in a profile with keys: `seal` returns what follows the
   * prefix, made from the prefix and the packets, with gap and tag. `undefined` adds nothing.
   */
  postSealed(
    address: number,
    slot: number,
    counter: number,
    epoch: number,
    gapBytes: number,
    seal: (prefix: Uint8Array, packets: Uint8Array) => Uint8Array | undefined,
  ): void {
    const offset = this.#at
    const body = offset + this.#prefixBytes
    writePrefix(this.#scratchView, offset, this.#profile, true, slot, counter, epoch)
    const sealed = seal(this.#scratch.slice(offset, body), this.#scratch.slice(body + gapBytes, this.writer.end))
    if (sealed === undefined) return
    this.#scratch.set(sealed, body)
    this.#take(this.#prefixBytes + sealed.length)
    this.#add(this.#scratchSlab, this.#scratch, offset, this.#prefixBytes + sealed.length, address, 0, ECN.notEct)
  }

  /**
   * Adds a datagram that is complete except for its prefix, at `packetOffset` of a registered slab, with room for the
   * prefix before it. Returns its bytes.
   */
  postFrom(
    slab: number,
    source: Uint8Array,
    view: DataView,
    packetOffset: number,
    length: number,
    association: Association,
    nowMs: number,
  ): number {
    const offset = packetOffset - this.#prefixBytes
    const bytes = this.#prefixBytes + length + this.#tagBytes
    const mark = association.ecn.mark(nowMs)
    this.#writePrefix(view, offset, association, bytes, true, mark, nowMs)
    const { destination, protection } = association
    destination.roomBytes -= bytes
    const { address } = destination
    this.#add(slab, source, offset, this.#prefixBytes + length, address, protection.sealer, mark, association, false)
    return bytes
  }

  #writePrefix(
    view: DataView,
    offset: number,
    association: Association,
    bytes: number,
    isData: boolean,
    mark: number,
    nowMs: number,
  ): void {
    const counter = association.takeCounter(bytes, isData, nowMs, mark)
    const { remoteSlot, protection, deliveries } = association
    writePrefix(view, offset, this.#profile, false, remoteSlot, counter, protection.epoch, deliveries.nonce(counter))
  }

  /** Gives a sealer back as soon as no datagram that it has to seal is waiting. */
  retire(sealer: number): void {
    this.#retired.push(sealer)
  }

  /** Gives a reference to an address back as soon as no datagram that goes there is waiting. */
  letGo(address: number): void {
    if (this.#batch.count === 0) this.#transport.releaseAddress(address)
    else this.#leftAddresses.push(address)
  }

  #emptied(): void {
    this.#isBlocked = false
    this.#at = 0
    if (this.#waiting.length > WAITING_BYTES_KEPT) this.#dropWaiting()
    this.#pool.reclaim()
    for (const address of this.#leftAddresses) this.#transport.releaseAddress(address)
    if (this.#leftAddresses.length > 0) this.#leftAddresses = []
    if (this.#retired.length === 0) return
    for (const sealer of this.#retired) this.#transport.releaseSealer(sealer)
    this.#retired = []
  }

  /** Makes room for one more datagram; `false`: the socket is full. */
  makeRoom(): boolean {
    const hasRoom = this.#batch.count < ROWS && this.#at + this.#slotBytes <= this.#scratch.length
    return hasRoom ? !this.#isBlocked : this.flush()
  }

  /** Hands the batch to the transport; `false`: it took only a part, and the rest waits. */
  flush(): boolean {
    const batch = this.#batch
    if (batch.count === 0) {
      this.#emptied()
      return true
    }
    const taken = this.#transport.send(batch)
    this.#letGoRows(taken)
    if (taken >= batch.count) {
      batch.count = 0
      this.#emptied()
      return true
    }
    this.#keepFrom(taken)
    this.#pool.reclaim()
    this.#isBlocked = true
    return false
  }

  release(): void {
    this.#letGoRows(this.#batch.count)
    this.#batch.count = 0
    this.#emptied()
    this.#transport.releaseSlab(this.#scratchSlab)
    this.#dropWaiting()
  }

  #dropWaiting(): void {
    if (this.#waitingSlab >= 0) this.#transport.releaseSlab(this.#waitingSlab)
    this.#waiting = new Uint8Array(0)
    this.#waitingSlab = -1
  }

  /** Rows that were sent no longer need their addresses. */
  #letGoRows(count: number): void {
    for (let row = 0; row < count; row++)
      if (this.#holds[row] === true) this.#transport.releaseAddress(this.#batch.address[row]!)
  }

  /**
   * Rows that weren't taken move to the front. What lies in the slots of packets is copied: those may be given to others
   * while it waits. All slots are copied at once, since nothing is added before everything that waits was taken.
   */
  #keepFrom(taken: number): void {
    const batch = this.#batch
    let bytes = 0
    for (let row = taken; row < batch.count; row++) if (this.#isInSlot(row)) bytes += this.#sealedBytes(row)
    if (bytes > this.#waiting.length) {
      this.#dropWaiting()
      this.#waiting = new Uint8Array(bytes)
      this.#waitingSlab = this.#transport.registerSlab(this.#waiting)
    }
    let end = 0
    for (let row = taken; row < batch.count; row++) {
      if (this.#isInSlot(row)) {
        const offset = batch.offset[row]!
        this.#waiting.set(this.#sources[row]!.subarray(offset, offset + batch.length[row]!), end)
        this.#sources[row] = this.#waiting
        batch.slab[row] = this.#waitingSlab
        batch.offset[row] = end
        end += this.#sealedBytes(row)
      }
      this.#move(row, row - taken)
    }
    batch.count -= taken
  }

  /** What a row takes, with the tag that it gets when it is sent. */
  #sealedBytes(row: number): number {
    return (this.#batch.length[row]! + this.#tagBytes + 7) & ~7
  }

  #isInSlot(row: number): boolean {
    const source = this.#sources[row]
    return source !== this.#scratch && source !== this.#waiting
  }

  /** Removes the waiting datagrams of an association that is over, and gives back their sealer and address. */
  discard(association: Association): void {
    const batch = this.#batch
    let kept = 0
    for (let row = 0; row < batch.count; row++) {
      if (this.#owners[row] !== association) this.#move(row, kept++)
      else if (this.#holds[row] === true) this.#transport.releaseAddress(batch.address[row]!)
    }
    batch.count = kept
  }

  #move(row: number, to: number): void {
    const batch = this.#batch
    this.#sources[to] = this.#sources[row]!
    this.#owners[to] = this.#owners[row]
    this.#holds[to] = this.#holds[row]!
    batch.slab[to] = batch.slab[row]!
    batch.offset[to] = batch.offset[row]!
    batch.length[to] = batch.length[row]!
    batch.address[to] = batch.address[row]!
    batch.sealer[to] = batch.sealer[row]!
    batch.ecn[to] = batch.ecn[row]!
  }

  #add(
    slab: number,
    source: Uint8Array,
    offset: number,
    length: number,
    address: number,
    sealer: number,
    mark: number,
    owner?: Association,
    isElsewhere = true,
  ): void {
    const batch = this.#batch
    const row = batch.count++
    // Other sources come until it is sent: an address without a reference would be forgotten, and its number reused.
    if (isElsewhere) this.#transport.retainAddress(address)
    this.#sources[row] = source
    this.#owners[row] = owner
    this.#holds[row] = isElsewhere
    batch.slab[row] = slab
    batch.offset[row] = offset
    batch.length[row] = length
    batch.address[row] = address
    batch.sealer[row] = sealer
    batch.ecn[row] = mark
  }
}
