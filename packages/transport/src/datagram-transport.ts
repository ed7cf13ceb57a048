import type { Address } from "./addresses.ts"
import type { ReceiveBatch, SendBatch } from "./transport.ts"
import { ReceiveQueue } from "./receive-queue.ts"
import { openBatch, RowSealer } from "./seal.ts"
import { TransportBase } from "./transport-base.ts"

/** The longest UDP payload over IPv4, and ours over IPv6 too. */
export const DATAGRAM_BYTES_MAX = 65_507

/** What a system says to a longer datagram. */
export const TOO_LONG: unknown = Object.assign(new Error(`a datagram has at most ${DATAGRAM_BYTES_MAX} bytes`), {
  code: "EMSGSIZE",
})

/**
 * The batch interface over anything that moves one datagram at a time: tags are put on here, and sockets are a
 * subclass's.
 */
export abstract class DatagramTransport extends TransportBase {
  readonly #queue = new ReceiveQueue()
  readonly #row = new RowSealer(this.sealers, DATAGRAM_BYTES_MAX)
  readonly #receive = (batch: ReceiveBatch): void => this.handOver(batch)

  /** What can carry datagrams to this address; `unsendable`: nothing, `full`: later. */
  protected abstract readiness(to: Address): "ready" | "full" | "unsendable"
  /**
   * Sends `slab[offset, offset + length)`, which is the caller's again on return. Fails by {@link
   * DatagramTransport.failed}, now or later.
   */
  protected abstract sendOne(slab: Uint8Array, offset: number, length: number, to: Address, address: number): void

  /** As `Transport.send`. */
  override send(batch: SendBatch): number {
    for (let row = 0; row < batch.count; row++) {
      const address = batch.address[row]!
      const to = this.addresses.addressOf(address)
      const readiness = this.isClosed ? "unsendable" : this.readiness(to)
      if (readiness === "full") return row
      if (readiness === "unsendable") {
        this.counts.datagramsUnsendable++
        continue
      }
      this.#row.seal(batch, row, this.slabs.get(batch.slab[row]!))
      const { slab, offset, length } = this.#row
      this.counts.datagramsSent++
      this.counts.bytesSent += length
      if (length <= DATAGRAM_BYTES_MAX) this.sendOne(slab, offset, length, to, address)
      else this.failed(TOO_LONG, "send", address, length)
    }
    return batch.count
  }

  /** As `Transport.open`. */
  override open(batch: ReceiveBatch): void {
    openBatch(batch, this.sealers)
  }

  /**
   * Takes a copy of a datagram that came; it is handed over with others by {@link DatagramTransport.deliver}, or now if
   * there is no room for more.
   */
  protected received(bytes: Uint8Array, host: string, port: number): void {
    if (this.isClosed) return
    const address = this.addresses.seen(host, port)
    if (address === 0) return this.dropped()
    this.counts.datagramsReceived++
    this.counts.bytesReceived += bytes.length
    if (!this.#queue.hasRoom(bytes.length)) this.deliver()
    this.#queue.push(bytes, address)
  }

  /** Hands over what was received; answers whether there was anything. */
  protected deliver(): boolean {
    if (this.#queue.count === 0 || this.isClosed) return false
    this.#queue.deliver(this.#receive)
    return true
  }

  /** Counts a datagram that came and isn't handed over. */
  protected dropped(): void {
    this.counts.datagramsDropped++
  }
}
