/**
 * A box between two machines that rewrites addresses, like a NAT: the inner side knows only the box, the outer side
 * sees one of its ports.
 */
import type { Address, ReceiveBatch, SendBatch, Transport } from "@x/transport/host"
import { createSendBatch } from "@x/transport/host"
import type { Network } from "@x/transport/simulated"

export class Nat {
  rebinds = 0
  readonly #network: Network
  readonly #name: string

  readonly #inside: Transport
  #outside: Transport
  #inner: Address | undefined

  /** Represents, at `port` of a machine, the endpoint at `outer`. */
  static async bind(network: Network, name: string, port: number, outer: Address): Promise<Nat> {
    const inside = await network.until(network.host(name).bind({ port, v6: false }))
    const outside = await network.until(network.host(name).bind({ port: 0, v6: false }))
    return new Nat(network, name, outer, inside, outside)
  }

  private constructor(network: Network, name: string, outer: Address, inside: Transport, outside: Transport) {
    this.#network = network
    this.#name = name
    this.#inside = inside
    this.#outside = outside
    inside.onReceive((batch) => {
      this.#inner = { ...inside.addressOf(batch.address[0]!) }
      forward(batch, this.#outside, outer)
    })
    this.#listen()
  }

  #listen(): void {
    this.#outside.onReceive((batch) => this.#inner !== undefined && forward(batch, this.#inside, this.#inner))
  }

  /** From now on the outer side sees another port; datagrams to the old one are lost. */
  async rebind(): Promise<void> {
    const before = this.#outside
    this.#outside = await this.#network.until(
      this.#network.host(this.#name).bind({ port: 20_000 + this.rebinds++, v6: false }),
    )
    this.#listen()
    await this.#network.until(before.close())
  }
}

function forward(batch: ReceiveBatch, through: Transport, to: Address): void {
  const one: SendBatch = createSendBatch(1)
  for (let row = 0; row < batch.count; row++) {
    const bytes = batch.slabs[batch.slab[row]!]!.slice(batch.offset[row], batch.offset[row]! + batch.length[row]!)
    const slab = through.registerSlab(bytes)
    const address = through.internAddress(to)
    one.slab[0] = slab
    one.length[0] = bytes.length
    one.address[0] = address
    one.count = 1
    through.send(one)
    through.releaseSlab(slab)
    through.releaseAddress(address)
  }
}
