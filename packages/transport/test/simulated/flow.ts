/** A flow of numbered datagrams from one machine to another, with the time at which each arrives. */

import type { Transport } from "@x/transport"
import type { Link, LinkOptions, Network } from "@x/transport/simulated"
import { createNetwork } from "@x/transport/simulated"
import { Station } from "../station.ts"

/** With 46 B of headers, 1,000 B take 8,368 bits. */
export const BYTES = 1_000
export const BITS = 8 * (BYTES + 46)

export interface ArrivalOf {
  readonly number: number
  readonly atMs: number
  readonly bytes: number
  readonly ecn: number
}

export class Flow {
  readonly network: Network
  readonly station: Station
  readonly link: Link
  readonly arrivals: ArrivalOf[] = []
  readonly #to: Transport
  /** The mark of the datagrams that are sent. */
  ecn = 0
  #sent = 0

  /** A flow between two machines of these names. */
  static async between(network: Network, from: string, to: string): Promise<Flow> {
    const station = await network.until(Station.bind(network.host(from)))
    return new Flow(network, station, await network.until(network.host(to).bind({})), network.linkOf(from, to))
  }

  private constructor(network: Network, station: Station, to: Transport, link: Link) {
    this.network = network
    this.station = station
    this.link = link
    this.#to = to
    to.onReceive((batch) => {
      for (let row = 0; row < batch.count; row++) {
        const bytes = batch.slabs[batch.slab[row]!]!
        const number = new DataView(bytes.buffer, bytes.byteOffset).getUint32(batch.offset[row]!)
        this.arrivals.push({ number, atMs: network.now, bytes: batch.length[row]!, ecn: batch.ecn[row]! })
      }
    })
  }

  /** Sends this many datagrams now. */
  send(count: number, bytes = BYTES): void {
    const to = this.#to.localAddresses.find(({ family }) => family === 4)!
    const datagrams = Array.from({ length: count }, () => {
      const datagram = new Uint8Array(bytes)
      new DataView(datagram.buffer).setUint32(0, this.#sent++)
      return datagram
    })
    for (let i = 0; i < count; i += 100) this.station.send(to, datagrams.slice(i, i + 100), 0, this.ecn)
  }

  /** Sends one datagram each `everyMs`, for this long. */
  async run(everyMs: number, forMs: number, bytes = BYTES): Promise<void> {
    const startMs = this.network.now
    for (let i = 0; i * everyMs < forMs; i++) {
      await this.network.advance(Math.max(0, startMs + i * everyMs - this.network.now))
      this.send(1, bytes)
    }
    await this.network.advance(startMs + forMs - this.network.now)
  }

  /** When datagrams arrived, to a thousandth of a millisecond. */
  get times(): number[] {
    return this.arrivals.map(({ atMs }) => Math.round(1_000 * atMs) / 1_000)
  }

  get numbers(): number[] {
    return this.arrivals.map(({ number }) => number)
  }
}

/** A sender that lets as many datagrams be under way as its window says, and halves that, nearly, when one is lost. */
export class HalvingSender {
  readonly #flow: Flow
  #window: number
  #seen = 0
  #lost = 0

  constructor(flow: Flow, window: number) {
    this.#flow = flow
    this.#window = window
  }

  /** What arrived and was lost meanwhile counts, and what may go is sent. Takes a millisecond. */
  async step(): Promise<void> {
    const { arrivals, link } = this.#flow
    const lost = link.counts.aqm + link.counts.queue
    const came = arrivals.length - this.#seen
    this.#window = lost > this.#lost ? Math.max(2, this.#window * 0.7) : this.#window + came / this.#window
    this.#lost = lost
    this.#seen = arrivals.length
    const underWay = link.sent - this.#seen - lost
    if (this.#window - underWay >= 1) this.#flow.send(Math.floor(this.#window - underWay))
    await this.#flow.network.advance(1)
  }
}

export async function flow(options: LinkOptions, seed = 1): Promise<Flow> {
  return Flow.between(createNetwork({ seed, link: options }), "a", "b")
}
