import type { Address } from "./addresses.ts"
import type { ReceiveBatch, SendBatch } from "./transport.ts"
import { ReceiveQueue } from "./receive-queue.ts"
import { openBatch, RowSealer } from "./seal.ts"
import { TransportBase } from "./transport-base.ts"

/** The longest UDP payload over IPv4, and ours over IPv6 too. */
export const DATAGRAM_BYTES_MAX = 65_507

/** A system's error for a longer datagram. */
export const TOO_LONG: unknown = Object.assign(new Error(`a datagram has at most ${DATAGRAM_BYTES_MAX} bytes`), {
  code: "EMSGSIZE",
})

/**
 * The batch interface over anything that moves one datagram at a time. Tags are added here; a subclass has the sockets.
 */
export abstract class DatagramTransport extends TransportBase {
  /** The mark of the datagram that `sendOne` sends, one of `ECN`. */
  protected ecn = 0
  readonly #queue = new ReceiveQueue()
  readonly #row = new RowSealer(this.sealers, DATAGRAM_BYTES_MAX)
  readonly #receive = (batch: ReceiveBatch): void => this.handOver(batch)

  /** Whether a datagram can be sent to this address: `unsendable`: never; `full`: later. */
  protected abstract readiness(to: Address): "ready" | "full" | "unsendable"
  /**
   * Sends `slab[offset, offset + length)`; on return the caller may use these bytes again. Reports a failure by
   * {@link DatagramTransport.failed}, now or later.
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
      this.ecn = batch.ecn[row]!
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
   * Queues a copy of a received datagram for {@link DatagramTransport.deliver}. If there is no room for it, delivers
   * the queued ones first. `ecn`: the mark that it came with.
   */
  protected received(bytes: Uint8Array, host: string, port: number, ecn = 0): void {
    if (this.isClosed) return
    const address = this.addresses.seen(host, port)
    if (address === 0) return this.dropped()
    this.counts.datagramsReceived++
    this.counts.bytesReceived += bytes.length
    if (!this.#queue.hasRoom(bytes.length)) this.deliver()
    this.#queue.push(bytes, address, ecn)
  }

  /** Delivers the queued datagrams; returns whether there were any. */
  protected deliver(): boolean {
    if (this.#queue.count === 0 || this.isClosed) return false
    this.#queue.deliver(this.#receive)
    return true
  }

  /** Counts a received datagram that isn't delivered. */
  protected dropped(): void {
    this.counts.datagramsDropped++
  }
}
