import { AddressTable } from "./address-table.ts"
import { createCounters, type MutableCounters, socketErrorCode } from "./counters.ts"
import type { Address, Capabilities, ReceiveBatch, Sealer, SendBatch, SocketError, Transport, TransportCounters } from "./host.ts"
import { IdTable } from "./id-table.ts"
import { ReceiveQueue } from "./receive-queue.ts"
import { openBatch, sealRow } from "./seal.ts"

/** The longest UDP payload over IPv4, and ours over IPv6 too. */
export const DATAGRAM_BYTES_MAX = 65_507

/** What a system says to a longer datagram. */
const TOO_LONG: unknown = Object.assign(new Error(`a datagram has at most ${DATAGRAM_BYTES_MAX} bytes`), { code: "EMSGSIZE" })

/**
 * The batch interface over anything that moves one datagram at a time: tables, tags, counters and the functions of the user are here, sockets
 * are a subclass's.
 */
export abstract class DatagramTransport implements Transport {
  abstract readonly capabilities: Capabilities
  abstract readonly localAddresses: readonly Address[]
  readonly #addresses = new AddressTable()
  readonly #slabs = new IdTable<Uint8Array>("slab")
  readonly #sealers = new IdTable<Sealer>("sealer")
  readonly #queue = new ReceiveQueue()
  readonly #counters: MutableCounters = createCounters()
  #closing: Promise<void> | undefined
  #receive: (batch: ReceiveBatch) => void = () => {}
  #writable: () => void = () => {}
  #error: (error: SocketError) => void = () => {}

  /** What can carry datagrams to this address; `unsendable`: nothing, `full`: later. */
  protected abstract readiness(to: Address): "ready" | "full" | "unsendable"
  /** Sends `slab[offset, offset + length)`, which is the caller's again on return. Fails by {@link DatagramTransport.failed}, now or later. */
  protected abstract sendOne(slab: Uint8Array, offset: number, length: number, to: Address, address: number): void
  protected abstract closeSockets(): Promise<void>
  /** Makes an error of the user's code known, once, and returns. */
  protected abstract surface(error: unknown): void

  get counters(): TransportCounters {
    return this.#counters
  }

  /** Addresses somebody holds, for tests of leaks. */
  get addressCount(): number {
    return this.#addresses.heldCount
  }

  registerSlab(bytes: Uint8Array): number {
    return this.#slabs.register(bytes)
  }

  releaseSlab(slab: number): void {
    this.#slabs.release(slab)
  }

  internAddress(address: Address): number {
    return this.#addresses.intern(address)
  }

  retainAddress(address: number): void {
    this.#addresses.retain(address)
  }

  releaseAddress(address: number): void {
    this.#addresses.release(address)
  }

  addressOf(address: number): Address {
    return this.#addresses.addressOf(address)
  }

  registerSealer(sealer: Sealer): number {
    return this.#sealers.register(sealer)
  }

  releaseSealer(sealer: number): void {
    this.#sealers.release(sealer)
  }

  send(batch: SendBatch): number {
    for (let row = 0; row < batch.count; row++) {
      const address = batch.address[row]!
      const to = this.#addresses.addressOf(address)
      const readiness = this.isClosed ? "unsendable" : this.readiness(to)
      if (readiness === "full") return row
      if (readiness === "unsendable") {
        this.#counters.datagramsUnsendable++
        continue
      }
      const slab = this.#slabs.get(batch.slab[row]!)
      const length = sealRow(batch, row, slab, this.#sealers)
      this.#counters.datagramsSent++
      this.#counters.bytesSent += length
      if (length <= DATAGRAM_BYTES_MAX) this.sendOne(slab, batch.offset[row]!, length, to, address)
      else this.failed(TOO_LONG, "send", address, length)
    }
    return batch.count
  }

  open(batch: ReceiveBatch): void {
    openBatch(batch, this.#sealers)
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

  /** Takes a copy of a datagram that came; it is handed over with others by {@link DatagramTransport.deliver}, or now if there is no room for more. */
  protected received(bytes: Uint8Array, host: string, port: number): void {
    if (this.isClosed) return
    const address = this.#addresses.seen(host, port)
    if (address === 0) return this.dropped()
    this.#counters.datagramsReceived++
    this.#counters.bytesReceived += bytes.length
    if (!this.#queue.hasRoom(bytes.length)) this.deliver()
    this.#queue.push(bytes, address)
  }

  /** Hands over what was received; answers whether there was anything. */
  protected deliver(): boolean {
    if (this.#queue.count === 0 || this.isClosed) return false
    try {
      this.#queue.deliver(this.#receive)
    } catch (error) {
      this.surface(error)
    }
    return true
  }

  /** Counts a datagram that came and isn't handed over. */
  protected dropped(): void {
    this.#counters.datagramsDropped++
  }

  /** Full sockets have room again. */
  protected writable(): void {
    if (this.isClosed) return
    try {
      this.#writable()
    } catch (error) {
      this.surface(error)
    }
  }

  /** Counts a failed call and tells it. What a close leaves unsent is no failure. */
  protected failed(cause: unknown, operation: SocketError["operation"], address: number, bytes: number): void {
    if (this.isClosed) {
      if (operation === "send") this.#counters.datagramsUnsendable++
      return
    }
    const code = socketErrorCode(cause)
    this.#counters.errors[code]++
    try {
      this.#error({ code, operation, address, bytes, cause })
    } catch (error) {
      this.surface(error)
    }
  }
}
