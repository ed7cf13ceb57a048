/**
 * An endpoint with the options that it has by default, and a member that is gone: its datagrams are forged from here,
 * with the slot, the counter and the tag of the association that it had. So only the endpoint runs.
 */
import { Endpoint, fixed } from "@x/endpoint"
import { systemHost } from "@x/transport"
import type { Address } from "@x/transport/host"
import { createNetwork, type Network } from "@x/transport/simulated"
import * as wire from "@x/wire"
import { Eavesdropper } from "../eavesdropper.ts"
import { readdress } from "../seal.ts"

const PORT = 4_000
const { checksum, none } = wire.PROFILE
/** What the endpoint sends to the member, so that statuses have something to be about. */
const DELIVERIES = ["reliable", "reliable", "reliable-unordered", "best-effort"] as const
const MESSAGES = 512
/** Enough for all of them to be under way. */
const WINDOW_BYTES = 4_194_304

export class Victim {
  readonly endpoint: Endpoint
  /** Bytes of the datagrams so far. */
  sentBytes = 0
  readonly #network: Network
  readonly #way: { readonly slot: number; readonly seed: number }
  readonly #from: Address
  readonly #to: Address
  #counter: number

  private constructor(endpoint: Endpoint, network: Network, ear: Eavesdropper, addresses: readonly [Address, Address]) {
    this.endpoint = endpoint
    this.#network = network
    this.#way = ear.wayTo("b")!
    this.#counter = ear.counterTo("b")
    this.#from = addresses[0]
    this.#to = addresses[1]
  }

  static async make(): Promise<Victim> {
    const network = createNetwork({ seed: 1, link: { delayMs: 1 }, crypto: systemHost().crypto })
    const ear = new Eavesdropper(checksum)
    network.filter((datagram) => {
      ear.hear(datagram)
      return true
    })
    const hosts = { a: network.host("a", { v6: false }), b: network.host("b", { v6: false }) }
    const options = { protection: "checksum", port: PORT } as const
    const member = await network.until(Endpoint.bind({ ...options, host: hosts.a }))
    const congestion = fixed({ windowBytes: WINDOW_BYTES })
    const endpoint = await network.until(Endpoint.bind({ ...options, congestion, host: hosts.b }))
    for (const one of [member, endpoint]) one.handle(1, () => {})
    const peer = await network.until(member.join(`b:${PORT}`))
    for (let i = 0; i < 4; i++) await network.until(peer.ping())
    const addresses = [member.addresses[0]!, endpoint.addresses[0]!] as const
    hosts.a.crash()
    // Nobody is there: what is sent to it isn't copied.
    network.move("a")
    for (const delivery of DELIVERIES) {
      const stream = endpoint.peers[0]!.open({ delivery })
      for (let i = 0; i < MESSAGES; i++) stream.trySend(1, new Uint8Array(1_000))
    }
    await network.advance(500)
    return new Victim(endpoint, network, ear, addresses)
  }

  /** Gives it one datagram, and what time it takes to answer at once. */
  async take(datagram: Uint8Array): Promise<void> {
    const { slot, seed } = this.#way
    const sealed = readdress(datagram, none, checksum, { handshake: false, slot, counter: ++this.#counter, seed })
    this.sentBytes += sealed.length
    this.#network.inject(this.#from, this.#to, sealed)
    await this.#network.advance(1)
  }

  async rest(ms: number): Promise<void> {
    await this.#network.advance(ms)
  }
}
