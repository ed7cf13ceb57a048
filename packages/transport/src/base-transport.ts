/**
 * What the transports have in common: ids, counters, listeners, and the way of a row through sealing to a socket.
 *
 * @module
 */

import { AddressTable } from "./addresses.ts"
import { IdTable, ReceiveQueue } from "./batches.ts"
import { createCounters, type MutableCounters, socketErrorCode } from "./counters.ts"
import type { Address, Capabilities, ReceiveBatch, Sealer, SendBatch, SocketError, Transport, TransportCounters } from "./host.ts"

/** The longest UDP payload over IPv4; what v6 carries beyond is not worth a difference. */
export const DATAGRAM_BYTES_MAX = 65_507

export abstract class BaseTransport implements Transport {
  abstract readonly capabilities: Capabilities
  abstract readonly localAddresses: readonly Address[]
  readonly #addresses = new AddressTable()
  readonly #sealers = new IdTable<Sealer>("sealer")
  readonly #slabs = new IdTable<Uint8Array>("slab")
  readonly #queue = new ReceiveQueue()
  readonly #counters: MutableCounters = createCounters()
  #closing: Promise<void> | undefined
  #receive: (batch: ReceiveBatch) => void = () => {}
  #writable: () => void = () => {}
  #error: (error: SocketError) => void = () => {}

  /** Whether a socket of this family could carry a datagram now. */
  protected abstract stateOf(family: 4 | 6): "ready" | "full" | "missing"

  /** Carries one datagram, whose bytes are the caller's again on return. */
  protected abstract sendOne(slab: Uint8Array, offset: number, length: number, to: Address, id: number): void

  /** Gives the sockets back. */
  protected abstract closeSockets(): Promise<void>

  get counters(): TransportCounters {
    return this.#counters
  }

  /** Addresses it knows, for tests of leaks. */
  get addressCount(): number {
    return this.#addresses.size
  }

  registerSlab(bytes: Uint8Array): number {
    return this.#slabs.register(bytes)
  }

  releaseSlab(slab: number): void {
    this.#slabs.release(slab)
  }

  internAddress({ host, port }: Address): number {
    return this.#addresses.intern(host, port)
  }

  retainAddress(address: number): void {
    this.#addresses.retain(address)
  }

  releaseAddress(address: number): void {
    this.#addresses.release(address)
  }

  addressOf(address: number): Address {
    return this.#addresses.address(address)
  }

  registerSealer(sealer: Sealer): number {
    return this.#sealers.register(sealer)
  }

  releaseSealer(sealer: number): void {
    this.#sealers.release(sealer)
  }

  send(batch: SendBatch): number {
    for (let row = 0; row < batch.count; row++) {
      const to = batch.address[row]!
      const address = this.#addresses.address(to)
      const state = this.isClosed ? "missing" : this.stateOf(address.family)
      if (state === "full") return row
      if (state === "missing") {
        this.#counters.datagramsUnsendable++
        continue
      }
      const slab = this.#slabs.get(batch.slab[row]!)
      const offset = batch.offset[row]!
      const length = this.#seal(slab, offset, batch.length[row]!, batch.sealer[row]!)
      this.#counters.datagramsSent++
      this.#counters.bytesSent += length
      if (length <= DATAGRAM_BYTES_MAX) this.sendOne(slab, offset, length, address, to)
      else this.fail(TOO_LONG, "send", to, length)
    }
    return batch.count
  }

  open(batch: ReceiveBatch): void {
    for (let row = 0; row < batch.count; row++) {
      const opener = batch.opener[row]!
      if (opener === 0) continue
      const slab = batch.slabs[batch.slab[row]!]!
      batch.verdict[row] = this.#sealers.get(opener).open(slab, batch.offset[row]!, batch.length[row]!) ? 1 : 0
    }
  }

  onReceive(receive: (batch: ReceiveBatch) => void): void {
    this.#receive = receive
  }

  onWritable(writable: () => void): void {
    this.#writable = writable
  }

  onError(error: (error: SocketError) => void): void {
    this.#error = error
  }

  close(): Promise<void> {
    this.#closing ??= this.closeSockets()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  protected get isClosed(): boolean {
    return this.#closing !== undefined
  }

  /** Whether a received datagram still fits the batch; if not, `deliver` comes first. */
  protected hasRoom(bytes: number): boolean {
    return this.#queue.hasRoom(bytes)
  }

  /** Takes a copy of a received datagram into the batch. */
  protected collect(bytes: Uint8Array, host: string, port: number): void {
    const address = this.#addresses.seen(host, port)
    if (address === 0) return this.drop()
    this.#counters.datagramsReceived++
    this.#counters.bytesReceived += bytes.length
    this.#queue.push(bytes, address)
  }

  /** Hands the batch over. Throws what the receive function throws; the batch is gone then. */
  protected deliver(): void {
    if (!this.isClosed) this.#queue.deliver(this.#receive)
  }

  /** Counts a datagram that came and isn't handed over. */
  protected drop(): void {
    this.#counters.datagramsDropped++
  }

  /** Counts a datagram that was taken and left unsent at closing. */
  protected abandon(): void {
    this.#counters.datagramsUnsendable++
  }

  /** Tells that a socket which was full has room. */
  protected becomeWritable(): void {
    this.#writable()
  }

  /** Counts a failed call and tells of it. */
  protected fail(cause: unknown, operation: SocketError["operation"], address: number, bytes: number): void {
    const code = socketErrorCode(cause)
    this.#counters.errors[code]++
    this.#error({ code, operation, address, bytes, cause })
  }

  /** Answers the length with the tag. */
  #seal(slab: Uint8Array, offset: number, length: number, sealerId: number): number {
    const sealer = sealerId === 0 ? undefined : this.#sealers.get(sealerId)
    const sealed = length + (sealer?.tagBytes ?? 0)
    if (offset < 0 || length < 0 || offset + sealed > slab.length)
      throw new RangeError(`${sealed} bytes from ${offset} on reach out of a slab of ${slab.length}`)
    sealer?.seal(slab, offset, length)
    return sealed
  }
}

/** What the system would say to a longer datagram. */
const TOO_LONG: unknown = Object.assign(new Error(`a datagram has at most ${DATAGRAM_BYTES_MAX} bytes`), { code: "EMSGSIZE" })
