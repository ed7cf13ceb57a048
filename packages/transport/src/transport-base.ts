import { AddressTable } from "./address-table.ts"
import { createCounters, type MutableCounters, socketErrorCode } from "./counters.ts"
import type { Address } from "./addresses.ts"
import type {
  Capabilities,
  ReceiveBatch,
  Sealer,
  SendBatch,
  SocketError,
  Transport,
  TransportCounters,
} from "./transport.ts"
import { IdTable } from "./id-table.ts"

/** What all transports share: tables, counters and the functions of the user. A subclass moves the datagrams. */
export abstract class TransportBase implements Transport {
  abstract readonly capabilities: Capabilities
  abstract readonly localAddresses: readonly Address[]
  protected readonly addresses: AddressTable
  protected readonly slabs: IdTable<Uint8Array> = new IdTable<Uint8Array>("slab")
  protected readonly sealers: IdTable<Sealer> = new IdTable<Sealer>("sealer")
  protected readonly counts: MutableCounters = createCounters()
  #closing: Promise<void> | undefined
  #receive: (batch: ReceiveBatch) => void = () => {}
  #writable: () => void = () => {}
  #error: (error: SocketError) => void = () => {}

  constructor(addresses: AddressTable = new AddressTable()) {
    this.addresses = addresses
  }

  abstract send(batch: SendBatch): number
  abstract open(batch: ReceiveBatch): void
  /** As `Transport.ref`; does nothing where nothing keeps a program alive. */
  ref(): void {}
  /** As `Transport.unref`; does nothing where nothing keeps a program alive. */
  unref(): void {}
  protected abstract closeSockets(): Promise<void>
  /** Reports an error of the user's code, once, and returns. */
  protected abstract surface(error: unknown): void

  get counters(): TransportCounters {
    return this.counts
  }

  /** Addresses with references, for tests of leaks. */
  get addressCount(): number {
    return this.addresses.heldCount
  }

  registerSlab(bytes: Uint8Array): number {
    return this.slabs.register(bytes)
  }

  releaseSlab(slab: number): void {
    this.slabs.release(slab)
  }

  internAddress(address: Address): number {
    return this.addresses.intern(address)
  }

  retainAddress(address: number): void {
    this.addresses.retain(address)
  }

  releaseAddress(address: number): void {
    this.addresses.release(address)
  }

  addressOf(address: number): Address {
    return this.addresses.addressOf(address)
  }

  registerSealer(sealer: Sealer): number {
    return this.sealers.register(sealer)
  }

  releaseSealer(sealer: number): void {
    this.sealers.release(sealer)
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

  /** As `close`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  protected get isClosed(): boolean {
    return this.#closing !== undefined
  }

  /** Delivers a received batch. */
  protected handOver(batch: ReceiveBatch): void {
    try {
      this.#receive(batch)
    } catch (error) {
      this.surface(error)
    }
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

  /** Counts and reports a failed call. Datagrams left unsent by a close don't count as failed. */
  protected failed(cause: unknown, operation: SocketError["operation"], address: number, bytes: number): void {
    if (this.isClosed) {
      if (operation === "send") this.counts.datagramsUnsendable++
      return
    }
    const code = socketErrorCode(cause)
    this.counts.errors[code]++
    try {
      this.#error({ code, operation, address, bytes, cause })
    } catch (error) {
      this.surface(error)
    }
  }
}
