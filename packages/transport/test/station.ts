/** A transport with helpers for a test. */

import {
  type Address,
  type BindOptions,
  createSendBatch,
  type Host,
  type SendBatch,
  type SocketError,
  type Transport,
} from "@x/transport"

const SLAB_BYTES = 262_144
const ROWS = 128

export interface Received {
  readonly bytes: Uint8Array
  readonly from: Address
  readonly address: number
  readonly opener: number
  readonly verdict: number
  readonly ecn: number
}

export class Station {
  readonly transport: Transport
  readonly received: Received[] = []
  readonly errors: SocketError[] = []
  readonly slab = new Uint8Array(SLAB_BYTES)
  readonly slabId: number
  readonly batch: SendBatch = createSendBatch(ROWS)
  #waiters: { readonly count: number; readonly resolve: () => void }[] = []

  static async bind(host: Host, options: BindOptions = {}): Promise<Station> {
    return new Station(await host.bind(options))
  }

  constructor(transport: Transport) {
    this.transport = transport
    this.slabId = transport.registerSlab(this.slab)
    transport.onError((error) => this.errors.push(error))
    transport.onReceive((batch) => {
      for (let row = 0; row < batch.count; row++) {
        const [offset, length, address] = [batch.offset[row]!, batch.length[row]!, batch.address[row]!]
        const bytes = batch.slabs[batch.slab[row]!]!.slice(offset, offset + length)
        this.received.push({
          bytes,
          from: transport.addressOf(address),
          address,
          opener: batch.opener[row]!,
          verdict: batch.verdict[row]!,
          ecn: batch.ecn[row]!,
        })
      }
      const waiters = this.#waiters
      this.#waiters = waiters.filter(({ count }) => this.received.length < count)
      for (const { count, resolve } of waiters) if (this.received.length >= count) resolve()
    })
  }

  addressOf(family: 4 | 6): Address {
    return this.transport.localAddresses.find((address) => address.family === family)!
  }

  /** Fills the batch and sends it, each datagram with this mark; returns how many were taken. */
  send(to: Address, datagrams: readonly Uint8Array[], sealer = 0, ecn = 0): number {
    const address = this.transport.internAddress(to)
    this.batch.count = 0
    let offset = 0
    for (const bytes of datagrams) {
      const row = this.batch.count++
      this.slab.set(bytes, offset)
      this.batch.slab[row] = this.slabId
      this.batch.offset[row] = offset
      this.batch.length[row] = bytes.length
      this.batch.address[row] = address
      this.batch.sealer[row] = sealer
      this.batch.ecn[row] = ecn
      offset += bytes.length + 64
    }
    const taken = this.transport.send(this.batch)
    this.transport.releaseAddress(address)
    return taken
  }

  /** Settles when this many datagrams have come in total. */
  arrived(count: number): Promise<void> {
    if (this.received.length >= count) return Promise.resolve()
    return new Promise((resolve) => this.#waiters.push({ count, resolve }))
  }
}

/** Bytes that differ from datagram to datagram, and from place to place. */
export function pattern(length: number, salt = 0): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 31 + (i >>> 8) * 7 + salt) & 255)
}
